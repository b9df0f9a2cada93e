"""Pictures with named segments, as samples: what COCO and panoptic annotations have in common.

The segments of a picture are dealt out in groups of at most as many as the model can name, another deal in each epoch,
and each group is an item; so each segment is seen once an epoch, and crowded pictures have several items. Segments
that are related are dealt next to each other, so that most relations can be asked about. Prompt numbers are random.

Half of the items ask for each region's name, one a turn; half ask questions about several regions, each for itself.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gar.training.samples import Sample, Skipped
from gar.training.sources.files import read_picture
from gar.training.sources.source import SeededSource
from gar.training.sources.things import Kind, write_captions, write_turns

__all__ = ["AnnotatedPicture", "Segment", "SegmentSource"]


@dataclass(frozen=True)
class Segment:
    """A region of which is known what it is."""

    kind: Kind
    """What it is."""
    mask: Any
    """What its mask is read from: a COCO annotation, or the number of a panoptic segment."""


@dataclass(frozen=True)
class AnnotatedPicture:
    """A picture and what is known of it."""

    name: str
    """For messages."""
    path: Path
    """Its file."""
    segments: Sequence[Segment]
    """One or more."""
    relations: Mapping[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)
    """How one segment relates to another, both by their place in `segments`."""
    masks: Path | None = None
    """The file that holds the masks of all segments, where there is one."""


class SegmentSource(SeededSource):
    """Items of annotated pictures.

    Args:
        path: The annotations' file, for messages.
        pictures: What there is to learn from.
        skipped: What can't be used.
        seed: Where all that is drawn at random comes from.
        max_regions: How many regions the model can name.

    Raises:
        InputError: There are no pictures, or the seed is negative.
    """

    def __init__(
        self,
        path: Path,
        pictures: Sequence[AnnotatedPicture],
        skipped: Sequence[Skipped],
        *,
        seed: int,
        max_regions: int,
    ):
        super().__init__(seed)
        self.skipped = skipped
        self._pictures = pictures
        self._max_regions = max_regions
        self._ends = list(accumulate(-(-len(picture.segments) // max_regions) for picture in pictures))
        self._kinds = [segment.kind for picture in pictures for segment in picture.segments]
        self.check_some(path)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @abstractmethod
    def _masks(
        self, picture: AnnotatedPicture, chosen: Sequence[int], size: tuple[int, int]
    ) -> list[NDArray[np.bool_]]:
        """Masks (H, W) of the chosen segments, none empty; an `InputError` says what is wrong with one."""

    def _name(self, index: int) -> str:
        return self._pictures[bisect_right(self._ends, index)].name

    def _read(self, index: int, epoch: int) -> Sample:
        number = bisect_right(self._ends, index)
        picture = self._pictures[number]
        first = self._ends[number - 1] if number else 0
        groups = np.array_split(_deal(picture, self.rng(epoch, number)), self._ends[number] - first)
        chosen: list[int] = groups[index - first].tolist()
        rng = self.rng(epoch, number, index - first + 1)
        pixels = read_picture(picture.path)
        masks = self._masks(picture, chosen, pixels.shape[:2])
        prompts = tuple(rng.permutation(self._max_regions)[: len(chosen)].tolist())
        kinds = [picture.segments[segment].kind for segment in chosen]
        if rng.random() < 0.5:
            turns = write_captions(kinds, rng)
            return Sample(picture.name, tuple(masks), prompts, turns, "captions", picture=pixels)
        relations = {
            (prompts[chosen.index(a)], prompts[chosen.index(b)]): words
            for (a, b), words in picture.relations.items()
            if a in chosen and b in chosen
        }
        others = [self._kinds[place] for place in rng.integers(len(self._kinds), size=len(kinds))]
        turns = write_turns(dict(zip(prompts, kinds, strict=True)), relations, others, rng)
        return Sample(picture.name, tuple(masks), prompts, turns, "several", dialogue=False, picture=pixels)


def _deal(picture: AnnotatedPicture, rng: np.random.Generator) -> list[int]:
    """The segments of a picture in random order, but related ones close together."""
    pairs = list(picture.relations)
    related = [segment for place in rng.permutation(len(pairs)) for segment in pairs[place]]
    others = rng.permutation(len(picture.segments)).tolist()
    return list(dict.fromkeys([*related, *others]))
