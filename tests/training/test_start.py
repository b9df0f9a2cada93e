"""Where training begins: our models, published ones, and PerceptionLM, whose answers stay as they were."""

import json
import time

import huggingface_hub
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from gar import CheckpointError, GARForConditionalGeneration, GARProcessor, Region
from gar.errors import InputError
from gar.model.checkpoints import export_published
from gar.model.published import PUBLISHED_REPLAY_SPATIAL_SCALE
from gar.training.settings import Scratch, Start
from gar.training.start import load_config, load_start
from gar.training.world import WORDS

SPECIAL = [
    *("<|begin_of_text|>", "<|end_of_text|>", "<|image|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    *(f"<|reserved_special_token_{number}|>" for number in range(2, 7)),
]


@pytest.fixture(scope="module")
def perception_tokenizer():
    """Bytes and PerceptionLM's special tokens; it knows no prompt names."""
    vocabulary = {
        token: number for number, token in enumerate([*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())])
    }
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(SPECIAL)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=SPECIAL[0], pad_token=SPECIAL[1], eos_token=SPECIAL[5]
    )


@pytest.fixture(scope="module", params=["tied", "untied"])
def published(request, perception_tokenizer, make_config, make_model, tmp_path_factory):
    """A small published model of random weights in its layout, without the rows of the prompt names."""
    config = make_config(
        vision={"image_size": 56, "patch_size": 14, "intermediate_size": 64},
        text={"vocab_size": len(perception_tokenizer), "tie_word_embeddings": request.param == "tied"},
        image_token_id=2,
        crop_token_ids=[6, 7, 8, 9, 10],
        replay_size=16,
        replay_spatial_scale=PUBLISHED_REPLAY_SPATIAL_SCALE,
    )
    folder = tmp_path_factory.mktemp("published")
    export_published(make_model(config), folder)
    perception_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def perception(published, tmp_path):
    """The PerceptionLM of the same weights: its keys lack the leading `mllm.`, and it has no mask embedding."""
    folder = tmp_path / "perception"
    folder.mkdir()
    for file in published.glob("tokenizer*"):
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((published / "config.json").read_text())["mllm_config"]
    (folder / "config.json").write_text(
        json.dumps(config | {"architectures": ["PerceptionLMForConditionalGeneration"]})
    )
    tensors = load_file(published / "model.safetensors")
    kept = {name.removeprefix("mllm."): tensor for name, tensor in tensors.items() if name.startswith("mllm.")}
    assert len(kept) == len(tensors) - 1
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def inputs(published, make_picture):
    """A picture with two regions and a text that an old tokenizer can read."""
    processor = GARProcessor.from_pretrained(published, max_num_tiles=4)
    masks = [np.zeros((60, 90), bool) for _ in range(2)]
    masks[0][5:40, 10:50] = masks[1][30:55, 40:80] = True
    text = processor.chat_text([]) + "<|image|>" + "".join(processor.crop_tokens[:2])
    return dict(processor([make_picture(60, 90)], [text], [[Region.mask(mask) for mask in masks]]))


def logits(model, inputs):
    with torch.no_grad():
        return model.eval()(**inputs).logits


@pytest.mark.parametrize("scale", [1.0, PUBLISHED_REPLAY_SPATIAL_SCALE])
def test_at_step_0_a_gar_that_begins_with_perception_lm_answers_as_its_base(perception, published, inputs, scale):
    model, _ = load_start(Start(start=str(perception), replay_spatial_scale=scale), dtype=torch.float32)
    base = GARForConditionalGeneration.from_pretrained(published, replay_spatial_scale=scale, dtype=torch.float32)
    assert base.model.vision_tower.mask_embed.weight.any()
    base.model.vision_tower.mask_embed.weight.data.zero_()
    assert not model.model.vision_tower.mask_embed.weight.any()
    old = base.config.text_config.vocab_size
    assert torch.equal(logits(model, inputs)[..., :old], logits(base, inputs))
    unmasked = inputs | {"mask_values": torch.zeros_like(inputs["mask_values"])}
    assert torch.equal(logits(model, inputs), logits(model, unmasked))  # the mask is learnt, it says nothing yet


