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
    "size": {"tiny": 0.1811, "small": 0.3347, "medium": 0.2342, "large": 0.25},
    "color": {
        "red": 0.0975,
        "orange": 0.0806,
        "yellow": 0.0877,
        "green": 0.1838,
        "blue": 0.1446,
        "purple": 0.1143,
        "pink": 0.0866,
        "brown": 0.046,
        "black": 0.0286,
        "white": 0.0409,
        "gray": 0.0895,
    },
    "pattern": {"plain": 0.2474, "striped": 0.2457, "dotted": 0.2537, "checkered": 0.2532},
    "material": {"plastic": 0.2067, "metal": 0.1683, "wood": 0.176, "glass": 0.1627, "fabric": 0.1473, "fur": 0.139},
    "shape": {
        "circle": 0.0834,
        "square": 0.083,
        "rectangle": 0.0826,
        "triangle": 0.078,
        "star": 0.078,
        "heart": 0.0876,
        "ring": 0.0895,
        "cross": 0.0834,
        "hexagon": 0.0918,
        "crescent": 0.0849,
        "arrow": 0.075,
        "diamond": 0.0826,
    },
    "place": {
        "top left": 0.1076,
        "top center": 0.095,
        "top right": 0.0945,
        "middle left": 0.1264,
        "center": 0.1433,
        "middle right": 0.1293,
        "bottom left": 0.1056,
        "bottom center": 0.0889,
        "bottom right": 0.1094,
    },
    "relation": {
        "to the left of": 0.1453,
        "to the right of": 0.1357,
        "above": 0.1111,
        "below": 0.1162,
        "in front of": 0.0997,
        "behind": 0.1139,
        "inside": 0.1241,
        "a reflection of": 0.1539,
    },
}
"""Share of each word among the answers if nothing were left out, on training scenes."""


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
