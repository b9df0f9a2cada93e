"""A question with its answer, and the form of multiple choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gar.graspworld.vocabulary import opposite

__all__ = [
    "LETTERS",
    "LETTER_ALONE",
    "MAX_PROMPTS",
    "Turn",
    "choice_text",
    "listed",
    "prompt_name",
    "say_turned",
    "shuffled_in",
]

MAX_PROMPTS = 5
"""Prompts are named `<Prompt0>` to `<Prompt4>`."""

LETTERS = "ABCD"

LETTER_ALONE = "Answer with the correct option's letter directly."
"""GAR-Bench's instruction."""
_BEFORE, _BETWEEN = "Question: ", "\nOptions:\n"


@dataclass(frozen=True)
class Turn:
    """One question and its answer."""

    kind: str
    """One of `KINDS` or `DRILLS`."""
    prompts: tuple[int, ...]
    """Numbers of the prompts that the question is about, in the order in which it names them; where one is to be
    chosen all that could be the answer."""
    question: str
    """Names regions as `<Prompt0>` … `<Prompt4>`; multiple choice with its options and its instruction."""
    answer: str
    """A sentence, a word, "Yes." or "No.", a prompt, or the letter of an option."""
    choices: tuple[str, ...] = ()
    """The options of multiple choice, without letters."""
    chance: float = 0.0
    """Share of the possible answers that is right; 0 for sentences."""

    @property
    def bare_question(self) -> str:
        """The question without options and instruction, of multiple choice; of all else as it is."""
        return self.question.removeprefix(_BEFORE).split(_BETWEEN)[0]

    @property
    def right_choice(self) -> str:
        """The right option of multiple choice, whose letter ends the answer."""
        return self.choices[LETTERS.index(self.answer[-1])]


def prompt_name(number: int) -> str:
    """The name by which a question speaks of a region: `<Prompt0>`."""
    return f"<Prompt{number}>"


def say_turned(a: int, b: int, relation: str) -> str | None:
    """Says how a prompt stands to another from the other's side; None where there is no word for it.

    >>> say_turned(0, 3, "behind")
    '<Prompt3> is in front of <Prompt0>.'
    """
    turned = opposite(relation)
    return None if turned is None else f"{prompt_name(b)} is {turned} {prompt_name(a)}."


def listed(names: Sequence[str], word: str = "or") -> str:
    """Lists names as a sentence does: "a, b or c"."""
    return f"{', '.join(names[:-1])} {word} {names[-1]}" if len(names) > 1 else names[0]


def choice_text(question: str, choices: Sequence[str]) -> str:
    """Writes a multiple-choice question as GAR-Bench does."""
    options = "".join(f"{letter}. {choice}\n" for letter, choice in zip(LETTERS, choices, strict=False))
    return f"{_BEFORE}{question}{_BETWEEN}{options}{LETTER_ALONE}"


def shuffled_in(right: str, wrong: Sequence[str], rng: np.random.Generator) -> tuple[tuple[str, ...], str]:
    """Puts the right option at a random letter among the wrong ones: options, and its letter."""
    choices = list(wrong)
    rng.shuffle(choices)
    place = int(rng.integers(len(wrong) + 1))
    choices.insert(place, right)
    return tuple(choices), LETTERS[place]
