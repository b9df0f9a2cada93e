"""Loading: what can be changed, and that a folder which holds no whole model is refused with a reason."""

import json
import shutil
import time

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import gar
from gar import CheckpointError, GARForConditionalGeneration, GARProcessor, InputError
from gar.model.checkpoints import export_published

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tiny_model_folder, tmp_path):
    """A copy of the tiny model that may be broken."""
    return shutil.copytree(tiny_model_folder, tmp_path / "model")


@pytest.fixture
def published(make_config, make_model, tiny_tokenizer, tmp_path):
    """A tiny model in the published layout, with a tokenizer."""
    config = make_config(
        vision={"image_size": 56, "patch_size": 14, "intermediate_size": 64},
        replay_size=16,
        replay_spatial_scale=1 / 28,
    )
    target = tmp_path / "published"
    export_published(make_model(config), target)
    tiny_tokenizer.save_pretrained(target)
    return target


def _change(folder, change):
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def test_a_loaded_model_answers_as_the_one_that_was_saved(make_assistant, tmp_path, wide, left):
    saved = make_assistant(seed=5, max_num_tiles=3)
    saved.model.save_pretrained(tmp_path)
    saved.processor.save_pretrained(tmp_path)
    for source in (tmp_path, str(tmp_path)):
        loaded = gar.load(source)
        assert loaded.describe(wide, left, max_new_tokens=16).text == saved.describe(wide, left, max_new_tokens=16).text
        assert loaded.info()["max_num_tiles"] == 3
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())


def test_a_published_folder_with_a_tokenizer_is_loaded_as_it_is(published, wide, left):
    assistant = gar.load(published)
    assert assistant.describe(wide, left, max_new_tokens=4).new_tokens
    assert assistant.info()["replay_spatial_scale"] == 1 / 28
    assert gar.load(published, replay_spatial_scale=1.0).info()["replay_spatial_scale"] == 1.0


def test_a_published_folder_without_a_tokenizer_says_so(published):
    (published / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"it has no tokenizer\.json"):
        gar.load(published)


def test_the_number_of_tiles_and_the_scale_of_replay_can_be_changed(folder, wide, left):
    plain, changed = gar.load(folder), gar.load(folder, max_num_tiles=1, replay_spatial_scale=0.25)
    assert (plain.info()["max_num_tiles"], changed.info()["max_num_tiles"]) == (4, 1)
    assert changed.info()["replay_spatial_scale"] == 0.25
    read = [assistant.describe(wide, left, max_new_tokens=1).prompt_tokens for assistant in (plain, changed)]
    assert read[0] - read[1] == plain.info()["tokens_per_tile"]  # the grid of 2 × 1 became 1 × 1


@pytest.mark.parametrize(
    ("stored", "asked", "expected"),
    [
        (torch.float32, None, torch.float32),
        (torch.float16, None, torch.float32),
        (torch.bfloat16, None, torch.bfloat16),
        (torch.float32, "bfloat16", torch.bfloat16),
        (torch.float16, torch.float16, torch.float16),
        (torch.float32, torch.bfloat16, torch.bfloat16),
    ],
)
def test_the_dtype_is_the_stored_one_but_float32_for_float16_on_a_cpu(
    make_assistant, tmp_path, wide, left, stored, asked, expected
):
    saved = make_assistant()
    saved.model.to(stored).save_pretrained(tmp_path)
    saved.processor.save_pretrained(tmp_path)
    loaded = gar.load(tmp_path, device="cpu", dtype=asked)
    assert loaded.model.dtype == expected
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {expected}
    assert loaded.describe(wide, left, max_new_tokens=4).new_tokens


@pytest.mark.parametrize("device", ["abacus", "cuda:99", "cpu:x"])
def test_a_device_that_is_not_there_is_refused_by_name(folder, device):
    with pytest.raises(InputError, match=device):
        gar.load(folder, device=device)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="needs a machine without it")
def test_of_what_torch_says_of_a_device_the_first_sentence_is_told(folder):
    with pytest.raises(InputError, match=r"^device 'mps' is not available: [^.]*'aten::empty[^.]*\.[^.]*backend$"):
        gar.load(folder, device="mps")


@pytest.mark.parametrize("dtype", ["float", "int8", "", torch.int8])
def test_a_dtype_that_is_not_known_is_refused_with_those_that_are(folder, dtype):
    with pytest.raises(InputError, match="allowed: float32, bfloat16, float16"):
        gar.load(folder, dtype=dtype)


def test_settings_out_of_range_are_refused(folder):
    with pytest.raises(InputError, match="max_num_tiles is 0"):
        gar.load(folder, max_num_tiles=0)
    for scale in (0.0, -1.0, float("nan"), 28.0):
        with pytest.raises(InputError, match="replay_spatial_scale is"):
            gar.load(folder, replay_spatial_scale=scale)
    assert gar.load(folder, replay_spatial_scale=1).model.config.replay_spatial_scale == 1.0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"max_num_tiles": "4"}, "max_num_tiles is '4'; needed is a whole number"),
        ({"max_num_tiles": 2.5}, "max_num_tiles is 2.5; needed is a whole number"),
        ({"replay_spatial_scale": "1"}, "replay_spatial_scale is '1'; needed is a number"),
        ({"device": ["cpu"]}, r"device \['cpu'\] is not available"),
        ({"dtype": ["float32"]}, r"dtype is \['float32'\]; allowed: float32, bfloat16, float16"),
    ],
)
def test_settings_of_another_type_are_refused(folder, setting, message):
    with pytest.raises(InputError, match=message):
        gar.load(folder, **setting)


