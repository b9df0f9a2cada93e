"""The models that training begins with.

A GAR model, ours or published, is loaded as it is. A PerceptionLM becomes a GAR model that gives the same answers: its
tensors have the names of a published GAR's without the leading `mllm.`, the mask embedding begins at zero, and the
prompt names are new tokens whose embeddings begin as the mean of all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.configuration_utils import PreTrainedConfig

from gar.assistant.loading import check_hub
from gar.errors import CheckpointError, InputError
from gar.model.checkpoints import PUBLISHED_NAMES, quiet_transformers, reading, refuse_incomplete
from gar.model.configuration import GARConfig
from gar.model.modeling import GARForConditionalGeneration
from gar.model.published import translate_published
from gar.processing import GARProcessor
from gar.processing.prompts import prompt_name
from gar.training.adapters import quantization
from gar.training.settings import Start
from gar.training.tokenizer import MAX_PROMPTS
from gar.training.words import word_tokens
from gar.training.world import WORDS

__all__ = ["PERCEPTION_LM", "load_config", "load_start"]

PERCEPTION_LM = "perception_lm"
"""The `model_type` of PerceptionLM."""

_CROP_TOKENS = tuple(f"<|reserved_special_token_{number}|>" for number in range(2, 2 + MAX_PROMPTS))
"""The tokens that published GAR models repeat once per replay token of a region."""

_ADDED = {"color_levels": "color_embed", "outline_size": "outline_embed"}
"""Settings that a finished model may be given, and the module that each adds, which says nothing at first."""

_NEW_TOKENS = (*map(prompt_name, range(MAX_PROMPTS)), "<NO_Prompt>")
"""The tokens that GAR adds to PerceptionLM's, in the published order."""


def load_start(
    settings: Start, *, dtype: torch.dtype, quantize: str | None = None
) -> tuple[GARForConditionalGeneration, GARProcessor]:
    """Loads the model that a recipe names, and its processor.

    Args:
        settings: The recipe's `model`, with a `start`.
        dtype: Number format of the weights.
        quantize: "4bit" or "8bit": weights in fewer bits, for LoRA.

    Raises:
        CheckpointError: There is no such model, or it is not complete.
        InputError: A setting would change nothing, or an attribute to be echoed is unknown.
        MissingExtraError: bitsandbytes is needed to quantise and not installed.
    """
    where, stored = _stored_config(settings)
    tiles = {} if settings.max_num_tiles is None else {"max_num_tiles": settings.max_num_tiles}
    options: dict[str, Any] = {"dtype": dtype}
    if quantize is not None:
        options["quantization_config"] = quantization(quantize, dtype)
    with _reading(settings), quiet_transformers():
        if stored.get("model_type") == PERCEPTION_LM:
            return _from_perception_lm(where, stored, settings, tiles, options)
        config = _config(where, stored, settings)
        processor = GARProcessor.from_pretrained(where, config=config, **tiles)
        model: Any
        model, told = GARForConditionalGeneration.from_pretrained(
            where, config=config, output_loading_info=True, **options
        )
        for setting, module in _ADDED.items():
            if getattr(config, setting) and not stored.get(setting):
                told["missing_keys"] = {name for name in told["missing_keys"] if f"{module}." not in name}
                first, _, last = getattr(model.model, module)
                torch.nn.init.normal_(first.weight, std=0.02, generator=torch.Generator().manual_seed(0))
                torch.nn.init.zeros_(last.weight)  # so that it says nothing as yet
        refuse_incomplete(where, told)
        return model, processor


def _echoed(tokenizer: Any, attributes: Sequence[str]) -> list[list[list[int]]]:
    """The tokens of the words of some attributes."""
    if unknown := next((name for name in attributes if name not in WORDS), None):
        raise InputError(f"model.echo: {unknown!r} is no attribute; there are {', '.join(WORDS)}")
    return word_tokens(tokenizer, {name: WORDS[name] for name in attributes})


def load_config(settings: Start) -> GARConfig:
    """The configuration of the model that a recipe names.

    Raises:
        CheckpointError: There is no such model.
        InputError: A setting would change nothing, or an attribute to be echoed is unknown.
    """
    where, stored = _stored_config(settings)
    with _reading(settings):
        return _config(where, stored, settings)


