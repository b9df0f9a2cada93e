"""Real photographs as scenes: their words by rule, crops of them, and things cut out of them.

Choices:
- A photograph becomes the same `Scene` as a rendered one, so that the same language asks about it. Size and place
  come from the masks, the color by the rule for sprites; shapes, patterns, materials and depth are not known.
- Of relations only left, right, above and below are said, and only where the boxes do not overlap along that way.
- With a generator a random part is taken: around one object (of a wanted noun, if there is one) that lies in it as far
  as it lies in the photograph, at any zoom. An object of which too little is left in the part is none of the scene's.
- Nothing is said to be absent from a photograph, since not all that it shows is known.

Shapes: H, W the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter

from gar.errors import InputError, RegionError
from gar.graspworld.appearance import Cutout
from gar.graspworld.nouns import canonical_noun
from gar.graspworld.scene import FILLED, Scene, WorldObject, box_of, colors_seen, size_and_place

__all__ = ["cut_out", "photograph_scene"]

_SIDES = (256, 448)  # longest side of a part, as of rendered scenes
_ZOOM = (1.15, 7.0)  # side of the part over the larger side of the object's box
_LEAST_PART = 80  # side of the part in pixels of the photograph; a smaller one has nothing but blurs
_LEFT = 0.6  # least share of an object that lies in the part
_LEAST_SHARE, _LEAST_PIXELS = 0.0008, 50  # of an object in its scene; less cannot be recognised
_CUT_PIXELS = 48 * 48  # least area of a cutout
_CUT_SIDE = 200  # larger ones are made smaller


def photograph_scene(
    image: np.ndarray,
    items: Sequence[tuple[str, np.ndarray]],
    rng: np.random.Generator | None = None,
    *,
    around: str | None = None,
) -> Scene:
    """Makes a scene of a photograph.

    Args:
        image: uint8 (H, W, 3), RGB.
        items: Of each known object its noun and its mask, bool (H, W).
        rng: Where a random part and its size come from; None for the whole photograph as it is.
        around: The noun of the object that a random part is taken around; by default, and where there is none, any.

    Returns:
        A scene without seed, split and depth, with the objects in the given order. A noun that the world knows
        by another word gets that word; any other stays as it is.

    Raises:
        InputError: The image is not uint8 (H, W, 3), or no object is large enough.
        RegionError: A mask is not bool (H, W), or is empty.

    Example:
        >>> image, mask = np.full((40, 60, 3), 255, dtype=np.uint8), np.zeros((40, 60), dtype=bool)
        >>> mask[5:30, 10:40] = True
        >>> scene = photograph_scene(image, [("sofa", mask)])
        >>> scene.objects[0].noun, scene.objects[0].color, scene.objects[0].depth
        ('couch', 'white', None)
    """
    _check(image, items)
    masks = [mask for _, mask in items]
    if rng is not None:
        middle = [number for number, (noun, _) in enumerate(items) if noun == around] or range(len(items))
        image, masks = _random_part(image, masks, middle[rng.integers(len(middle))], rng)
    objects: list[WorldObject] = []
    for (noun, whole), mask in zip(items, masks, strict=True):
        area = int(np.count_nonzero(mask))
        if area < max(_LEAST_PIXELS, _LEAST_SHARE * mask.size) or not whole.any():
            continue
        objects.append(_describe(canonical_noun(noun) or noun, mask, image))
    if not objects:
        raise InputError(
            f"none of {len(items)} objects covers {_LEAST_PIXELS} pixels and {_LEAST_SHARE:.2%} of the photograph"
        )
    return Scene(None, None, image, tuple(objects))


def _check(image: np.ndarray, items: Sequence[tuple[str, np.ndarray]]) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"image is {image.dtype} {image.shape}; it must be uint8 (H, W, 3)")
    if not items:
        raise InputError("there is no object; give at least one (noun, mask)")
    for noun, mask in items:
        if mask.dtype != bool or mask.shape != image.shape[:2]:
            raise RegionError(f"mask of {noun!r} is {mask.dtype} {mask.shape}; it must be bool {image.shape[:2]}")
        if not mask.any():
            raise RegionError(f"mask of {noun!r} is empty")


def _describe(noun: str, mask: np.ndarray, image: np.ndarray) -> WorldObject:
    box = box_of(mask)
    size, place = size_and_place(mask, box)
    return WorldObject(
        noun=noun,
        style="photo",
        shape=None,
        color_shares=colors_seen(noun, image, mask, box),
        pattern=None,
        material=None,
        size=size,
        place=place,
        mask=mask,
        box=box,
        depth=None,
        second_color=None,
        full_mask=mask,
    )


def _random_part(
    image: np.ndarray, masks: list[np.ndarray], middle: int, rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Cuts a random part around one of the objects; masks of which too little is left become empty."""
    height, width = image.shape[:2]
    box = box_of(masks[middle])
    side = max(box[2] - box[0], box[3] - box[1]) * _ZOOM[0] * (_ZOOM[1] / _ZOOM[0]) ** rng.random()
    aspect = math.sqrt(rng.uniform(0.75, 1.33))
    side = max(side, _LEAST_PART)
    part_width, part_height = min(width, round(side * aspect)), min(height, round(side / aspect))
    left = _start(box[0], box[2], part_width, width, rng)
    top = _start(box[1], box[3], part_height, height, rng)
    window = np.s_[top : top + part_height, left : left + part_width]
    scale = rng.integers(_SIDES[0], _SIDES[1] + 1) / max(part_width, part_height)
    size = max(8, round(part_width * scale)), max(8, round(part_height * scale))
    flip = rng.random() < 0.5
    seen = np.asarray(Image.fromarray(image[window]).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))
    parts: list[np.ndarray] = []
    for mask in masks:
        if np.count_nonzero(mask[window]) < _LEFT * np.count_nonzero(mask):
            parts.append(np.zeros(seen.shape[:2], dtype=bool))
        else:
            resized = np.asarray(Image.fromarray(mask[window]).resize(size, Image.Resampling.NEAREST))
            parts.append(resized[:, ::-1] if flip else resized)
    return (seen[:, ::-1] if flip else seen).copy(), [np.ascontiguousarray(part) for part in parts]


