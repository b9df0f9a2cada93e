"""How objects are named: a noun with its article and adjectives, and which two nouns nobody would mix up.

Choices:
- A noun is a shape, a frame, a noun of the world (`nouns.py`), or a word that a photograph brought along.
- A wrong noun in a question must be wrong beyond dispute. Of two nouns of one category neither may be a general
  word ("bird" may be said of a duck), and they may share no word ("ice cream", "soft ice cream").
"""

from __future__ import annotations

import re
from functools import lru_cache

from gar.graspworld.nouns import NOUNS, canonical_noun
from gar.graspworld.vocabulary import FRAMES, SHAPES

__all__ = ["category_of", "differ_clearly", "find_nouns", "is_plural", "is_uncounted", "with_article"]

_GENERAL = frozenset((
    "baby", "ball", "bear", "bird", "boat", "book", "boot", "bottle", "bowl", "boy", "bread", "bus", "cake", "cap",
    "car", "clock", "coat", "cup", "curry", "daisy", "dog", "fish", "girl", "globe", "handbag", "herb",
    "man", "medal", "minibus", "monkey", "mouse", "mushroom", "notebook", "person", "picture", "rat", "seedling",
    "sheep", "ship", "sign", "stew", "suv", "t-shirt", "train", "tree", "truck", "vase", "watch", "woman",
))  # fmt: skip
"""Words that may be said of other things of their category."""
_ALIKE = ("person", "building")
"""Categories whose things may all be mixed up."""
_AKIN = (
    frozenset(("animal", "person", "body")),
    frozenset(("food", "plant")),
    frozenset(("household", "tool", "electronic", "furniture")),
    frozenset(("building", "nature")),
)
"""Groups of categories between which a general word may be said too (a "cup" of the kitchen or of a meal)."""
_LONG_WORD = 4


def category_of(noun: str) -> str | None:
    """Returns the category of a noun; "shape" and "frame" for those; None for a word that is not of the world."""
    if noun in SHAPES:
        return "shape"
    if noun in FRAMES:
        return "frame"
    return NOUNS[noun].category if noun in NOUNS else None


def _words(noun: str) -> set[str]:
    names = (noun, *NOUNS[noun].synonyms) if noun in NOUNS else (noun,)
    return {word.rstrip("s") for name in names for word in re.split(r"[ -]", name)}


@lru_cache(maxsize=1 << 18)
def differ_clearly(a: str, b: str) -> bool:
    """Says whether nobody would call a thing of noun `a` by noun `b`, or the other way round.

    >>> differ_clearly("duck", "bird"), differ_clearly("duck", "cow"), differ_clearly("duck", "hammer")
    (False, True, True)
    """
    if a == b:
        return False
    mine, theirs = _words(a), _words(b)
    if any(x in y or y in x for x in mine for y in theirs if min(len(x), len(y)) >= _LONG_WORD or x == y):
        return False
    categories = {category_of(a), category_of(b)}
    if len(categories) == 1 and categories != {None}:
        return not categories & {*_ALIKE} and not {a, b} & _GENERAL
    return not any(categories <= akin for akin in _AKIN) or not {a, b} & _GENERAL


def is_plural(noun: str) -> bool:
    """Says whether a noun takes a plural verb ("scissors")."""
    return noun in NOUNS and NOUNS[noun].plural


def is_uncounted(noun: str) -> bool:
    """Says whether there is some of it rather than one ("rice"): such a thing is not said to be large."""
    return noun in NOUNS and not NOUNS[noun].article and not NOUNS[noun].plural


def with_article(noun: str, *adjectives: str | None) -> str:
    """Puts adjectives and the right article before a noun.

    >>> with_article("owl", "small"), with_article("scissors", "red"), with_article("circle", None, "orange")
    ('a small owl', 'red scissors', 'an orange circle')
    """
    words = " ".join([word for word in adjectives if word] + [noun])
    article = NOUNS[noun].article if noun in NOUNS else "a"
    if article in ("a", "an"):
        first_is_noun = words == noun and noun in NOUNS
        article = article if first_is_noun else "an" if words[0] in "aeiou" else "a"
    return f"{article} {words}".lstrip()


@lru_cache(maxsize=1)
def _longest() -> int:
    return max(len(name.split()) for noun in NOUNS.values() for name in (noun.name, *noun.synonyms))


def find_nouns(words: list[str]) -> list[tuple[int, int, str]]:
    """Finds the nouns in a list of words: (start, end, noun), the longest at each place, without overlap."""
    found: list[tuple[int, int, str]] = []
    start = 0
    while start < len(words):
        for end in range(min(len(words), start + _longest()), start, -1):
            noun = _noun_of(" ".join(words[start:end]))
            if noun is not None:
                found.append((start, end, noun))
                start = end
                break
        else:
            start += 1
    return found


@lru_cache(maxsize=1 << 16)
def _noun_of(words: str) -> str | None:
    if words in SHAPES or words in FRAMES:
        return words
    first, last = words.split()[0], words.split()[-1]
    if first in ("a", "an", "the", "some") or not (first[0].isalpha() and last[0].isalpha()):
        return None
    return canonical_noun(words)
