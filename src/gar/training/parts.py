"""The parts of a model that can be frozen or learn at a rate of their own.

stem        a pretrained convolutional stem, but for its projection
vision      the rest of the vision tower: patch convolution or stem projection, positions, blocks
mask        the embedding of the mask, and of how it lies among the others
connector   the projector between vision and language
region      what speaks for a region beside the tower's map: what its stem sees, and where the box lies
color       what speaks for a region's colors
language    the decoder with its embeddings and head
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from torch import nn

from gar.errors import InputError

__all__ = ["freeze", "parameter_groups", "part_of", "trained_parameters"]


def part_of(name: str, *, has_stem: bool) -> str:
    """The part that a parameter belongs to.

    Args:
        name: Its name, with or without what wrappers put before it.
        has_stem: Whether the model has a pretrained convolutional stem.

    Example:
        >>> part_of("model.vision_tower.mask_embed.weight", has_stem=False)
        'mask'
    """
    if "vision_tower.mask_embed." in name or "outline_embed." in name:
        return "mask"
    if "vision_tower.patch_embed." in name and has_stem and "patch_embed.proj." not in name:
        return "stem"
    if "vision_tower." in name:
        return "vision"
    if any(module in name for module in ("stem_embed.", "box_embed.")):
        return "region"
    if "color_embed." in name:
        return "color"
    return "connector" if "projector." in name else "language"


def _has_stem(model: nn.Module) -> bool:
    return any("patch_embed.blocks." in name for name, _ in model.named_parameters())


def freeze(model: nn.Module, parts: Container[str]) -> None:
    """Keeps training from changing some parts of a model.

    Raises:
        InputError: Nothing is left to be trained.
    """
    has_stem = _has_stem(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name, has_stem=has_stem) not in parts)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError(f"train.freeze has all parts of the model: {', '.join(trained_parameters(model))}")


def trained_parameters(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Of each part, how many numbers are trained and how many there are."""
    has_stem = _has_stem(model)
    counts: dict[str, tuple[int, int]] = {}
    for name, parameter in model.named_parameters():
        part = part_of(name, has_stem=has_stem)
        trained, all_ = counts.get(part, (0, 0))
        counts[part] = (trained + parameter.numel() * parameter.requires_grad, all_ + parameter.numel())
    return counts


def parameter_groups(
    model: nn.Module, decayed: Container[str], *, weight_decay: float, rates: Mapping[str, float], rate: float
) -> list[dict[str, Any]]:
    """The optimiser's groups of trained parameters.

    Args:
        model: The model.
        decayed: Names of the parameters that weight decay applies to.
        weight_decay: AdamW's weight decay.
        rates: Learning rates of single parts.
        rate: The learning rate of all others.
    """
    has_stem = _has_stem(model)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            own_rate = rates.get(part_of(name, has_stem=has_stem), rate)
            groups.setdefault((own_rate, weight_decay if name in decayed else 0.0), []).append(parameter)
    return [{"params": own, "lr": lr, "weight_decay": decay} for (lr, decay), own in groups.items()]
