"""Outlines of the shapes, and their coverage of pixels.

Choices:
- An outline is a list of rings of points (x, y): the outer boundary first, then holes. It has area 1 and its
  centroid at the origin, so that the scale is the square root of the wanted area in pixels.
- Turning is limited where a turned shape would be another one: a square on its corner is a diamond.
- Coverage is counted on a grid four times as fine; a pixel's value is the share of it that the shape covers.
  (PIL draws the boundary too, which widens a shape by less than a tenth of a pixel.)

Shapes: outlines are float64 (N, 2), coverage is float32 (h, w) in [0, 1].
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["MAX_TURN", "coverage", "outline"]

_FINE = 4
_ROUND = np.linspace(0, 2 * math.pi, 72, endpoint=False)

MAX_TURN = {"square": 15.0, "diamond": 12.0, "cross": 15.0, "heart": 40.0}
"""Largest turn in degrees, either way, of the shapes that may not be turned freely."""


def _polygon(corners: int, radius: float = 1.0, start: float = -math.pi / 2) -> np.ndarray:
    angles = start + 2 * math.pi * np.arange(corners) / corners
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _circle(radius: float = 1.0) -> np.ndarray:
    return radius * np.stack([np.cos(_ROUND), np.sin(_ROUND)], axis=1)


def _box(width: float, height: float) -> np.ndarray:
    return np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2


def _star(rng: np.random.Generator) -> np.ndarray:
    points = np.empty((10, 2))
    points[0::2] = _polygon(5)
    points[1::2] = _polygon(5, rng.uniform(0.40, 0.48), -math.pi / 2 + math.pi / 5)
    return points


def _heart() -> np.ndarray:
    x = 16 * np.sin(_ROUND) ** 3
    y = 13 * np.cos(_ROUND) - 5 * np.cos(2 * _ROUND) - 2 * np.cos(3 * _ROUND) - np.cos(4 * _ROUND)
    return np.stack([x, -y], axis=1)


def _cross(rng: np.random.Generator) -> np.ndarray:
    a = rng.uniform(0.28, 0.36)
    quarter = np.array([[a, -1.0], [a, -a], [1.0, -a]])
    turns = [np.array([[math.cos(t), math.sin(t)], [-math.sin(t), math.cos(t)]]) for t in math.pi / 2 * np.arange(4)]
    return np.concatenate([quarter @ turn for turn in turns])


def _crescent(rng: np.random.Generator) -> np.ndarray:
    """A disc without a second disc of radius `r` whose centre lies `d` to the right."""
    r, d = rng.uniform(0.80, 0.88), rng.uniform(0.48, 0.56)
    x = (1 - r * r + d * d) / (2 * d)  # both circles meet at (x, ±y)
    y = math.sqrt(1 - x * x)
    outer, inner = math.atan2(y, x), math.atan2(y, x - d)
    far = np.linspace(outer, 2 * math.pi - outer, 48)
    near = np.linspace(2 * math.pi - inner, inner, 40)[1:-1]
    rim = np.stack([np.cos(far), np.sin(far)], axis=1)
    bite = np.stack([d + r * np.cos(near), r * np.sin(near)], axis=1)
    return np.concatenate([rim, bite])


def _arrow(rng: np.random.Generator) -> np.ndarray:
    shaft, neck = rng.uniform(0.18, 0.26), rng.uniform(0.0, 0.2)
    half = np.array([[-1.0, shaft], [neck, shaft], [neck, 0.62], [1.0, 0.0]])
    return np.concatenate([half, half[-2::-1] * [1, -1]])


def _rings(shape: str, rng: np.random.Generator) -> list[np.ndarray]:
    """Draws one outline of a shape, of any size, anywhere."""
    match shape:
        case "circle":
            return [_circle()]
        case "square":
            return [_box(1, 1)]
        case "rectangle":
            return [_box(rng.uniform(1.8, 2.5), 1)]
        case "triangle":
            return [_polygon(3) * [rng.uniform(0.85, 1.15), 1]]
        case "star":
            return [_star(rng)]
        case "heart":
            return [_heart()]
        case "ring":
            return [_circle(), _circle(rng.uniform(0.50, 0.62))]
        case "cross":
            return [_cross(rng)]
        case "hexagon":
            return [_polygon(6)]
        case "crescent":
            return [_crescent(rng)]
        case "arrow":
            return [_arrow(rng)]
        case "diamond":
            return [_polygon(4) * [rng.uniform(0.55, 0.68), 1]]
        case _:
            raise KeyError(shape)


def _area_and_moment(ring: np.ndarray) -> tuple[float, np.ndarray]:
    """Area of a polygon and its first moment (2,), by the shoelace formula; both positive turning."""
    following = np.roll(ring, -1, axis=0)
    cross = ring[:, 0] * following[:, 1] - ring[:, 1] * following[:, 0]
    area = cross.sum() / 2
    moment = ((ring + following) * cross[:, None]).sum(axis=0) / 6
    return abs(area), moment * math.copysign(1, area)


def outline(shape: str, rng: np.random.Generator) -> list[np.ndarray]:
    """Draws an outline of `shape`: rings (N, 2), area 1, centroid at the origin, turned at random.

    Args:
        shape: One of `SHAPES`.
        rng: Where proportions and the turn come from.
    """
    rings = _rings(shape, rng)
    turn = math.radians(rng.uniform(-1, 1) * MAX_TURN.get(shape, 180.0))
    matrix = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    rings = [ring @ matrix for ring in rings]
    area, moment = _area_and_moment(rings[0])
    for hole in rings[1:]:
        hole_area, hole_moment = _area_and_moment(hole)
        area, moment = area - hole_area, moment - hole_moment
    return [(ring - moment / area) / math.sqrt(area) for ring in rings]


def coverage(rings: list[np.ndarray], scale: float) -> tuple[np.ndarray, tuple[float, float]]:
    """Rasterises an outline with antialiased edges.

    Args:
        rings: From `outline`.
        scale: Pixels per unit: the square root of the wanted area in pixels.

    Returns:
        Coverage (h, w), float32 in [0, 1], just large enough; and the origin of the outline in it as
        (x, y) pixels.
    """
    low = np.floor(rings[0].min(axis=0) * scale) - 1
    width, height = (np.ceil(rings[0].max(axis=0) * scale) + 1 - low).astype(int).tolist()
    fine = Image.new("L", (width * _FINE, height * _FINE))
    draw = ImageDraw.Draw(fine)
    for number, ring in enumerate(rings):
        points = (ring * scale - low) * _FINE  # not shifted by half a pixel: measured, discs are then centred
        draw.polygon(points.ravel().tolist(), fill=0 if number else 255)
    patch = np.asarray(fine.reduce(_FINE), dtype=np.float32) / 255
    return patch, (-low[0], -low[1])
