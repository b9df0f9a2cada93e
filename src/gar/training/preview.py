"""What a recipe comes to, before anything is done: parameters by part and memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from gar.errors import CheckpointError
from gar.model.configuration import GARConfig
from gar.model.modeling import GARForConditionalGeneration
from gar.training.adapters import add_adapters
from gar.training.parts import freeze, trained_parameters
from gar.training.precision import settle_precision
from gar.training.scratch import complete_config
from gar.training.settings import LEARNT_PARTS, Recipe
from gar.training.start import load_config

__all__ = ["Part", "Preview", "preview"]

_BITS = {"4bit": 0.5, "8bit": 1.0}


@dataclass(frozen=True)
class Part:
    """A part of the model."""

    name: str
    """As in `gar.training.parts`."""
    trained: int
    """Numbers that are trained, adapters included."""
    parameters: int
    """Numbers in all."""


@dataclass(frozen=True)
class Preview:
    """What a recipe comes to."""

    parts: tuple[Part, ...]
    """Empty if the model can't be looked at from here."""
    note: str
    """The memory that one process needs, or why that is not known."""


def preview(recipe: Recipe) -> Preview:
    """Counts parameters and the memory that they take, without loading weights.

    Raises:
        InputError: The configuration is wrong, or the adapters have no place.
    """
    recipe = settle_precision(recipe)
    try:
        config = _config(recipe)
    except CheckpointError as error:
        return Preview((), f"parameters and memory are not known: {error}")
    with torch.device("meta"):
        model: Any = GARForConditionalGeneration(config)
        if recipe.lora is None:
            freeze(model, recipe.train.freeze)
        else:
            unquantized = recipe.lora.model_copy(update={"quantize": None})
            model = add_adapters(model, unquantized, recipe.train.freeze)
    counts = trained_parameters(model)
    parts = tuple(Part(name, *counts[name]) for name in LEARNT_PARTS if name in counts)
    return Preview(parts, _memory(recipe, sum(p.trained for p in parts), sum(p.parameters for p in parts)))


def _config(recipe: Recipe) -> GARConfig:
    scratch = recipe.model.scratch
    if scratch is None:
        return load_config(recipe.model)
    classes = [-1] * int(scratch.config.get("vision_config", {}).get("stem_classes", 0))
    return complete_config(  # which tokens stand for what does not change what is counted
        scratch,
        vocab_size=scratch.vocab_size,
        image=2,
        crops=range(6, 11),
        prompts=range(11, 16),
        classes=classes,
        special={},
    )


def _memory(recipe: Recipe, trained: int, parameters: int) -> str:
    """Weights, gradients and AdamW's two moments; what the batch takes is not counted."""
    half = recipe.lora is not None and recipe.train.precision != "fp32"
    frozen_bytes = 2.0 if half else 4.0
    if recipe.lora is not None and recipe.lora.quantize is not None:
        frozen_bytes = _BITS[recipe.lora.quantize]
    each = 4 * (4 + (recipe.train.average is not None))  # weight, gradient, two moments, and perhaps the average
    total = (parameters - trained) * frozen_bytes + trained * each
    return (
        f"{trained:,} of {parameters:,} parameters are trained; weights, gradients and AdamW's moments "
        f"{'and the average ' if recipe.train.average else ''}take {total / 2**30:.2f} GiB in each process, "
        "and activations come on top"
    )
