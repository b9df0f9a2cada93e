"""How a benchmark is made harder on purpose: worse masks, other backgrounds, permuted prompts.

    erode:5        each mask loses 5 pixels all around          erode:10%    … 10 % of the square root of its area
    dilate:5       each mask grows by 5 pixels                  shift:8,-3   each mask moves 8 right and 3 up
    box            each mask becomes its box                    ellipse      … the ellipse that touches its box
    shuffle-background:32   squares of 32 pixels without any region change places
    blur-background:6       all but the regions is blurred (Gaussian, standard deviation 6 pixels)
    permute-prompts         regions change their prompts, and texts and answers name them by the new ones

Choices:

* functions of arrays to arrays; randomness only from a generator that is passed in, made from a seed and the item's id;
* a mask is never emptied and never leaves the picture: erosion stops before the last pixel goes, a shift at the edge;
* growing and shrinking is by a square (Chebyshev distance), and what lies beyond the picture counts as neither
  inside nor outside, so that a region that is cut by the edge is not eroded from there;
* judges always see the picture and the masks as published.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from gar.benchmarks.benchmark import View
from gar.errors import InputError
from gar.regions import Region

__all__ = [
    "Perturbation",
    "blur_background",
    "dilate",
    "erode",
    "generator",
    "parse_perturbation",
    "rename_prompts",
    "shift",
    "shuffle_background",
    "to_box",
    "to_ellipse",
]

Mask = NDArray[np.bool_]
_PROMPT = re.compile(r"<Prompt(\d{1,4})>")
_AMOUNT = re.compile(r"([+-]?\d{1,4}(?:\.\d{1,3})?)(%?)")


# Masks


def dilate(mask: Mask, pixels: int) -> Mask:
    """Grows a mask (H, W) by a square: all that is at most `pixels` away in both directions.

    Example:
        >>> dilate(np.eye(5, dtype=bool)[[0, 0, 2, 0, 0]] & (np.arange(5)[:, None] == 2), 1).astype(int).tolist()
        [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    """
    return _any_within(_any_within(mask, pixels, 0), pixels, 1)


def _any_within(mask: Mask, pixels: int, axis: int) -> Mask:
    """Whether there is a pixel of the mask at most `pixels` away along an axis."""
    length = mask.shape[axis]
    counts = np.concatenate([np.zeros_like(mask.take([0], axis), np.int64), mask.cumsum(axis)], axis)
    places = np.arange(length)
    last, first = np.minimum(places + pixels + 1, length), np.maximum(places - pixels, 0)
    return counts.take(last, axis) > counts.take(first, axis)


def erode(mask: Mask, pixels: int) -> Mask:
    """Shrinks a mask (H, W) by a square, by fewer pixels where nothing would be left of it.

    Example:
        >>> square = np.zeros((6, 6), bool)
        >>> square[1:5, 1:5] = True
        >>> int(erode(square, 1).sum()), int(erode(square, 9).sum())
        (4, 4)
    """
    low, high = 0, pixels + 1  # eroding by `low` leaves something
    eroded = mask
    if (whole := ~dilate(~mask, pixels)).any():
        return whole
    while high - low > 1:
        middle = (low + high) // 2
        tried = ~dilate(~mask, middle)
        low, high, eroded = (middle, high, tried) if tried.any() else (low, middle, eroded)
    return eroded


def shift(mask: Mask, right: int, down: int) -> Mask:
    """Moves a mask (H, W), no further than its box stays in the picture.

    Example:
        >>> mask = np.array([[1, 0, 0], [0, 0, 0]], bool)
        >>> shift(mask, 1, 1).astype(int).tolist(), shift(mask, 9, -9).astype(int).tolist()
        ([[0, 0, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, 0]])
    """
    height, width = mask.shape
    x1, y1, x2, y2 = _box(mask)
    dx, dy = int(np.clip(right, -x1, width - x2)), int(np.clip(down, -y1, height - y2))
    moved = np.zeros_like(mask)
    moved[y1 + dy : y2 + dy, x1 + dx : x2 + dx] = mask[y1:y2, x1:x2]
    return moved


def to_box(mask: Mask) -> Mask:
    """The box around a mask, filled."""
    return Region.box(*_box(mask), whole=True).to_mask(mask.shape)


def to_ellipse(mask: Mask) -> Mask:
    """The ellipse that touches the four sides of a mask's box, filled."""
    return Region.box(*_box(mask)).to_mask(mask.shape)


def _box(mask: Mask) -> tuple[int, int, int, int]:
    return Region.mask(mask).to_box(mask.shape)


# Backgrounds


def shuffle_background(image: Image.Image, masks: Sequence[Mask], side: int, rng: np.random.Generator) -> Image.Image:
    """Lets the squares of a grid that hold no pixel of a region change places; rims narrower than a square stay.

    Args:
        image: RGB.
        masks: (H, W) each.
        side: Of a square, in pixels.
        rng: Where the order comes from.
    """
    pixels = np.array(image)
    inside = np.logical_or.reduce(list(masks))
    rows, columns = inside.shape[0] // side, inside.shape[1] // side
    corners = [(row * side, column * side) for row in range(rows) for column in range(columns)]
    free = [(y, x) for y, x in corners if not inside[y : y + side, x : x + side].any()]
    shuffled = pixels.copy()
    for (y, x), number in zip(free, rng.permutation(len(free)).tolist(), strict=True):
        from_y, from_x = free[number]
        shuffled[y : y + side, x : x + side] = pixels[from_y : from_y + side, from_x : from_x + side]
    return Image.fromarray(shuffled)


def blur_background(image: Image.Image, masks: Sequence[Mask], radius: float) -> Image.Image:
    """Blurs all but the regions (Gaussian, standard deviation `radius` pixels)."""
    inside = np.logical_or.reduce(list(masks))
    blurred = image.filter(ImageFilter.GaussianBlur(radius))
    blurred.paste(image, mask=Image.fromarray(inside.astype(np.uint8) * 255))
    return blurred


# Prompts


def rename_prompts(value: Any, order: Sequence[int]) -> Any:
    """Renames the prompts in a text, or in all texts of a JSON value.

    Args:
        value: Text, list, dictionary or anything else, which stays as it is.
        order: `order[k]` is the old number of the region that is now `<Promptk>`.

    Example:
        >>> rename_prompts(["Is <Prompt0> left of <Prompt2>?"], [2, 0, 1])
        ['Is <Prompt1> left of <Prompt0>?']
    """
    if isinstance(value, str):
        new = {old: place for place, old in enumerate(order)}
        return _PROMPT.sub(lambda found: f"<Prompt{new.get(int(found[1]), int(found[1]))}>", value)
    if isinstance(value, Mapping):
        return {key: rename_prompts(one, order) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(rename_prompts(one, order) for one in value)
    return value


# Perturbations by name


@dataclass(frozen=True)
class Perturbation:
    """One way of making it harder."""

    text: str
    """As it was asked for."""
    change: Callable[[View, np.random.Generator], View] | None
    """Changes picture and masks; None when prompts are permuted instead."""


def parse_perturbation(text: str) -> Perturbation:
    """Reads a perturbation as written on the command line (see the top of this file).

    Raises:
        InputError: It is none, or its amount is missing or out of range.

    Example:
        >>> view = View(Image.new("RGB", (8, 8)), (np.eye(8, dtype=bool),))
        >>> parse_perturbation("box").change(view, np.random.default_rng(0)).masks[0].all()
        np.True_
    """
    name, _, amount = text.partition(":")
    if name in ("box", "ellipse", "permute-prompts") and amount:
        raise InputError(f"perturbation {text!r}: {name} takes no amount")
    match name:
        case "erode" | "dilate":
            change, length = {"erode": erode, "dilate": dilate}[name], _length(amount, text)
            return _of_masks(text, lambda mask: change(mask, length(mask)))
        case "shift":
            right, comma, down = amount.partition(",")
            if not comma:
                raise InputError(f"perturbation {text!r}: needed is shift:RIGHT,DOWN, such as shift:8,-3")
            dx, dy = _length(right, text, negative=True), _length(down, text, negative=True)
            return _of_masks(text, lambda mask: shift(mask, dx(mask), dy(mask)))
        case "box":
            return _of_masks(text, to_box)
        case "ellipse":
            return _of_masks(text, to_ellipse)
        case "shuffle-background":
            side = _pixels(amount, text)
            return Perturbation(
                text, lambda view, rng: View(shuffle_background(view.image, view.masks, side, rng), view.masks)
            )
        case "blur-background":
            radius = _pixels(amount, text)
            return Perturbation(
                text, lambda view, rng: View(blur_background(view.image, view.masks, radius), view.masks)
            )
        case "permute-prompts":
            return Perturbation(text, None)
        case _:
            raise InputError(
                f"there is no perturbation {text!r}; allowed: erode:N, dilate:N, shift:X,Y, box, ellipse, "
                "shuffle-background:N, blur-background:N, permute-prompts"
            )


def generator(seed: int, item: str, place: int) -> np.random.Generator:
    """The generator of an item's perturbation number `place`: the same in every run of that seed, resumed or not."""
    digest = hashlib.sha256(f"{seed} {place} {item}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _of_masks(text: str, change: Callable[[Mask], Mask]) -> Perturbation:
    return Perturbation(text, lambda view, rng: View(view.image, tuple(change(mask) for mask in view.masks)))


def _length(amount: str, text: str, *, negative: bool = False) -> Callable[[Mask], int]:
    """A length in pixels, or in percent of the square root of a mask's area."""
    found = _AMOUNT.fullmatch(amount)
    if found is None or (float(found[1]) <= 0 and not negative):
        needed = "a number" if negative else "a number above 0"
        raise InputError(f"perturbation {text!r}: needed is {needed} of pixels, or with % of the region's size")
    value = float(found[1])
    if found[2]:
        return lambda mask: round(value / 100 * float(np.count_nonzero(mask)) ** 0.5)
    return lambda mask: round(value)


def _pixels(amount: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,4}", amount) or int(amount) < 1:
        raise InputError(f"perturbation {text!r}: needed is a whole number of pixels from 1 to 9999")
    return int(amount)
