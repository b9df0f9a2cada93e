"""A scene: a picture, and what is in it in words and in pixels.

Choices:
- Everything comes from one generator seeded with (seed, split, version): the same scene in every process.
- The objects are planned (`plans.py`, words only), placed (`arrangements.py`, `stage.py`), then drawn
  (`compose.py`). Sizes and places are then read from what can be seen, so that they can be checked from it.
- A word that could be argued about is None: a place near the border of two cells, a size between two classes, a
  sprite of several colors.
- A scene of a photograph (`photographs.py`) is the same type; what is nearer is not known there.

Shapes: H, W the picture. Arrays are indexed (row, column).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from gar.errors import InputError
from gar.graspworld.appearance import Cutout
from gar.graspworld.arrangements import arrange
from gar.graspworld.backgrounds import find_photographs
from gar.graspworld.color_names import DOMINANT, MAIN, color_shares, fitting_shares, holding_most
from gar.graspworld.compose import compose
from gar.graspworld.naming import category_of
from gar.graspworld.outlines import OUTLINES_OF_SHAPES, outline_of
from gar.graspworld.plans import Planner
from gar.graspworld.rows import place_rows
from gar.graspworld.stage import Placed, Stage
from gar.graspworld.ties import Tie, pose_of
from gar.graspworld.together import stage_together
from gar.graspworld.vocabulary import (
    HELD_OUT_VERSION,
    SIZES,
    SPLITS,
    STAGINGS,
    Split,
    Staging,
    cell_of,
    place_of,
    size_of,
)

__all__ = ["Scene", "WorldObject", "render_scene"]

MIN_SIDE, MAX_SIDE, MAX_ASPECT = 192, 4096, 2.0
"""Limits of a scene in pixels: below, stripes on a small star vanish; narrower, nothing large fits."""

FILLED = 0.96
"""Share of its box above which the mask of something in a photograph is taken for a box."""
_WHOLE = 0.05
"""Most of a thing that may be hidden where its outline has a word."""
_STILL = 0.4
"""Least share of a reflection in water for which the color of the thing must still do."""


@dataclass(frozen=True, eq=False)
class WorldObject:
    """One object of a scene, in words and in pixels."""

    noun: str
    """What it is: a shape's word, "mirror", "picture frame" or "screen", or a noun of the world or a photograph."""
    style: str
    """One of `STYLES`."""
    shape: str | None
    """One of `SHAPES`; None for anything but a shape."""
    color_shares: Mapping[str, float]
    """Share of it, in [0, 1], that each of `COLORS` covers; of what is painted its one color, of persons none."""
    pattern: str | None
    """One of `PATTERNS`, for shapes that are large enough to show it."""
    material: str | None
    """One of `MATERIALS`, for shapes that are large enough to show it."""
    size: str | None
    """One of `SIZES`, by the share of the picture that its visible mask covers (`SIZE_SHARES`)."""
    place: str | None
    """One of `PLACES`, by the centroid of its visible mask."""
    mask: np.ndarray
    """What can be seen of it: bool (H, W)."""
    box: tuple[int, int, int, int]
    """Box of `mask`: x1, y1, x2, y2 in pixels, x2 and y2 exclusive."""
    depth: int | None
    """0 for the nearest object of the scene, then 1, 2, …; None in a photograph."""
    second_color: str | None
    """Color of the stripes, dots or checks: "white" or "black"; None without."""
    full_mask: np.ndarray
    """What could be seen of it if nothing lay in front: bool (H, W)."""
    reflection_of: int | None = None
    """Index in `Scene.objects` of what this is a reflection of; None for a thing itself."""
    inside: int | None = None
    """Index of the mirror, picture frame or screen that it is seen in."""

    @cached_property
    def color(self) -> str | None:
        """One of `COLORS`: the color that covers most of it; None where none does clearly, and of persons."""
        return holding_most(self.color_shares, DOMINANT)

    @cached_property
    def main_color(self) -> str | None:
        """The color that covers at least half of it, others little: true to say where it may be too close to ask."""
        return holding_most(self.color_shares, MAIN)

    @cached_property
    def outline(self) -> str | None:
        """One of `OUTLINES`: the adjective of a shape, or what the mask of a thing plainly is that is seen whole.

        None of what a photograph gives only the box of.
        """
        if self.shape is not None:
            return OUTLINES_OF_SHAPES[self.shape]
        (height, width), (x1, y1, x2, y2) = self.mask.shape, self.box
        cut = x1 == 0 or y1 == 0 or x2 == width or y2 == height
        boxed = self.style == "photo" and self.area > FILLED * (x2 - x1) * (y2 - y1)
        if self.style == "frame" or cut or boxed or self.hidden > _WHOLE:
            return None
        return outline_of(self.mask[y1:y2, x1:x2])

    @cached_property
    def area(self) -> int:
        """Pixels of the visible mask."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def hidden(self) -> float:
        """Share of the object that others cover, in [0, 1]."""
        return 1.0 - self.area / int(np.count_nonzero(self.full_mask))

    @cached_property
    def centroid(self) -> tuple[float, float]:
        """Centroid (x, y) of the visible mask, in pixels; the middle of the top-left pixel is (0.5, 0.5)."""
        return centroid_of(self.mask, self.box)

    @property
    def cell(self) -> str:
        """The one of `PLACES` that the centroid lies in, however near to its border."""
        height, width = self.mask.shape
        x, y = self.centroid
        return cell_of(x / width, y / height)


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture and what is in it."""

    seed: int | None
    """None for a photograph."""
    split: Split | None
    image: np.ndarray
    """uint8 (H, W, 3), RGB."""
    objects: tuple[WorldObject, ...]
    """In no particular order."""
    rows: tuple[tuple[int, ...], ...] = ()
    """Of a scene staged in rows: indices in `objects`, row by row from the top, each from left to right."""
    ties: tuple[Tie, ...] = ()
    """Of a scene staged together: what its objects have to do with each other."""

    @property
    def staging(self) -> Staging:
        """What the scene was staged as; "free" for a photograph."""
        return "rows" if self.rows else "together" if self.ties else "free"

    @property
    def has_mirror(self) -> bool:
        """Whether something is seen in a mirror."""
        return any(
            item.reflection_of is not None and item.inside is not None and self.objects[item.inside].noun == "mirror"
            for item in self.objects
        )


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Returns the box (x1, y1, x2, y2) of a mask with at least one pixel; x2 and y2 exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def centroid_of(mask: np.ndarray, box: tuple[int, int, int, int]) -> tuple[float, float]:
    """Returns the centroid (x, y) in pixels of a mask whose box is known."""
    x1, y1, x2, y2 = box
    part = mask[y1:y2, x1:x2]
    columns, rows = part.sum(axis=0), part.sum(axis=1)
    total = int(rows.sum())
    return (
        float(columns @ (np.arange(x1, x2) + 0.5)) / total,
        float(rows @ (np.arange(y1, y2) + 0.5)) / total,
    )


