"""What is known about the prompted objects of a scene, and draws from it that are balanced.

Choices:
- A word that an object does not have (`None`) could be claimed of it by somebody: such an object is never told apart
  by that word, and nothing is asked about it.
- Wrong words come half of the time from other objects of the scene, else from the proportions in which words are
  right. A wrong noun is one that nobody would use for the object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np

from gar.graspworld.balance import asked, proportions
from gar.graspworld.captions import attribute_words
from gar.graspworld.naming import differ_clearly, with_article
from gar.graspworld.nouns import COCO_NOUNS
from gar.graspworld.plans import pick, world_nouns
from gar.graspworld.relations import relation
from gar.graspworld.scene import Scene
from gar.graspworld.vocabulary import ATTRIBUTES, FRAMES, RELATIONS, SHAPES, place_phrase

__all__ = ["Facts", "as_claim", "group_of", "in_words"]

_T = TypeVar("_T")

_RELATION_WEIGHTS = (1.0, 1.0, 1.4, 1.4, 1.7, 1.7, 7.0, 5.5)
"""How much rather a rare relation is asked about than a frequent one, in the order of `RELATIONS`."""

_NOUNS_ASKED = {"shape": 0.75, "frame": 0.5, "thing": 1.0}
"""The rates at which nouns of these groups are asked for: there are few words for so many shapes and frames."""
_NOUN_GROUPS = (0.27, 0.05, 0.68)
"""How often a noun that is asked about is a shape, a frame, or a thing."""

_NOUN_ADDED = 0.75  # how often a description names the noun even if it need not


def in_words(attribute: str, word: str) -> str:
    """The word as an answer: a place becomes a phrase."""
    return place_phrase(word) if attribute == "place" else word


def as_claim(attribute: str, word: str) -> str:
    """The word as what something is said to be: "an owl", "made of wood", "at the top left of the picture"."""
    if attribute in ("noun", "shape"):
        return with_article(word)
    if attribute == "material":
        return f"made of {word}"
    if attribute == "place":
        return f"{place_phrase(word)} of the picture"
    return "medium-sized" if word == "medium" else word


def group_of(noun: str) -> str:
    """What a noun is a word for: "shape", "frame" or "thing"."""
    return "shape" if noun in SHAPES else "frame" if noun in FRAMES else "thing"


@lru_cache(maxsize=8)
def _common_nouns(split: str | None) -> tuple[tuple[str, ...], ...]:
    """Groups of nouns to draw wrong ones from."""
    if split is None:
        return (tuple(COCO_NOUNS.values()),)
    return (SHAPES, FRAMES, world_nouns(split))  # pyright: ignore[reportArgumentType]


class Facts:
    """The prompted objects of one scene."""

    def __init__(self, scene: Scene, prompts: Mapping[int, int], rng: np.random.Generator):
        self.scene = scene
        self.rng = rng
        self.prompts = dict(prompts)
        self.numbers = list(prompts)
        self.items = {number: scene.objects[index] for number, index in prompts.items()}
        self.scene_words = [attribute_words(item) for item in scene.objects]
        self.words = {number: self.scene_words[index] for number, index in prompts.items()}
        self.relations: dict[tuple[int, int], str] = {}
        for a, i in self.prompts.items():
            for b, j in self.prompts.items():
                word = relation(scene, i, j) if a != b else None
                if word is not None:
                    self.relations[a, b] = word

    # Drawing at random

    def pick(self, values: Sequence[_T]) -> _T:
        """Draws one of some values."""
        return pick(self.rng, values)

    def some(self, values: Sequence[_T], count: int | None = None) -> list[_T]:
        """Draws some values, all in random order by default."""
        return [values[number] for number in self.rng.permutation(len(values))[:count]]

    def flip(self, share: float = 0.5) -> bool:
        """Draws True in a share of all cases."""
        return bool(self.rng.random() < share)

    # Attributes

    def table(self, name: str) -> str:
        """The table of `SHARES` that holds for this scene: the colors of photographs have one of their own."""
        return "photographed color" if self.scene.seed is None and "color" in name else name

    def pick_attribute(self, attribute: str) -> tuple[int, str] | None:
        """Draws a prompt that has an attribute, and its word; frequent words are left out at their rate."""
        numbers = [number for number in self.numbers if attribute in self.words[number]]
        if not numbers:
            return None
        number = self.pick(numbers)
        word = self.words[number][attribute]
        rate = _NOUNS_ASKED[group_of(word)] if attribute == "noun" else asked(self.table(attribute), word)
        return (number, word) if self.flip(rate) else None

    def wrong_words(self, own: str, attribute: str, count: int) -> list[str]:
        """Draws words that are not true of an object whose word is `own`."""
        if attribute == "noun":
            return self._wrong_nouns(own, count)
        wrong = [word for word in ATTRIBUTES[attribute] if word != own]
        seen = {words[attribute] for words in self.scene_words if attribute in words}
        near = [word for word in wrong if word in seen and self.flip(asked(self.table(attribute), word))]
        drawn = self.some(near)[:1] if near and self.flip() else []
        rest = [word for word in wrong if word not in drawn]
        return [*drawn, *self.some_of(rest, proportions(self.table(attribute)), min(count, len(rest)))][:count]

    def some_of(self, words: Sequence[str], weights: Mapping[str, float], count: int) -> list[str]:
        """Draws different words by their weights; those that have none are drawn only where no other is left."""
        odds = np.array([weights.get(word, 0.0) + 1e-6 for word in words])
        return [words[n] for n in self.rng.choice(len(words), size=count, replace=False, p=odds / odds.sum())]

    def _wrong_nouns(self, own: str, count: int) -> list[str]:
        near = {words["noun"] for words in self.scene_words}
        near = [noun for noun in sorted(near) if differ_clearly(own, noun)]
        drawn = self.some(near)[:1] if near and self.flip() else []
        groups = _common_nouns(self.scene.split)
        for _ in range(20 * count):
            if len(drawn) >= count:
                break
            group = groups[self.rng.choice(3, p=_NOUN_GROUPS)] if len(groups) == 3 else groups[0]
            noun = self.pick(group)
            if differ_clearly(own, noun) and noun not in drawn:
                drawn.append(noun)
        return drawn[:count]

    # Relations

    def pick_relation(self, among: Sequence[str] = RELATIONS) -> tuple[int, int, str] | None:
        """Draws a pair that has one of some relations; over many scenes each is as frequent as any other."""
        known = sorted({word for word in self.relations.values() if word in among}, key=RELATIONS.index)
        if not known:
            return None
        odds = np.array([_RELATION_WEIGHTS[RELATIONS.index(word)] for word in known])
        word = known[self.rng.choice(len(known), p=odds / odds.sum())]
        if not self.flip(asked("relation", word)):
            return None
        return (*self.pick([pair for pair, found in self.relations.items() if found == word]), word)

    # Descriptions

    def might_be(self, words: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
        """Says whether a description could be meant for an object, by anybody."""
        for attribute, word in wanted.items():
            own = words.get(attribute)
            if attribute == "noun":
                if own is None or differ_clearly(own, word):
                    return False
            elif own not in (None, word):
                return False
        return True

    def describe_uniquely(self) -> tuple[int, dict[str, str]] | None:
        """Draws a prompt and the words that fit no other prompt: as few as that needs, sometimes one more."""
        if len(self.numbers) < 2:
            return None
        number = self.pick(self.numbers)
        own = self.words[number]
        others = [words for other, words in self.words.items() if other != number]
        used: dict[str, str] = {}
        if self.flip(_NOUN_ADDED):
            used["noun"] = own["noun"]
        attributes = [name for name in own if name not in ("shape", "noun")]
        for attribute in ["", *self.some(attributes)]:
            if attribute:
                used[attribute] = own[attribute]
            if used and not any(self.might_be(words, used) for words in others) and self.flip(0.75):
                break
        if any(self.might_be(words, used) for words in others):
            return None
        return number, used

    def description(self, words: Mapping[str, str]) -> str:
        """Words a description: "the small red owl at the top left"."""
        adjectives = [as_claim(name, words[name]) for name in ("size", "color", "pattern") if name in words]
        noun = words.get("noun", "object")
        made = f" made of {words['material']}" if "material" in words else ""
        place = f" {place_phrase(words['place'])}" if "place" in words else ""
        return f"the {' '.join([*adjectives, noun])}{made}{place}"
