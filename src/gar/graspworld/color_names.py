"""The color word of a picture's region: a written rule, the same for sprites, scenes and photographs.

Choices:
- Every pixel is called one of the eleven words of the world, or nothing where people would argue (turquoise,
  beige, olive, the step from white to gray). The borders are in hue, saturation and value; inside them lie the
  ranges that `paint.py` draws from, with room for shading.
- A region has a color word when one word holds most of it and no other word holds much. A zebra has none, and
  neither has a rainbow. Asking needs a wider margin (`DOMINANT`) than saying (`MAIN`).
- A word that is offered among others need not be the one that people would choose: light gray may pass for white where
  brown, blue and black are the other words. So there are wider borders, too, within which a word might do; inside
  them lie those of the first rule, and what lies outside is plainly of another color.
- The borders are looked up in tables of 32 x 32 x 32 RGB cells, so that a call costs microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from gar.errors import InputError
from gar.graspworld.vocabulary import COLORS

__all__ = [
    "DOMINANT",
    "MAIN",
    "SECOND",
    "THIRD",
    "color_of",
    "color_shares",
    "fitting_shares",
    "holding_most",
    "several_holding_most",
]

DOMINANT = 0.6
"""Least share of a region's pixels that its color word holds."""

MAIN = 0.5
"""Least share of a region's pixels that a color word holds where a caption says it; questions ask for `DOMINANT`."""

SECOND = 0.2
"""The next color word holds less than this share."""

THIRD = 0.12
"""Least share of each of three color words that a region has."""

_BITS = 5
_NOTHING = len(COLORS)  # number of a pixel that has no color word