def size_and_place(mask: np.ndarray, box: tuple[int, int, int, int]) -> tuple[str | None, str | None]:
    """Names the size and the place of what a mask shows."""
    height, width = mask.shape
    x, y = centroid_of(mask, box)
    return size_of(int(np.count_nonzero(mask)) / mask.size), place_of(x / width, y / height)


def colors_seen(noun: str, image: np.ndarray, mask: np.ndarray, box: tuple[int, int, int, int]) -> Mapping[str, float]:
    """Measures `WorldObject.color_shares` of what a mask shows; there are none of any person."""
    if category_of(noun) == "person":
        return {}
    x1, y1, x2, y2 = box
    return color_shares(np.ascontiguousarray(image[y1:y2, x1:x2]), mask[y1:y2, x1:x2])


def _describe(
    item: Placed, mask: np.ndarray, image: np.ndarray, placed: list[Placed], order: list[int], depth: int
) -> WorldObject:
    """Says what can be seen of a placed object; `order` is that of the scene's objects."""
    plan, (x1, y1, x2, y2) = item.plan, box_of(mask[item.window])
    box = (x1 + item.left, y1 + item.top, x2 + item.left, y2 + item.top)
    full = np.zeros(mask.shape, dtype=bool)
    full[item.window] = item.patch.inside
    size, place = size_and_place(mask, box)
    painted = plan.style in ("shape", "frame")
    one_color = {plan.color: 1.0} if plan.color else {}
    if painted and one_color and item.reflection_of is not None and item.inside is None:
        one_color = _through_water(one_color, image, mask, box)
    shown = size not in ("tiny", None)
    return WorldObject(
        noun=plan.noun,
        style=plan.style,
        shape=plan.noun if plan.style == "shape" else None,
        color_shares=one_color if painted else colors_seen(plan.noun, image, mask, box),
        pattern=plan.pattern if shown else None,
        material=plan.material if shown and size != "small" else None,
        size=size,
        place=place,
        mask=mask,
        box=box,
        depth=depth,
        second_color=item.patch.second_color if shown else None,
        full_mask=full,
        reflection_of=_index(item.reflection_of, placed, order),
        inside=_index(item.inside, placed, order),
    )


def _through_water(
    one_color: dict[str, float], image: np.ndarray, mask: np.ndarray, box: tuple[int, int, int, int]
) -> dict[str, float]:
    """The color of what is reflected in water; nothing where the water tints it so that another word fits better."""
    x1, y1, x2, y2 = box
    fitting = fitting_shares(np.ascontiguousarray(image[y1:y2, x1:x2]), mask[y1:y2, x1:x2])
    return one_color if all(fitting[color] >= _STILL for color in one_color) else {}


