"""The order in which a training goes through its data, from the first sample to the last.

The whole training is one list: epoch after epoch, each a new shuffle of the data. What stands at a position follows
from the seed alone, so a run that was stopped goes on at its position, whatever the number of worker processes; and
the trainer has nothing to shuffle and only one "epoch" to count.

With `group`, every stretch of 50 steps is sorted by length and cut into steps, which are shuffled: so the samples of a
step are of similar length, in all processes and accumulated batches, and no sample comes more than 50 steps early
or late. What cannot be used has no length and is put anywhere: else there would be steps of nothing else.

In the steps of a lesson each sample keeps the questions of the lesson's kinds alone; one that has none gives its place
to another, drawn at random.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from gar.errors import InputError
from gar.training.samples import Sample, Skipped
from gar.training.settings import Lesson
from gar.training.sources.source import Source

__all__ = ["Course"]

_STRETCH = 50
"""Steps that are sorted by length together, as many as in transformers' own length grouping."""

_DRAWS = 1000
"""Items that are looked at for one that has questions of a lesson's kinds."""


@lru_cache(maxsize=8)
def _shuffled(size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(size)


class Course(Dataset[Sample | Skipped]):
    """All samples of a training in their order.

    Args:
        source: What is learnt from.
        steps: Optimiser steps.
        batch: Samples of a step, those of all processes and accumulated batches together.
        seed: Where the order comes from.
        lengths: (epochs, items) a rough length of each item of the source in each of its epochs, which repeat; samples
            of similar length then share a step. 0 for what cannot be used.
        lessons: What is asked in the first steps.

    Example:
        >>> course = Course(source, steps=100, batch=8, seed=0)  # doctest: +SKIP
        >>> len(course), course.epochs  # doctest: +SKIP
        (800, 1.6)
    """

    def __init__(
        self,
        source: Source,
        *,
        steps: int,
        batch: int,
        seed: int,
        lengths: NDArray[np.int64] | None = None,
        lessons: Sequence[Lesson] = (),
    ):
        self.source = source
        self.steps = steps
        self.batch = batch
        self.seed = seed
        self.lengths = lengths
        self._length = steps * batch
        self._lessons = lessons
        self._lesson_ends = [*accumulate(lesson.steps for lesson in lessons)]
        self._stretch: tuple[int, NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, position: int) -> Sample | Skipped:
        epoch, index = self.place(position)
        item = self.source.draw(index, epoch)
        lesson = bisect_right(self._lesson_ends, position // self.batch)
        if lesson == len(self._lessons) or isinstance(item, Skipped):
            return item
        rng = np.random.default_rng([self.seed, position, 2])
        return self._taught(item, self._lessons[lesson].kinds, epoch, rng)

    def _taught(self, item: Sample | Skipped, kinds: Collection[str], epoch: int, rng: np.random.Generator) -> Sample:
        """A sample with nothing but questions of some kinds: this one, or another that has any."""
        for _ in range(_DRAWS):
            if isinstance(item, Sample):
                kept = [(turn, kind) for turn, kind in zip(item.turns, item.kinds, strict=False) if kind in kinds]
                if kept:
                    turns, own = zip(*kept, strict=True)
                    return replace(item, turns=turns, kinds=own)
            item = self.source.draw(int(rng.integers(len(self.source))), epoch)
        raise InputError(f"train.lessons: of {_DRAWS} items none has a question of the kinds {', '.join(kinds)}")

    @property
    def epochs(self) -> float:
        """How often the data is gone through."""
        return self._length / len(self.source)

    def place(self, position: int) -> tuple[int, int]:
        """The epoch and the index in the source of what stands at a position."""
        if not 0 <= position < self._length:
            raise IndexError(f"position {position}; there are {self._length}")
        if self.lengths is not None:
            stretch, own = divmod(position, _STRETCH * self.batch)
            if self._stretch is None or self._stretch[0] != stretch:
                self._stretch = stretch, self._grouped(stretch, self.lengths)
            position = int(self._stretch[1][own])
        epoch, own = divmod(position, len(self.source))
        return epoch, int(_shuffled(len(self.source), self.seed, epoch)[own])

    def _grouped(self, stretch: int, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """The positions of a stretch, put so that those of a step are of similar length."""
        size, count = _STRETCH * self.batch, len(self.source)
        positions = np.arange(stretch * size, min((stretch + 1) * size, self._length))
        epochs, own = np.divmod(positions, count)
        items = np.concatenate([_shuffled(count, self.seed, int(e))[own[epochs == e]] for e in np.unique(epochs)])
        rng = np.random.default_rng([self.seed, stretch, 1])
        own_lengths = lengths[epochs % len(lengths), items]
        unusable = own_lengths == 0
        if unusable.any() and not unusable.all():
            own_lengths[unusable] = rng.choice(own_lengths[~unusable], np.count_nonzero(unusable))
        ties = rng.permutation(len(items))
        steps = positions[np.lexsort((ties, own_lengths))].reshape(-1, self.batch)
        return rng.permutation(steps).ravel()
