"""Mirrors, framed pictures and screens: what other objects can be seen in.

Choices:
- A mirror shows the scene's own background, flipped and a little brighter, behind streaks of light; a picture and a
  screen show a background of their own. A mirror is round or has a slim frame, a picture has a broad one and often a
  white mat, a screen is black and often stands on a foot.
- The opening is known as a mask, so that what is put inside lies wholly within.

Shapes: h, w the frame with all that belongs to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from gar.graspworld.appearance import Patch
from gar.graspworld.backgrounds import draw_background

__all__ = ["Frame", "draw_frame", "show_in_mirror"]

_FINE = 4  # edges are drawn on a grid this much finer
_FRAMES = {
    "mirror": ((205, 205, 212), (196, 160, 74), (70, 60, 56), (150, 104, 60), (238, 238, 236)),
    "picture frame": ((126, 82, 44), (196, 160, 74), (44, 40, 40), (88, 54, 34), (228, 224, 216)),
    "screen": ((18, 18, 22), (40, 42, 48)),
}
_ASPECTS = {"mirror": (0.7, 1.25), "picture frame": (0.75, 1.35), "screen": (1.25, 1.6)}  # width over height


@dataclass(eq=False)
class Frame:
    """A frame and its opening."""

    kind: str
    """One of `FRAMES`."""
    patch: Patch
    opening: np.ndarray
    """Share (h, w) of each pixel that shows what is inside."""


def _filled(size: tuple[int, int], box: tuple[float, float, float, float], form: str, radius: float) -> np.ndarray:
    """Coverage (h, w) of a box in pixels: "oval" or "box" with rounded corners."""
    fine = Image.new("L", (size[1] * _FINE, size[0] * _FINE))
    corners = [value * _FINE for value in box]
    if form == "oval":
        ImageDraw.Draw(fine).ellipse(corners, fill=255)
    else:
        ImageDraw.Draw(fine).rounded_rectangle(corners, radius * _FINE, fill=255)
    return np.asarray(fine.reduce(_FINE), dtype=np.float32) / 255


def draw_frame(kind: str, area: float, photographs: tuple[str, ...], rng: np.random.Generator) -> Frame:
    """Draws a frame of about `area` pixels, of a mirror without what it shows.

    Args:
        kind: One of `FRAMES`.
        area: Wanted area in pixels.
        photographs: For the background of a picture or a screen.
        rng: Where everything comes from.
    """
    aspect = rng.uniform(*_ASPECTS[kind])
    width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
    form = "oval" if kind == "mirror" and rng.random() < 0.5 else "box"
    side = min(width, height)
    border = {"mirror": 0.045, "picture frame": rng.uniform(0.07, 0.10), "screen": 0.04}[kind] * side + 1
    foot = round(0.16 * height) if kind == "screen" and rng.random() < 0.7 else 0
    size = (height + foot, width)
    outer = _filled(size, (0, 0, width - 1, height - 1), form, 0.05 * side if kind == "mirror" else 1.5)
    cover = outer
    if foot:
        neck = _filled(size, (0.44 * width, height - 2, 0.56 * width, height + foot - 1), "box", 0)
        base = _filled(size, (0.28 * width, height + 0.6 * foot, 0.72 * width, height + foot - 1), "box", 1.5)
        cover = np.maximum(outer, np.maximum(neck, base))
    inner = (border, border, width - 1 - border, height - 1 - border)
    opening = _filled(size, inner, form, 0.0)
    color = np.array(_FRAMES[kind][rng.integers(len(_FRAMES[kind]))], dtype=np.float32) * rng.uniform(0.9, 1.08)
    y, x = np.arange(size[0], dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    light = 1 + 0.12 * np.sign(height / 2 - y) * (np.minimum(y, height - y) < border) + 0.06 * np.sign(width / 2 - x)
    pixels = color * light[..., None]
    if kind == "picture frame" and rng.random() < 0.6:
        mat = _filled(size, inner, form, 0.0)[..., None]
        pixels = pixels * (1 - mat) + 244 * mat
        border += 0.07 * side
        opening = _filled(size, (border, border, width - 1 - border, height - 1 - border), form, 0.0)
    if kind != "mirror":
        apart_from = rng.uniform(0, 255, (1, 3))
        shown = draw_background(size, apart_from, photographs, rng)
        pixels = pixels * (1 - opening[..., None]) + shown * opening[..., None]
    return Frame(kind, Patch(np.clip(pixels, 0, 255).astype(np.float32), cover), opening)


def show_in_mirror(frame: Frame, view: np.ndarray, rng: np.random.Generator) -> None:
    """Fills a mirror with what stands before it, in place.

    Args:
        frame: A mirror.
        view: The background (h, w, 3) where the mirror hangs.
        rng: Where streaks of light come from.
    """
    height, width = frame.opening.shape
    seen = 0.80 * view[:, ::-1] + 0.20 * np.array((222, 234, 244), dtype=np.float32)
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    across = (x + y) / max(height, width) * 2.2 + rng.uniform(0, 1)
    streaks = np.clip(1 - np.abs((across % 1) - 0.3) / 0.14, 0, 1) * 0.6 + (np.abs((across % 1) - 0.56) < 0.035) * 0.7
    seen += 0.42 * streaks[..., None] * (255 - seen)
    share = frame.opening[..., None]
    frame.patch.pixels = (frame.patch.pixels * (1 - share) + seen * share).astype(np.float32)
