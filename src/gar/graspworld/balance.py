"""How often each word is asked about, so that no answer is likelier than another by much.

Choices:
- Some words fit more objects than others: more sprites are green than white. A question about a frequent word is
  left out at a rate, so that no word is the answer more often than about one point above uniform.
- Wrong words are drawn in the proportions in which words are right, so that a word by itself says nothing about
  whether it is right.
- The tables were measured by `scripts/measure_world_balance.py`, on training scenes and on parts of photographs.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["SHARES", "asked", "proportions"]

_ABOVE = 0.008
"""Most by which a word's share may be above uniform."""
_ABOVE_PHOTOGRAPHED = 0.1
"""The same for the colors of photographs, four fifths of which are black, brown and gray: few questions were left."""

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
        "red": 0.0888,
        "orange": 0.0735,
        "yellow": 0.0605,
        "green": 0.1157,
        "blue": 0.1176,
        "purple": 0.0614,
        "pink": 0.1222,
        "brown": 0.0568,
        "black": 0.0296,
        "white": 0.1171,
        "gray": 0.1568,
    },
    "near color": {
        "red": 0.0621,
        "orange": 0.1146,
        "yellow": 0.0624,
        "green": 0.0579,
        "blue": 0.1224,
        "purple": 0.0586,
        "pink": 0.0713,
        "brown": 0.0859,
        "black": 0.0221,
        "white": 0.1249,
        "gray": 0.2178,
    },
    "several colors": {
        "red": 0.0928,
        "orange": 0.0379,
        "yellow": 0.0384,
        "green": 0.1363,
        "blue": 0.0955,
        "purple": 0.1023,
        "pink": 0.1391,
        "brown": 0.0247,
        "black": 0.037,
        "white": 0.1411,
        "gray": 0.155,
    },
    "photographed color": {
        "red": 0.0182,
        "orange": 0.0174,
        "yellow": 0.0184,
        "green": 0.0526,
        "blue": 0.0268,
        "purple": 0.0089,
        "pink": 0.0252,
        "brown": 0.2513,
        "black": 0.2787,
        "white": 0.0387,
        "gray": 0.2639,
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
        "metal": 0.3017,
        "wood": 0.0974,
        "glass": 0.0897,
        "fabric": 0.1501,
        "plastic": 0.112,
        "ceramic": 0.0406,
        "paper": 0.0986,
        "leather": 0.0604,
        "stone": 0.0494,
    },
    "usual form": {
        "cylindrical": 0.2493,
        "spherical": 0.2143,
        "conical": 0.0672,
        "curved": 0.0684,
        "box-shaped": 0.1071,
        "long and thin": 0.1934,
        "disc-shaped": 0.1003,
    },
    "usual texture": {
        "furry": 0.2523,
        "woolly": 0.0737,
        "feathery": 0.1872,
        "scaly": 0.1002,
        "smooth": 0.2622,
        "rough": 0.1245,
    },
}
"""Share of each word among the answers if nothing were left out, on training scenes. "Most color", "near color" and
"several colors" are those of what has no color of its own; "photographed color" are all colors of photographs. Of
outlines nothing is left out, wrong ones are drawn as often. A "position" is which one of its line something is, the
sixth or a higher one. What things usually are, which few scenes ask for, are means of several samples."""


@lru_cache(maxsize=32)
def _rates(name: str) -> dict[str, float]:
    """Finds the rate at which each word is asked: 1 for the rare ones, less for those that would be too frequent."""
    shares = SHARES.get(name, {})
    rates = dict.fromkeys(shares, 1.0)
    above = _ABOVE_PHOTOGRAPHED if name == "photographed color" else _ABOVE
    for _ in range(100):
        most = (1 / max(1, len(shares)) + above) * sum(share * rates[word] for word, share in shares.items())
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
