"""From answered items to shares right, intervals and differences.

Choices:

* A share is the mean over seeds. Its interval is about the items: Wilson's 95 % interval for the items of one seed,
  since all seeds answer the same items. The spread over seeds stands beside it, lowest to highest.
* A difference between two arms is paired: both answered the same items. Its 95 % interval comes from drawing the scenes
  anew (bootstrap, 2,000 times), the answers averaged over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gar.training.evaluate import wilson
from gar.training.experiments.asking import Item
from gar.training.experiments.costs import Cost
from gar.training.experiments.plan import Arm

__all__ = ["Answers", "ArmResult", "Difference", "Share", "difference", "share"]

Answers = Mapping[int, Sequence[Item]]
"""The items of each scene, of one trained model."""

_DRAWS = 2000


@dataclass(frozen=True)
class Share:
    """How many items of a kind are right."""

    share: float
    """Mean over seeds, in [0, 1]."""
    low: float
    """Of the 95 % interval over items."""
    high: float
    seeds: tuple[float, ...]
    """The share of each seed."""
    n: int
    """Items that each seed answered."""
    chance: float
    """What uniform guesses get."""


@dataclass(frozen=True)
class Difference:
    """How much more of the same items is right."""

    difference: float
    """Of shares."""
    low: float
    """Of the 95 % interval over scenes."""
    high: float


@dataclass(frozen=True)
class ArmResult:
    """What is known of an arm."""

    arm: Arm
    """Which."""
    seeds: tuple[int, ...]
    """Of its complete runs."""
    measures: dict[str, Share]
    """By measure."""
    sizes: dict[str, dict[str, Share]]
    """By measure and size of the smallest region asked about."""
    differences: dict[str, Difference]
    """By measure, to the reference; empty for that itself, or if it has no complete run."""
    cost: Cost
    """Of showing regions."""
    training_seconds: float
    """Of one run: steps times the median seconds of a step; the median over runs."""


def share(runs: Sequence[Answers], counts: Callable[[Item], bool]) -> Share | None:
    """The share of some items that is right.

    Args:
        runs: One of each seed.
        counts: Which items.

    Returns:
        None where there is no item.

    Example:
        >>> items = [Item("noun", "tiny", right, 0.1) for right in (True, False)]
        >>> share([{0: items}, {0: items[:1] * 2}], lambda item: True).seeds
        (0.5, 1.0)
    """
    chosen = [[item for items in run.values() for item in items if counts(item)] for run in runs]
    if not chosen or not chosen[0]:
        return None
    seeds = tuple(sum(item.right for item in items) / len(items) for items in chosen)
    mean, n = sum(seeds) / len(seeds), len(chosen[0])
    low, high = wilson(mean * n, n)
    return Share(mean, low, high, seeds, n, sum(item.chance for item in chosen[0]) / n)


def difference(
    runs: Sequence[Answers], others: Sequence[Answers], counts: Callable[[Item], bool], *, seed: int = 0
) -> Difference | None:
    """By how much a share is higher than that of another arm.

    Args:
        runs: One of each seed.
        others: The other arm's.
        counts: Which items.
        seed: Of the bootstrap.

    Returns:
        None where there is no item.
    """
    scenes = sorted(set.intersection(*(set(run) for run in (*runs, *others)))) if runs and others else []
    if not scenes:
        return None
    own, theirs = _right(runs, scenes, counts), _right(others, scenes, counts)
    both = np.stack([own[:, 0] - theirs[:, 0], own[:, 1]], axis=1)  # (scenes, 2): more right ones, items
    if not both[:, 1].any():
        return None
    drawn = np.random.default_rng(seed).integers(len(scenes), size=(_DRAWS, len(scenes)))
    more, items = both[drawn].sum(1).T
    low, high = np.quantile(more[items > 0] / items[items > 0], [0.025, 0.975])
    return Difference(float(both[:, 0].sum() / both[:, 1].sum()), float(low), float(high))


def _right(runs: Sequence[Answers], scenes: Sequence[int], counts: Callable[[Item], bool]) -> np.ndarray:
    """(scenes, 2): right items, averaged over runs, and items."""
    counted = [[[item.right for item in run[scene] if counts(item)] for scene in scenes] for run in runs]
    right = np.mean([[sum(items) for items in run] for run in counted], axis=0)
    return np.stack([right, np.array([len(items) for items in counted[0]], float)], axis=1)