def _index(item: Placed | None, placed: list[Placed], order: list[int]) -> int | None:
    return None if item is None else order.index(placed.index(item))


def _draw_size(rng: np.random.Generator) -> tuple[int, int]:
    """Draws height and width: the longest side 256 to 448, the aspect between 3:4 and 4:3."""
    longest, aspect = int(rng.integers(256, 449)), rng.uniform(0.75, 1.0)
    shortest = round(longest * aspect)
    return (longest, shortest) if rng.random() < 0.5 else (shortest, longest)


def render_scene(
    seed: int,
    *,
    split: Split = "train",
    staging: Staging = "free",
    size: tuple[int, int] | None = None,
    photographs: str | Path | None = None,
    cutouts: Sequence[Cutout] = (),
) -> Scene:
    """Renders the scene of a seed, the same in every process.

    Args:
        seed: Any number from 0. No two splits share a scene, whatever the seeds.
        split: "train"; "held-out": other scenes, in which about half of the shapes have a combination of shape, color
            and pattern that training never shows (`is_held_out`); "held-out-nouns": all sprites are of nouns that
            training never shows; "held-out-style": all sprites are drawn in a style that training never shows.
        staging: "free": objects anywhere; "rows": the same thing in rows, columns or a grid (`Scene.rows`);
            "together": things that have to do with each other (`Scene.ties`).
        size: Height and width in pixels, each from 192 to 4096 and neither more than twice the other; by
            default drawn from the seed, the longest side from 256 to 448, the aspect between 3:4 and 4:3.
        photographs: A folder of photographs to draw backgrounds from, beside those of the package; they should show
            nothing that the world has a noun for.
        cutouts: Things cut out of photographs (`cut_out`), to be put among the sprites.

    Returns:
        A scene of one to six objects, in rows of two to thirty.

    Raises:
        InputError: `seed`, `split`, `staging` or `size` is outside what is allowed.
        MediaError: `photographs` is not a folder with pictures.

    Example:
        >>> scene = render_scene(0)
        >>> scene.image.shape[:2] == scene.objects[0].mask.shape
        True
    """
    if seed < 0:
        raise InputError(f"seed={seed}; it must be 0 or more")
    if split not in SPLITS:
        raise InputError(f"split={split!r}; it must be one of {', '.join(SPLITS)}")
    if staging not in STAGINGS:
        raise InputError(f"staging={staging!r}; it must be one of {', '.join(STAGINGS)}")
    if size is not None and not (min(size) >= MIN_SIDE and max(size) <= min(MAX_SIDE, MAX_ASPECT * min(size))):
        raise InputError(
            f"size={size}; height and width must each be from {MIN_SIDE} to {MAX_SIDE} pixels, "
            f"and neither more than {MAX_ASPECT:g} times the other"
        )
    staged = [STAGINGS.index(staging)] if staging != "free" else []
    rng = np.random.default_rng([seed, SPLITS.index(split), HELD_OUT_VERSION, *staged])
    stage, planner = Stage(size or _draw_size(rng), rng, cutouts), Planner(split, rng, cutouts)
    paths = find_photographs(photographs)
    rows = place_rows(stage, planner) if staging == "rows" else []
    bonds = stage_together(stage, planner) if staging == "together" else []
    if staging == "free":
        _place_freely(stage, planner, paths)
    image, masks = compose(stage, paths)
    placed = stage.placed
    nearness = sorted(range(len(placed)), key=lambda number: placed[number].depth)
    order = rng.permutation(len(placed)).tolist()  # place in the result → number in `placed`
    index = {id(placed[number]): place for place, number in enumerate(order)}
    ridden = {id(b) for _, verb, b in bonds if verb == "riding"}
    return Scene(
        seed,
        split,
        image,
        tuple(
            _describe(placed[number], masks[number], image, placed, order, nearness.index(number)) for number in order
        ),
        tuple(tuple(index[id(item)] for item in row) for row in rows),
        tuple(
            Tie(index[id(a)], verb, index[id(b)], None if id(a) in ridden else pose_of(a.plan.noun))
            for a, verb, b in bonds
        ),
    )


def _place_freely(stage: Stage, planner: Planner, photographs: tuple[str, ...]) -> None:
    """Puts something special on an empty stage, or nothing, then ordinary objects."""
    rng = stage.rng
    room = arrange(stage, planner, photographs)
    if stage.placed:
        room = int(rng.integers(0, room + 1))
    while room or not stage.placed:  # a single long arrow may find no room
        # The largest first, while there is room; depth and the order of the result do not depend on it.
        plans = sorted(planner.objects()[: room or None], key=lambda plan: -SIZES.index(plan.size))
        for plan, depth in zip(plans, rng.random(len(plans)), strict=True):
            stage.put(plan, depth)
        room = 0
