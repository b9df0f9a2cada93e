import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

import gar
from gar import CheckpointError, GARForConditionalGeneration
from gar.model.checkpoints import PUBLISHED_NAMES, export_published, published_name

PUBLISHED_SETTINGS = {
    "vision": {"image_size": 28, "patch_size": 14, "intermediate_size": 64},
    "replay_size": 16,
    "replay_spatial_scale": 1 / 28,
}


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def published(request, make_config, make_model):
    """A random model that the published layout can hold, with tied and untied heads."""
    return make_model(make_config(tie_word_embeddings=request.param, **PUBLISHED_SETTINGS))


def same_weights(one, other):
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def stored_names(folder):
    return {name for file in folder.glob("*.safetensors") for name in load_file(file)}


# ---- the published layout ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shard", ["5GB", "20KB"], ids=["one file", "shards"])
@pytest.mark.parametrize("loader", [GARForConditionalGeneration, AutoModelForImageTextToText])
def test_what_is_exported_to_the_published_layout_loads_the_same(published, tmp_path, shard, loader):
    export_published(published, tmp_path, max_shard_size=shard)
    assert (len(list(tmp_path.glob("*.safetensors"))) > 1) == (shard == "20KB")
    loaded = loader.from_pretrained(tmp_path, dtype="float32")
    assert type(loaded) is GARForConditionalGeneration
    assert same_weights(published, loaded)
    assert torch.equal(loaded.model.vision_tower.rope_sin, published.model.vision_tower.rope_sin)
    assert loaded.config.replay_spatial_scale == 1 / 28
    tied = loaded.lm_head.weight is loaded.model.language_model.embed_tokens.weight
    assert tied == published.config.tie_word_embeddings


def test_exported_names_are_the_published_ones(published, tmp_path):
    export_published(published, tmp_path)
    names = stored_names(tmp_path)
    assert all(name.startswith(tuple(theirs for theirs, _ in PUBLISHED_NAMES)) for name in names)
    assert "mask_patch_embedding.weight" in names
    assert ("mllm.lm_head.weight" in names) == (not published.config.tie_word_embeddings)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "GAR"
    assert not list(tmp_path.glob(".*"))  # nothing half written is left


def test_a_published_folder_with_its_tokenizer_describes_regions(shared, tmp_path, make_picture, capfd):
    golden = shared / "golden"
    files = [*next(golden.glob("*/model.safetensors")).parent.glob("*.*"), *(golden / "tokenizer").iterdir()]
    for file in files:
        (tmp_path / file.name).symlink_to(file)
    # what the published processor is called and where its remote code lies must not matter
    remote = {"processor_class": "GARProcessor", "auto_map": {"AutoProcessor": "processing_gar.GARProcessor"}}
    (tmp_path / "processor_config.json").write_text(json.dumps({**remote, "max_num_tiles": 36}))
    assistant = gar.load(tmp_path, device="cpu", dtype="float32", max_num_tiles=1)
    answer = assistant.describe(make_picture(60, 80), gar.Region.box(3, 3, 40, 40), max_new_tokens=3)
    assert answer.new_tokens == 3
    assert "clean_up_tokenization_spaces" not in capfd.readouterr().err
    assert type(AutoProcessor.from_pretrained(tmp_path)) is gar.GARProcessor


