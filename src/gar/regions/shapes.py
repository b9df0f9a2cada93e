"""The shapes that a region can have, and how each one fills pixels.

Frame: pixels of the original picture. Pixel (row j, column i) covers x in [i, i + 1) and y in [j, j + 1),
its centre is at (i + 0.5, j + 0.5). Sizes are (H, W), masks are bool (H, W).

Choices of this file:

* A shape is plain numbers, so it is immutable, hashable and equal by value; a mask is kept as its runs.
* Discs and strokes are unions of convex pieces, and a convex piece meets each row of pixels in one
  interval. So they are drawn as intervals per row, marked at their two ends and summed along the row: work
  grows with the rows, memory with the picture, whatever the numbers are.
* A polygon is filled by pycocotools, whose rule (`rleFrPoly` in maskApi.c) is the one that the field's
  annotations were made with; rings are then joined by the even-odd rule, or united as in COCO's
  annotations.
* What a shape stands for where there is no segmenter was chosen by measured IoU: docs/decisions/0001.

The constructors of `gar.Region` check what users give; the shapes here take their numbers as they are.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gar.errors import RegionError
from gar.regions.rle import mask_of_runs, parse_counts

__all__ = ["Box", "Mask", "Point", "Points", "Polygon", "Runs", "Scribble", "Shape", "Size"]

Size: TypeAlias = tuple[int, int]
"""(H, W) in pixels."""
Mask: TypeAlias = NDArray[np.bool_]
"""(H, W), True inside."""
Point: TypeAlias = tuple[float, float]
"""(x, y) in pixels."""
_Interval: TypeAlias = tuple[slice, NDArray[np.float64], NDArray[np.float64]]
"""Rows of the picture, and in each the first and the last x inside."""

POINT_RADIUS = 0.07
"""Radius of a point's disc, as a fraction of the picture's diagonal (docs/decisions/0001)."""
SCRIBBLE_WIDTH = 0.45
"""Width of a stroke, as a fraction of the diagonal of the box around the scribble (docs/decisions/0001)."""
_REACH = 0.7072
"""No disc or stroke is narrower: the centre of the pixel that a point lies in is at most sqrt(1/2) away."""
_TINY = float(np.finfo(np.float64).tiny)
_UPRIGHT = 1e-9
"""Two points that lie no further apart across, in pixels, are one above the other."""


class Shape(Protocol):
    """What every shape can do."""

    def fill(self, size: Size) -> Mask:
        """The pixels inside, in a picture of (H, W); RegionError where it is of another size."""
        ...

    def note(self, size: Size) -> str | None:
        """What of the shape lies outside a picture of (H, W), in words; None when nothing does."""
        ...

    def __str__(self) -> str:
        """The shape with its numbers, for messages."""
        ...


@dataclass(frozen=True)
class Runs:
    """A mask of a certain size, kept as runs (see `gar.regions.rle`)."""

    size: Size
    """(H, W) of the mask; the picture's must be the same."""
    counts: bytes
    """Runs as int32, column by column, outside first."""

    def fill(self, size: Size) -> Mask:
        """The mask itself."""
        if size != self.size:
            raise RegionError(f"{self} does not fit the picture of {_by(size)}: the sizes must be the same")
        return mask_of_runs(np.frombuffer(self.counts, np.int32), size)

    def note(self, size: Size) -> str | None:
        """Nothing: a mask lies inside its picture."""
        return None

    def __str__(self) -> str:
        """The size."""
        return f"mask of {_by(self.size)}"


@dataclass(frozen=True)
class Box:
    """A box, standing for the ellipse that touches its four sides, or for all of itself."""

    x1: float
    y1: float
    x2: float
    y2: float
    whole: bool
    """True fills the box, False its ellipse."""

    def fill(self, size: Size) -> Mask:
        """Every pixel that the ellipse, or the box, of the part inside the picture touches.

        The box is cut first and the ellipse drawn in what is left, so the mask always reaches all four
        sides: its own box is this one, rounded outwards, and a box thinner than a pixel still has one.
        """
        height, width = size
        x1, x2 = max(self.x1, 0.0), min(self.x2, float(width))
        y1, y2 = max(self.y1, 0.0), min(self.y2, float(height))
        mask = np.zeros(size, np.bool_)
        if x1 >= x2 or y1 >= y2:
            return mask
        columns, rows = np.arange(math.floor(x1), math.ceil(x2)), np.arange(math.floor(y1), math.ceil(y2))
        window = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        if self.whole:
            window[:] = True
            return mask
        # How far each row and column comes towards the middle, in semi-axes: 0 where it holds the middle.
        across = _gap(columns, (x1 + x2) / 2) / max((x2 - x1) / 2, _TINY)
        down = _gap(rows, (y1 + y2) / 2) / max((y2 - y1) / 2, _TINY)
        # Inside where across² + down² <= 1, written so that one number a row is compared.
        reach = np.sqrt(np.maximum(1.0 - down**2, 0.0))
        np.less_equal(across[None, :], reach[:, None], out=window)
        return mask

    def note(self, size: Size) -> str | None:
        """How far the box reaches beyond the picture's edges."""
        return _beyond(str(self), (self.x1, self.y1, self.x2, self.y2), size)

    def __str__(self) -> str:
        """The corners."""
        return f"box ({self.x1:g}, {self.y1:g}, {self.x2:g}, {self.y2:g})"


