"""How often each word is asked about, so that no answer is likelier than another by much.

Choices:
- Some words fit more objects than others: more sprites are green than white. A question about a frequent word is
  left out at a rate, so that no word is the answer more often than about one point above uniform.
- Wrong words are drawn in the proportions in which words are right, so that a word by itself says nothing about
  whether it is right.
- The table was measured on training scenes by `scripts/measure_world_balance.py`.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["SHARES", "asked", "proportions"]

_ABOVE = 0.008
"""Most by which a word's share may be above uniform."""

SHARES: dict[str, dict[str, float]] = {
    "size": {"tiny": 0.1836, "small": 0.3288, "medium": 0.2231, "large": 0.2645},
    "color": {
        "red": 0.0863,
        "orange": 0.0815,
        "yellow": 0.0981,
        "green": 0.1619,
        "blue": 0.1508,
        "purple": 0.1113,
        "pink": 0.0815,
        "brown": 0.0541,
        "black": 0.0385,
        "white": 0.0451,
        "gray": 0.0908,
    },
    "pattern": {"plain": 0.2358, "striped": 0.2531, "dotted": 0.2434, "checkered": 0.2677},
    "material": {"plastic": 0.2157, "metal": 0.1599, "wood": 0.1641, "glass": 0.1497, "fabric": 0.1675, "fur": 0.143},
    "shape": {
        "circle": 0.0789,
        "square": 0.0775,
        "rectangle": 0.0816,
        "triangle": 0.0876,
        "star": 0.0775,
        "heart": 0.0918,
        "ring": 0.0941,
        "cross": 0.0784,
        "hexagon": 0.0844,
        "crescent": 0.0798,
        "arrow": 0.0724,
        "diamond": 0.0959,
    },
    "place": {
        "top left": 0.0993,
        "top center": 0.099,
        "top right": 0.0965,
        "middle left": 0.1229,
        "center": 0.1496,
        "middle right": 0.1204,
        "bottom left": 0.1077,
        "bottom center": 0.1002,
        "bottom right": 0.1044,
    },
    "most color": {
        "red": 0.0843,
        "orange": 0.0609,
        "yellow": 0.0629,
        "green": 0.1177,
        "blue": 0.1117,
        "purple": 0.0575,
        "pink": 0.1204,
        "brown": 0.0615,
        "black": 0.0368,
        "white": 0.1191,
        "gray": 0.1672,
    },
    "near color": {
        "red": 0.031,
        "orange": 0.1034,
        "yellow": 0.04,
        "green": 0.0561,
        "blue": 0.1177,
        "purple": 0.0557,
        "pink": 0.1564,
        "brown": 0.1133,
        "black": 0.04,  # of rendered things 0.01, but much in photographs is nearly black
        "white": 0.118,
        "gray": 0.1978,
    },
    "two colors": {
        "red": 0.1009,
        "orange": 0.0346,
        "yellow": 0.0452,
        "green": 0.1642,
        "blue": 0.1099,
        "purple": 0.1265,
        "pink": 0.1566,
        "brown": 0.0181,
        "black": 0.0166,
        "white": 0.113,
        "gray": 0.1145,
    },
    "outline": {
        "circular": 0.141,
        "square": 0.0825,
        "rectangular": 0.1272,
        "triangular": 0.0755,
        "star-shaped": 0.0578,
        "heart-shaped": 0.0751,
        "ring-shaped": 0.074,
        "cross-shaped": 0.0667,
        "hexagonal": 0.0832,
        "crescent-shaped": 0.0663,
        "arrow-shaped": 0.0744,
        "diamond-shaped": 0.0671,
        "oval": 0.0092,
    },
    "relation": {
        "to the left of": 0.1326,
        "to the right of": 0.1419,
        "above": 0.1205,
        "below": 0.1225,
        "in front of": 0.1085,
        "behind": 0.1008,
        "inside": 0.1345,
        "a reflection of": 0.1387,
    },
    "position": {"first": 0.21, "second": 0.241, "third": 0.203, "fourth": 0.139, "fifth": 0.089, "sixth": 0.118},
    "usual material": {
        "metal": 0.2913,
        "wood": 0.0966,
        "glass": 0.0867,
        "fabric": 0.1636,
        "plastic": 0.1161,
        "ceramic": 0.0467,
        "paper": 0.0937,
        "leather": 0.0603,
        "stone": 0.0450,
    },
    "usual form": {
        "cylindrical": 0.2575,
        "spherical": 0.202,
        "conical": 0.0636,
        "curved": 0.0736,
        "box-shaped": 0.1043,
        "long and thin": 0.2039,
        "disc-shaped": 0.0951,
    },
    "usual texture": {
        "furry": 0.2548,
        "woolly": 0.068,
        "feathery": 0.1905,
        "scaly": 0.1039,
        "smooth": 0.2505,
        "rough": 0.1323,
    },
}
"""Share of each word among the answers if nothing were left out, on training scenes. "Most color" and "two colors" are
those of what has no color of its own; of these and of outlines nothing is left out, wrong ones are drawn as often. A
"position" is which one of its line something is, the sixth or a higher one. Usual materials and forms, which few scenes
ask for, are weighted means of three samples."""


@lru_cache(maxsize=16)
def _rates(name: str) -> dict[str, float]:
    """Finds the rate at which each word is asked: 1 for the rare ones, less for those that would be too frequent."""
    shares = SHARES.get(name, {})
    rates = dict.fromkeys(shares, 1.0)
    for _ in range(100):
        most = (1 / max(1, len(shares)) + _ABOVE) * sum(share * rates[word] for word, share in shares.items())
        rates = {word: min(1.0, most / share) for word, share in shares.items()}
    return rates


def asked(name: str, word: str) -> float:
    """Returns the rate in [0, 1] at which a word is asked about where it could be.

    Args:
        name: An attribute, or "relation".
        word: One of its words.
    """
    return _rates(name).get(word, 1.0)


def proportions(name: str) -> dict[str, float]:
    """Returns in which proportion each word of an attribute is the answer; empty if that was never measured."""
    return {word: share * _rates(name)[word] for word, share in SHARES.get(name, {}).items()}
