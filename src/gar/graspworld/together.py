"""Scenes of things that have to do with each other: people and what they hold, wear or ride, things on and over others.

Choices:
- A scene is one to three groups, each around one thing that stands on the ground if there is any. What belongs to it is
  placed from its box: a hat on its top, a racket at its side.
- The ground is an object, too, with a mask and a word of its own, since people mark roads and lawns.
- All this is known to be so because it was staged so (`ties.py`). Things of different groups have nothing to do with
  each other but to stand side by side.

Shapes: h, w the patch of one object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations

import numpy as np
from PIL import Image

from gar.graspworld.appearance import Patch, Plan, draw_patch
from gar.graspworld.naming import category_of
from gar.graspworld.nouns import NOUNS
from gar.graspworld.plans import Planner, pick
from gar.graspworld.stage import Placed, Stage
from gar.graspworld.ties import Verb
from gar.graspworld.vocabulary import size_of

__all__ = ["GROUNDS", "Bond", "stage_together"]

Bond = tuple[Placed, Verb, Placed]
"""A tie of two things that are placed but have no number yet."""

GROUNDS = {
    "road": ((96, 96, 100), 10),
    "lawn": ((88, 140, 62), 34),
    "beach": ((214, 190, 140), 14),
    "snowfield": ((236, 240, 246), 7),
    "floor": ((170, 130, 92), 12),
    "carpet": ((150, 70, 76), 18),
}
"""Nouns of grounds, with their color and how uneven it is."""

_PEOPLE = ("person", "man", "woman", "boy", "girl", "old man", "old woman", "police officer", "firefighter",
           "construction worker", "guard", "chef", "astronaut", "santa claus", "clown", "wizard")  # fmt: skip
_HATS = ("sun hat", "top hat", "graduation cap", "cap", "military helmet", "helmet", "crown")
_MOUNTS = ("horse", "donkey", "camel", "elephant", "cow", "motorcycle", "motor scooter", "bicycle", "kick scooter",
           "skateboard", "unicorn", "carousel horse", "sled")  # fmt: skip
_SEATS = ("chair", "couch", "bed", "seat")
_TABLES = ("table", "dining table", "bed", "couch", "chair", "stack of books", "cardboard box", "suitcase", "log",
           "barrel", "desk")  # fmt: skip
_HELD = frozenset(("tool", "instrument", "household", "electronic", "food"))
"""Categories of what is small enough to hold."""
_HELD_MORE = ("umbrella", "tennis racket", "cricket bat", "hockey stick", "frisbee", "kite", "handbag", "purse",
              "backpack", "shopping bags", "soccer ball", "baseball", "teddy bear", "book", "cell phone")  # fmt: skip
_NOT_HELD = ("bathtub", "toilet", "shower", "christmas tree", "shopping cart", "coffin", "piano", "desktop computer",
             "slot machine", "satellite", "satellite dish", "barrel", "ladder", "stone statue", "postbox", "trash can",
             "robot", "bed", "beach umbrella", "oven", "refrigerator", "microwave", "toaster", "sink", "tv", "printer",
             "fax machine", "speaker", "film projector", "door", "window", "fountain", "bowl")  # fmt: skip
_NOT_WEARING = ("paw print", "feather", "wing", "footprints", "microbe", "coral", "seashell", "bird nest")
_HIGH = ("bird", "airplane", "helicopter", "kite", "balloon", "butterfly", "cloud", "rain cloud", "eagle", "owl", "bee",
         "rocket", "light bulb", "parachute", "sun", "full moon", "dove", "paper lantern", "bat")  # fmt: skip
_STANDING = ("animal", "vehicle", "furniture", "household", "person", "sport", "food", "plant", "electronic")
_NEAR = 0.9  # largest gap between things that are beside each other, in widths of the smaller
_APART = 3  # pixels
_IN_FRONT = 0.01  # how much nearer what somebody holds or sits on something lies
_TRIES, _CORNERS = 8, 5


@dataclass
class _Group:
    """Things around one that stands."""

    anchor: Placed
    others: list[Placed] = field(default_factory=list[Placed])
    bonds: list[Bond] = field(default_factory=list[Bond])

    @property
    def members(self) -> list[Placed]:
        return [self.anchor, *self.others]


def stage_together(stage: Stage, planner: Planner) -> list[Bond]:
    """Fills an empty stage.

    Args:
        stage: An empty stage.
        planner: Draws the words of objects.

    Returns:
        What the things have to do with each other.
    """
    while True:
        stage.placed.clear()
        bonds = _try_together(stage, planner)
        if bonds:
            return bonds


def _try_together(stage: Stage, planner: Planner) -> list[Bond]:
    rng = stage.rng
    ground = _put_ground(stage) if rng.random() < 0.75 else None
    groups: list[_Group] = []
    for _ in range(int(rng.integers(1, 4))):
        if len(stage.placed) > 4:
            break
        build = pick(rng, _GROUPS)
        group = next((built for _ in range(_TRIES) if (built := build(stage, planner, ground)) is not None), None)
        if group is not None and len(stage.placed) + len(group.members) <= 6:
            stage.placed += group.members
            groups.append(group)
    bonds = [bond for group in groups for bond in group.bonds]
    if ground is not None:
        bonds += [(group.anchor, "on", ground) for group in groups]
    for one, other in combinations([group.anchor for group in groups], 2):
        if _are_beside(one, other):
            bonds.append((one, "beside", other))
    return bonds


# ---- the ground --------------------------------------------------------------------------------------------------


def _put_ground(stage: Stage) -> Placed:
    """Puts a ground along the bottom of the picture."""
    rng = stage.rng
    noun = pick(rng, tuple(GROUNDS))
    tone, uneven = GROUNDS[noun]
    height = round(rng.uniform(0.28, 0.55) * stage.height)
    width = round(stage.width * (1.0 if rng.random() < 0.7 else rng.uniform(0.7, 0.95)))
    left = int(rng.integers(0, stage.width - width + 1))
    cells = max(4, height // 3), max(4, width // 3)
    noise = rng.normal(0, uneven, cells).astype(np.float32)
    texture = np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))
    color = np.array(tone, np.float32) * rng.uniform(0.8, 1.1) + rng.uniform(-14, 14, 3)
    pixels = color + texture[..., None] * np.ones(3, np.float32)
    if noun == "road":
        middle, dash = height // 2, max(6, width // 8)
        pixels[middle - 2 : middle + 2, (np.arange(width) // dash) % 2 == 0] = 228
    elif noun == "floor":
        pixels[:, :: max(8, width // 9)] *= 0.7
    patch = Patch(np.clip(pixels, 0, 255).astype(np.float32), np.ones((height, width), np.float32))
    plan = Plan(noun, "ground", "large")
    item = Placed(plan, patch, 3.0, left, stage.height - height)
    stage.placed.append(item)
    return item


def _stand(stage: Stage, patch: Patch, ground: Placed | None) -> tuple[int, int] | None:
    """Draws a corner (left, top) where a patch stands on the ground, or anywhere if there is none."""
    height, width = patch.cover.shape
    if ground is None:
        low, high, left, right = height, stage.height, 0, stage.width
    else:
        low, high = ground.top + 0.12 * (stage.height - ground.top), stage.height - 2
        left, right = ground.left, ground.left + ground.patch.cover.shape[1]
    bottom = round(stage.rng.uniform(max(low, height), max(low, height, high)))
    if right - left <= width or bottom > stage.height:
        return None
    return int(stage.rng.integers(left, right - width)), bottom - height


# ---- groups ------------------------------------------------------------------------------------------------------


def _draw(stage: Stage, plan: Plan, area: float) -> Patch:
    size = size_of(area / (stage.height * stage.width)) or "small"
    return draw_patch(replace(plan, size=size), area, stage.rng, stage.cutouts)


def _anchor(
    stage: Stage, planner: Planner, ground: Placed | None, nouns: Sequence[str], shares: tuple[float, float]
) -> Placed | None:
    """Draws a thing that covers a share of the picture, and finds a place where it is apart from all but the ground."""
    plan = planner.named(nouns)
    if plan is None:
        return None
    patch = _draw(stage, plan, stage.rng.uniform(*shares) * stage.height * stage.width)
    for _ in range(_CORNERS):
        corner = _stand(stage, patch, ground)
        if corner is None:
            return None
        item = Placed(plan, patch, 1 + stage.rng.random(), *corner)
        if _fits(stage, item, ground):
            return item
    return None


def _fits(stage: Stage, item: Placed, *but: Placed | None) -> bool:
    if not item.patch.area or not stage.fits(item.patch, item.left, item.top):
        return False
    return not any(other not in but and item.meets(other, _APART) for other in stage.placed)


def _attach(
    stage: Stage, planner: Planner, ground: Placed | None, group: _Group, nouns: Sequence[str], share: float,
    middle: tuple[float, float],
) -> Placed | None:  # fmt: skip
    """Draws a thing of a share of the anchor's area whose middle lies at a point of the anchor's box, in [0, 1]."""
    plan = planner.named(nouns)
    if plan is None:
        return None
    anchor = group.anchor
    patch = _draw(stage, plan, share * anchor.patch.area)
    height, width = anchor.patch.cover.shape
    left = round(anchor.left + middle[0] * width - patch.cover.shape[1] / 2)
    top = round(anchor.top + middle[1] * height - patch.cover.shape[0] / 2)
    item = Placed(plan, patch, anchor.depth - _IN_FRONT, left, top)
    return item if _fits(stage, item, ground, anchor) else None


def _holding(stage: Stage, planner: Planner, ground: Placed | None) -> _Group | None:
    """Somebody with something in front of the side of the body."""
    person = _anchor(stage, planner, ground, _PEOPLE, (0.05, 0.16))
    if person is None:
        return None
    group, rng = _Group(person), stage.rng
    side = pick(rng, (-1, 1))
    point = 0.5 + side * rng.uniform(0.25, 0.5), rng.uniform(0.4, 0.7)
    thing = _attach(stage, planner, ground, group, _held_nouns(), rng.uniform(0.06, 0.22), point)
    if thing is None or thing.meets(person) <= 0.1 * thing.patch.area:
        return None
    group.others.append(thing)
    group.bonds.append((person, "holding", thing))
    return group


def _wearing(stage: Stage, planner: Planner, ground: Placed | None) -> _Group | None:
    """Somebody, or an animal, with a hat on."""
    bearer = _anchor(stage, planner, ground, _PEOPLE if stage.rng.random() < 0.75 else _animals(), (0.04, 0.14))
    if bearer is None:
        return None
    group = _Group(bearer)
    hat = _attach(stage, planner, ground, group, _HATS, stage.rng.uniform(0.12, 0.28), (0.5, 0.04))
    if hat is None or not 0.05 < hat.meets(bearer) / hat.patch.area < 0.7:
        return None
    group.others.append(hat)
    group.bonds.append((bearer, "wearing", hat))
    return group


def _upon(
    verb: Verb, below: Sequence[str], above: Callable[[], Sequence[str]], share: tuple[float, float], sunk: float
) -> Callable[[Stage, Planner, Placed | None], _Group | None]:
    """A thing with another on its upper part, `sunk` into it by a part of its own height."""

    def build(stage: Stage, planner: Planner, ground: Placed | None) -> _Group | None:
        base = _anchor(stage, planner, ground, below, (0.06, 0.16))
        if base is None:
            return None
        group, rng = _Group(base), stage.rng
        plan = planner.named(above())
        if plan is None:
            return None
        patch = _draw(stage, plan, rng.uniform(*share) * base.patch.area)
        height, width = patch.cover.shape
        surface = base.top + (0.1 if verb == "on" else 0.45) * base.patch.cover.shape[0]
        left = round(base.left + rng.uniform(0.3, 0.7) * base.patch.cover.shape[1] - width / 2)
        item = Placed(plan, patch, base.depth - _IN_FRONT, left, round(surface + sunk * height - height))
        touching = item.meets(base, 2) / item.patch.area if item.patch.area else 0
        if not _fits(stage, item, ground, base) or not 0.02 < touching < 0.6:
            return None
        group.others.append(item)
        group.bonds.append((item, verb, base))
        return group

    return build


def _under_something(stage: Stage, planner: Planner, ground: Placed | None) -> _Group | None:
    """A thing with another over it, apart from it."""
    base = _anchor(stage, planner, ground, _standing(), (0.02, 0.12))
    if base is None:
        return None
    plan = planner.named(_HIGH)
    if plan is None:
        return None
    rng = stage.rng
    patch = _draw(stage, plan, rng.uniform(0.01, 0.05) * stage.height * stage.width)
    height, width = patch.cover.shape
    gap = rng.uniform(0.04, 0.25) * stage.height
    left = round(base.left + rng.uniform(0.25, 0.75) * base.patch.cover.shape[1] - width / 2)
    item = Placed(plan, patch, rng.random(), left, round(base.top - gap - height))
    if not _fits(stage, item, ground):
        return None
    return _Group(base, [item], [(item, "over", base)])


def _alone(stage: Stage, planner: Planner, ground: Placed | None) -> _Group | None:
    """A thing by itself."""
    item = _anchor(stage, planner, ground, _standing(), (0.015, 0.12))
    return None if item is None else _Group(item)


def _are_beside(one: Placed, other: Placed) -> bool:
    """Whether two things stand side by side, near each other."""
    (height, width), (tall, wide) = one.patch.cover.shape, other.patch.cover.shape
    gap = max(one.left, other.left) - min(one.left + width, other.left + wide)
    shared = min(one.top + height, other.top + tall) - max(one.top, other.top)
    return 0 <= gap < _NEAR * min(width, wide) and shared > 0.6 * min(height, tall)


# ---- nouns -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def _nouns_of(*categories: str) -> tuple[str, ...]:
    return tuple(noun for noun in NOUNS if category_of(noun) in categories)


def _held_nouns() -> tuple[str, ...]:
    return tuple(noun for noun in (*_nouns_of(*_HELD), *_HELD_MORE) if noun not in _NOT_HELD)


def _animals() -> tuple[str, ...]:
    return tuple(noun for noun in _nouns_of("animal") if noun not in _NOT_WEARING)


def _standing() -> tuple[str, ...]:
    return _nouns_of(*_STANDING)


def _laid() -> tuple[str, ...]:
    return tuple(noun for noun in _nouns_of("food", "household", "electronic", "tool") if noun not in _NOT_HELD)


_GROUPS: tuple[Callable[[Stage, Planner, Placed | None], _Group | None], ...] = (
    _holding,
    _holding,
    _wearing,
    _upon("riding", _MOUNTS, lambda: _PEOPLE, (0.3, 0.7), 0.25),
    _upon("sitting on", _SEATS, lambda: _PEOPLE, (0.3, 0.7), 0.15),
    _upon("on", _TABLES, _laid, (0.05, 0.3), 0.05),
    _under_something,
    _alone,
    _alone,
)
