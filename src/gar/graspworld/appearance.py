"""What one object looks like: a shape that is painted, or a sprite that is scaled, turned and tinted.

Choices:
- Every object becomes a patch: colors, and the share of each pixel that it covers. What stands in the picture later
  is this patch at some place, so its mask is exact.
- A sprite is scaled so that its opaque area has the wanted size, then turned a little, flipped half of the time, and
  changed in brightness, contrast and hue. A larger change of hue gives look-alikes of another color.
- Small patches are made directly at their size with an area filter, never by repeated scaling.

Shapes: h, w the patch; sprites are RGBA uint8 (h, w, 4); patches are float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from gar.graspworld.color_names import color_of
from gar.graspworld.materials import finish, fringe
from gar.graspworld.paint import draw_color, paint, second_color
from gar.graspworld.shapes import coverage, outline
from gar.graspworld.sprites import load_sprite

__all__ = ["Cutout", "Patch", "Plan", "draw_patch", "hue_color", "reflected"]

_TURN = {"photo": 8.0}  # largest turn in degrees, either way
_SMALLEST_PERIOD = 7.0  # pixels from one stripe to the next


@dataclass(frozen=True, eq=False)
class Cutout:
    """A thing cut out of a photograph."""

    noun: str
    """What it is."""
    pixels: np.ndarray
    """RGBA uint8 (h, w, 4), opaque where the thing is."""


@dataclass(frozen=True)
class Plan:
    """What an object that is yet to be drawn will be."""

    noun: str
    style: str
    """One of `STYLES`."""
    size: str
    """One of `SIZES`."""
    color: str | None = None
    """Of shapes only; a sprite's color is read from its pixels."""
    pattern: str | None = None
    material: str | None = None
    view: int = 0
    """Which of the noun's sprites; of cutouts, its number."""
    hue: float = 0.0
    """By how many degrees the hue of a sprite is turned."""


@dataclass(eq=False)
class Patch:
    """The pixels of one object, before it has a place."""

    pixels: np.ndarray
    """Colors (h, w, 3) in [0, 255]."""
    cover: np.ndarray
    """Share (h, w) in [0, 1] of each pixel's light that the object gives."""
    second_color: str | None = None
    """Color of a pattern."""

    def __post_init__(self) -> None:
        self.inside: np.ndarray = self.cover > 0.5
        self.area = int(self.inside.sum())
        rows, columns = self.inside.sum(axis=1), self.inside.sum(axis=0)
        self.middle = (
            float(columns @ (np.arange(len(columns)) + 0.5)) / max(1, self.area),
            float(rows @ (np.arange(len(rows)) + 0.5)) / max(1, self.area),
        )