def _look(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hue in degrees, saturation, value and chroma (N,) of RGB colors (N, 3) in [0, 1]."""
    high = rgb.max(1)
    chroma = high - rgb.min(1)
    red, green, blue = rgb.T
    sector = np.select(
        [high == red, high == green],
        [(green - blue) / np.maximum(chroma, 1e-6), 2 + (blue - red) / np.maximum(chroma, 1e-6)],
        4 + (red - green) / np.maximum(chroma, 1e-6),
    )
    return sector * 60 % 360, chroma / np.maximum(high, 1e-6), high, chroma


def _name_pixels(rgb: np.ndarray) -> np.ndarray:
    """Numbers (N,) in `COLORS`, or `_NOTHING`, of RGB colors (N, 3) in [0, 1]."""
    hue, saturation, value, chroma = _look(rgb)
    rules = {  # the first that holds counts
        "black": (value < 0.17) | ((value < 0.28) & (chroma < 0.09)),
        "white": (value > 0.85) & (saturation < 0.09),
        "gray": (value >= 0.4) & (value < 0.76) & (saturation < 0.13),
        "pink": (
            (((hue >= 345) | (hue < 13)) & (saturation > 0.17) & (saturation < 0.56) & (value > 0.78))
            | ((hue >= 310) & (hue < 345) & (saturation > 0.17) & (saturation < 0.7) & (value > 0.62))
            | ((hue >= 310) & (hue < 336) & (value > 0.62))
        ),
        "red": (
            (((hue >= 347) | (hue < 6)) & (saturation > 0.6) & (value > 0.34))
            | ((hue < 12) & (saturation > 0.68) & (value > 0.6))
        ),
        "orange": (hue >= 17) & (hue < 38) & (saturation > 0.68) & (value > 0.79),
        "brown": (hue >= 7) & (hue < 42) & (saturation > 0.33) & (value < 0.64 - 0.1 * (hue < 14)),
        "yellow": (hue >= 44) & (hue < 65) & (saturation > 0.42) & (value > 0.74),
        "green": (hue >= 75) & (hue < 166) & (saturation > 0.2) & (chroma > 0.1),
        "blue": (hue >= 193) & (hue < 250) & (saturation > 0.38) & (value > 0.26),
        "purple": (hue >= 257) & (hue < 310) & (saturation > 0.2) & (chroma > 0.2),
    }
    return np.select(list(rules.values()), [COLORS.index(name) for name in rules], _NOTHING)


def _fit_pixels(rgb: np.ndarray) -> np.ndarray:
    """Which of `COLORS` might do for RGB colors (N, 3) in [0, 1]: bool (N, colors)."""
    hue, saturation, value, chroma = _look(rgb)
    tinted = (saturation > 0.14) & (chroma > 0.07)
    rules = {
        "black": (value < 0.4) & (chroma < 0.2),
        "white": (value > 0.6) & (saturation < 0.22),
        "gray": (value >= 0.2) & (value < 0.92) & (saturation < 0.3),
        "pink": ((hue >= 300) | (hue < 16)) & tinted & (value > 0.55),
        "red": ((hue >= 330) | (hue < 22)) & (saturation > 0.4) & (value > 0.2),
        "orange": (hue >= 9) & (hue < 46) & (saturation > 0.45) & (value > 0.5),
        "brown": ((hue >= 340) | (hue < 55)) & tinted & (value < 0.82),
        "yellow": (hue >= 36) & (hue < 75) & (saturation > 0.25) & (value > 0.45),
        "green": (hue >= 60) & (hue < 185) & tinted,
        "blue": (hue >= 170) & (hue < 265) & tinted,
        "purple": (hue >= 240) & (hue < 335) & tinted,
    }
    return np.stack([rules[name] for name in COLORS], axis=1)


def _cells() -> np.ndarray:
    """The middles of all RGB cells (32 * 32 * 32, 3) in [0, 1], red slowest."""
    levels = (np.arange(1 << _BITS) + 0.5) / (1 << _BITS)
    return np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    """Numbers of all RGB cells in `COLORS`, or `_NOTHING`: uint8 (32 * 32 * 32,)."""
    return _name_pixels(_cells()).astype(np.uint8)


@lru_cache(maxsize=1)
def _fitting_table() -> np.ndarray:
    """Which of `COLORS` might do for each RGB cell: 0 or 1, float32 (32 * 32 * 32, colors)."""
    named = _table()[:, None] == np.arange(len(COLORS))
    return (_fit_pixels(_cells()) | named).astype(np.float32)


def color_shares(rgb: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Measures how much of a region each color word holds.

    Args:
        rgb: uint8 (H, W, 3).
        mask: bool (H, W), True inside the region.

    Returns:
        The share in [0, 1] of the region's pixels for each word of `COLORS`. They add up to less than 1 where
        pixels have no word.

    Raises:
        InputError: Other shapes or types, or an empty mask.
    """
    cells = _cells_of(rgb, mask)
    counts = np.bincount(_table()[cells], minlength=len(COLORS) + 1)
    return {name: float(count) / len(cells) for name, count in zip(COLORS, counts, strict=False)}


def fitting_shares(rgb: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Measures for how much of a region each color word might do, at least where no better one is offered.

    Args:
        rgb: uint8 (H, W, 3).
        mask: bool (H, W), True inside the region.

    Returns:
        The share in [0, 1] of the region's pixels for each word of `COLORS`, never less than that of `color_shares`.
        They add up to more than 1 where several words might do.

    Raises:
        InputError: As `color_shares`.
    """
    cells, table = _cells_of(rgb, mask), _fitting_table()
    counts = np.bincount(cells, minlength=len(table)).astype(np.float32) @ table
    return {name: float(count) / len(cells) for name, count in zip(COLORS, counts, strict=True)}


def _cells_of(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The RGB cell of each pixel of a region: int (pixels,), at least one."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise InputError(f"rgb is {rgb.dtype} {rgb.shape}; it must be uint8 (H, W, 3)")
    if mask.dtype != bool or mask.shape != rgb.shape[:2]:
        raise InputError(f"mask is {mask.dtype} {mask.shape}; it must be bool {rgb.shape[:2]}, as the picture")
    pixels = rgb[mask].astype(np.int32) >> (8 - _BITS)
    if not len(pixels):
        raise InputError("the mask is empty: a region without pixels has no color")
    return (pixels[:, 0] << 2 * _BITS) | (pixels[:, 1] << _BITS) | pixels[:, 2]


def holding_most(shares: Mapping[str, float], least: float) -> str | None:
    """Returns the color word that holds at least a share of a region, while the next holds less than `SECOND`.

    Args:
        shares: As `color_shares` gives them; words may be missing.
        least: The share, in (0, 1].
    """
    first, second = (*sorted(shares.values(), reverse=True), 0.0, 0.0)[:2]
    return max(shares, key=shares.__getitem__) if first >= least and second < SECOND else None


def several_holding_most(shares: Mapping[str, float]) -> tuple[str, ...] | None:
    """Returns the two or three color words that a region plainly has, the greatest share first; None if there are none.

    Two hold at least `SECOND` each, or three `THIRD`; together they hold at least `MAIN`, and the next one less than
    half of the least.

    Args:
        shares: As `color_shares` gives them.
    """
    ranked = sorted(((share, name) for name, share in shares.items()), reverse=True)
    for count, least in ((2, SECOND), (3, THIRD)):
        own, (next_share, _) = ranked[:count], ranked[count]
        smallest = own[-1][0]
        if smallest >= least and sum(share for share, _ in own) >= MAIN and next_share < smallest / 2:
            return tuple(name for _, name in own)
    return None


def color_of(rgb: np.ndarray, mask: np.ndarray) -> str | None:
    """Names the color of a region: the word that holds at least `DOMINANT` of it while the next holds under `SECOND`.

    >>> import numpy as np
    >>> picture = np.full((2, 2, 3), (30, 60, 220), dtype=np.uint8)
    >>> color_of(picture, np.ones((2, 2), dtype=bool))
    'blue'

    Args:
        rgb: uint8 (H, W, 3).
        mask: bool (H, W), True inside the region; of a sprite, `alpha > 127`.

    Returns:
        One of `COLORS`; None where no color word clearly dominates.

    Raises:
        InputError: As `color_shares`.
    """
    return holding_most(color_shares(rgb, mask), DOMINANT)