def test_the_numbers_of_numpy_are_taken(folder):
    loaded = gar.load(folder, max_num_tiles=np.int64(2), replay_spatial_scale=np.float32(0.5))
    assert (loaded.info()["max_num_tiles"], loaded.info()["replay_spatial_scale"]) == (2, 0.5)


@pytest.mark.parametrize("name", ["~nobody-of-this-name/model", "a" * 5000, "a\0b"])
def test_a_name_that_no_folder_can_have_is_refused(name):
    with pytest.raises(CheckpointError, match=r"neither 'nano', nor a folder"):
        gar.load(name)


@pytest.mark.parametrize("name", ["nowhere", "./nowhere", "~/nowhere", "a/b/c", "/nowhere/at/all"])
def test_a_name_that_is_no_model_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"neither 'nano', nor a folder"):
        gar.load(name)


def test_a_hub_id_that_cannot_be_fetched_is_refused():
    with pytest.raises(CheckpointError, match=r"cannot fetch 'nobody/nothing' from the hub: .*offline mode is enabled"):
        gar.load("nobody/nothing")


def test_a_hub_that_cannot_be_reached_is_asked_once(monkeypatch, capfd):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    template = "http://127.0.0.1:9/{repo_id}/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    began = time.monotonic()
    with pytest.raises(CheckpointError, match=r"cannot fetch 'nobody/nothing' from the hub: .*refused"):
        gar.load("nobody/nothing")
    assert time.monotonic() - began < 3
    assert capfd.readouterr().err == ""


def test_a_folder_without_a_configuration_is_refused(folder):
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"it has no config\.json"):
        gar.load(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"{}",
        b'{"model_type": "llama"}',
        b"\xff\xfe\x00",
        b'{"model_type": "GAR", "mllm_config": 1}',
    ],
)
def test_a_configuration_that_is_not_one_is_refused(folder, content):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match="config"):
        gar.load(folder)


def test_a_configuration_with_a_wrong_number_is_refused_with_the_reason(folder):
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["patch_size"] = 7
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="image_size 32 is not a multiple of patch_size 7"):
        gar.load(folder)


def test_a_folder_without_weights_is_refused(folder):
    (folder / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match="cannot read the weights"):
        gar.load(folder)


def test_pickled_weights_are_not_opened(folder):
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match=r"no file named model\.safetensors"):
        gar.load(folder)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_truncated_weights_are_refused(folder, share):
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match="cannot read the weights"):
        gar.load(folder)


def test_missing_weights_are_refused_by_name_and_never_left_random(folder):
    _change(folder, lambda tensors: tensors.pop("model.vision_tower.mask_embed.weight"))
    with pytest.raises(CheckpointError, match=r"lacks: model\.vision_tower\.mask_embed\.weight"):
        gar.load(folder)


def test_many_missing_weights_are_counted_and_the_first_named(folder):
    def drop(tensors):
        for name in [name for name in tensors if "language_model.layers.0" in name]:
            del tensors[name]

    _change(folder, drop)
    with pytest.raises(CheckpointError, match=r"lacks: model\.language_model\.layers\.0.* and 6 more"):
        gar.load(folder)


def test_weights_that_the_model_has_no_place_for_are_ignored_with_a_warning_that_names_them(folder):
    _change(folder, lambda tensors: tensors.update({"model.adapter.weight": torch.zeros(2)}))
    with pytest.warns(UserWarning, match=r"no place for: model\.adapter\.weight"):
        gar.load(folder)


def test_weights_of_another_shape_are_refused_with_both_shapes(folder):
    _change(folder, lambda tensors: tensors.update({"model.projector.linear_1.bias": torch.zeros(5)}))
    with pytest.raises(CheckpointError, match=r"other shapes .*linear_1\.bias: \[5\], not \[32\]"):
        gar.load(folder)


def test_a_tokenizer_that_is_not_one_is_refused(folder):
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot read the processor"):
        gar.load(folder)


def test_a_tokenizer_of_fewer_tokens_than_the_model_names_is_refused(folder, tiny_tokenizer):
    config = json.loads((folder / "config.json").read_text())
    config["crop_token_ids"] = [len(tiny_tokenizer) + 7]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=f"the tokenizer has {len(tiny_tokenizer)} tokens"):
        gar.load(folder)


def test_loading_prints_nothing_and_leaves_transformers_settings_alone(folder, capfd):
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    gar.load(folder)
    _change(folder, lambda tensors: tensors.update({"x": torch.zeros(1)}))
    with pytest.raises(CheckpointError):
        gar.load(folder)
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (verbosity, bars)


def test_the_auto_classes_load_the_same_folder(folder, wide, left):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model, processor = AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    assert type(model) is GARForConditionalGeneration
    assert type(processor) is GARProcessor
    inputs = processor([wide], [processor.describe_text()], [[left]], [[processor.single_prompt]])
    written = model.generate(**inputs, max_new_tokens=8, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    text = processor.tokenizer.decode(written).strip()
    assert gar.load(folder).describe(wide, left, max_new_tokens=8).text == text.removesuffix("<|eot_id|>").strip()