def _start(low: int, high: int, part: int, whole: int, rng: np.random.Generator) -> int:
    """Draws where a part of `whole` begins so that it holds [low, high), or as much of it as fits."""
    first, last = max(0, high - part), min(low, whole - part)
    if first > last:  # the part is shorter than the object
        first, last = last, first
    first, last = max(0, min(first, whole - part)), max(0, min(last, whole - part))
    return int(rng.integers(first, last + 1))


def cut_out(image: np.ndarray, items: Sequence[tuple[str, np.ndarray]]) -> list[Cutout]:
    """Cuts things out of a photograph, to be put into rendered scenes (`render_scene(..., cutouts=...)`).

    Left out is what is too small to be recognised, reaches the edge of the photograph, or has a box as its mask.

    Args:
        image: uint8 (H, W, 3), RGB.
        items: Of each object its noun and its mask, bool (H, W).

    Raises:
        InputError: As `photograph_scene`.
        RegionError: As `photograph_scene`.
    """
    _check(image, items)
    found: list[Cutout] = []
    for noun, mask in items:
        x1, y1, x2, y2 = box_of(mask)
        area = int(np.count_nonzero(mask))
        inside = x1 > 0 and y1 > 0 and x2 < mask.shape[1] and y2 < mask.shape[0]
        if not inside or area < _CUT_PIXELS or area > FILLED * (x2 - x1) * (y2 - y1):
            continue
        alpha = Image.fromarray((mask[y1:y2, x1:x2] * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.7))
        sprite = Image.fromarray(np.dstack([image[y1:y2, x1:x2], np.asarray(alpha)]))
        sprite.thumbnail((_CUT_SIDE, _CUT_SIDE), Image.Resampling.LANCZOS)
        found.append(Cutout(canonical_noun(noun) or noun, np.asarray(sprite)))
    return found