def test_the_prompt_names_are_new_tokens_that_begin_as_the_mean_of_all_others(perception):
    model, processor = load_start(Start(start=str(perception), max_num_tiles=9), dtype=torch.float32)
    names = [*(f"<Prompt{number}>" for number in range(5)), "<NO_Prompt>"]
    known = len(processor.tokenizer) - 6
    assert processor.tokenizer.convert_tokens_to_ids(names) == [*range(known, known + 6)]
    assert processor.token_ids("<Prompt3>", 1) == [known + 3]
    for matrix in (model.get_input_embeddings().weight, model.get_output_embeddings().weight):
        assert matrix.shape[0] == known + 6
        assert torch.equal(matrix[known:], matrix[:known].mean(0).expand(6, -1))
    assert model.config.text_config.vocab_size == known + 6
    assert processor.crop_tokens == SPECIAL[6:]
    assert (processor.max_num_tiles, model.config.replay_spatial_scale) == (9, 1.0)


def test_a_model_that_began_with_perception_lm_is_saved_and_loaded_as_any_other(perception, inputs, tmp_path):
    model, processor = load_start(Start(start=str(perception)), dtype=torch.float32)
    model.save_pretrained(tmp_path / "saved")
    processor.save_pretrained(tmp_path / "saved")
    again, _ = load_start(Start(start=str(tmp_path / "saved")), dtype=torch.float32)
    assert torch.equal(logits(again, inputs), logits(model, inputs))


def test_a_published_model_is_loaded_as_it_is(published, inputs):
    model, processor = load_start(Start(start=str(published), max_num_tiles=4), dtype=torch.float32)
    base = GARForConditionalGeneration.from_pretrained(published, dtype=torch.float32)
    assert torch.equal(logits(model, inputs), logits(base, inputs))
    assert processor.max_num_tiles == 4
    assert load_config(Start(start=str(published))).replay_spatial_scale == PUBLISHED_REPLAY_SPATIAL_SCALE
    assert load_config(Start(start=str(published), replay_spatial_scale=1.0)).replay_spatial_scale == 1.0


def test_the_embedded_model_is_nano():
    assert load_config(Start(start="nano")).vision_config.stem == "efficientnet-lite0"


def test_a_finished_model_may_begin_to_see_regions_in_closeups():
    model, processor = load_start(Start(start="nano", closeup_size=64), dtype=torch.float32)
    assert model.config.closeup_size == processor.config.closeup_size == 64
    assert load_config(Start(start="nano", closeup_size=64)).closeup_size == 64
    with pytest.raises(CheckpointError, match="closeup_size is 65"):
        load_config(Start(start="nano", closeup_size=65))


def test_the_classifier_of_the_stem_is_made_louder():
    model, _ = load_start(Start(start="nano", class_scale=7.0), dtype=torch.float32)
    assert model.config.class_scale == 7.0
    with pytest.raises(ValidationError, match="class_scale"):
        Start(start="nano", class_scale=0.0)


def test_what_a_region_points_at_is_said_to_the_decoder():
    model, processor = load_start(Start(start="nano", echo=("noun", "material"), echo_scale=3.0), dtype=torch.float32)
    nouns, materials = model.model.config.echo_token_ids
    assert model.config.echo_scale == 3.0
    assert [processor.tokenizer.decode(tokens).strip() for tokens in materials] == list(WORDS["material"])
    assert len(nouns) == len(WORDS["noun"])
    assert load_start(Start(start="nano", echo=()), dtype=torch.float32)[0].config.echo_token_ids == []


def test_what_is_echoed_is_known_before_the_weights_are_read():
    assert load_config(Start(start="nano", echo=())).echo_token_ids == []
    echoed = Start(start="nano", echo=("pattern",))
    assert load_config(echoed).echo_token_ids == load_start(echoed, dtype=torch.float32)[0].config.echo_token_ids
    with pytest.raises(InputError, match="'taste' is no attribute"):
        load_config(Start(start="nano", echo=("taste",)))


def test_only_attributes_can_be_echoed():
    with pytest.raises(InputError, match="'taste' is no attribute; there are noun, size"):
        load_start(Start(start="nano", echo=("taste",)), dtype=torch.float32)


