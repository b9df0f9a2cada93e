"""What users give to the constructors of a region, as plain numbers or an error that says what was wrong.

Nothing of a user's reaches the shapes unchecked: numbers are finite and within `_MAX_COORDINATE`, and how
many there may be is bounded, since filling takes time and memory for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gar.errors import RegionError
from gar.regions.rle import short
from gar.regions.shapes import Point, Polygon, Runs

__all__ = [
    "MAX_POINTS",
    "MAX_SCRIBBLE",
    "array_of",
    "coordinates",
    "length",
    "mapping_of",
    "pairs",
    "polygon_of",
    "ring_list",
    "runs_shape",
]

_MAX_COORDINATE = 1e7
"""Pixels. Far beyond any picture; keeps the arithmetic of every shape exact enough."""
MAX_POINTS = 1_000
MAX_SCRIBBLE = 10_000
_MAX_VERTICES = 100_000
_MAX_OUTLINE = 2_000_000
"""Pixels. COCO's fill walks along a polygon's outline in steps of 1/5 pixel and keeps each."""


def array_of(values: Any, what: str) -> NDArray[Any]:
    """An array of what the caller gave, or an error that says what it was."""
    try:
        return np.asarray(values)
    except (TypeError, ValueError, OverflowError) as error:
        raise RegionError(f"{what} cannot be read as an array of numbers: {short(values)}") from error


def mapping_of(value: object, what: str) -> Mapping[str, Any]:
    """A dictionary, or an error that says what was given."""
    if not isinstance(value, Mapping):
        raise RegionError(f"{what} is {short(value)}; it must be a dictionary")
    return cast("Mapping[str, Any]", value)


def coordinates(values: Any, what: str, *, least: int = 1, most: int) -> tuple[Point, ...]:
    """Finite points (x, y) of an array (N, 2)."""
    numbers = array_of(values, what)
    if numbers.ndim != 2 or numbers.shape[1] != 2 or numbers.dtype.kind not in "iuf":
        raise RegionError(
            f"{what} has shape {numbers.shape} and type {numbers.dtype}; "
            "it must be numbers (N, 2), x and y: [(x, y), ...]"
        )
    if not least <= len(numbers) <= most:
        raise RegionError(f"{what} has {len(numbers)} points; allowed are {least} to {most}")
    numbers = numbers.astype(np.float64)
    if not np.isfinite(numbers).all() or np.abs(numbers).max() > _MAX_COORDINATE:
        wrong = int(np.flatnonzero(~(np.abs(numbers) <= _MAX_COORDINATE).all(axis=1))[0])
        x, y = numbers[wrong]
        raise RegionError(
            f"{what} has ({x:g}, {y:g}) at index {wrong}; "
            f"coordinates must be finite and within {_MAX_COORDINATE:g} pixels of 0"
        )
    return tuple((float(x), float(y)) for x, y in numbers.tolist())


def length(value: Any, what: str) -> float | None:
    """A length in pixels above 0, or None."""
    if value is None:
        return None
    number = array_of(value, what)
    if number.ndim != 0 or number.dtype.kind not in "iuf" or not 0 < number <= _MAX_COORDINATE:
        raise RegionError(f"{what} is {short(value)}; it must be a number of pixels above 0")
    return float(number)


def runs_shape(runs: NDArray[np.int64], size: tuple[int, int], what: str) -> Runs:
    """A mask's shape, refused when nothing is inside."""
    if not runs[1::2].any():
        raise RegionError(f"the {what} of {size[0]} x {size[1]} (height x width) is empty: no pixel is inside")
    return Runs(size, runs.astype(np.int32).tobytes())


def ring_list(rings: Any) -> list[Any]:
    """Rings of what the caller gave: several, or a single one."""
    if isinstance(rings, np.ndarray):
        return list(cast("NDArray[Any]", rings)) if rings.ndim == 3 else [rings]
    if not isinstance(rings, (list, tuple)):
        raise RegionError(f"the polygon is {short(rings)}; it must be a ring [(x, y), ...] or a list of rings")
    parts = cast("Sequence[Any]", rings)
    # A single ring holds points, whose first entry is a number; a list of rings holds rings.
    match parts:
        case [np.ndarray(ndim=1), *_]:
            return [parts]
        case [[first, *_], *_] if np.isscalar(first):
            return [parts]
        case _:
            return list(parts)


def pairs(flat: Any) -> NDArray[Any]:
    """Points (N, 2) of COCO's flat polygon x1, y1, x2, y2, ..."""
    numbers = array_of(flat, "the annotation's polygon")
    if numbers.ndim != 1 or numbers.size % 2:
        raise RegionError(f"the annotation's polygon has shape {numbers.shape}; it must be flat: x1, y1, x2, y2, ...")
    return numbers.reshape(-1, 2)


def polygon_of(rings: Sequence[Any], *, union: bool) -> Polygon:
    """A polygon of checked rings, whose points and outline are bounded in all."""
    if not rings:
        raise RegionError("the polygon has no ring; needed is at least one of 3 points or more")
    if len(rings) > _MAX_VERTICES // 3:
        raise RegionError(f"the polygon has {len(rings)} rings; allowed are {_MAX_VERTICES // 3}")
    checked = tuple(
        coordinates(ring, f"ring {index} of the polygon", least=3, most=_MAX_VERTICES)
        for index, ring in enumerate(rings)
    )
    vertices = sum(len(ring) for ring in checked)
    outline = sum(float(np.abs(np.diff([*ring, ring[0]], axis=0)).max(axis=1).sum()) for ring in checked)
    if vertices > _MAX_VERTICES or outline > _MAX_OUTLINE:
        raise RegionError(
            f"the polygon has {vertices} points and {outline:.0f} pixels of outline; "
            f"allowed are {_MAX_VERTICES} and {_MAX_OUTLINE}"
        )
    return Polygon(checked, union)
