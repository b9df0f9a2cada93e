"""What a surface is made of: how a material changes the light on an object, and its edge.

Choices:
- A material is seen by its light and grain, never by its color, so that color and material are asked apart. Colors
  that a material would turn into others (white metal is gray) are left out: `can_be_made_of`.
- Grain is coarse enough to be seen on a medium object of a picture of 256 pixels.

Shapes: h, w the patch of one object; a surface is float32 (h, w, 3) in [0, 255].
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

__all__ = ["can_be_made_of", "finish", "fringe"]

_GLASS = 0.80  # opacity of glass
_LEFT_OUT = {
    "metal": {"white", "brown", "pink"},
    "glass": {"black", "white", "gray", "brown", "pink"},
    "wood": {"black", "white"},
    "fur": {"black"},
}


def can_be_made_of(color: str, material: str) -> bool:
    """Says whether an object of a color is still of that color when it is made of a material."""
    return color not in _LEFT_OUT.get(material, ())


def _noise(shape: tuple[int, int], cells: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Smooth noise (h, w) in about [-1, 1] of `cells` rows and columns."""
    rows, columns = (max(2, min(cell, side)) for cell, side in zip(cells, shape, strict=True))
    small = Image.fromarray(rng.uniform(-1, 1, (rows, columns)).astype(np.float32))
    return np.asarray(small.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def _along(shape: tuple[int, int], angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (h, w) along and across a direction, in sides of the patch, around its middle."""
    height, width = shape
    side = float(max(shape))
    y = ((np.arange(height, dtype=np.float32) - height / 2) / side)[:, None]
    x = ((np.arange(width, dtype=np.float32) - width / 2) / side)[None, :]
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    return x * cos + y * sin, y * cos - x * sin


def fringe(coverage: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Makes the edge of a coverage (h, w) hairy."""
    height, width = coverage.shape
    side = math.sqrt(float(coverage.sum()))
    pad = max(2, round(side * 0.05))
    framed = np.pad(coverage, pad)
    reduced = Image.fromarray(framed).resize(
        (max(3, round(framed.shape[1] / pad)), max(3, round(framed.shape[0] / pad))), Image.Resampling.BOX
    )
    soft = np.asarray(reduced.resize((width + 2 * pad, height + 2 * pad), Image.Resampling.BICUBIC))
    cells = max(6, round(side / 3.0))
    tufts = _noise(framed.shape, (cells, cells), rng)
    return np.clip((soft - 0.5 + 0.33 * tufts) * 3.5 + 0.5, 0, 1).astype(np.float32)


def finish(surface: np.ndarray, material: str, coverage: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lights a surface as a material would be, in place.

    Args:
        surface: Colors (h, w, 3).
        material: One of `MATERIALS`.
        coverage: Share (h, w) of each pixel that the object covers.
        rng: Where direction and grain come from.

    Returns:
        Opacity (h, w) of the object: `coverage`, less for glass.
    """
    shape = coverage.shape
    side = math.sqrt(float(coverage.sum()))
    angle = rng.uniform(0, math.pi)
    along, across = _along(shape, angle)
    if material == "plastic":
        x, y = _along(shape, 0.0)
        spot = np.exp(-(((x + 0.17) / 0.13) ** 2 + ((y + 0.19) / 0.10) ** 2))
        surface += (0.55 * spot)[..., None] * (255 - surface)
    elif material == "metal":
        waves = np.sin(along * rng.uniform(9, 13) + rng.uniform(0, 6)) + 0.6 * np.sin(along * 23 + rng.uniform(0, 6))
        surface *= (0.88 + 0.20 * waves)[..., None]
        streak = np.clip(waves - 0.75, 0, 1)
        surface += (0.85 * streak)[..., None] * (255 - surface)
    elif material == "wood":
        warp = 0.35 * _noise(shape, (4, 4), rng)
        rings = np.sin((across + 0.12 * warp) * side * 2.2 / max(2.2, side / 22) + 3 * warp)
        fibers = _noise(shape, (max(3, shape[0] // 2), max(3, shape[1] // 2)), rng)
        surface *= (0.84 + 0.20 * rings + 0.08 * fibers)[..., None]
        planks = np.abs(((across + 0.5) * 3) % 1 - 0.5) > 0.46
        surface[planks] *= 0.55
    elif material == "glass":
        streak = np.clip(1.4 * np.cos(along * 8 + rng.uniform(0, 3)) - 0.9, 0, 1)
        surface += (0.75 * streak)[..., None] * (255 - surface)
        inner = np.asarray(
            Image.fromarray(coverage)
            .resize((max(2, shape[1] // 5), max(2, shape[0] // 5)), Image.Resampling.BOX)
            .resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
        )
        rim = np.clip((0.93 - inner) * 3.0, 0, 1)
        surface += (0.5 * rim)[..., None] * (255 - surface)
        return coverage * np.float32(_GLASS)
    elif material == "fabric":
        period = max(4.0, side / 16)
        v, u = _along(shape, angle)
        scale = max(shape) * 2 * math.pi / period
        weave = np.sin(u * scale) * np.sign(np.sin(v * scale / 2)) + np.sin(v * scale) * np.sign(np.sin(u * scale / 2))
        surface *= (0.90 + 0.16 * np.clip(weave, -1, 1))[..., None]
    elif material == "fur":
        cells = max(4, round(side / 2.2))
        hair = (
            _noise(shape, (cells, max(3, cells // 4)), rng)
            if angle < math.pi / 2
            else _noise(shape, (max(3, cells // 4), cells), rng)
        )
        surface *= (0.92 + 0.30 * hair)[..., None]
    else:
        raise KeyError(material)
    np.clip(surface, 0, 255, out=surface)
    return coverage
