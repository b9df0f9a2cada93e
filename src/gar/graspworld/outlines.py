"""The word for the outline of what is drawn or photographed: a written rule, the same for sprites and photographs.

Choices:
- An outline is compared with the ellipse and the rectangle that have its moments (its place, extent and tilt), by
  intersection over union. One of them must fit it well and the other clearly worse; else there is no word.
- Between round and oval, and between square and rectangular, lie ratios of the sides at which people would argue.
"""

from __future__ import annotations

import numpy as np

__all__ = ["OUTLINES", "OUTLINES_OF_SHAPES", "outline_of"]

OUTLINES_OF_SHAPES = {
    "circle": "circular",
    "square": "square",
    "rectangle": "rectangular",
    "triangle": "triangular",
    "star": "star-shaped",
    "heart": "heart-shaped",
    "ring": "ring-shaped",
    "cross": "cross-shaped",
    "hexagon": "hexagonal",
    "crescent": "crescent-shaped",
    "arrow": "arrow-shaped",
    "diamond": "diamond-shaped",
}
"""The adjective of each shape of the world."""

OUTLINES = (*OUTLINES_OF_SHAPES.values(), "oval")
"""All words for outlines."""

_ROUND, _STRAIGHT = 0.95, 0.92
"""Least intersection over union with the ellipse, from which a hexagon is not far, and with the rectangle."""
_BETTER = 0.03
"""How much less the other form fits at least."""
_EQUAL, _LONG = 1.15, 1.35
"""Ratio of the sides up to which they are taken for equal, and from which they are not."""
_LEAST_PIXELS = 300


def outline_of(mask: np.ndarray) -> str | None:
    """Names the outline of a mask: "circular", "oval", "square" or "rectangular", where it plainly is one of these.

    Args:
        mask: bool (H, W), True inside.

    >>> mask = np.zeros((60, 90), dtype=bool)
    >>> mask[10:40, 15:75] = True
    >>> outline_of(mask)
    'rectangular'
    """
    if np.count_nonzero(mask) < _LEAST_PIXELS:
        return None
    points = np.argwhere(mask).astype(np.float64)
    middle = points.mean(0)
    spreads, axes = np.linalg.eigh(np.cov((points - middle).T))  # the lesser one first
    if spreads[0] <= 0:
        return None
    ratio = float(np.sqrt(spreads[1] / spreads[0]))
    if _EQUAL < ratio < _LONG:
        return None
    places = np.argwhere(np.ones_like(mask)) - middle
    along, inside = places @ axes / np.sqrt(spreads), mask.ravel()
    # an ellipse reaches two standard deviations from its middle, a rectangle the root of three
    round_fit = _overlap(inside, (along**2).sum(1) <= 4)
    tilts = [0.0] if ratio >= _LONG else np.arange(0, np.pi / 2, np.pi / 36)  # the moments of a square have no tilt
    straight_fit = max(_overlap(inside, (np.abs(along @ _rotation(tilt)) <= np.sqrt(3)).all(1)) for tilt in tilts)
    if round_fit >= max(_ROUND, straight_fit + _BETTER):
        return "oval" if ratio >= _LONG else "circular"
    if straight_fit >= max(_STRAIGHT, round_fit + _BETTER):
        return "rectangular" if ratio >= _LONG else "square"
    return None


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union."""
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


def _rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
