"""Colours and patterns: what an object's surface looks like.

Choices:
- A colour name is a box in hue, saturation and value, drawn from uniformly. The boxes keep a distance from
  one another, so that nobody calls one colour by the other's name (no orange-red, no turquoise).
- A pattern has a second colour, white or black, whichever stands out. It covers about two fifths, so that
  the object's colour is the one that covers most of it; `color` always names that one.
- Edges of the pattern are antialiased analytically: the signed distance to the edge, clipped to one pixel.
"""

from __future__ import annotations

import colorsys
import math

import numpy as np

__all__ = ["HSV_RANGES", "RGB", "draw_color", "paint", "second_color"]

HSV_RANGES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((-6, 5), (0.85, 1.0), (0.72, 0.95)),
    "orange": ((25, 33), (0.88, 1.0), (0.94, 1.0)),
    "yellow": ((51, 58), (0.75, 1.0), (0.92, 1.0)),
    "green": ((105, 145), (0.60, 0.95), (0.42, 0.75)),
    "blue": ((210, 232), (0.72, 1.0), (0.65, 0.98)),
    "purple": ((268, 284), (0.55, 0.85), (0.50, 0.75)),
    "pink": ((328, 345), (0.35, 0.58), (0.96, 1.0)),
    "brown": ((20, 28), (0.62, 0.80), (0.34, 0.46)),
    "black": ((0, 360), (0.0, 0.2), (0.03, 0.11)),
    "white": ((0, 360), (0.0, 0.03), (0.96, 1.0)),
    "gray": ((0, 360), (0.0, 0.04), (0.46, 0.60)),
}
"""For each colour the ranges of hue (degrees), saturation and value."""

RGB = {
    "white": np.full(3, 250, dtype=np.float32),
    "black": np.full(3, 14, dtype=np.float32),
}
"""The second colours of patterns."""

_MOST, _TRIES = 0.42, 12  # most of what is seen that the second colour covers; how often a pattern is redrawn


def draw_color(name: str, rng: np.random.Generator) -> np.ndarray:
    """Draws a colour that everybody would call `name`: RGB (3,), float32 in [0, 255]."""
    hue, saturation, value = (rng.uniform(low, high) for low, high in HSV_RANGES[name])
    return np.array(colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value), dtype=np.float32) * 255


def second_color(color: np.ndarray, rng: np.random.Generator) -> str:
    """Chooses "white" or "black" for the pattern on a colour (3,): the one that stands out, or either."""
    brightness = float(color @ (0.299, 0.587, 0.114))
    if 95 < brightness < 145:
        return "white" if rng.random() < 0.5 else "black"
    return "white" if brightness < 120 else "black"


def _pattern(kind: str, shape: tuple[int, int], period: float, rng: np.random.Generator) -> np.ndarray:
    """Share (h, w) in [0, 1] of the second colour at each pixel; about 0.4 of the whole."""
    height, width = shape
    angle, phase = rng.uniform(0, math.pi), rng.uniform(0, 3 * period, 2)
    cos, sin = math.cos(angle), math.sin(angle)
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    u, v = x * cos + y * sin + phase[0], y * cos - x * sin + phase[1]
    from_middle = np.abs(u % period - period / 2)
    if kind == "striped":
        inside = 0.19 * period - from_middle
    elif kind == "dotted":
        inside = 0.345 * period - np.hypot(from_middle, v % period - period / 2)
    elif kind == "checkered":
        half = 0.85 * period  # side of a square; smaller ones look like dots
        row, column = np.floor(v / half), np.floor(u / half)
        across = np.maximum(np.abs(u - (column + 0.5) * half), np.abs(v - (row + 0.5) * half))
        inside = np.where((row + column) % 2 == 0, 0.45 * half - across, -1.0)
    else:
        raise KeyError(kind)
    return np.clip(inside + 0.5, 0, 1)


def paint(
    color: np.ndarray,
    pattern: str,
    second: str | None,
    seen: np.ndarray,
    period: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Paints a surface.

    Args:
        color: RGB (3,) in [0, 255].
        pattern: One of `PATTERNS`.
        second: "white" or "black"; None for a plain surface.
        seen: Share (h, w) in [0, 1] of each pixel that will be seen of the surface.
        period: Pixels from one stripe or dot to the next; squares have 0.85 of it as their side.
        rng: Where orientation, phase and shading come from.

    Returns:
        float32 (h, w, 3) in [0, 255], softly shaded from one side to the other.
    """
    surface = np.broadcast_to(color, (*seen.shape, 3))
    if second is not None:
        for _ in range(_TRIES):  # on a small object much depends on where the stripes fall
            share = _pattern(pattern, seen.shape, period, rng)
            if (share * seen).sum() <= _MOST * seen.sum():
                break
        surface = surface + share[..., None] * (RGB[second] - color)
    across, down = rng.uniform(-0.06, 0.06, 2)
    x = np.linspace(-across, across, seen.shape[1], dtype=np.float32)[None, :]
    y = np.linspace(-down, down, seen.shape[0], dtype=np.float32)[:, None]
    return (surface * (0.97 + x + y)[..., None]).astype(np.float32)
