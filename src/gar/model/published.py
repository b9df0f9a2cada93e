"""The published `config.json` (`model_type: "GAR"`, with an `mllm_config`): into our layout, and back.

The key names of the tensors stand in `checkpoints`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gar.errors import CheckpointError

if TYPE_CHECKING:
    from gar.model.configuration import GARVisionConfig
    from gar.model.modeling import GARForConditionalGeneration

__all__ = ["PUBLISHED_REPLAY_SPATIAL_SCALE", "architecture_of", "published_config", "translate_published"]

PUBLISHED_REPLAY_SPATIAL_SCALE = 1 / 28
"""What published checkpoints expect: their code scales each box to feature cells and then by 1/28 again."""

_PUBLISHED_PATCH_SIZE = 14

_TIMM_ARCHITECTURES: dict[str, dict[str, Any]] = {
    # timm's names, as they stand in published configurations (timm/models/eva.py, version 1.0.19)
    "vit_pe_core_large_patch14_336": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "mlp_ratio": 4.0,
        "rope_grid_offset": 1.0,
    },
    "vit_pe_core_gigantic_patch14_448": {
        "hidden_size": 1536,
        "num_hidden_layers": 50,
        "mlp_ratio": 8960 / 1536,
        "rope_grid_offset": 0.0,
    },
}


def translate_published(published: dict[str, Any]) -> dict[str, Any]:
    """Translates a published `config.json` into our layout.

    Args:
        published: The published dictionary, with `mllm_config`.

    Raises:
        CheckpointError: An entry is missing, or the vision architecture is not a known one.
    """
    try:
        mllm = published["mllm_config"]
        vision, text = mllm["vision_config"], dict(mllm["text_config"])
        vision_config = _translate_vision(vision, use_cls_token=mllm["vision_use_cls_token"])
        return {
            "model_type": "GAR",
            "architectures": ["GARForConditionalGeneration"],
            "dtype": published.get("dtype", published.get("torch_dtype")),
            "vision_config": vision_config,
            "text_config": text,
            "tie_word_embeddings": bool(mllm.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
            "image_token_id": mllm["image_token_id"],
            "crop_token_ids": list(published["crop_tokens_ids"]),
            "projector_pooling_ratio": mllm["projector_pooling_ratio"],
            "replay_spatial_scale": PUBLISHED_REPLAY_SPATIAL_SCALE,
        }
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"the published-layout config.json is incomplete: {error!r}") from error


def _translate_vision(vision: dict[str, Any], *, use_cls_token: bool) -> dict[str, Any]:
    name = vision["architecture"]
    if name not in _TIMM_ARCHITECTURES:
        raise CheckpointError(f"unknown vision architecture {name!r}; known: {', '.join(sorted(_TIMM_ARCHITECTURES))}")
    known = _TIMM_ARCHITECTURES[name]
    arguments = vision.get("model_args") or {}
    hidden_size = arguments.get("embed_dim", known["hidden_size"])
    given_size = arguments.get("img_size", [448, 448])
    image_size = given_size[0] if isinstance(given_size, list | tuple) else given_size
    cells = image_size // _PUBLISHED_PATCH_SIZE
    expected = {
        "img_size": ([image_size, image_size], image_size),
        "ref_feat_shape": ([cells, cells], None),
        "use_post_transformer_norm": (False, None),
    }
    for setting, allowed in expected.items():
        value = arguments.get(setting, allowed[0])
        value = list(value) if isinstance(value, tuple) else value
        if value not in allowed:
            raise CheckpointError(f"vision setting {setting} {value!r} is not supported; allowed: {allowed[0]!r}")
    return {
        "image_size": image_size,
        "patch_size": _PUBLISHED_PATCH_SIZE,
        "hidden_size": hidden_size,
        "num_hidden_layers": arguments.get("depth", known["num_hidden_layers"]),
        "num_attention_heads": arguments.get("num_heads", 16),
        "intermediate_size": int(hidden_size * known["mlp_ratio"]),
        "use_cls_token": use_cls_token,
        "layer_scale_init": arguments.get("init_values", 0.1),
        "rope_grid_offset": known["rope_grid_offset"],
    }


def architecture_of(vision: GARVisionConfig) -> str:
    """The name of the published vision architecture that a configuration is a size of.

    Raises:
        CheckpointError: It is a size of none.
    """
    for name, known in _TIMM_ARCHITECTURES.items():
        width = int(vision.hidden_size * known["mlp_ratio"])
        if (width, known["rope_grid_offset"]) == (vision.intermediate_size, vision.rope_grid_offset):
            return name
    raise CheckpointError(
        f"intermediate_size {vision.intermediate_size} with rope_grid_offset {vision.rope_grid_offset} "
        f"and hidden_size {vision.hidden_size} is no size of {', '.join(_TIMM_ARCHITECTURES)}"
    )


def published_config(model: GARForConditionalGeneration) -> dict[str, Any]:
    """The published `config.json` of a model.

    Raises:
        CheckpointError: The published layout has no room for one of this model's settings.
    """
    config, vision = model.config, model.config.vision_config
    fixed = {
        "stem": (vision.stem, "patch"),
        "patch_size": (vision.patch_size, 14),
        "rope_theta": (vision.rope_theta, 10000.0),
        "layer_norm_eps": (vision.layer_norm_eps, 1e-5),
        "use_thumbnail": (config.use_thumbnail, True),
        "image_pooling_ratio": (config.image_pooling_ratio, 1),
        "replay_size": (config.replay_size, 16),
        "region_crops": (config.region_crops, False),
        "mask_token": (config.mask_token, False),
        "prompt_token_ids": (tuple(config.prompt_token_ids), ()),
        "replay_spatial_scale": (config.replay_spatial_scale, PUBLISHED_REPLAY_SPATIAL_SCALE),
    }
    for name, (value, published) in fixed.items():
        if value != published:
            raise CheckpointError(f"{name} is {value!r}; the published layout allows only {published!r}")
    architecture = architecture_of(vision)
    text = config.text_config.to_dict()
    rope = dict(text.pop("rope_parameters", None) or {})
    text["rope_theta"] = rope.pop("rope_theta", 10000.0)
    text["rope_scaling"] = rope if rope.get("rope_type", "default") != "default" else None
    return {
        "architectures": ["GARModel"],
        "model_type": "GAR",
        "dtype": str(model.dtype).removeprefix("torch."),
        "crop_tokens_ids": list(config.crop_token_ids),
        "prompt_numbers": config.max_regions,
        "kernel_size": [vision.patch_size, vision.patch_size],
        "patch_size_h": vision.patch_size,
        "patch_size_w": vision.patch_size,
        "mask_path_embedding_out_channels": vision.hidden_size,
        "mllm_config": {
            "model_type": "perception_lm",
            "image_token_id": config.image_token_id,
            "projector_pooling_ratio": config.projector_pooling_ratio,
            "tie_word_embeddings": config.tie_word_embeddings,
            "vision_use_cls_token": vision.use_cls_token,
            "text_config": text,
            "vision_config": {
                "model_type": "timm_wrapper",
                "architecture": architecture,
                "model_args": {
                    "depth": vision.num_hidden_layers,
                    "embed_dim": vision.hidden_size,
                    "num_heads": vision.num_attention_heads,
                    "img_size": [vision.image_size, vision.image_size],
                    "init_values": vision.layer_scale_init,
                    "ref_feat_shape": [vision.grid_size, vision.grid_size],
                    "global_pool": "",
                    "use_post_transformer_norm": False,
                },
            },
        },
    }
