import json

import pytest
from huggingface_hub.errors import StrictDataclassClassValidationError, StrictDataclassFieldValidationError
from transformers import AutoConfig

from gar import CheckpointError, GARConfig
from gar.model.configuration import GARVisionConfig
from gar.model.published import (
    PUBLISHED_REPLAY_SPATIAL_SCALE,
    architecture_of,
    published_config,
    translate_published,
)

PUBLISHED = {
    "model_type": "GAR",
    "crop_tokens_ids": [128004, 128005, 128008, 128010, 128011],
    "dtype": "bfloat16",
    "kernel_size": [14, 14],
    "mllm_config": {
        "image_token_id": 128002,
        "projector_pooling_ratio": 2,
        "vision_use_cls_token": True,
        "text_config": {"model_type": "llama", "hidden_size": 2048, "vocab_size": 128262, "tie_word_embeddings": True},
        "vision_config": {
            "architecture": "vit_pe_core_large_patch14_336",
            "model_args": {"embed_dim": 1024, "depth": 23, "img_size": [448, 448], "init_values": 0.1},
        },
    },
}


@pytest.fixture
def published():
    return json.loads(json.dumps(PUBLISHED))


def test_a_published_configuration_is_read_as_ours(published):
    config = GARConfig.from_dict(published)
    vision = config.vision_config
    assert (vision.hidden_size, vision.num_hidden_layers, vision.num_attention_heads) == (1024, 23, 16)
    assert (vision.intermediate_size, vision.use_cls_token, vision.rope_grid_offset) == (4096, True, 1.0)
    assert (config.tokens_per_tile, config.replay_tokens, config.max_regions) == (256, 256, 5)
    assert config.text_config.hidden_size == 2048
    assert config.tie_word_embeddings is True
    assert config.replay_spatial_scale == PUBLISHED_REPLAY_SPATIAL_SCALE == 1 / 28


def test_the_architecture_without_a_class_token_has_its_own_width_and_offset(published):
    mllm = published["mllm_config"]
    mllm["vision_use_cls_token"] = False
    mllm["vision_config"] = {"architecture": "vit_pe_core_gigantic_patch14_448", "model_args": {"depth": 47}}
    vision = GARConfig.from_dict(published).vision_config
    assert (vision.hidden_size, vision.num_hidden_layers, vision.intermediate_size) == (1536, 47, 8960)
    assert (vision.use_cls_token, vision.rope_grid_offset) == (False, 0.0)


def test_a_published_folder_is_known_to_auto_config(published, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(published))
    assert type(AutoConfig.from_pretrained(tmp_path)) is GARConfig


def test_the_scale_of_the_boxes_may_be_set_when_loading(published, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(published))
    assert GARConfig.from_pretrained(tmp_path, replay_spatial_scale=1.0).replay_spatial_scale == 1.0


@pytest.mark.parametrize(
    "missing", ["crop_tokens_ids", "mllm_config.text_config", "mllm_config.vision_config.architecture"]
)
def test_a_missing_entry_is_named(published, missing):
    *parents, name = missing.split(".")
    part = published
    for parent in parents:
        part = part[parent]
    del part[name]
    with pytest.raises(CheckpointError, match=name):
        translate_published(published)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ref_feat_shape": [24, 24]}, r"ref_feat_shape \[24, 24\]"),
        ({"use_post_transformer_norm": True}, "use_post_transformer_norm"),
        ({"img_size": [448, 224]}, r"img_size \[448, 224\]"),
    ],
)
def test_a_vision_setting_that_this_library_does_not_have_is_refused(published, arguments, message):
    published["mllm_config"]["vision_config"]["model_args"].update(arguments)
    with pytest.raises(CheckpointError, match=message):
        translate_published(published)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("crop_tokens_ids", 5),
        ("mllm_config", []),
        ("mllm_config.text_config", "llama"),
        ("mllm_config.vision_config.model_args", [1]),
        ("mllm_config.vision_config.model_args.img_size", []),
        ("mllm_config.vision_config.model_args.img_size", "448"),
        ("mllm_config.vision_config.model_args.embed_dim", float("nan")),
    ],
)
def test_an_entry_of_another_kind_is_refused(published, part, value):
    *parents, name = part.split(".")
    entry = published
    for parent in parents:
        entry = entry[parent]
    entry[name] = value
    with pytest.raises(CheckpointError, match=r"published-layout config\.json is incomplete|img_size"):
        translate_published(published)


def test_an_unknown_architecture_is_refused_with_the_known_ones(published):
    published["mllm_config"]["vision_config"]["architecture"] = "resnet50"
    with pytest.raises(CheckpointError, match="'resnet50'; known: vit_pe_core_gigantic"):
        translate_published(published)


def test_a_saved_configuration_comes_back_the_same(make_config, tmp_path):
    config = make_config(mask_token=True, use_thumbnail=False, replay_spatial_scale=0.5)
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is GARConfig
    for name in ("mask_token", "use_thumbnail", "replay_spatial_scale", "crop_token_ids", "replay_tokens"):
        assert getattr(loaded, name) == getattr(config, name), name
    assert loaded.vision_config.to_dict() == config.vision_config.to_dict()


