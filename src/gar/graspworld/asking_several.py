"""Questions about several prompted objects: relations, which one, none of them, order, same or different.

Choices:
- "Which one" and "none of them" share their wording: half of the descriptions, with a noun or without, fit nothing in
  the picture, and differ in one word from one that does. What might be meant by anybody counts as fitting.
- "Same or different" is asked only where a pair of each sort is prompted, each half of the time.
- An order is asked where each step of it can be seen; an extreme where the middle and the edge of a thing agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise

from gar.graspworld.asking_one import say_yes
from gar.graspworld.captions import noun_phrase, write_caption
from gar.graspworld.facts import Facts, group_of
from gar.graspworld.naming import differ_clearly, is_plural
from gar.graspworld.scene import WorldObject
from gar.graspworld.turn import Turn, listed, prompt_name
from gar.graspworld.vocabulary import RELATIONS
from gar.graspworld.wording import EXTREMES, ORDER_QUESTIONS, RELATION_QUESTIONS, SAME_QUESTIONS, WHICH_QUESTIONS

__all__ = [
    "ask_absent",
    "ask_extreme",
    "ask_for",
    "ask_order",
    "ask_relation",
    "ask_relation_caption",
    "ask_same",
    "ask_which",
    "describe_nothing",
    "steps",
    "verb_for",
]

_STEP = 0.05  # least distance of two centroids in an order, in longest sides of the picture
_RATIO = 1.5  # least ratio of two areas in an order
_EQUAL = 1.2  # most of two that are said to be of the same size
_WHICH_ASKED = {"unnamed": 0.25, "frame": 0.5}
"""How often "which one" is asked with no noun, or that of a frame: few such descriptions can be made to fit nothing."""


def ask_relation_caption(facts: Facts) -> Turn | None:
    """Asks for a description of one object with its relation to another, in the published words."""
    drawn = facts.pick_relation()
    if drawn is None:
        return None
    a, b, word = drawn
    question = f"Describe {prompt_name(a)} in detail, including the relationship with {prompt_name(b)}."
    own = write_caption(facts.scene, facts.prompts[a], facts.rng, related=False)
    other = f", {noun_phrase(facts.items[b], facts.rng)}" if facts.flip() else ""
    return Turn("relation-caption", (a, b), question, f"{own} It is {word} {prompt_name(b)}{other}.")


def ask_relation(facts: Facts, *, among: Sequence[str] = RELATIONS) -> Turn | None:
    """Asks how one object stands to another, where that is one of some relations."""
    drawn = facts.pick_relation(among)
    if drawn is None:
        return None
    a, b, word = drawn
    names = {"a": prompt_name(a), "b": prompt_name(b)}
    question = facts.pick(RELATION_QUESTIONS).format(**names)
    answer = f"{names['a']} is {word} {names['b']}."
    return Turn("relation", (a, b), question, answer, chance=1 / len(RELATIONS))


def ask_for(facts: Facts, description: str, among: tuple[int, ...], *, verb: str = "") -> str:
    """Words the question for the object of a description, with "is" or "shows" alone if so wanted."""
    names = [prompt_name(number) for number in among]
    questions = tuple(text for text in WHICH_QUESTIONS if f"{verb} {{d}}" in text)
    return facts.pick(questions).format(d=description, l=listed(names, "and"))


def verb_for(noun: str) -> str:
    """How a region is asked for by a noun: "shows" the scissors, which no object "is"."""
    return "shows" if is_plural(noun) else ""


def ask_which(facts: Facts) -> Turn | None:
    """Asks which prompt a description fits."""
    drawn = facts.describe_uniquely()
    if drawn is None:
        return None
    number, words = drawn
    sort = "shown" if {"pattern", "material"} & {*words} else group_of(words["noun"]) if "noun" in words else "unnamed"
    if not facts.flip(_WHICH_ASKED.get(sort, 1.0)):
        return None
    among = tuple(sorted(facts.numbers))
    question = ask_for(facts, facts.description(words), among, verb=verb_for(words.get("noun", "")))
    return Turn("which", among, question, prompt_name(number), chance=1 / (len(among) + 1))


def describe_nothing(facts: Facts) -> dict[str, str] | None:
    """Describes one of the prompted objects with one word changed, so that it fits nothing in the scene.

    Not of a photograph: it may show what is not among its objects.
    """
    drawn = facts.describe_uniquely()
    if drawn is None or facts.scene.split is None:
        return None
    words = dict(drawn[1])
    able = [name for name in ("noun", "color", "pattern", "material") if name in words]
    if not able:
        return None
    changed = "noun" if "noun" in able and facts.flip(0.6) else facts.pick(able)
    own = words[changed]
    for word in facts.wrong_words(own, changed, 12 if changed == "noun" else 4):
        if changed == "noun" and group_of(word) != group_of(own):
            continue  # only shapes are made of wood: an owl of wood would be known for none
        words[changed] = word
        if not any(facts.might_be(known, words) for known in facts.scene_words):
            return words
    return None


def ask_absent(facts: Facts) -> Turn | None:
    """Asks which prompt a description fits that fits nothing in the scene."""
    words = describe_nothing(facts)
    if words is None:
        return None
    among = tuple(sorted(facts.numbers))
    plural = is_plural(words.get("noun", ""))
    thing = facts.description(words)
    question = ask_for(facts, thing, among, verb=verb_for(words.get("noun", "")))
    answer = f"None: there {'are' if plural else 'is'} no {thing.removeprefix('the ')}."
    return Turn("absent", among, question, answer, chance=1 / (len(among) + 1))


def ask_same(facts: Facts, *, reasoned: bool = False) -> Turn | None:
    """Asks whether two objects share an attribute, where two do and two do not."""
    attribute = facts.pick(tuple(SAME_QUESTIONS))
    same: list[tuple[int, int]] = []
    different: list[tuple[int, int]] = []
    for a, b in combinations(facts.some(facts.numbers), 2):
        mine, theirs = facts.words[a].get(attribute), facts.words[b].get(attribute)
        if mine is None or theirs is None:
            continue
        small, great = sorted((facts.items[a].area, facts.items[b].area))
        if mine == theirs:
            if attribute != "size" or great < _EQUAL * small:
                same.append((a, b))
        elif differ_clearly(mine, theirs) if attribute == "noun" else attribute != "size" or great >= _RATIO * small:
            different.append((a, b))
    if not same or not different:
        return None
    true = facts.flip()
    a, b = facts.pick(same if true else different)
    question = facts.pick(SAME_QUESTIONS[attribute]).format(a=prompt_name(a), b=prompt_name(b))
    reason = ""
    if reasoned:
        mine, theirs = (f"{prompt_name(n)}: {facts.words[n][attribute]}" for n in (a, b))
        reason = f"{mine}; {theirs}"
    return Turn("same-reasoned" if reasoned else "same", (a, b), question, say_yes(true, reason), chance=0.5)


_MEASURES: tuple[Callable[[WorldObject], float], ...] = (
    lambda item: item.centroid[0],
    lambda item: item.centroid[1],
    lambda item: float(item.area),
)


def steps(facts: Facts, measure: int, items: dict[int, WorldObject]) -> list[tuple[int, bool]]:
    """Sorts objects by a measure (0 across, 1 down, 2 area).

    Returns:
        Their keys, the least first, each with whether the step to the next one can be seen (True for the last).
    """
    values = {number: _MEASURES[measure](item) for number, item in items.items()}
    order = sorted(values, key=lambda number: values[number])
    longest = max(facts.scene.image.shape[:2])
    clear = [
        values[b] >= _RATIO * values[a] if measure == 2 else values[b] - values[a] >= _STEP * longest
        for a, b in pairwise(order)
    ]
    return list(zip(order, [*clear, True], strict=True))


def ask_extreme(facts: Facts) -> Turn | None:
    """Asks which prompt is the leftmost, the largest, ..."""
    if len(facts.numbers) < 2:
        return None
    word = facts.pick(tuple(EXTREMES))
    measure, greatest = EXTREMES[word]
    order = steps(facts, measure, facts.items)
    among = tuple(sorted(facts.numbers))
    number = order[-1 if greatest else 0][0]
    if not order[-2 if greatest else 0][1] or (measure < 2 and number not in _reaching(facts, measure, greatest)):
        return None
    question = ask_for(facts, f"the {word}", among, verb="is")
    return Turn("extreme", among, question, prompt_name(number), chance=1 / len(among))


def _reaching(facts: Facts, measure: int, greatest: bool) -> list[int]:
    """The prompts whose boxes reach furthest to the left or up, or the other way."""
    edges = {number: item.box[measure + 2 * greatest] for number, item in facts.items.items()}
    furthest = (max if greatest else min)(edges.values())
    return [number for number, edge in edges.items() if edge == furthest]


def ask_order(facts: Facts, kind: str) -> Turn | None:
    """Asks for all prompts in an order; a floor that all stand on is at no place among them."""
    measure, questions = ORDER_QUESTIONS[kind]
    items = {n: item for n, item in facts.items.items() if measure == 2 or item.style != "ground"}
    if len(items) < 2:
        return None
    order = steps(facts, measure, items)
    if not all(clear for _, clear in order):
        return None
    among = tuple(sorted(items))
    question = facts.pick(questions).format(l=listed([prompt_name(n) for n in among], "and"))
    answer = ", ".join(prompt_name(number) for number, _ in order)
    return Turn(kind, among, question, answer, chance=1 / math.factorial(len(among)))
