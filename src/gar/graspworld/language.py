"""Truthful questions and answers about the prompted objects of a scene.

Choices:
- Nothing but what was rendered is said, and only where it is unambiguous; what cannot be asked is not asked.
- Answers are balanced so that priors give chance: yes and no, letters and prompt numbers are drawn before the
  question is made to fit. Where scenes offer one answer more often than another, the frequent one is asked
  less often, at the rates `_SAME` and `_DEPTH_ASKED`, measured on training scenes.
- A wrong option is certainly wrong, and half of the time it is a word that is true of another object.
- Multiple choice has the form of GAR-Bench: question, lettered options, "Answer with the correct option's
  letter directly."
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from gar.errors import PromptError
from gar.graspworld.captions import attribute_words, noun_phrase, with_article, write_caption
from gar.graspworld.relations import false_relations, relation
from gar.graspworld.scene import Scene
from gar.graspworld.vocabulary import ATTRIBUTES, RELATIONS, opposite, place_phrase

__all__ = ["KINDS", "MAX_PROMPTS", "Turn", "choose_prompts", "write_turns"]

MAX_PROMPTS = 5
"""Prompts are named `<Prompt0>` to `<Prompt4>`."""

_LETTERS = "ABCD"
_SAME = {"size": 0.453, "color": 0.305, "pattern": 0.410, "shape": 0.308}  # pairs that share the attribute
_DEPTH_ASKED = 0.36  # of the scenes that have a pair in front of and behind, those asked about it

_ATTRIBUTE_QUESTIONS: dict[str, tuple[str, ...]] = {
    "size": ("What size is {p}?", "How large is {p}?", "Is {p} small, medium or large?"),
    "color": ("What color is {p}?", "What is the color of {p}?", "Which color does {p} have?"),
    "pattern": ("What pattern does {p} have?", "What is the pattern of {p}?", "How is {p} patterned?"),
    "shape": ("What shape is {p}?", "What is the shape of {p}?", "Which shape does {p} have?"),
    "place": ("Where in the picture is {p}?", "Where is {p}?", "In which part of the picture is {p}?"),
}
_RELATION_QUESTIONS = (
    "What is the spatial relationship between {a} and {b}?",
    "Where is {a} relative to {b}?",
    "How is {a} placed with respect to {b}?",
)
_SAME_QUESTIONS = {
    "size": ("Are {a} and {b} of the same size?", "Do {a} and {b} have the same size?"),
    "color": ("Are {a} and {b} the same color?", "Do {a} and {b} have the same color?"),
    "pattern": ("Do {a} and {b} have the same pattern?", "Is the pattern of {a} the same as that of {b}?"),
    "shape": ("Are {a} and {b} the same shape?", "Do {a} and {b} have the same shape?"),
}


_T = TypeVar("_T")


@dataclass(frozen=True)
class Turn:
    """One question and its answer."""

    kind: str
    """One of `KINDS`."""
    prompts: tuple[int, ...]
    """Numbers of the prompts that the question is about, in the order in which it names them; for "which" and
    "choice-which" all that could be the answer."""
    question: str
    """Names regions as `<Prompt0>` … `<Prompt4>`; multiple choice with its options and its instruction."""
    answer: str
    """A sentence, a word, "yes" or "no", a prompt, or the letter of an option."""
    choices: tuple[str, ...] = ()
    """The options of multiple choice, without letters."""


def _name(prompt: int) -> str:
    return f"<Prompt{prompt}>"


def _in_words(attribute: str, word: str) -> str:
    """The word as an answer: a place becomes a phrase."""
    return place_phrase(word) if attribute == "place" else word


class _Writer:
    """Writes turns about one scene and its prompts; a method returns None where nothing sure can be asked."""

    def __init__(self, scene: Scene, prompts: Mapping[int, int], rng: np.random.Generator):
        self.rng = rng
        self.numbers = list(prompts)
        self.items = {number: scene.objects[index] for number, index in prompts.items()}
        self.words = {number: attribute_words(item) for number, item in self.items.items()}
        self.scene_words = [attribute_words(item) for item in scene.objects]
        pairs = [(a, b) for a in self.numbers for b in self.numbers if a != b]
        found = {(a, b): relation(self.items[a], self.items[b]) for a, b in pairs}
        self.relations = {pair: word for pair, word in found.items() if word is not None}

    # Drawing at random

    def pick(self, values: Sequence[_T]) -> _T:
        return values[self.rng.integers(len(values))]

    def some(self, values: Sequence[_T], count: int) -> list[_T]:
        return [values[number] for number in self.rng.permutation(len(values))[:count]]

    def pick_relation(self) -> tuple[int, int, str] | None:
        """Draws a pair that has a relation; over many scenes each relation is as frequent as any other."""
        depth = [pair for pair, word in self.relations.items() if word in RELATIONS[4:]]
        if depth and self.rng.random() < _DEPTH_ASKED:
            pairs = depth
        else:
            wanted = self.pick((RELATIONS[:2], RELATIONS[2:4]))
            pairs = [pair for pair, word in self.relations.items() if word in wanted]
        if not pairs:
            return None
        pair = self.pick(pairs)
        return *pair, self.relations[pair]

    def wrong_words(self, number: int, attribute: str, count: int) -> list[str]:
        """Draws words that are not true of an object; half of the time rather words of other objects."""
        own = self.words[number][attribute]
        wrong = [word for word in ATTRIBUTES[attribute] if word != own]
        seen = {words.get(attribute) for words in self.scene_words}
        drawn = self.some(wrong, len(wrong))
        if self.rng.random() < 0.5:
            drawn.sort(key=lambda word: word not in seen)
        return drawn[:count]

    # The kinds of turns

    def caption(self) -> Turn:
        number = self.pick(self.numbers)
        what = "this masked region" if len(self.numbers) == 1 else _name(number)
        return Turn("caption", (number,), f"Describe {what} in detail.", write_caption(self.items[number], self.rng))

    def relation_caption(self) -> Turn | None:
        drawn = self.pick_relation()
        if drawn is None:
            return None
        a, b, word = drawn
        question = f"Describe {_name(a)} in detail, including the relationship with {_name(b)}."
        other = self.pick(("", f", {noun_phrase(self.items[b], self.rng)}"))
        answer = f"{write_caption(self.items[a], self.rng)} It is {word} {_name(b)}{other}."
        return Turn("relation-caption", (a, b), question, answer)

    def attribute(self, attribute: str) -> Turn | None:
        asked = self.pick_attribute(attribute)
        if asked is None:
            return None
        number, question = asked
        return Turn(attribute, (number,), question, _in_words(attribute, self.words[number][attribute]))

    def pick_attribute(self, attribute: str) -> tuple[int, str] | None:
        numbers = [number for number in self.numbers if attribute in self.words[number]]
        if not numbers:
            return None
        number = self.pick(numbers)
        return number, self.pick(_ATTRIBUTE_QUESTIONS[attribute]).format(p=_name(number))

    def relation(self) -> Turn | None:
        drawn = self.pick_relation()
        if drawn is None:
            return None
        a, b, word = drawn
        question = self.pick(_RELATION_QUESTIONS).format(a=_name(a), b=_name(b))
        return Turn("relation", (a, b), question, f"{_name(a)} is {word} {_name(b)}.")

    def pick_which(self) -> tuple[int, str] | None:
        """Draws a prompt and a description that is true of no other prompt."""
        if len(self.numbers) < 2:
            return None
        number = self.pick(self.numbers)
        description = self.describe_uniquely(number)
        return None if description is None else (number, description)

    def ask_which(self, description: str, among: Sequence[int]) -> str:
        names = [_name(number) for number in among]
        return self.pick(
            (
                f"Which object is {description}?",
                f"Which one among {', '.join(names[:-1])} or {names[-1]} is {description}?",
                f"Which of the marked objects is {description}?",
            )
        )

    def describe_uniquely(self, number: int) -> str | None:
        """Describes an object by as few attributes as tell it from the other prompts, sometimes one more."""
        own = self.words[number]
        others = [words for other, words in self.words.items() if other != number]
        used: set[str] = set()
        for attribute in self.some(list(own), len(own)):
            unique = not others
            if unique and self.rng.random() < 0.7:
                break
            used.add(attribute)
            # An object without a place word could be said to be at any place.
            others = [words for words in others if words.get(attribute, own[attribute]) == own[attribute]]
        if others:
            return None
        adjectives = [own[name] for name in ("size", "color", "pattern") if name in used]
        noun = own["shape"] if "shape" in used else "object"
        place = f" {place_phrase(own['place'])}" if "place" in used else ""
        return f"the {' '.join([*adjectives, noun])}{place}"

    def which(self) -> Turn | None:
        drawn = self.pick_which()
        if drawn is None:
            return None
        number, description = drawn
        among = tuple(sorted(self.numbers))
        return Turn("which", among, self.ask_which(description, among), _name(number))

    def same(self) -> Turn | None:
        if len(self.numbers) < 2:
            return None
        attribute = self.pick(tuple(_SAME))
        a, b = self.some(self.numbers, 2)
        same = self.words[a][attribute] == self.words[b][attribute]
        # Pairs that share the attribute are rarer: as many of the others are asked as there are of them.
        if not same and self.rng.random() > _SAME[attribute] / (1 - _SAME[attribute]):
            return None
        question = self.pick(_SAME_QUESTIONS[attribute]).format(a=_name(a), b=_name(b))
        return Turn("same", (a, b), question, "yes" if same else "no")

    def yes_no(self) -> Turn:
        number = self.pick(self.numbers)
        attribute = self.pick(tuple(self.words[number]))
        true = self.rng.random() < 0.5
        word = self.words[number][attribute] if true else self.wrong_words(number, attribute, 1)[0]
        claim = with_article(word) if attribute == "shape" else _in_words(attribute, word)
        of = " of the picture" if attribute == "place" else ""
        return Turn("yes-no", (number,), f"Is {_name(number)} {claim}{of}?", "yes" if true else "no")

    def yes_no_relation(self) -> Turn | None:
        drawn = self.pick_relation()
        if drawn is None:
            return None
        a, b, word = drawn
        true = self.rng.random() < 0.5
        if not true:
            false = false_relations(self.items[a], self.items[b])
            word = opposite(word) if self.rng.random() < 0.5 else self.pick(false)
        return Turn("yes-no-relation", (a, b), f"Is {_name(a)} {word} {_name(b)}?", "yes" if true else "no")

    def choice(self, kind: str, prompts: tuple[int, ...], question: str, right: str, wrong: Sequence[str]) -> Turn:
        """Puts the right option at a random letter among the wrong ones."""
        choices = self.some(wrong, len(wrong))
        choices.insert(int(self.rng.integers(len(wrong) + 1)), right)
        options = "".join(f"{letter}. {choice}\n" for letter, choice in zip(_LETTERS, choices, strict=False))
        text = f"Question: {question}\nOptions:\n{options}Answer with the correct option's letter directly."
        return Turn(kind, prompts, text, _LETTERS[choices.index(right)], tuple(choices))

    def choice_attribute(self, attribute: str) -> Turn | None:
        asked = self.pick_attribute(attribute)
        if asked is None:
            return None
        number, question = asked
        right = _in_words(attribute, self.words[number][attribute])
        wrong = [_in_words(attribute, word) for word in self.wrong_words(number, attribute, 3)]
        return self.choice(f"choice-{attribute}", (number,), question, right, wrong)

    def choice_relation(self) -> Turn | None:
        """Offers one relation along each axis and both in depth, whichever is right."""
        drawn = self.pick_relation()
        if drawn is None:
            return None
        a, b, right = drawn
        false = set(false_relations(self.items[a], self.items[b]))
        wrong: list[str] = []
        for wanted in (RELATIONS[:2], RELATIONS[2:4]):
            if right not in wanted:
                able = [word for word in wanted if word in false]
                if not able:
                    return None
                wrong.append(self.pick(able))
        wrong.extend(word for word in RELATIONS[4:] if word != right)
        question = self.pick(_RELATION_QUESTIONS).format(a=_name(a), b=_name(b))
        sentences = [f"{_name(a)} is {word} {_name(b)}." for word in (right, *wrong)]
        return self.choice("choice-relation", (a, b), question, sentences[0], sentences[1:])

    def choice_which(self) -> Turn | None:
        drawn = self.pick_which()
        if drawn is None:
            return None
        number, description = drawn
        wrong = self.some([other for other in self.numbers if other != number], 3)
        among = tuple(sorted([number, *wrong]))
        question = self.ask_which(description, among)
        return self.choice("choice-which", among, question, _name(number), [_name(other) for other in wrong])


_WRITERS: dict[str, Callable[[_Writer], Turn | None]] = {
    "caption": _Writer.caption,
    "relation-caption": _Writer.relation_caption,
    **{name: lambda writer, name=name: writer.attribute(name) for name in ATTRIBUTES},
    "relation": _Writer.relation,
    "which": _Writer.which,
    "same": _Writer.same,
    "yes-no": _Writer.yes_no,
    "yes-no-relation": _Writer.yes_no_relation,
    **{f"choice-{name}": lambda writer, name=name: writer.choice_attribute(name) for name in ATTRIBUTES},
    "choice-relation": _Writer.choice_relation,
    "choice-which": _Writer.choice_which,
}

KINDS = tuple(_WRITERS)
"""The kinds of turns."""


def choose_prompts(scene: Scene, rng: np.random.Generator) -> dict[int, int]:
    """Draws one to five objects of a scene and a prompt number for each, in random order.

    Numbers need not begin at 0, so that which numbers there are says nothing about the answer.

    Args:
        scene: A scene.
        rng: Where the choice comes from.

    Returns:
        Prompt number → index of the object in `scene.objects`.
    """
    most = min(len(scene.objects), MAX_PROMPTS)
    count = int(rng.integers(1, most + 1)) if rng.random() < 0.5 else most
    objects = rng.permutation(len(scene.objects))[:count].tolist()
    numbers = rng.permutation(MAX_PROMPTS)[:count].tolist()
    return dict(zip(numbers, objects, strict=True))


def _check(scene: Scene, prompts: Mapping[int, int], kinds: Sequence[str]) -> None:
    if not prompts:
        raise PromptError("there is no prompt to ask about; give at least one")
    for number, index in prompts.items():
        if not 0 <= number < MAX_PROMPTS:
            raise PromptError(f"prompt number {number}; it must be from 0 to {MAX_PROMPTS - 1}")
        if not 0 <= index < len(scene.objects):
            raise PromptError(f"prompt {number} is of object {index}; the scene has {len(scene.objects)} objects")
    if len(set(prompts.values())) < len(prompts):
        raise PromptError(f"each prompt must be of another object; got objects {list(prompts.values())}")
    for kind in kinds:
        if kind not in KINDS:
            raise PromptError(f"kind {kind!r}; it must be one of {', '.join(KINDS)}")


def write_turns(
    scene: Scene,
    prompts: Mapping[int, int],
    rng: np.random.Generator,
    n: int | None = None,
    *,
    kinds: Sequence[str] = KINDS,
) -> list[Turn]:
    """Writes questions about prompted objects, each with its true answer.

    Args:
        scene: A scene.
        prompts: Prompt number (0 to 4) → index of the object in `scene.objects`; any numbers, in any order.
        rng: Where kinds, objects and wordings come from.
        n: How many turns; by default one of each kind that can be asked. No question comes twice, so that a
            simple scene may give fewer.
        kinds: The kinds to draw from.

    Returns:
        Turns in random order. Balanced kinds are not asked of every scene (see the module's choices).

    Raises:
        PromptError: A prompt or a kind is unknown, or two prompts are of one object.

    Example:
        >>> from gar.graspworld.scene import render_scene
        >>> rng = np.random.default_rng(0)
        >>> turn = write_turns(render_scene(0), {0: 0}, rng, kinds=["shape"])[0]
        >>> turn.kind, turn.answer
        ('shape', 'heart')
    """
    _check(scene, prompts, kinds)
    writer = _Writer(scene, prompts, rng)
    turns: dict[str, Turn] = {}
    for _ in range(1 if n is None else 12):
        for kind in writer.some(kinds, len(kinds)):
            if n is not None and len(turns) >= n:
                break
            turn = _WRITERS[kind](writer)
            if turn is not None:
                turns.setdefault(turn.question, turn)
    return list(turns.values())
