"""What the server knows of one visitor: the picture, the regions marked on it, and the conversation.

Nothing of it is kept elsewhere, and all of it goes when the visitor does. No user interface here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gar.errors import PromptError, RegionError
from gar.regions import Region
from gar.serving.page.conversation import Turn
from gar.serving.page.marks import Mark
from gar.serving.page.picture import Picture, mask_png

__all__ = ["Visit"]

_MOST_STEPS = 100
"""So many changes can be undone."""
_LONGEST_NAME = 80


class Visit:
    """One visitor's picture, regions and conversation.

    Args:
        max_regions: Most regions at once: so many prompts the model has.
    """

    def __init__(self, max_regions: int):
        self.max_regions = max_regions
        self.picture: Picture | None = None
        self.marks: tuple[Mark, ...] = ()
        """The first is `<Prompt0>`, and so on."""
        self.turns: list[Turn] = []
        self._before: list[tuple[Mark, ...]] = []
        self._next_id = 0

    def open(self, picture: Picture) -> None:
        """Opens a picture; regions and conversation of the one before are forgotten."""
        self.picture, self.marks, self.turns = picture, (), []
        self._before = []

    @property
    def can_undo(self) -> bool:
        """Whether there is a change of the regions to take back."""
        return bool(self._before)

    def add(self, region: Region, name: str = "") -> Mark:
        """Marks a region.

        Raises:
            RegionError: There is no picture, or the region does not fit it.
            PromptError: There are as many regions as the model can tell apart.
        """
        mark = self.make_mark(region, name)
        self.add_mark(mark)
        return mark

    def make_mark(self, region: Region, name: str = "") -> Mark:
        """A mark of the open picture, not added yet; for large pictures this takes a while. Errors as `add`."""
        if self.picture is None:
            raise RegionError("there is no picture to mark a region on; open one first")
        self._check_room()
        size = self.picture.size
        mask = region.to_mask(size)
        self._next_id += 1
        return Mark(
            id=self._next_id,
            region=region,
            png=mask_png(region, size),
            box=region.to_box(size),
            share=float(np.count_nonzero(mask)) / mask.size,
            name=name[:_LONGEST_NAME],
        )

    def add_mark(self, mark: Mark) -> None:
        """Adds a mark that `make_mark` made."""
        self._check_room()
        self._change((*self.marks, mark))

    def rename(self, id: int, name: str) -> None:
        """Names a region."""
        self._replace(id, name=" ".join(name.split())[:_LONGEST_NAME])

    def hide(self, id: int, hidden: bool) -> None:
        """Hides a region, or shows it again."""
        self._replace(id, hidden=hidden)

    def delete(self, id: int) -> None:
        """Forgets a region; those after it move up by one prompt."""
        self._change(tuple(mark for mark in self.marks if mark.id != id))

    def clear(self) -> None:
        """Forgets all regions."""
        self._change(())

    def undo(self) -> None:
        """Takes back the last change of the regions, if there is one."""
        if self._before:
            self.marks = self._before.pop()

    def number_of(self, id: int) -> int | None:
        """The prompt number of a region, None once it is deleted."""
        return next((number for number, mark in enumerate(self.marks) if mark.id == id), None)

    def mark_at(self, x: float, y: float) -> Mark | None:
        """The smallest region that is shown at a place of the picture; for large pictures this takes a while."""
        if self.picture is None:
            return None
        height, width = self.picture.size
        column, row = (min(max(int(at), 0), length - 1) for at, length in ((x, width), (y, height)))
        near = [mark for mark in self.marks if not mark.hidden and _is_in(mark.box, column, row)]
        here = [mark for mark in near if mark.region.to_mask((height, width))[row, column]]
        return min(here, key=lambda mark: mark.share, default=None)

    def _check_room(self) -> None:
        if len(self.marks) >= self.max_regions:
            raise PromptError(
                f"{len(self.marks)} regions are marked, and the model tells {self.max_regions} apart; delete one first"
            )

    def _replace(self, id: int, **changes: object) -> None:
        self._change(tuple(replace(mark, **changes) if mark.id == id else mark for mark in self.marks))

    def _change(self, marks: tuple[Mark, ...]) -> None:
        if marks != self.marks:
            self._before = [*self._before, self.marks][-_MOST_STEPS:]
            self.marks = marks


def _is_in(box: tuple[int, int, int, int], x: int, y: int) -> bool:
    return box[0] <= x < box[2] and box[1] <= y < box[3]
