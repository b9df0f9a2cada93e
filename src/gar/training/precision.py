"""In which number format a machine calculates."""

from __future__ import annotations

import torch

from gar.training.settings import Recipe

__all__ = ["calculates_in_bf16", "settle_precision"]

_WITHOUT = ("DEFAULT", "AVX2")
"""What torch calls processors whose bf16 is emulated: training then takes several times as long as in float32."""


def calculates_in_bf16() -> bool:
    """Whether bf16 is what this machine's GPU, or else its processor, calculates in, rather than emulates."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.accelerator.is_available() or torch.backends.cpu.get_cpu_capability() not in _WITHOUT


def settle_precision(recipe: Recipe) -> Recipe:
    """The recipe with `train.precision` as this machine has it best, where it is "auto"."""
    if recipe.train.precision != "auto":
        return recipe
    train = recipe.train.model_copy(update={"precision": "bf16" if calculates_in_bf16() else "fp32"})
    return recipe.model_copy(update={"train": train})
