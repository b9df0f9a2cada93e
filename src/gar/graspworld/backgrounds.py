"""What lies behind the objects: gradients, noise, stripes, blobs, a horizon or tiles, or a part of a photograph.

Choices:
- Every background is a tone plus a texture around zero. The tone is drawn to stand apart from the colours of
  the objects, so that each outline can be seen.
- Photographs are cropped, flipped, stretched and shifted in colour. A few free ones come with the package
  (`photos/ATTRIBUTION.md`); a folder of one's own adds more. They should show textures and
  views, and nothing that the world has a noun for: what is said to be absent would be there.
"""

from __future__ import annotations

import colorsys
import math
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

from gar.errors import MediaError
from gar.media import load_image

__all__ = ["draw_background", "find_photographs"]

_PHOTO_SIDE = 384
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@lru_cache(maxsize=16)
def find_photographs(folder: str | Path | None) -> tuple[str, ...]:
    """Lists the photographs of the package, and those of a folder: paths in sorted order.

    Raises:
        MediaError: `folder` is not a folder, or holds no picture.
    """
    own = sorted(
        str(path) for path in files("gar.graspworld").joinpath("photos").iterdir() if path.name.endswith(".jpg")
    )
    if folder is None:
        return tuple(own)
    if not Path(folder).is_dir():
        raise MediaError(f"photographs={str(folder)!r} is not a folder")
    more = sorted(str(path) for path in Path(folder).rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not more:
        raise MediaError(f"photographs={str(folder)!r} holds no picture; looked for {', '.join(sorted(_SUFFIXES))}")
    return tuple(own + more)


@lru_cache(maxsize=512)
def _photograph(path: str) -> Image.Image:
    """Reads a photograph as RGB, its longest side at most 384 pixels."""
    photo = load_image(Path(path))
    photo.thumbnail((_PHOTO_SIDE, _PHOTO_SIDE))
    return photo


def _photo_texture(photo: Image.Image, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A random part of a photograph, (H, W, 3) in [0, 255]."""
    height, width = size
    share = rng.uniform(0.5, 1.0) * min(photo.width / width, photo.height / height)
    crop_width, crop_height = width * share, height * share
    left, top = rng.uniform(0, photo.width - crop_width), rng.uniform(0, photo.height - crop_height)
    part = photo.resize(
        (width, height), Image.Resampling.BILINEAR, box=(left, top, left + crop_width, top + crop_height)
    )
    pixels = np.asarray(part, dtype=np.float32)
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def _smooth_noise(size: tuple[int, int], cells: int, channels: int, rng: np.random.Generator) -> np.ndarray:
    """Noise (H, W, channels) in [-1, 1] that changes over about a `cells`-th of the picture."""
    planes = [
        Image.fromarray(rng.uniform(-1, 1, (cells, cells)).astype(np.float32)).resize(
            (size[1], size[0]), Image.Resampling.BICUBIC
        )
        for _ in range(channels)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def _made_texture(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A made texture around zero, (H, W, 1 or 3), about in [-1, 1]."""
    height, width = size
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    angle = rng.uniform(0, 2 * math.pi)
    along = x * math.cos(angle) + y * math.sin(angle)
    kind = rng.choice(["gradient", "noise", "stripes", "blobs", "even", "horizon", "tiles"])
    if kind == "gradient":
        low, high = along.min(), along.max()
        return (2 * (along - low) / (high - low) - 1)[..., None] * rng.uniform(-1, 1, 3).astype(np.float32)
    if kind == "noise":
        coarse = _smooth_noise(size, int(rng.integers(24, 60)), 1, rng)
        return 0.6 * coarse + 0.4 * _smooth_noise(size, int(rng.integers(90, 140)), 1, rng)
    if kind == "stripes":
        wave = np.sin(along * (2 * math.pi / rng.uniform(14, 60)))[..., None]
        return 0.5 * wave + 0.2 * _smooth_noise(size, 30, 1, rng)
    if kind == "blobs":
        return _smooth_noise(size, int(rng.integers(4, 9)), 3, rng)
    if kind == "horizon":
        ground = y > height * rng.uniform(0.35, 0.7)
        light = (
            np.where(ground, np.float32(1.0), np.float32(-0.6))
            * rng.uniform(-1.3, 1.3, 3).astype(np.float32)[:, None, None]
        )
        return np.broadcast_to(light, (3, height, width)).transpose(1, 2, 0) + 0.2 * _smooth_noise(size, 60, 1, rng)
    if kind == "tiles":
        side, (cos, sin) = rng.uniform(18, 60), (math.cos(angle), math.sin(angle))
        u, v = (x * cos + y * sin) % side, (y * cos - x * sin) % side
        return 0.2 * _smooth_noise(size, 40, 1, rng) - np.float32(0.9) * (np.minimum(u, v) < 2.0)[..., None]
    return 0.15 * _smooth_noise(size, 100, 1, rng)


def _draw_tone(apart_from: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws a muted tone (3,) far in RGB from each of the colours (N, 3)."""
    tones = (
        np.array([colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.45), rng.uniform(0.15, 0.95)) for _ in range(12)])
        * 255
    )
    distance = np.linalg.norm(tones[:, None] - apart_from[None], axis=2).min(axis=1)
    return tones[distance.argmax()].astype(np.float32)


def draw_background(
    size: tuple[int, int], apart_from: np.ndarray, photographs: tuple[str, ...], rng: np.random.Generator
) -> np.ndarray:
    """Draws a background: float32 (H, W, 3), mostly in [0, 255].

    Args:
        size: Height and width in pixels.
        apart_from: Colours (N, 3) of the objects, from which the background's tone keeps away.
        photographs: Paths of photographs; half of all backgrounds are parts of one.
        rng: Where everything comes from.

    Raises:
        MediaError: A photograph cannot be read.
    """
    tone = _draw_tone(apart_from, rng)
    if photographs and rng.random() < 0.5:
        pixels = _photo_texture(_photograph(photographs[rng.integers(len(photographs))]), size, rng)
        contrast = rng.uniform(0.45, 0.9)
        return tone + contrast * (pixels - pixels.mean(axis=(0, 1)))
    return tone + rng.uniform(12, 34) * _made_texture(size, rng)
