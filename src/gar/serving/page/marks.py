"""Regions as a visitor has marked them, and how a stroke on the picture becomes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from gar.errors import RegionError
from gar.regions import Region

__all__ = ["TOOLS", "Mark", "region_of_stroke"]

TOOLS = ("refer", "point", "box", "scribble", "polygon")
"""What the pointer does on the picture: pick regions that are there, or mark a new one."""


@dataclass(frozen=True)
class Mark:
    """A region that is marked; which prompt it is, is its place among all that are."""

    id: int
    """Its own during the whole visit, whatever its place becomes."""
    region: Region
    png: bytes
    """Its mask for the browser, see `mask_png`."""
    box: tuple[int, int, int, int]
    """(x1, y1, x2, y2) around the mask, in pixels of the picture."""
    share: float
    """Part of the picture's pixels that lie inside, 0 to 1."""
    name: str = ""
    """What the visitor calls it."""
    hidden: bool = False
    """Whether it is not drawn over the picture; it can be asked about all the same."""

    @property
    def kind(self) -> str:
        """How it was pointed at, in a visitor's words."""
        return {"points": "point", "rle": "mask"}.get(self.region.kind, self.region.kind)

    @property
    def title(self) -> str:
        """Its name or, if it has none, how it was pointed at."""
        return self.name or f"unnamed {self.kind}"


def region_of_stroke(stroke: Mapping[str, Any]) -> Region:
    """The region that a stroke stands for.

    Args:
        stroke: From the browser: `kind`, one of `TOOLS` but "refer", and `points` [[x, y], …] in pixels of the picture.
            A point has one, a box two (opposite corners, in any order).

    Raises:
        RegionError: The stroke is not such a one, or has no extent.

    Example:
        >>> region_of_stroke({"kind": "box", "points": [[9, 7], [1, 2]]})
        <Region box (1, 2, 9, 7)>
    """
    kind, drawn = stroke.get("kind"), stroke.get("points")
    if not isinstance(drawn, list) or not drawn:
        raise RegionError("nothing was drawn")
    points = cast("list[Any]", drawn)
    if kind == "point":
        return Region.points(points[:1])
    if kind == "box":
        return _box(points)
    if kind == "scribble":
        if len(points) == 1:
            raise RegionError("the scribble is a single place; draw a line over the thing, or click it as a point")
        return Region.scribble(points)
    if kind == "polygon":
        return Region.polygon([points])
    raise RegionError(f"the stroke is of kind {kind!r}; allowed are {', '.join(TOOLS[1:])}")


def _box(points: list[Any]) -> Region:
    try:
        (x1, y1), (x2, y2) = points[0], points[-1]
        left, right, top, bottom = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
    except (TypeError, ValueError) as error:
        raise RegionError("the box has no two corners [x, y]") from error
    if left == right or top == bottom:
        raise RegionError("the box has no extent; press at one corner and drag to the other")
    return Region.box(left, top, right, bottom)