def test_a_setting_that_would_change_nothing_is_refused(perception):
    published = Start(start=str(perception), class_scale=2.0)
    with pytest.raises(InputError, match=r"model\.class_scale: .* has no class_token_ids"):
        load_start(published, dtype=torch.float32)
    with pytest.raises(InputError, match=r"model\.echo: .* has no mask_token"):
        load_config(Start(start=str(perception), echo=("noun",)))
    with pytest.raises(InputError, match=r"model\.echo_scale: without model\.echo"):
        load_config(Start(start="nano", echo=(), echo_scale=2.0))
    with pytest.raises(ValidationError, match="closeup_size changes a start"):
        Start(scratch=Scratch(config={}), closeup_size=64)


@pytest.mark.parametrize(
    ("before", "added", "module"),
    [({}, {"outline_size": 4}, "outline_embed"), ({"closeup_size": 64}, {"color_levels": 2}, "color_embed")],
    ids=["outlines", "colors"],
)
def test_a_finished_model_that_is_told_more_of_regions_gives_the_same_answers_at_first(
    speaking_start, make_picture, before, added, module
):
    plain, _ = load_start(Start(start=str(speaking_start), **before), dtype=torch.float32)
    model, processor = load_start(Start(start=str(speaking_start), **before, **added), dtype=torch.float32)
    regions = [Region.box(10, 10, 60, 50), Region.box(40, 30, 80, 58)]
    text = processor.question_text("Is <Prompt0> in front of <Prompt1>?", [0, 1])
    asked = dict(processor([make_picture(60, 90)], [text], [regions]))
    assert torch.equal(logits(model, asked), logits(plain, asked))
    with torch.no_grad():
        getattr(model.model, module)[-1].weight += 0.1
    assert not torch.equal(logits(model, asked), logits(plain, asked))


def test_tensors_that_begin_as_new_are_not_reported_as_missing(speaking_start, perception, capfd):
    load_start(Start(start=str(speaking_start), outline_size=4), dtype=torch.float32)
    load_start(Start(start=str(perception)), dtype=torch.float32)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda f: (f / "config.json").unlink(), "has no config.json"),
        (lambda f: (f / "config.json").write_text('{"model_type": "llava"}'), "is of model_type 'llava', not 'GAR' or"),
        (lambda f: (f / "config.json").write_text('{"model_type": "perception_lm"}'), "config.json is incomplete"),
        (lambda f: (f / "model.safetensors").unlink(), "cannot be loaded"),
        (lambda f: save_file({"x": torch.zeros(1)}, f / "model.safetensors"), "lacks: "),
        (lambda f: drop_token(f, "<|reserved_special_token_4|>"), r"lacks <\|reserved_special_token_4\|>"),
    ],
)
@pytest.mark.filterwarnings("ignore:the checkpoint")
def test_what_is_no_model_to_begin_with_is_refused(perception, fault, reason):
    fault(perception)
    with pytest.raises(CheckpointError, match=reason):
        load_start(Start(start=str(perception)), dtype=torch.float32)


def drop_token(folder, token):
    text = (folder / "tokenizer.json").read_text().replace(token, "<|another|>")
    (folder / "tokenizer.json").write_text(text)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere' (cannot be loaded|has no config)"):
        load_config(Start(start=str(tmp_path / "nowhere")))


def test_a_hub_that_cannot_be_reached_is_asked_once(monkeypatch, capfd):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    template = "http://127.0.0.1:9/{repo_id}/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    began = time.monotonic()
    with pytest.raises(CheckpointError, match=r"model\.start: 'nobody/nothing' cannot be loaded: .*refused"):
        load_config(Start(start="nobody/nothing"))
    assert time.monotonic() - began < 3
    assert capfd.readouterr().err == ""


def test_what_the_hub_does_not_have_is_refused(monkeypatch):
    monkeypatch.setattr(huggingface_hub, "file_exists", lambda *_: False)
    with pytest.raises(CheckpointError, match="the hub has no model 'nobody/nothing', or it is private"):
        load_config(Start(start="nobody/nothing"))