def _hue_matrix(degrees: float) -> np.ndarray:
    """Turns RGB colors around the gray axis: (3, 3), for rows of colors."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    a, b = (1 - cos) / 3, sin / math.sqrt(3)
    return np.array([[cos + a, a + b, a - b], [a - b, cos + a, a + b], [a + b, a - b, cos + a]], dtype=np.float32)


@lru_cache(maxsize=8192)
def hue_color(noun: str, style: str, view: int, hue: float) -> str | None:
    """Names the color of a sprite whose hue is turned by some degrees; None where none dominates."""
    sprite = load_sprite(noun, style, view)
    turned = np.clip(sprite[..., :3].astype(np.float32) @ _hue_matrix(hue), 0, 255).astype(np.uint8)
    return color_of(turned, sprite[..., 3] > 127)


def draw_patch(plan: Plan, area: float, rng: np.random.Generator, cutouts: tuple[Cutout, ...] = ()) -> Patch:
    """Draws an object of about `area` pixels.

    Args:
        plan: What to draw.
        area: Wanted area in pixels.
        rng: Where proportions, turn, light and grain come from.
        cutouts: Where plans of style "photo" take their pixels from.
    """
    if plan.style == "shape":
        return _draw_shape(plan, area, rng)
    sprite = cutouts[plan.view].pixels if plan.style == "photo" else load_sprite(plan.noun, plan.style, plan.view)
    return _draw_sprite(sprite, area, plan.hue, _TURN.get(plan.style, 14.0), rng)


def _draw_shape(plan: Plan, area: float, rng: np.random.Generator) -> Patch:
    assert plan.color is not None
    cover, _ = coverage(outline(plan.noun, rng), math.sqrt(area))
    if plan.material == "fur":
        cover = fringe(np.pad(cover, 2), rng)
    color = draw_color(plan.color, rng)
    second = None if plan.pattern in (None, "plain") else second_color(color, rng)
    period = max(_SMALLEST_PERIOD, rng.uniform(0.20, 0.30) * math.sqrt(area))
    pixels = paint(color, plan.pattern or "plain", second, cover, period, rng)
    if plan.material is not None:
        cover = finish(pixels, plan.material, cover, rng)
    return Patch(pixels, cover, second)


def _draw_sprite(sprite: np.ndarray, area: float, hue: float, most: float, rng: np.random.Generator) -> Patch:
    scale = math.sqrt(area / max(1, int((sprite[..., 3] > 127).sum())))
    size = max(3, round(sprite.shape[1] * scale)), max(3, round(sprite.shape[0] * scale))
    filtered = Image.Resampling.BOX if scale < 0.5 else Image.Resampling.BICUBIC
    picture = Image.fromarray(sprite).resize(size, filtered if scale < 1 else Image.Resampling.BICUBIC)
    if rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turn = rng.uniform(-most, most)
    if rng.random() < 0.7:
        picture = picture.rotate(turn, Image.Resampling.BILINEAR, expand=True)
    box = picture.getbbox() or (0, 0, *picture.size)
    whole = np.asarray(picture.crop(box)).astype(np.float32)
    pixels, cover = np.ascontiguousarray(whole[..., :3]), whole[..., 3] / 255
    turned = hue + rng.uniform(-8, 8)
    bright, contrast = rng.uniform(0.86, 1.12), rng.uniform(0.86, 1.14)
    pixels = (pixels @ _hue_matrix(turned) - 128) * np.float32(contrast) + np.float32(128 * bright)
    return Patch(np.clip(pixels, 0, 255, out=pixels), cover)


def reflected(patch: Patch, scale: float, *, upside_down: bool, tint: np.ndarray, amount: float) -> Patch:
    """Mirrors a patch.

    Args:
        patch: What is mirrored.
        scale: Size of the reflection over that of the object.
        upside_down: Whether it lies below, as in water, rather than beside.
        tint: RGB (3,) that is mixed in.
        amount: Share in [0, 1] of the tint.
    """
    height, width = patch.cover.shape
    size = max(3, round(width * scale)), max(3, round(height * scale))
    whole = np.dstack([patch.pixels, patch.cover * 255])
    flip = Image.Transpose.FLIP_TOP_BOTTOM if upside_down else Image.Transpose.FLIP_LEFT_RIGHT
    picture = Image.fromarray(np.clip(whole + 0.5, 0, 255).astype(np.uint8), "RGBA").transpose(flip)
    whole = np.asarray(picture.resize(size, Image.Resampling.BOX if scale < 0.6 else Image.Resampling.BILINEAR))
    whole = whole.astype(np.float32)
    cover = whole[..., 3] / 255
    pixels = whole[..., :3] * (1 - amount) + tint * amount
    if upside_down:
        pixels, cover = _rippled(pixels, cover)
    return Patch(pixels.astype(np.float32), cover, patch.second_color)


def _rippled(pixels: np.ndarray, cover: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shifts rows to and fro as ripples on water do."""
    height = len(cover)
    strength = max(1.0, 0.02 * cover.shape[1])
    shifts = np.round(strength * np.sin(np.arange(height) * (2 * math.pi / max(5.0, height / 7)))).astype(int)
    margin = int(np.abs(shifts).max())
    wide = np.pad(pixels, ((0, 0), (margin, margin), (0, 0)), mode="edge"), np.pad(cover, ((0, 0), (margin, margin)))
    columns = (np.arange(wide[1].shape[1])[None, :] - shifts[:, None]) % wide[1].shape[1]
    rows = np.arange(height)[:, None]
    return wide[0][rows, columns], wide[1][rows, columns]
