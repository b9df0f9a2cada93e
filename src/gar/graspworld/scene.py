"""A picture of shapes with exact masks, drawn from a seed.

Choices:
- Everything comes from one generator seeded with (seed, split, version): the same scene in every process.
- First the objects are planned (words only), then placed, then drawn. Words are drawn uniformly, so that no
  word is likelier than another; often several objects are look-alikes that differ in exactly one attribute.
- Two objects are either apart by some pixels, or one clearly covers part of the other and differs from it in
  color. Nothing touches by accident, so "in front of" is never a matter of a few pixels.
- Objects lie wholly within the picture. Of each about two thirds or more can be seen, and what can be seen
  still has the size that its word says.
- A pixel belongs to the object that gives more than half of its light: visible masks never overlap.

Shapes: H, W the picture; h, w the patch just around one object. Arrays are indexed (row, column).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gar.errors import InputError
from gar.graspworld.backgrounds import draw_background, find_photographs
from gar.graspworld.paint import RGB, draw_color, paint, second_color
from gar.graspworld.shapes import coverage, outline
from gar.graspworld.vocabulary import (
    COLORS,
    HELD_OUT_VERSION,
    PATTERNS,
    PLACE_MARGIN,
    SHAPES,
    SIZE_SHARES,
    SIZES,
    is_held_out,
    place_of,
    size_of,
)

__all__ = ["Scene", "WorldObject", "render_scene"]

Split = Literal["train", "held-out"]
_SPLITS: tuple[Split, ...] = ("train", "held-out")

MIN_SIDE, MAX_SIDE, MAX_ASPECT = 192, 4096, 2.0
"""Limits of a scene in pixels: below, stripes on a small star vanish; narrower, nothing large fits."""

_COUNTS = np.array([0.08, 0.17, 0.22, 0.22, 0.18, 0.13])  # of one to six objects
_SIZE_ODDS = np.array([0.31, 0.33, 0.36])  # large objects more often find no room
_THIRDS = np.array([0.345, 0.31, 0.345])  # large objects fit nowhere but in the middle
_APART = 3  # pixels between objects that do not overlap
_SEEN = 0.65  # least visible share of an object; a small crescent that shows less cannot be named
_OVERLAPPING = 0.7  # how often an object is put in front of or behind another, if it can be
_TRIES = 60


@dataclass(frozen=True, eq=False)
class WorldObject:
    """One object of a scene, in words and in pixels."""

    shape: str
    """One of `SHAPES`."""
    color: str
    """One of `COLORS`: the color that covers most of it."""
    pattern: str
    """One of `PATTERNS`."""
    size: str
    """One of `SIZES`, by the share of the picture that its visible mask covers (`SIZE_SHARES`)."""
    place: str | None
    """One of `PLACES`, by the centroid of its visible mask; None where the word could be argued about."""
    mask: np.ndarray
    """What can be seen of it: bool (H, W)."""
    box: tuple[int, int, int, int]
    """Box of `mask`: x1, y1, x2, y2 in pixels, x2 and y2 exclusive."""
    depth: int
    """0 for the nearest object of the scene, then 1, 2, …"""
    second_color: str | None
    """Color of the stripes, dots or checks: "white" or "black"; None if plain."""
    full_mask: np.ndarray
    """What could be seen of it if nothing lay in front: bool (H, W)."""

    @property
    def hidden(self) -> float:
        """Share of the object that others cover, in [0, 1]."""
        return 1.0 - float(self.mask.sum() / self.full_mask.sum())


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture and what is in it."""

    seed: int
    split: Split
    image: np.ndarray
    """uint8 (H, W, 3), RGB."""
    objects: tuple[WorldObject, ...]
    """In no particular order."""


@dataclass(frozen=True)
class _Plan:
    """The words of an object that is yet to be drawn."""

    shape: str
    color: str
    pattern: str
    size: str


@dataclass(eq=False)
class _Placed:
    """An object with its pixels, before anything is in front of it."""

    plan: _Plan
    depth: float
    patch: np.ndarray  # coverage (h, w)
    left: int
    top: int
    covers: np.ndarray  # bool (H, W), coverage over one half
    near: np.ndarray  # bool (H, W), within `_APART` pixels of it
    area: int


