"""What will be in a scene, before anything is drawn: words only.

Choices:
- About two objects of three are sprites, the others shapes. Nouns, colors, patterns and materials are drawn
  uniformly, so that no word is likelier than another.
- Often several objects are look-alikes that differ in exactly one attribute.
- What a split holds out is decided here: combinations of words, nouns, or a style (`SPLITS`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

import numpy as np

from gar.graspworld.appearance import Cutout, Plan, hue_color
from gar.graspworld.materials import can_be_made_of
from gar.graspworld.sprites import HELD_OUT_STYLE, SPRITE_STYLES, sprite_nouns, sprite_views
from gar.graspworld.vocabulary import COLORS, MATERIALS, PATTERNS, SHAPES, SIZES, Split, is_held_out

__all__ = ["Planner", "pick", "world_nouns"]

_SPRITES = 0.65  # share of the objects that are sprites
_CUTOUTS = 0.35  # share of the sprites that are cuttings of photographs, where there are any
_CUTOUTS_NAMED = 0.5  # where a noun is wanted that a cutting has
_RECOLORED = 0.25  # share of the sprites whose hue is turned
_ALIKE, _LOOK_ALIKES = 0.6, 0.5  # scenes with look-alikes, and the share of their objects
_COUNTS = np.array([0.06, 0.15, 0.22, 0.23, 0.20, 0.14])  # scenes of one to six objects
_SIZE_ODDS = np.array([0.235, 0.235, 0.25, 0.28])  # large objects more often find no room
_NOT_DRAWN = ("mirror", "picture")  # they would be mixed up with the mirrors and pictures that show something

_T = TypeVar("_T")


def pick(rng: np.random.Generator, values: Sequence[_T]) -> _T:
    """Draws one of some values, each as likely as any other."""
    return values[int(rng.integers(len(values)))]


@lru_cache(maxsize=8)
def world_nouns(split: Split = "train") -> tuple[str, ...]:
    """Lists the nouns that sprites of a split can have, in the order of the table."""
    nouns = {noun for style in _styles(split) for noun in sprite_nouns(style, held_out=split == "held-out-nouns")}
    return tuple(noun for noun in sprite_nouns() if noun in nouns and noun not in _NOT_DRAWN)


def _styles(split: Split) -> tuple[str, ...]:
    if split == "held-out-style":
        return (HELD_OUT_STYLE,)
    return tuple(style for style in SPRITE_STYLES if style != HELD_OUT_STYLE)


class Planner:
    """Draws the words of objects for one scene."""

    def __init__(self, split: Split, rng: np.random.Generator, cutouts: Sequence[Cutout] = ()):
        self.split: Split = split
        self.rng = rng
        self.cutouts = cutouts

    def objects(self) -> list[Plan]:
        """Draws one to six objects."""
        count = 1 + int(self.rng.choice(len(_COUNTS), p=_COUNTS))
        plans = [self.object()]
        alike = self.rng.random() < _ALIKE
        while len(plans) < count:
            if alike and self.rng.random() < _LOOK_ALIKES:
                plans.append(self.look_alike(pick(self.rng, plans)))
            else:
                plans.append(self.object())
        return plans

    def object(self, sizes: Sequence[str] | None = None) -> Plan:
        """Draws an object, of one of some sizes if they are given."""
        size = pick(self.rng, sizes) if sizes else SIZES[self.rng.choice(len(SIZES), p=_SIZE_ODDS)]
        return self.sprite(size) if self.rng.random() < _SPRITES else self.shape(size)

    def shape(self, size: str) -> Plan:
        """Draws a shape; in held-out scenes half are combinations that training never shows."""
        wanted = self.split == "held-out" and self.rng.random() < 0.5
        material = pick(self.rng, MATERIALS)
        while True:
            noun, color, pattern = (pick(self.rng, words) for words in (SHAPES, COLORS, PATTERNS))
            plan = _shown(Plan(noun, "shape", size, color, pattern, material))
            if _held_out(plan) == wanted and can_be_made_of(color, material):
                return plan

    def sprite(self, size: str) -> Plan:
        """Draws a sprite: any noun of the split, in a style that has it."""
        if self.cutouts and self.rng.random() < _CUTOUTS:
            number = int(self.rng.integers(len(self.cutouts)))
            return Plan(self.cutouts[number].noun, "photo", size, view=number)
        return self._drawn(pick(self.rng, world_nouns(self.split)), size)

    def named(self, nouns: Sequence[str], size: str = "medium") -> Plan | None:
        """Draws a sprite, or a cutting of a photograph, of any of some nouns; None if the split has none of them."""
        cuttings = [number for number, cutout in enumerate(self.cutouts) if cutout.noun in nouns]
        if cuttings and self.rng.random() < _CUTOUTS_NAMED:
            number = pick(self.rng, cuttings)
            return Plan(self.cutouts[number].noun, "photo", size, view=number)
        known = set(nouns)
        able = [noun for noun in world_nouns(self.split) if noun in known]
        return self._drawn(pick(self.rng, able), size) if able else None

    def _drawn(self, noun: str, size: str) -> Plan:
        """Draws a sprite of a noun, in a style that has it."""
        style = pick(self.rng, [style for style in _styles(self.split) if sprite_views(noun, style)])
        view = int(self.rng.integers(sprite_views(noun, style)))
        hue = float(self.rng.uniform(40, 320)) if self.rng.random() < _RECOLORED else 0.0
        return Plan(noun, style, size, view=view, hue=hue)

    def look_alike(self, model: Plan) -> Plan:
        """Changes exactly one attribute."""
        if model.style == "shape":
            return self._other_shape(model)
        way = pick(self.rng, ("noun", "size", "color", "color"))
        if way == "color" and model.style != "photo":
            own = hue_color(model.noun, model.style, model.view, model.hue)
            for hue in (model.hue + self.rng.permutation(np.arange(50, 320, 30))).tolist():
                if own is not None and hue_color(model.noun, model.style, model.view, hue) not in (own, None):
                    return replace(model, hue=hue % 360)
        if way == "noun":
            return self.sprite(model.size)
        return replace(model, size=pick(self.rng, [size for size in SIZES if size != model.size]))

    def _other_shape(self, model: Plan) -> Plan:
        vocabulary = {"noun": SHAPES, "color": COLORS, "pattern": PATTERNS, "material": MATERIALS, "size": SIZES}
        able = [name for name in vocabulary if getattr(model, name) is not None]
        while True:
            changed = pick(self.rng, able)
            word = pick(self.rng, [word for word in vocabulary[changed] if word != getattr(model, changed)])
            plan = self.resized(model, word) if changed == "size" else replace(model, **{changed: word})
            if plan.color and plan.material and not can_be_made_of(plan.color, plan.material):
                continue
            if self.split == "held-out" or not _held_out(plan):
                return plan

    def resized(self, plan: Plan, size: str) -> Plan:
        """Changes the size; a shape shows its pattern and its material only where it is large enough."""
        if plan.style != "shape" or plan.size == size:
            return replace(plan, size=size)
        pattern, material = plan.pattern or pick(self.rng, PATTERNS), plan.material or "plastic"
        return _shown(replace(plan, size=size, pattern=pattern, material=material))


def _held_out(plan: Plan) -> bool:
    return plan.color is not None and is_held_out(plan.noun, plan.color, plan.pattern or "plain")


def _shown(plan: Plan) -> Plan:
    """Drops the pattern and the material of a shape that is too small to show them."""
    if plan.size == "tiny":
        return replace(plan, pattern=None, material=None)
    return replace(plan, material=None) if plan.size == "small" else plan
