"""Finds a place for each object of a scene.

Choices:
- Two objects are either apart by some pixels, or one clearly covers part of the other and they look different.
  Nothing touches by accident, so "in front of" is never a matter of a few pixels.
- Objects lie wholly within the picture. Of each about two thirds or more can be seen, and what can be seen
  still has the size that its word says.
- Nothing covers a frame, what it holds, or a reflection.

Shapes: H, W the picture; h, w the patch of one object.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gar.graspworld.appearance import Cutout, Patch, Plan, draw_patch
from gar.graspworld.frames import Frame
from gar.graspworld.vocabulary import PLACE_MARGIN, SIZE_SHARES, size_of

__all__ = ["Placed", "Stage"]

DRAWN_SHARES = {**SIZE_SHARES, "tiny": (0.0016, 0.004), "large": (0.075, 0.140)}
"""Share of the picture that is aimed at for each size."""

_THIRDS = np.array([0.345, 0.31, 0.345])  # large objects fit nowhere but in the middle
_APART = 3  # pixels between objects that do not overlap
_SEEN = 0.65  # least visible share of an object; a small crescent that shows less cannot be named
_OVERLAP = (0.14, 0.5)  # of the smaller of two objects
_OVERLAPPING = 0.6  # how often an object is put in front of or behind another, if it can be
_TRIES = 40
_SAME_SPRITE = ("fluent", "noto", "twemoji", "photo")


@dataclass(eq=False)
class Placed:
    """An object at its place, before anything is in front of it."""

    plan: Plan
    patch: Patch
    depth: float
    """Smaller is nearer."""
    left: int
    top: int
    inside: Placed | None = None
    """The frame that it is seen in."""
    reflection_of: Placed | None = None
    frame: Frame | None = None
    """What it is, if it is a frame."""
    clear: bool = False
    """Nothing may cover it, and it covers nothing."""

    @property
    def window(self) -> tuple[slice, slice]:
        """Where the patch lies in the picture."""
        height, width = self.patch.cover.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def meets(self, other: Placed, margin: int = 0) -> int:
        """Counts the pixels that both cover, this one grown by `margin` pixels."""
        mine = _grown(self.patch.inside, margin) if margin else self.patch.inside
        left, top = self.left - margin, self.top - margin
        x1, y1 = max(left, other.left), max(top, other.top)
        x2 = min(left + mine.shape[1], other.left + other.patch.inside.shape[1])
        y2 = min(top + mine.shape[0], other.top + other.patch.inside.shape[0])
        if x1 >= x2 or y1 >= y2:
            return 0
        theirs = other.patch.inside[y1 - other.top : y2 - other.top, x1 - other.left : x2 - other.left]
        return int(np.count_nonzero(mine[y1 - top : y2 - top, x1 - left : x2 - left] & theirs))


def _grown(mask: np.ndarray, margin: int) -> np.ndarray:
    """Widens a mask by `margin` pixels to all sides: bool (h + 2 margin, w + 2 margin)."""
    height, width = mask.shape
    wide = np.zeros((height, width + 2 * margin), dtype=bool)
    for shift in range(2 * margin + 1):
        wide[:, shift : shift + width] |= mask
    tall = np.zeros((height + 2 * margin, width + 2 * margin), dtype=bool)
    for shift in range(2 * margin + 1):
        tall[shift : shift + height] |= wide
    return tall


def _draw_center(low: float, high: float, rng: np.random.Generator) -> float | None:
    """Draws a coordinate well within a random third of [0, 1], if [low, high] leaves it any room."""
    third = int(rng.choice(3, p=_THIRDS))
    start = max(low, third / 3 + (PLACE_MARGIN if third > 0 else 0.0))
    end = min(high, (third + 1) / 3 - (PLACE_MARGIN if third < 2 else 0.0))
    return rng.uniform(start, end) if end > start else None


class Stage:
    """The picture while objects are put into it."""

    def __init__(self, size: tuple[int, int], rng: np.random.Generator, cutouts: Sequence[Cutout] = ()):
        self.height, self.width = size
        self.rng = rng
        self.cutouts = tuple(cutouts)
        self.placed: list[Placed] = []
        self.water: int | None = None
        """The row at which water begins, in a scene that has any."""

    def draw(self, plan: Plan) -> Patch:
        """Draws an object at a size within its class."""
        low, high = DRAWN_SHARES[plan.size]
        share = low * (high / low) ** self.rng.uniform(0.06, 0.94)
        return draw_patch(plan, share * self.height * self.width, self.rng, self.cutouts)

    def put(self, plan: Plan, depth: float) -> bool:
        """Finds a place for an object that suits all others; says whether there was one."""
        others = [other for other in self.placed if not other.clear and _look_different(plan, other.plan)]
        partner = others[self.rng.integers(len(others))] if others and self.rng.random() < _OVERLAPPING else None
        patch: Patch | None = None
        for attempt in range(_TRIES):
            if patch is None or attempt % 10 == 0:
                patch = self.draw(plan)
            if attempt == _TRIES // 2:
                partner = None
            position = self._beside(partner, patch) if partner else self._anywhere(patch)
            if position is None:
                continue
            candidate = Placed(plan, patch, depth, *position)
            if self.is_apart(candidate, partner) and (partner is None or self._covers_well(candidate, partner)):
                self.placed.append(candidate)
                return True
        return False

    def put_at(self, item: Placed) -> bool:
        """Puts an object at its place if it lies in the picture and is apart from all others."""
        if self.fits(item.patch, item.left, item.top) and self.is_apart(item, item.inside):
            self.placed.append(item)
            return True
        return False

    def fits(self, patch: Patch, left: int, top: int) -> bool:
        """Says whether a patch would lie wholly in the picture."""
        height, width = patch.cover.shape
        return left >= 0 and top >= 0 and left + width <= self.width and top + height <= self.height

    def is_apart(self, new: Placed, but: Placed | None = None) -> bool:
        """Says whether an object is apart from all others but one."""
        return not any(other is not but and new.meets(other, _APART) for other in self.placed)

    def _anywhere(self, patch: Patch) -> tuple[int, int] | None:
        """Draws the corner (left, top) of a patch; nine times of ten its centroid then has a place word."""
        (height, width), (middle_x, middle_y) = patch.cover.shape, patch.middle
        low_x, high_x = middle_x / self.width, 1 - (width - middle_x) / self.width
        low_y, high_y = middle_y / self.height, 1 - (height - middle_y) / self.height
        if low_x >= high_x or low_y >= high_y:
            return None
        if self.rng.random() < 0.1:
            x, y = self.rng.uniform(low_x, high_x), self.rng.uniform(low_y, high_y)
        else:
            x, y = _draw_center(low_x, high_x, self.rng), _draw_center(low_y, high_y, self.rng)
        if x is None or y is None:
            return None
        return self._within(patch, x * self.width - middle_x, y * self.height - middle_y)

    def _beside(self, partner: Placed, patch: Patch) -> tuple[int, int] | None:
        """Draws the corner of a patch so that it overlaps `partner` in part, probably."""
        distance = (math.sqrt(patch.area) + math.sqrt(partner.patch.area)) * self.rng.uniform(0.25, 0.62)
        angle = self.rng.uniform(0, 2 * math.pi)
        x = partner.left + partner.patch.middle[0] + distance * math.cos(angle) - patch.middle[0]
        y = partner.top + partner.patch.middle[1] + distance * math.sin(angle) - patch.middle[1]
        return self._within(patch, x, y)

    def _within(self, patch: Patch, left: float, top: float) -> tuple[int, int] | None:
        """Rounds a corner; None if the patch would not lie wholly in the picture."""
        x, y = round(left), round(top)
        return (x, y) if self.fits(patch, x, y) else None

    def _covers_well(self, new: Placed, partner: Placed) -> bool:
        """Says whether the overlap of two objects is plain to see and leaves enough of the farther one."""
        overlap = new.meets(partner) / min(new.patch.area, partner.patch.area)
        if not _OVERLAP[0] <= overlap <= _OVERLAP[1]:
            return False
        behind = new if new.depth > partner.depth else partner
        seen = behind.patch.area - sum(behind.meets(o) for o in [*self.placed, new] if o.depth < behind.depth)
        share = seen / (self.height * self.width)
        return seen >= _SEEN * behind.patch.area and size_of(share) == behind.plan.size


def _look_different(a: Plan, b: Plan) -> bool:
    """Says whether the edge between two objects is plain to see."""
    if a.style in _SAME_SPRITE and b.style in _SAME_SPRITE:
        return a.noun != b.noun
    return a.style != b.style or a.color != b.color