def _pick(rng: np.random.Generator, words: Sequence[str]) -> str:
    return words[rng.integers(len(words))]


def _plan_object(split: Split, rng: np.random.Generator) -> _Plan:
    """Draws the words of an object; in held-out scenes half are combinations that training never shows."""
    wanted = split == "held-out" and rng.random() < 0.5
    while True:
        shape, color, pattern = _pick(rng, SHAPES), _pick(rng, COLORS), _pick(rng, PATTERNS)
        if is_held_out(shape, color, pattern) == wanted:
            return _Plan(shape, color, pattern, SIZES[rng.choice(len(SIZES), p=_SIZE_ODDS)])


def _plan_look_alike(model: _Plan, split: Split, rng: np.random.Generator) -> _Plan:
    """Changes exactly one attribute."""
    vocabulary = {"shape": SHAPES, "color": COLORS, "pattern": PATTERNS, "size": SIZES}
    while True:
        words = {name: getattr(model, name) for name in vocabulary}
        changed = _pick(rng, tuple(vocabulary))
        words[changed] = _pick(rng, [word for word in vocabulary[changed] if word != words[changed]])
        if split == "held-out" or not is_held_out(words["shape"], words["color"], words["pattern"]):
            return _Plan(**words)


def _plan_scene(split: Split, rng: np.random.Generator) -> list[_Plan]:
    """Draws the words of one to six objects."""
    count = 1 + int(rng.choice(len(_COUNTS), p=_COUNTS))
    plans = [_plan_object(split, rng)]
    alike = rng.random() < 0.7
    while len(plans) < count:
        if alike and rng.random() < 0.6:
            plans.append(_plan_look_alike(plans[rng.integers(len(plans))], split, rng))
        else:
            plans.append(_plan_object(split, rng))
    return plans


def _grown(patch: np.ndarray, margin: int) -> np.ndarray:
    """Widens a mask by `margin` pixels to all sides: bool (h + 2 margin, w + 2 margin)."""
    wide = np.pad(patch, margin)
    for axis in (0, 1):
        wide = np.logical_or.reduce([np.roll(wide, shift, axis) for shift in range(-margin, margin + 1)])
    return wide


def _draw_center(low: float, high: float, rng: np.random.Generator) -> float | None:
    """Draws a coordinate well within a random third of [0, 1], if [low, high] leaves it any room."""
    third = int(rng.choice(3, p=_THIRDS))
    start = max(low, third / 3 + (PLACE_MARGIN if third > 0 else 0.0))
    end = min(high, (third + 1) / 3 - (PLACE_MARGIN if third < 2 else 0.0))
    return rng.uniform(start, end) if end > start else None


