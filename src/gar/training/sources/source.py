"""What every source of training data has in common, and several of them as one.

Choices of this file:

* Whatever a source draws at random (prompt numbers, wordings, which regions of a crowded picture) comes from the seed,
  the epoch and the index alone. So the draws differ from epoch to epoch, and a run that was stopped and resumed sees
  what it would have seen.
* A source is opened cheaply. What is plainly wrong then is left out and listed in `skipped`; what proves wrong when its
  picture and masks are read is given as a `Skipped` in its place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from torch.utils.data import Dataset

from gar.errors import InputError
from gar.training.samples import Sample, Skipped

__all__ = ["Mixture", "SeededSource", "Source"]


class Source(Dataset[Sample | Skipped], ABC):
    """Samples by index, from 0 to the length; the same in every process for the same seed, epoch and index."""

    skipped: Sequence[Skipped]
    """What could not be used when the source was opened; `len` does not count it."""

    def __init__(self) -> None:
        self.skipped = []

    def __getitem__(self, index: int) -> Sample | Skipped:
        """An item as it is in the first epoch."""
        if not 0 <= index < len(self):
            raise IndexError(f"item {index}; there are {len(self)}")
        return self.draw(index, 0)

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def draw(self, index: int, epoch: int) -> Sample | Skipped:
        """An item as it is in a given epoch, from 0 up."""


class SeededSource(Source):
    """A source whose items are read one by one, each with random numbers of its own.

    Args:
        seed: Where all that is drawn at random comes from; 0 or more.

    Raises:
        InputError: The seed is negative.
    """

    def __init__(self, seed: int):
        super().__init__()
        if seed < 0:
            raise InputError(f"seed={seed}; it must be 0 or more")
        self._seed = seed

    def check_some(self, path: object) -> None:
        """Refuses to go on with nothing.

        Raises:
            InputError: Not one item is left.
        """
        if not len(self):
            first = f", the first: {self.skipped[0].name}: {self.skipped[0].reason}" if self.skipped else ""
            raise InputError(f"{path} has nothing to learn from; {len(self.skipped)} items can't be used{first}")

    def rng(self, epoch: int, *numbers: int) -> np.random.Generator:
        """Random numbers of their own for whatever is so numbered in an epoch; zeros at the end don't count."""
        return np.random.default_rng([self._seed, epoch, *numbers])

    def draw(self, index: int, epoch: int) -> Sample | Skipped:
        """An item as it is in a given epoch; a `Skipped` if its picture, masks or text can't be used."""
        try:
            return self._read(index, epoch)
        except InputError as error:
            return Skipped(self._name(index), str(error))

    @abstractmethod
    def _name(self, index: int) -> str:
        """Where an item comes from, for messages."""

    @abstractmethod
    def _read(self, index: int, epoch: int) -> Sample:
        """Reads an item; an `InputError` says why it can't be used."""


class Mixture(Source):
    """Several sources as one, each repeated as often as it shall weigh.

    The repeats of an item are drawn anew, as if they came from further epochs.

    Args:
        sources: One or more.
        weights: How often each is gone through in one epoch, from 1 up; once by default.

    Raises:
        InputError: There is no source, or the weights are not one whole number from 1 up for each.

    Example:
        >>> mixture = Mixture([photographs, world], [3, 1])  # doctest: +SKIP
        >>> len(mixture) == 3 * len(photographs) + len(world)  # doctest: +SKIP
        True
    """

    def __init__(self, sources: Sequence[Source], weights: Sequence[int] | None = None):
        super().__init__()
        self._sources = list(sources)
        self._weights = [1] * len(sources) if weights is None else list(weights)
        if not sources or len(self._weights) != len(sources) or min(self._weights) < 1:
            raise InputError(
                f"{len(sources)} sources with weights {self._weights}; needed are one source or more, and for each "
                "a weight, a whole number from 1 up"
            )
        self.skipped = [skipped for source in sources for skipped in source.skipped]
        self._ends = list(
            accumulate(len(source) * weight for source, weight in zip(sources, self._weights, strict=True))
        )

    def __len__(self) -> int:
        return self._ends[-1]

    def draw(self, index: int, epoch: int) -> Sample | Skipped:
        """An item of the source that the index falls into."""
        number = bisect_right(self._ends, index)
        source, weight = self._sources[number], self._weights[number]
        repeat, own = divmod(index - (self._ends[number] - len(source) * weight), len(source))
        return source.draw(own, epoch * weight + repeat)