@dataclass(frozen=True)
class Points:
    """Points inside and outside of something: discs round the former, cut half-way to the latter."""

    inside: tuple[Point, ...]
    outside: tuple[Point, ...]
    radius: float | None
    """Pixels; None takes `POINT_RADIUS` of the picture's diagonal."""

    def fill(self, size: Size) -> Mask:
        """Pixels whose centre is within the radius of an inside point and no nearer to an outside point."""
        radius = max(POINT_RADIUS * math.hypot(*size) if self.radius is None else self.radius, _REACH)
        others = [point for point in self.outside if _holds(size, point)]
        discs = (_disc(point, radius, others, size) for point in self.inside if _holds(size, point))
        return _union(discs, size)

    def note(self, size: Size) -> str | None:
        """Which points lie outside the picture."""
        missed = [point for point in (*self.inside, *self.outside) if not _holds(size, point)]
        if not missed:
            return None
        total = len(self.inside) + len(self.outside)
        names = ", ".join(f"({x:g}, {y:g})" for x, y in missed[:3]) + (", ..." if len(missed) > 3 else "")
        return f"{len(missed)} of {total} points left out, outside the picture of {_by(size)}: {names}"

    def __str__(self) -> str:
        """The first inside point and how many there are."""
        (x, y), total = self.inside[0], len(self.inside) + len(self.outside)
        return f"point ({x:g}, {y:g})" if total == 1 else f"{total} points, the first inside at ({x:g}, {y:g}),"


@dataclass(frozen=True)
class Scribble:
    """A line of points drawn with a round pen."""

    points: tuple[Point, ...]
    width: float | None
    """Pixels; None takes `SCRIBBLE_WIDTH` of the diagonal of the box around the points."""

    def fill(self, size: Size) -> Mask:
        """Pixels whose centre is within half the width of the line."""
        x1, y1, x2, y2 = _extent(self.points)
        width = SCRIBBLE_WIDTH * math.hypot(x2 - x1, y2 - y1) if self.width is None else self.width
        radius = max(width / 2, _REACH)
        pieces = pairwise(self.points)
        return _union((_capsule(a, b, radius, size) for a, b in pieces), size)

    def note(self, size: Size) -> str | None:
        """How far the line reaches beyond the picture's edges."""
        return _beyond(str(self), _extent(self.points), size)

    def __str__(self) -> str:
        """How many points, and the box around them."""
        x1, y1, x2, y2 = _extent(self.points)
        return f"scribble of {len(self.points)} points in ({x1:g}, {y1:g}, {x2:g}, {y2:g})"


@dataclass(frozen=True)
class Polygon:
    """One or more closed rings."""

    rings: tuple[tuple[Point, ...], ...]
    union: bool
    """True unites the rings (COCO's parts of one object), False makes a ring inside another a hole
    (even-odd)."""

    def fill(self, size: Size) -> Mask:
        """Pixels of the rings by COCO's rule."""
        coco: Any = importlib.import_module("pycocotools.mask")
        height, width = size
        # How many rings a pixel lies in, from a step up where a run begins and a step down where it ends.
        depth = np.zeros(height * width + 1, np.int32)
        for ring in self.rings:
            flat = [number for point in ring for number in point]
            counts = coco.frPyObjects([flat], height, width)[0]["counts"]
            edges = np.cumsum(parse_counts(counts, size))
            # Runs of no pixels make an edge occur twice, so += through an index would lose steps.
            np.add.at(depth, edges[0::2], 1)
            np.add.at(depth, edges[1::2], -1)
        np.cumsum(depth, out=depth)
        inside = depth[:-1] > 0 if self.union else (depth[:-1] & 1) == 1
        return np.ascontiguousarray(inside.reshape(width, height).T)

    def note(self, size: Size) -> str | None:
        """How far the rings reach beyond the picture's edges."""
        return _beyond(str(self), self._extent(), size)

    def __str__(self) -> str:
        """How many rings, and the box around them."""
        x1, y1, x2, y2 = self._extent()
        what = "polygon" if len(self.rings) == 1 else f"polygon of {len(self.rings)} rings"
        return f"{what} in ({x1:g}, {y1:g}, {x2:g}, {y2:g})"

    def _extent(self) -> tuple[float, float, float, float]:
        return _extent(point for ring in self.rings for point in ring)