class _Stage:
    """The picture while objects are put into it."""

    def __init__(self, size: tuple[int, int], rng: np.random.Generator):
        self.height, self.width = size
        self.rng = rng
        self.placed: list[_Placed] = []

    def put(self, plan: _Plan, depth: float) -> bool:
        """Finds a place for an object that suits all others; says whether there was one."""
        low, high = SIZE_SHARES[plan.size]
        others = [other for other in self.placed if other.plan.color != plan.color]
        partner = others[self.rng.integers(len(others))] if others and self.rng.random() < _OVERLAPPING else None
        patch: np.ndarray | None = None
        middle = (0.0, 0.0)
        for attempt in range(_TRIES):
            if patch is None or attempt % 10 == 0:
                share = low * (high / low) ** self.rng.uniform(0.04, 0.96)
                patch, middle = coverage(outline(plan.shape, self.rng), math.sqrt(share * self.height * self.width))
            if attempt == _TRIES // 2:
                partner = None
            position = self._beside(partner, patch, middle) if partner else self._anywhere(patch, middle)
            if position is None:
                continue
            candidate = self._candidate(plan, depth, patch, *position)
            if self._suits(candidate, partner):
                self.placed.append(candidate)
                return True
        return False

    def _anywhere(self, patch: np.ndarray, middle: tuple[float, float]) -> tuple[int, int] | None:
        """Draws the corner (left, top) of a patch; nine times of ten its centroid then has a place word."""
        height, width = patch.shape
        low_x, high_x = middle[0] / self.width, 1 - (width - middle[0]) / self.width
        low_y, high_y = middle[1] / self.height, 1 - (height - middle[1]) / self.height
        if low_x >= high_x or low_y >= high_y:
            return None
        if self.rng.random() < 0.1:
            x, y = self.rng.uniform(low_x, high_x), self.rng.uniform(low_y, high_y)
        else:
            x, y = _draw_center(low_x, high_x, self.rng), _draw_center(low_y, high_y, self.rng)
        if x is None or y is None:
            return None
        return self._within(patch, x * self.width - middle[0], y * self.height - middle[1])

    def _beside(self, partner: _Placed, patch: np.ndarray, middle: tuple[float, float]) -> tuple[int, int] | None:
        """Draws the corner of a patch so that it overlaps `partner` in part, probably."""
        height, width = partner.patch.shape
        distance = (math.sqrt(patch.sum()) + math.sqrt(partner.area)) * self.rng.uniform(0.25, 0.62)
        angle = self.rng.uniform(0, 2 * math.pi)
        x = partner.left + width / 2 + distance * math.cos(angle) - middle[0]
        y = partner.top + height / 2 + distance * math.sin(angle) - middle[1]
        return self._within(patch, x, y)

    def _within(self, patch: np.ndarray, left: float, top: float) -> tuple[int, int] | None:
        """Rounds a corner; None if the patch would not lie wholly in the picture."""
        x, y = round(left), round(top)
        fits = x >= 0 and y >= 0 and x + patch.shape[1] <= self.width and y + patch.shape[0] <= self.height
        return (x, y) if fits else None

    def _candidate(self, plan: _Plan, depth: float, patch: np.ndarray, left: int, top: int) -> _Placed:
        height, width = patch.shape
        inside = patch > 0.5
        covers = np.zeros((self.height, self.width), dtype=bool)
        covers[top : top + height, left : left + width] = inside
        framed = np.zeros((self.height + 2 * _APART, self.width + 2 * _APART), dtype=bool)
        framed[top : top + height + 2 * _APART, left : left + width + 2 * _APART] = _grown(inside, _APART)
        near = framed[_APART:-_APART, _APART:-_APART]
        return _Placed(plan, depth, patch, left, top, covers, near, int(inside.sum()))

    def _suits(self, new: _Placed, partner: _Placed | None) -> bool:
        """Whether a candidate is apart from all others but its partner, and all keep their words."""
        if any(other is not partner and (new.near & other.covers).any() for other in self.placed):
            return False
        if partner is None:
            return True
        overlap = int((new.covers & partner.covers).sum())
        if not 0.12 <= overlap / min(new.area, partner.area) <= 0.5:
            return False
        behind = new if new.depth > partner.depth else partner
        seen = behind.covers.copy()
        for other in [*self.placed, new]:
            if other.depth < behind.depth:
                seen &= ~other.covers
        share = int(seen.sum())
        return share >= _SEEN * behind.area and size_of(share / seen.size) == behind.plan.size


