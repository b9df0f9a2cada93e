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
    "size": {"tiny": 0.1731, "small": 0.3333, "medium": 0.2416, "large": 0.252},
    "color": {
        "red": 0.0916,
        "orange": 0.0773,
        "yellow": 0.0956,
        "green": 0.166,
        "blue": 0.1351,
        "purple": 0.1013,
        "pink": 0.0853,
        "brown": 0.0618,
        "black": 0.0452,
        "white": 0.0538,
        "gray": 0.087,
    },
    "place": {
        "top left": 0.1034,
        "top center": 0.0905,
        "top right": 0.1001,
        "middle left": 0.1208,
        "center": 0.1415,
        "middle right": 0.1231,
        "bottom left": 0.1079,
        "bottom center": 0.1084,
        "bottom right": 0.1043,
    },
    "relation": {
        "to the left of": 0.1414,
        "to the right of": 0.1383,
        "above": 0.0912,
        "below": 0.0967,
        "in front of": 0.1188,
        "behind": 0.1123,
        "inside": 0.1233,
        "a reflection of": 0.1779,
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
