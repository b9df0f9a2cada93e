"""Scenes of rows: the same thing two to ten times in a row, a column, or a grid, as pictures for counting show it.

Choices:
- A thing fills most of its cell, so that where it lies and how large it is tell which one it is, as in photographs of
  shelves, herds and boxes of fruit.
- Cells are a little uneven and lines a little slanted, but nothing touches and no line runs into another.
- Sometimes one of them is another thing, or of another color.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gar.graspworld.appearance import Patch, Plan, draw_patch
from gar.graspworld.plans import Planner, pick
from gar.graspworld.stage import Placed, Stage
from gar.graspworld.vocabulary import size_of

__all__ = ["place_rows"]

_SHAPES = (("row", 0.45), ("column", 0.15), ("grid", 0.40))
_MOST_ACROSS, _MOST_DOWN = 10, 8
_FILLED = (0.62, 0.92)  # of a cell's side that its thing takes
_ODD = 0.25  # how often one of them is another
_LEAST = 12  # pixels along a side of the largest thing that fits a cell; less is a dot
_TRIES = 20
_TRIAL = 300.0  # pixels of a thing that is drawn to learn its proportions


def place_rows(stage: Stage, planner: Planner) -> list[list[Placed]]:
    """Fills an empty stage.

    Args:
        stage: An empty stage.
        planner: Draws the words of objects.

    Returns:
        The rows from top to bottom, each from left to right.
    """
    while True:
        stage.placed.clear()
        rows = _try_rows(stage, planner)
        if rows is not None:
            return rows


def _try_rows(stage: Stage, planner: Planner) -> list[list[Placed]] | None:
    rng = stage.rng
    across, down = _draw_counts(rng)
    model = planner.object(("small", "medium"))
    odd = int(rng.integers(across * down)) if rng.random() < _ODD else -1
    # the cells' part of the picture: most of it along each line, and about square cells across it
    width = rng.uniform(0.6 if across > 2 else 0.4, 0.98) * stage.width
    height = rng.uniform(0.6 if down > 2 else 0.4, 0.98) * stage.height
    cell_width, cell_height = width / across, height / down
    if down == 1:
        cell_height = min(cell_height, cell_width * rng.uniform(1.0, 2.0))
    if across == 1:
        cell_width = min(cell_width, cell_height * rng.uniform(1.0, 2.0))
    if min(cell_width, cell_height) * _FILLED[1] < _LEAST:
        return None
    left = rng.uniform(0, stage.width - cell_width * across)
    top = rng.uniform(0, stage.height - cell_height * down)
    slant = rng.uniform(-0.25, 0.25) / max(across, down)  # of a cell, from one to the next
    filled = rng.uniform(*_FILLED)
    rows: list[list[Placed]] = []
    for row in range(down):
        rows.append([])
        for column in range(across):
            plan = planner.look_alike(model) if row * across + column == odd else model
            middle = (
                left + (column + 0.5 + slant * row) * cell_width,
                top + (row + 0.5 + slant * column) * cell_height,
            )
            placed = _place(stage, plan, middle, (filled * cell_width, filled * cell_height))
            if placed is None:
                return None
            rows[-1].append(placed)
    return rows


def _draw_counts(rng: np.random.Generator) -> tuple[int, int]:
    """How many across and down; small numbers more often than large ones."""
    form = pick(rng, [name for name, share in _SHAPES for _ in range(round(20 * share))])
    if form == "row":
        return 2 + int((_MOST_ACROSS - 1) * rng.random() ** 1.4), 1
    if form == "column":
        return 1, 2 + int((_MOST_DOWN - 1) * rng.random() ** 1.4)
    return int(rng.integers(2, 7)), int(rng.integers(2, 6))


def _place(stage: Stage, plan: Plan, middle: tuple[float, float], room: tuple[float, float]) -> Placed | None:
    """Puts a thing into the middle of its cell, as large as the room in it allows."""
    for _ in range(_TRIES):
        patch = _draw_within(stage, plan, room)
        (height, width), (aside, down) = patch.cover.shape, stage.rng.uniform(-0.05, 0.05, 2)
        corner = round(middle[0] + aside * room[0] - width / 2), round(middle[1] + down * room[1] - height / 2)
        item = Placed(plan, patch, stage.rng.random(), *corner, clear=True)
        if patch.area and stage.put_at(item):
            return item
    return None


def _draw_within(stage: Stage, plan: Plan, room: tuple[float, float]) -> Patch:
    """Draws a thing twice: small, to learn its proportions, then as large as the room (width, height) allows."""
    trial = draw_patch(plan, _TRIAL, stage.rng, stage.cutouts)
    height, width = trial.cover.shape
    area = _TRIAL * min(room[0] / width, room[1] / height) ** 2
    size = size_of(area / (stage.height * stage.width)) or "small"
    return draw_patch(replace(plan, size=size), area, stage.rng, stage.cutouts)
