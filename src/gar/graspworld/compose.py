"""Draws what was placed, from front to back, over a background.

Choices:
- A pixel belongs to the object that gives more than half of its light: visible masks never overlap. Shadows
  darken what lies behind, but give no light.
- The background is chosen after the objects, so that its tone keeps away from their colors; a mirror shows it.

Shapes: H, W the picture.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from gar.graspworld.backgrounds import draw_background
from gar.graspworld.frames import show_in_mirror
from gar.graspworld.stage import Placed, Stage

__all__ = ["compose"]

_SHADOWS = 0.45  # share of the scenes in which objects cast shadows
_BLURRED = 0.25


def compose(stage: Stage, photographs: tuple[str, ...]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Draws a scene.

    Args:
        stage: With every object at its place.
        photographs: Paths of photographs for the background.

    Returns:
        The picture, uint8 (H, W, 3), and for each placed object the mask of what can be seen of it, bool (H, W).
    """
    rng, size = stage.rng, (stage.height, stage.width)
    background = draw_background(size, _mean_colors(stage.placed), photographs, rng)
    if stage.water is not None:
        _flood(background, stage.water, rng)
    shadows = _shadow(rng) if rng.random() < _SHADOWS else None
    light = np.ones(size, dtype=np.float32)  # what still passes to the objects behind
    shade = np.ones(size, dtype=np.float32)  # how much shadows leave of it
    image = np.zeros((*size, 3), dtype=np.float32)
    masks: dict[int, np.ndarray] = {}
    for number in sorted(range(len(stage.placed)), key=lambda number: stage.placed[number].depth):
        item = stage.placed[number]
        window = item.window
        if item.frame is not None and item.frame.kind == "mirror":
            show_in_mirror(item.frame, background[window], rng)
        share = light[window] * item.patch.cover
        image[window] += (share * shade[window])[..., None] * item.patch.pixels
        light[window] -= share
        masks[number] = np.zeros(size, dtype=bool)
        masks[number][window] = share > 0.5
        if shadows is not None and item.inside is None and item.reflection_of is None:
            _cast(item, shade, *shadows)
    background *= (light * shade)[..., None]
    image += background
    grain = rng.standard_normal(size, dtype=np.float32)
    grain *= np.float32(rng.uniform(0, 4))
    grain += np.float32(0.5)
    image += grain[..., None]
    picture = np.clip(image, 0, 255, out=image).astype(np.uint8)
    if rng.random() < _BLURRED:
        blurred = Image.fromarray(picture).filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 0.8))))
        picture = np.array(blurred)
    return picture, [masks[number] for number in range(len(stage.placed))]


def _mean_colors(placed: list[Placed]) -> np.ndarray:
    """Mean color of each object: (N, 3)."""
    return np.array([item.patch.pixels[item.patch.inside][::5].mean(axis=0) for item in placed])


def _flood(background: np.ndarray, shore: int, rng: np.random.Generator) -> None:
    """Turns what lies below a row into water, in place."""
    rows, columns = background.shape[0] - shore, background.shape[1]
    y = np.arange(rows, dtype=np.float32)[:, None] / rows
    x = np.arange(columns, dtype=np.float32)[None, :] / columns
    ripples = np.sin(y**0.7 * rng.uniform(50, 80) + 3 * np.sin(x * rng.uniform(4, 9) + rng.uniform(0, 6)))
    tone = np.array((62, 112, 146), dtype=np.float32) * rng.uniform(0.85, 1.2) + rng.uniform(-10, 10, 3)
    water = tone + (11 * ripples - 18 * y)[..., None]
    background[shore:] = (
        0.25 * background[shore - 1 : shore - rows - 1 : -1][:rows] + 0.75 * water
        if (shore > rows)
        else 0.15 * background[shore:] + 0.85 * water
    )
    background[max(0, shore - 2) : shore] *= 0.6


def _shadow(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draws the direction of shadows, in parts of an object's size, and their strength."""
    return rng.uniform(-0.12, 0.12), rng.uniform(0.03, 0.13), rng.uniform(0.25, 0.5)


def _cast(item: Placed, shade: np.ndarray, across: float, down: float, strength: float) -> None:
    """Darkens `shade` (H, W) where an object's soft shadow falls, in place."""
    side = float(np.sqrt(item.patch.area))
    soft = max(1, round(0.06 * side))
    cover = np.pad(item.patch.cover, 2 * soft)
    blurred = np.asarray(Image.fromarray((cover * 255).astype(np.uint8)).filter(ImageFilter.BoxBlur(soft)))
    left, top = item.left - 2 * soft + round(across * side), item.top - 2 * soft + round(down * side)
    height, width = cover.shape
    x1, y1, x2, y2 = max(0, left), max(0, top), min(shade.shape[1], left + width), min(shade.shape[0], top + height)
    if x1 < x2 and y1 < y2:
        seen = blurred[y1 - top : y2 - top, x1 - left : x2 - left].astype(np.float32) / 255
        shade[y1:y2, x1:x2] *= 1 - strength * seen