def _compose(stage: _Stage, photographs: tuple[str, ...]) -> tuple[np.ndarray, list[WorldObject]]:
    """Draws what was placed, from front to back: the image, and the objects in the order of `placed`."""
    rng, size = stage.rng, (stage.height, stage.width)
    base = [draw_color(item.plan.color, rng) for item in stage.placed]
    light = np.ones(size, dtype=np.float32)  # what still passes to the objects behind
    image = np.zeros((*size, 3), dtype=np.float32)
    drawn: dict[int, WorldObject] = {}
    order = sorted(range(len(base)), key=lambda number: stage.placed[number].depth)
    for depth, number in enumerate(order):
        item = stage.placed[number]
        plan, (height, width) = item.plan, item.patch.shape
        period = max(7.0, rng.uniform(0.20, 0.30) * math.sqrt(item.area))
        second = None if plan.pattern == "plain" else second_color(base[number], rng)
        window = np.s_[item.top : item.top + height, item.left : item.left + width]
        share = light[window] * item.patch
        surface = paint(base[number], plan.pattern, second, share, period, rng)
        image[window] += share[..., None] * surface
        light[window] -= share
        mask = np.zeros(size, dtype=bool)
        mask[window] = share > 0.5
        drawn[number] = _describe(item, mask, depth, second)
    surfaces = np.array(base + [RGB[item.second_color] for item in drawn.values() if item.second_color])
    image += light[..., None] * draw_background(size, surfaces, photographs, rng)
    grain = rng.standard_normal(size, dtype=np.float32) * rng.uniform(0, 4)
    image += grain[..., None]
    return np.clip(image + 0.5, 0, 255).astype(np.uint8), [drawn[number] for number in range(len(base))]


def _describe(item: _Placed, mask: np.ndarray, depth: int, second: str | None) -> WorldObject:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    y, x = np.nonzero(mask)
    plan = item.plan
    return WorldObject(
        shape=plan.shape,
        color=plan.color,
        pattern=plan.pattern,
        size=plan.size,
        place=place_of((x.mean() + 0.5) / mask.shape[1], (y.mean() + 0.5) / mask.shape[0]),
        mask=mask,
        box=(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1),
        depth=depth,
        second_color=second,
        full_mask=item.covers,
    )


def _draw_size(rng: np.random.Generator) -> tuple[int, int]:
    """Draws height and width: the longest side 256 to 320, the aspect between 3:4 and 4:3."""
    longest, aspect = int(rng.integers(256, 321)), rng.uniform(0.75, 1.0)
    shortest = round(longest * aspect)
    return (longest, shortest) if rng.random() < 0.5 else (shortest, longest)


def render_scene(
    seed: int,
    *,
    split: Split = "train",
    size: tuple[int, int] | None = None,
    photographs: str | Path | None = None,
) -> Scene:
    """Renders the scene of a seed, the same in every process.

    Args:
        seed: Any number from 0. The two splits share no scene, whatever the seeds.
        split: "train", or "held-out": there about half of the objects have a combination of shape, color and
            pattern that training scenes never show (`is_held_out`).
        size: Height and width in pixels, each from 192 to 4096 and neither more than twice the other; by
            default drawn from the seed, the longest side from 256 to 320, the aspect between 3:4 and 4:3.
        photographs: A folder of photographs to draw backgrounds from, beside those of the package.

    Returns:
        A scene of one to six objects.

    Raises:
        InputError: `seed`, `split` or `size` is outside what is allowed.
        MediaError: `photographs` is not a folder with pictures.

    Example:
        >>> scene = render_scene(0)
        >>> scene.image.shape[:2] == scene.objects[0].mask.shape
        True
    """
    if seed < 0:
        raise InputError(f"seed={seed}; it must be 0 or more")
    if split not in _SPLITS:
        raise InputError(f"split={split!r}; it must be one of {', '.join(_SPLITS)}")
    if size is not None and not (min(size) >= MIN_SIDE and max(size) <= min(MAX_SIDE, MAX_ASPECT * min(size))):
        raise InputError(
            f"size={size}; height and width must each be from {MIN_SIDE} to {MAX_SIDE} pixels, "
            f"and neither more than {MAX_ASPECT:g} times the other"
        )
    rng = np.random.default_rng([seed, _SPLITS.index(split), HELD_OUT_VERSION])
    stage = _Stage(size or _draw_size(rng), rng)
    while not stage.placed:  # a single long arrow may find no room
        # The largest first, while there is room; depth and the order of the result do not depend on it.
        plans = sorted(_plan_scene(split, rng), key=lambda plan: -SIZES.index(plan.size))
        for plan, depth in zip(plans, rng.random(len(plans)), strict=True):
            stage.put(plan, depth)
    image, objects = _compose(stage, find_photographs(photographs))
    return Scene(seed, split, image, tuple(objects[number] for number in rng.permutation(len(objects))))