def test_counts_follow_from_the_sizes(make_config):
    config = make_config(vision={"image_size": 64}, image_pooling_ratio=2, replay_size=3, mask_token=True)
    assert config.feature_grid_size == 4
    assert config.tokens_per_tile == 4
    assert config.replay_tokens == 10


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        ({"image_size": 30}, "image_size 30 .* patch_size 14"),
        ({"hidden_size": 1000}, "hidden_size 1000 is not a multiple of 4 × 16 attention heads"),
        ({"stem": "efficientnet-lite0"}, "patch_size 14 .* must be 16"),
    ],
)
def test_numbers_that_do_not_fit_one_another_are_refused(settings, numbers):
    with pytest.raises(StrictDataclassClassValidationError, match=numbers):
        GARVisionConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"image_token_id": 1.5}, "'image_token_id' expected int, got float"),
        ({"crop_token_ids": "abc"}, "'crop_token_ids' with value 'abc'"),
        ({"projector_pooling_ratio": "2"}, "'projector_pooling_ratio' expected int, got str"),
        ({"replay_size": True}, "'replay_size' expected int, got bool"),
        ({"replay_spatial_scale": None}, "'replay_spatial_scale' with value None"),
        ({"mask_token": 2}, "'mask_token' expected bool, got int"),
        ({"echo_token_ids": [[1]], "mask_token": True}, "'echo_token_ids' with value"),
        ({"vision": {"intermediate_size": 1.5}}, "'intermediate_size' expected int, got float"),
        ({"vision": {"layer_norm_eps": "x"}}, "'layer_norm_eps' with value 'x'"),
        ({"vision": {"stem": "other"}}, "'stem' expected one of"),
    ],
    ids=str,
)
def test_a_setting_of_another_type_is_refused_by_its_name(make_config, settings, reason):
    with pytest.raises(StrictDataclassFieldValidationError, match=reason):
        make_config(**settings)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"image_token_id": -1}, "image_token_id of GAR is -1; allowed are 0 to"),
        ({"projector_pooling_ratio": 0}, "projector_pooling_ratio of GAR is 0; allowed are 1 to"),
        ({"projector_pooling_ratio": 3}, "projector_pooling_ratio 3 and image_pooling_ratio 1 do not divide the 4"),
        ({"image_pooling_ratio": 3}, "image_pooling_ratio 3 do not divide the 4 patches"),
        ({"replay_size": 10**9}, "replay_size of GAR is 1000000000; allowed are 0 to 64"),
        ({"replay_spatial_scale": float("nan")}, "replay_spatial_scale of GAR is nan"),
        ({"replay_spatial_scale": 28.0}, "replay_spatial_scale of GAR is 28.0"),
        ({"crop_token_ids": []}, r"crop_token_ids are \[\] .* needed are 1 to 8 tokens"),
        ({"crop_token_ids": [5, 5]}, r"crop_token_ids are \[5, 5\]"),
        ({"crop_token_ids": [5, 9], "image_token_id": 9}, "with image_token_id 9; needed are .* that differ"),
        ({"crop_token_ids": list(range(100, 100_000))}, "crop_token_ids are .*, \\.\\.\\.\\] with"),
        ({"prompt_token_ids": [1, 2, 3, 4, -5], "mask_token": True}, r"prompt_token_ids are \[1, 2, 3, 4, -5\]"),
        ({"prompt_token_ids": [1, 2, 3, 4, 4], "mask_token": True}, "prompt_token_ids are .* different ones"),
        ({"vision": {"num_hidden_layers": 10**9}}, "num_hidden_layers of gar_vision is 1000000000"),
        ({"vision": {"num_attention_heads": 0}}, "num_attention_heads of gar_vision is 0"),
        ({"vision": {"rope_theta": float("inf")}}, "rope_theta of gar_vision is inf"),
        ({"text": {"num_hidden_layers": 10**9}}, "num_hidden_layers of llama is 1000000000; allowed are 1 to 1000"),
        ({"text": {"num_key_value_heads": 0}}, "num_key_value_heads of llama is 0"),
        ({"text": {"model_type": "qwen2"}}, "text_config is of model_type 'qwen2'; the decoder is 'llama'"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_number_that_no_model_has_is_refused_before_anything_is_made_of_it(make_config, settings, reason):
    with pytest.raises(CheckpointError, match=reason):
        make_config(**settings)


def test_a_whole_number_may_stand_for_a_fraction(make_config):
    assert make_config(vision={"rope_theta": 100}, replay_spatial_scale=1).vision_config.rope_theta == 100


def test_a_size_of_no_published_architecture_has_no_published_name():
    with pytest.raises(CheckpointError, match="intermediate_size 5000"):
        architecture_of(GARVisionConfig(intermediate_size=5000))


def test_translating_there_and_back_keeps_every_number(published, make_model, make_config):
    vision = {"image_size": 28, "patch_size": 14, "intermediate_size": 64}
    config = make_config(vision=vision, replay_size=16, replay_spatial_scale=1 / 28)
    back = GARConfig.from_dict(published_config(make_model(config)))
    assert back.vision_config.to_dict() == config.vision_config.to_dict()
    for name in ("image_token_id", "crop_token_ids", "replay_spatial_scale", "projector_pooling_ratio", "replay_size"):
        assert getattr(back, name) == getattr(config, name), name
    for name in ("hidden_size", "num_key_value_heads", "rope_parameters", "vocab_size"):
        assert getattr(back.text_config, name) == getattr(config.text_config, name), name