def test_a_published_folder_exported_again_holds_the_same_tensors(shared, tmp_path):
    folders = [file.parent for file in (shared / "golden").glob("*/model.safetensors")]
    assert folders
    for folder in folders:
        export_published(GARForConditionalGeneration.from_pretrained(folder), tmp_path)
        theirs, ours = load_file(folder / "model.safetensors"), load_file(tmp_path / "model.safetensors")
        assert theirs.keys() == ours.keys()
        assert all(torch.equal(theirs[name], ours[name]) for name in theirs)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"replay_spatial_scale": 1.0}, "replay_spatial_scale is 1.0"),
        ({"replay_size": 8}, "replay_size is 8; the published layout allows only 16"),
        ({"use_thumbnail": False}, "use_thumbnail is False"),
        ({"mask_token": True}, "mask_token is True"),
        ({"prompt_token_ids": [1, 2, 3, 4, 5]}, r"prompt_token_ids is \(1, 2, 3, 4, 5\)"),
        ({"vision": {"image_size": 32, "patch_size": 8, "intermediate_size": 64}}, "patch_size is 8"),
        ({"vision": {"image_size": 28, "patch_size": 14, "intermediate_size": 65}}, "intermediate_size 65"),
        ({"vision": {**PUBLISHED_SETTINGS["vision"], "rope_theta": 100.0}}, "rope_theta is 100.0"),
        ({"vision": {**PUBLISHED_SETTINGS["vision"], "layer_norm_eps": 1e-6}}, "layer_norm_eps is 1e-06"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_published_layout_has_no_room_for_is_refused_and_nothing_is_written(
    make_config, make_model, tmp_path, settings, named
):
    model = make_model(make_config(**{**PUBLISHED_SETTINGS, **settings}))
    with pytest.raises(CheckpointError, match=named):
        export_published(model, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_parameter_without_a_published_name_is_refused():
    with pytest.raises(CheckpointError, match=r"'model\.unknown\.weight'"):
        published_name("model.unknown.weight")


def test_the_scale_of_the_boxes_may_be_set_when_loading_a_published_folder(published, tmp_path):
    export_published(published, tmp_path)
    loaded = GARForConditionalGeneration.from_pretrained(tmp_path, replay_spatial_scale=1.0)
    assert loaded.config.replay_spatial_scale == 1.0
    assert same_weights(published, loaded)


# ---- our layout --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shard", ["5GB", "20KB"], ids=["one file", "shards"])
def test_saving_and_loading_in_our_layout_keeps_names_and_numbers(published, tmp_path, shard):
    published.save_pretrained(tmp_path, max_shard_size=shard)
    names = stored_names(tmp_path)
    assert all(name.startswith(("model.", "lm_head.")) for name in names)
    assert same_weights(published, AutoModelForImageTextToText.from_pretrained(tmp_path))


def test_a_published_folder_is_saved_in_our_layout_not_its_own(published, tmp_path):
    export_published(published, tmp_path / "theirs")
    GARForConditionalGeneration.from_pretrained(tmp_path / "theirs").save_pretrained(tmp_path / "ours")
    assert all(name.startswith(("model.", "lm_head.")) for name in stored_names(tmp_path / "ours"))
    assert "mllm_config" not in json.loads((tmp_path / "ours" / "config.json").read_text())
    assert same_weights(published, GARForConditionalGeneration.from_pretrained(tmp_path / "ours"))


def test_the_convolutional_stem_is_saved_with_its_statistics(make_config, make_model, tmp_path):
    vision = {"stem": "efficientnet-lite0", "patch_size": 16, "image_size": 64}
    model = make_model(make_config(vision=vision))
    model.model.vision_tower.patch_embed.feature_mean.fill_(2.0)
    model.save_pretrained(tmp_path)
    assert same_weights(model, GARForConditionalGeneration.from_pretrained(tmp_path))


# ---- what is never done ------------------------------------------------------------------------------------------


class _Trap:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_model.bin"])
def test_loading_never_unpickles(published, tmp_path, name):
    export_published(published, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    sprung = tmp_path / "sprung"
    torch.save({"model": _Trap(sprung), **published.state_dict()}, tmp_path / name)
    with pytest.raises(OSError, match="safetensors"):
        GARForConditionalGeneration.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="use_safetensors=False"):
        GARForConditionalGeneration.from_pretrained(tmp_path, use_safetensors=False)
    assert not sprung.exists()


def test_a_checkpoint_of_other_shapes_is_refused(published, tmp_path):
    export_published(published, tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    tensors["mask_patch_embedding.weight"] = torch.zeros(3, 3, 14, 14)
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"mask_embed\.weight: \[3, 3, 14, 14\], not \[16, 3, 14, 14\]"):
        GARForConditionalGeneration.from_pretrained(tmp_path)


def test_a_checkpoint_without_some_tensors_is_refused(published, tmp_path):
    export_published(published, tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    del tensors["mllm.model.multi_modal_projector.linear_1.weight"]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"projector\.linear_1\.weight"):
        GARForConditionalGeneration.from_pretrained(tmp_path)
    model, told = GARForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert told["missing_keys"] == {"model.projector.linear_1.weight"}
    assert type(model) is GARForConditionalGeneration


@pytest.mark.parametrize("settings", [{"vision": {"hidden_size": 4096}}, {"text": {"num_hidden_layers": 900}}], ids=str)
def test_what_a_checkpoint_lacks_takes_no_memory_before_it_is_refused(
    make_config, tiny_model, tmp_path, settings, monkeypatch
):
    tiny_model.save_pretrained(tmp_path)
    make_config(**settings).save_pretrained(tmp_path)
    monkeypatch.setattr(torch, "empty_like", None)  # as memory for missing tensors is taken
    with pytest.raises(CheckpointError, match=r"other shapes than its configuration|lacks"):
        GARForConditionalGeneration.from_pretrained(tmp_path)


@pytest.mark.parametrize("elsewhere", ["../outside.safetensors", "/{folder}/outside.safetensors"])
def test_an_index_that_names_files_outside_its_folder_is_refused(tiny_model, tmp_path, elsewhere):
    folder = tmp_path / "model"
    tiny_model.save_pretrained(folder, max_shard_size="20KB")
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    first = min(index["weight_map"].values())
    (folder / first).rename(tmp_path / "outside.safetensors")
    named = elsewhere.format(folder=tmp_path)
    index["weight_map"] = {k: named if v == first else v for k, v in index["weight_map"].items()}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"names a file outside its folder: .*outside\.safetensors'"):
        GARForConditionalGeneration.from_pretrained(folder)


@pytest.mark.parametrize("how", ["index", "configuration"])
def test_a_pickle_that_the_checkpoint_names_itself_is_refused(tiny_model, tmp_path, how):
    tiny_model.save_pretrained(tmp_path)
    sprung = tmp_path / "sprung"
    torch.save({"model": _Trap(sprung)}, tmp_path / "adapter_model.bin")
    if how == "index":
        (tmp_path / "model.safetensors").unlink()
        index = {"metadata": {}, "weight_map": dict.fromkeys(tiny_model.state_dict(), "adapter_model.bin")}
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    else:
        config = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps({**config, "transformers_weights": "adapter_model.bin"}))
    for options in ({}, {"weights_only": False}):
        with pytest.raises(CheckpointError, match=r"adapter_model\.bin'; weights are only read from safetensors"):
            GARForConditionalGeneration.from_pretrained(tmp_path, **options)
    assert not sprung.exists()