def _gap(index: NDArray[np.integer[Any]], middle: float) -> NDArray[np.float64]:
    """Distance from `middle` to the nearest place in each pixel [index, index + 1]."""
    return np.maximum(np.maximum(index - middle, middle - (index + 1)), 0.0)


def _disc(center: Point, radius: float, others: Iterable[Point], size: Size) -> _Interval:
    """Disc (radius in pixels), without what is nearer to one of the other points than to its centre."""
    rows, y = _rows(center[1] - radius, center[1] + radius, size)
    left, right = _chord(center, radius, y)
    for other in others:
        dx, dy = other[0] - center[0], other[1] - center[1]
        if math.hypot(dx, dy) > 2 * radius:
            continue
        # The points as near to one as to the other: (x - middle x) dx + (y - middle y) dy = 0.
        below = ((other[1] + center[1]) / 2 - y) * dy
        if abs(dx) < _UPRIGHT:
            right = np.where(below >= 0, right, -np.inf)
            continue
        border = (other[0] + center[0]) / 2 + below / dx
        left, right = (left, np.minimum(right, border)) if dx > 0 else (np.maximum(left, border), right)
    return rows, left, right


def _capsule(a: Point, b: Point, radius: float, size: Size) -> _Interval:
    """All within `radius` pixels of the line from `a` to `b`: two discs and the rectangle between."""
    rows, y = _rows(min(a[1], b[1]) - radius, max(a[1], b[1]) + radius, size)
    (left_a, right_a), (left_b, right_b) = _chord(a, radius, y), _chord(b, radius, y)
    left, right = np.minimum(left_a, left_b), np.maximum(right_a, right_b)
    length = math.hypot(b[0] - a[0], b[1] - a[1])
    if length == 0:
        return rows, left, right
    across, along = (b[1] - a[1]) * radius / length, -(b[0] - a[0]) * radius / length
    corners = [(a[0] + across, a[1] + along), (b[0] + across, b[1] + along)]
    corners += [(b[0] - across, b[1] - along), (a[0] - across, a[1] - along)]
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        if y1 == y2:  # its ends belong to the neighbouring sides
            continue
        on_side = (y >= min(y1, y2)) & (y <= max(y1, y2))
        x = x1 + (y[on_side] - y1) / (y2 - y1) * (x2 - x1)  # a share of at most 1, however flat the side
        left[on_side] = np.minimum(left[on_side], x)
        right[on_side] = np.maximum(right[on_side], x)
    return rows, left, right


def _rows(top: float, bottom: float, size: Size) -> tuple[slice, NDArray[np.float64]]:
    """Rows of the picture with their centre in [top, bottom], and the y of those centres."""
    first = min(max(math.ceil(top - 0.5), 0), size[0])
    last = min(max(math.floor(bottom - 0.5) + 1, first), size[0])
    return slice(first, last), np.arange(first, last, dtype=np.float64) + 0.5


def _chord(center: Point, radius: float, y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and last x of a disc at each y; where the disc is not, first lies after last."""
    square = radius**2 - (y - center[1]) ** 2
    half = np.where(square >= 0, np.sqrt(np.maximum(square, 0.0)), -np.inf)
    return center[0] - half, center[0] + half


def _union(intervals: Iterable[_Interval], size: Size) -> Mask:
    """Mask of the pixels whose centre lies in any of the intervals."""
    height, width = size
    depth = np.zeros((height, width + 1), np.int16)  # intervals are at most 10,000, the limit of points
    for rows, left, right in intervals:
        start = np.clip(np.ceil(left - 0.5), 0, width).astype(np.intp)
        stop = np.clip(np.floor(right - 0.5) + 1, start, width).astype(np.intp)
        row = np.arange(height)[rows]
        depth[row, start] += 1
        depth[row, stop] -= 1
    np.cumsum(depth, axis=1, out=depth)
    return depth[:, :width] > 0


def _holds(size: Size, point: Point) -> bool:
    """Whether a point lies in the picture or on its edge."""
    return 0 <= point[0] <= size[1] and 0 <= point[1] <= size[0]


def _extent(points: Iterable[Point]) -> tuple[float, float, float, float]:
    """Box (x1, y1, x2, y2) around points."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _beyond(what: str, extent: tuple[float, float, float, float], size: Size) -> str | None:
    """How far an extent reaches beyond each edge of the picture; None when it does not."""
    (height, width), (x1, y1, x2, y2) = size, extent
    over = {"left": -x1, "top": -y1, "right": x2 - width, "bottom": y2 - height}
    sides = [f"{pixels:g} px beyond the {edge} edge" for edge, pixels in over.items() if pixels > 0]
    if not sides:
        return None
    return f"cut at the picture of {_by(size)}: {what}, {' and '.join(sides)}"


def _by(size: Size) -> str:
    return f"{size[0]} x {size[1]} (height x width)"
