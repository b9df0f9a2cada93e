"""The words of the world, and the rules that make each word true.

Choices:
- A word is used only where it cannot be argued about. Sizes leave gaps between their classes, places leave a
  band along the borders of their cells, colours leave gaps between their ranges (`paint.py`).
- Sizes and places are judged by what can be seen (the visible mask), so that they can be checked from it.
- A pattern is said of an object from small upwards, a material from medium upwards: on fewer pixels they cannot be
  seen.
- Some (shape, color, pattern) triples are never drawn for training, so that a held-out scene can ask for a
  combination that was never seen although each of its words was.
"""

from __future__ import annotations

from typing import Literal, get_args

__all__ = [
    "ATTRIBUTES",
    "COLORS",
    "FRAMES",
    "HELD_OUT_VERSION",
    "MATERIALS",
    "PATTERNS",
    "PLACES",
    "RELATIONS",
    "SHAPES",
    "SIZES",
    "SIZE_SHARES",
    "SPLITS",
    "STAGINGS",
    "STYLES",
    "Split",
    "Staging",
    "cell_of",
    "is_held_out",
    "opposite",
    "place_of",
    "place_phrase",
    "size_of",
]

HELD_OUT_VERSION = 2
"""Version of the splits; it enters every seed. It changes whenever a scene of the same seed would change."""

Split = Literal["train", "held-out", "held-out-nouns", "held-out-style"]
SPLITS: tuple[Split, ...] = get_args(Split)
"""Training; new scenes of what training shows; nouns never trained; a rendering style never trained."""

Staging = Literal["free", "rows", "together"]
STAGINGS: tuple[Staging, ...] = get_args(Staging)
"""Objects anywhere; the same thing in rows; things that have to do with each other."""

STYLES = ("shape", "frame", "fluent", "noto", "twemoji", "photo", "ground")
"""How an object is drawn: a shape, a frame or a ground by rule, a sprite of one of three sets, a cutting of a
photograph."""

SHAPES = (
    "circle",
    "square",
    "rectangle",
    "triangle",
    "star",
    "heart",
    "ring",
    "cross",
    "hexagon",
    "crescent",
    "arrow",
    "diamond",
)
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray")
PATTERNS = ("plain", "striped", "dotted", "checkered")
MATERIALS = ("plastic", "metal", "wood", "glass", "fabric", "fur")
FRAMES = ("mirror", "picture frame", "screen")
"""What other objects can be seen in."""
SIZES = ("tiny", "small", "medium", "large")
PLACES = (
    "top left",
    "top center",
    "top right",
    "middle left",
    "center",
    "middle right",
    "bottom left",
    "bottom center",
    "bottom right",
)
"""Cells of a 3×3 grid in reading order; `place_phrase` makes a phrase of one."""
RELATIONS = (
    "to the left of",
    "to the right of",
    "above",
    "below",
    "in front of",
    "behind",
    "inside",
    "a reflection of",
)
"""The first six stand beside their opposites; the last two have none."""

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "size": SIZES,
    "color": COLORS,
    "pattern": PATTERNS,
    "material": MATERIALS,
    "shape": SHAPES,
    "place": PLACES,
}
"""Every attribute of an object but its noun, with the words it can have."""

SIZE_SHARES = {"tiny": (0.0, 0.004), "small": (0.006, 0.016), "medium": (0.026, 0.046), "large": (0.075, 1.0)}
"""Share of the picture that an object of each size covers; between two classes there is a gap."""

PLACE_MARGIN = 0.05
"""A centroid closer than this (share of the side) to the border of a cell has no place word."""


def is_held_out(shape: str, color: str, pattern: str) -> bool:
    """Says whether a combination is kept out of training: two shapes of twelve for each color and pattern."""
    number = SHAPES.index(shape) - COLORS.index(color) - 3 * PATTERNS.index(pattern)
    return number % 6 == 0


def size_of(share: float) -> str | None:
    """Names the size of an object that covers `share` of the picture, in [0, 1]; None between two classes.

    >>> size_of(0.04), size_of(0.06)
    ('medium', None)
    """
    return next((size for size, (low, high) in SIZE_SHARES.items() if low <= share <= high), None)


def cell_of(x: float, y: float) -> str:
    """Names the cell of a point, x to the right and y down, both in [0, 1].

    >>> cell_of(0.1, 0.5), cell_of(0.33, 0.5)
    ('middle left', 'middle left')
    """
    return PLACES[3 * min(int(y * 3), 2) + min(int(x * 3), 2)]


def place_of(x: float, y: float) -> str | None:
    """Names the cell of a point as `cell_of`; None too close to a border.

    >>> place_of(0.1, 0.5), place_of(0.33, 0.5)
    ('middle left', None)
    """
    near = min(abs(value - border) for value in (x, y) for border in (1 / 3, 2 / 3)) < PLACE_MARGIN
    return None if near else cell_of(x, y)


def place_phrase(place: str) -> str:
    """Makes a phrase of a place: "in the center", "at the top left"."""
    return "in the center" if place == "center" else f"at the {place}"


def opposite(relation: str) -> str | None:
    """Returns what B is to A when A is `relation` B: "above" for "below"; None where there is no word for it."""
    number = RELATIONS.index(relation)
    return RELATIONS[number ^ 1] if number < 6 else None
