"""How far one quantity is from the published one, and the tolerances that the golden notes suggest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

__all__ = ["EXACT", "FEATURES", "GRADIENTS", "LOGITS", "LOSS", "Deviation", "differing", "distance", "relative"]

EXACT, FEATURES, LOGITS, LOSS, GRADIENTS = 0.0, 2e-5, 2e-4, 1e-4, 1e-3
"""Pixels, masks and ids; features; logits; loss (absolute); gradients (relative)."""


@dataclass(frozen=True)
class Deviation:
    """How far one quantity is from the published one."""

    group: str
    """The column of the table."""
    quantity: str
    """What was compared."""
    largest: float
    """Largest absolute deviation; relative for gradients; the number of differing entries for what must be equal."""
    allowed: float
    """Tolerance."""
    note: str = ""
    """What a reader should know."""

    @property
    def is_fine(self) -> bool:
        """Whether it is within the tolerance; NaN never is."""
        return self.largest <= self.allowed


def differing(ours: Any, theirs: Any) -> float:
    """How many entries of two arrays or sequences differ; infinite if their shapes do."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return float((ours != theirs).sum()) if ours.shape == theirs.shape else float("inf")


def distance(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest absolute deviation; infinite if the shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float((ours.detach().double() - theirs.double()).abs().max()) if ours.numel() else 0.0


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest deviation relative to the largest stored value."""
    return distance(ours, theirs) / max(float(theirs.double().abs().max()), 1e-12)
