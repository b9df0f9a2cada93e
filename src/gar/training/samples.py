"""What a model learns from: one picture, its prompted regions, and what is asked and answered about them.

Every source of training data, whatever its format, gives `Sample`s; the collator reads nothing else. A source is a
`torch.utils.data.Dataset` with a length, whose item i is the same for the same seed, epoch and i in every process. An
item that turns out unusable when it is read is given as a `Skipped`: counted and named, never replaced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["Sample", "Skipped"]


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture, its prompted regions, and several turns about them."""

    name: str
    """Where it comes from, for messages: a file and a number, or a seed."""
    masks: tuple[NDArray[np.bool_], ...]
    """(H, W) each."""
    prompts: tuple[int, ...]
    """The prompt number of each mask."""
    turns: tuple[tuple[str, str], ...]
    """Question and answer, without the listing of the regions (the collator adds it).

    With the wording "captions" the turns are about the regions in the order of `prompts`, whose names the collator
    adds. A question that itself begins with `<PromptK>: `, K not in `prompts`, is about a region that is not there:
    it has no replay tokens, and the next turn goes on with the regions.
    """
    wording: Literal["one", "several", "captions"] = "several"
    """How the regions are listed: one region alone; several and a question; several, described one a turn."""
    dialogue: bool = True
    """Whether a turn sees the turns before it; else each stands alone behind picture and regions."""
    picture: NDArray[np.uint8] | None = None
    """(H, W, 3) RGB."""
    patch_features: torch.Tensor | None = None
    """(T, N, C) what the frozen stem made of the tiles, in place of `picture`."""
    sights: torch.Tensor | None = None
    """(R, ·) what the frozen stem sees in a close-up of each region, see `gar.model.sights`; with `patch_features`."""
    grid: tuple[int, int] | None = None
    """(columns, rows) of `patch_features`."""
    words: tuple[dict[str, str], ...] = ()
    """True words of each region by attribute, for the auxiliary loss; empty where none are known."""
    kinds: tuple[str, ...] = ()
    """The kind of each turn, for lessons; empty where none are known."""


@dataclass(frozen=True)
class Skipped:
    """An item that can't be learnt from."""

    name: str
    """Where it comes from."""
    reason: str
    """What is wrong with it, with the numbers."""