def _stored_config(settings: Start) -> tuple[str, dict[str, Any]]:
    where = str(files("gar") / "weights" / "nano") if settings.start == "nano" else str(settings.start)
    with _reading(settings):
        if not Path(where).is_dir():
            check_hub(where)
        stored, _ = PreTrainedConfig.get_config_dict(where)
    if not stored:
        raise CheckpointError(f"model.start: {settings.start!r} has no config.json")
    if stored.get("model_type") not in (GARConfig.model_type, PERCEPTION_LM):
        kinds = f"{GARConfig.model_type!r} or {PERCEPTION_LM!r}"
        raise CheckpointError(
            f"model.start: {settings.start!r} is of model_type {stored.get('model_type')!r}, not {kinds}"
        )
    return where, stored


def _config(where: str, stored: dict[str, Any], settings: Start, *, crops: Sequence[int] | None = None) -> GARConfig:
    if stored["model_type"] == PERCEPTION_LM:
        tokens = list(GARConfig().crop_token_ids if crops is None else crops)
        layout = {"mllm_config": stored, "crop_tokens_ids": tokens, "dtype": stored.get("dtype")}
        stored = translate_published(layout) | {"replay_spatial_scale": 1.0}
    elif "mllm_config" in stored:
        stored = translate_published(stored)
    names = ("replay_spatial_scale", "closeup_size", "class_scale", "echo_scale", *_ADDED)
    changes = {name: value for name in names if (value := getattr(settings, name)) is not None}
    if settings.echo and not stored.get("mask_token"):
        raise InputError(f"model.echo: {settings.start!r} has no mask_token, so it would change nothing")
    if settings.echo is not None:
        changes["echo_token_ids"] = _echoed(_tokenizer(where), settings.echo)
    config = GARConfig.from_dict(stored | changes)
    if settings.class_scale is not None and not config.class_token_ids:
        raise InputError(f"model.class_scale: {settings.start!r} has no class_token_ids, so it would change nothing")
    if settings.echo_scale is not None and not config.echo_token_ids:
        raise InputError("model.echo_scale: without model.echo it would change nothing")
    return config


def _reading(settings: Start) -> AbstractContextManager[None]:
    return reading(f"model.start: {settings.start!r} cannot be loaded")


def _from_perception_lm(
    where: str, stored: dict[str, Any], settings: Start, tiles: dict[str, int], options: dict[str, Any]
) -> tuple[GARForConditionalGeneration, GARProcessor]:
    tokenizer: Any = _tokenizer(where)
    crops = [tokenizer.convert_tokens_to_ids(token) for token in _CROP_TOKENS]
    missing = [token for token, number in zip(_CROP_TOKENS, crops, strict=True) if number is None]
    if missing:
        raise CheckpointError(f"the tokenizer of {where!r} lacks {', '.join(missing)}")
    config = _config(where, stored, settings, crops=crops)
    names = {  # their name → ours, as regular expressions
        "^" + theirs.removeprefix("mllm.").replace(".", r"\."): ours
        for theirs, ours in PUBLISHED_NAMES
        if theirs.startswith("mllm.")
    }
    model: Any
    model, told = GARForConditionalGeneration.from_pretrained(
        where, config=config, key_mapping=names, output_loading_info=True, **options
    )
    told["missing_keys"] = set(told["missing_keys"]) - {"model.vision_tower.mask_embed.weight"}
    refuse_incomplete(where, told)
    torch.nn.init.zeros_(model.model.vision_tower.mask_embed.weight)
    tokenizer.add_special_tokens({"additional_special_tokens": [*_NEW_TOKENS]})
    _add_rows(model, len(tokenizer))
    return model, GARProcessor(tokenizer, model.config, **tiles)


def _tokenizer(where: str) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(where)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise CheckpointError(f"the tokenizer of {where!r} is a {type(tokenizer).__name__}; a fast one is needed")
    tokenizer.clean_up_tokenization_spaces = False  # it would eat blanks of answers
    return tokenizer


@torch.no_grad()
def _add_rows(model: Any, tokens: int) -> None:
    """Makes room for new tokens, each beginning as the mean of the others."""
    known = model.get_input_embeddings().weight.shape[0]
    if tokens <= known:
        return
    model.resize_token_embeddings(tokens, mean_resizing=False)
    for matrix in {
        id(m.weight): m.weight for m in (model.get_input_embeddings(), model.get_output_embeddings())
    }.values():
        matrix[known:] = matrix[:known].float().mean(0).to(matrix.dtype)
