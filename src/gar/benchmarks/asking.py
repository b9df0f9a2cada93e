"""The ways in which one item is asked, and what multiple choice makes of the replies.

    written      the published prompt; the system writes its answer
    letters      the same prompt; the probability of each letter as the answer
    letters/K    the same with the options moved on by K places (K = 1, 2, …), each under another letter
    options      the question alone; the probability of each option as the whole answer

An option's probability averaged over all its places (`average_over_orders`) owes nothing to the letters: each
option stood under each letter once. That is the cyclic permutation of Zheng et al., "Large Language Models Are Not
Robust Multiple Choice Selectors" (ICLR 2024).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gar.benchmarks.items import LETTERS, WRITTEN, Record, item_text

__all__ = [
    "LETTERS_WAY",
    "OPTIONS_WAY",
    "Asked",
    "average_over_orders",
    "exact_match",
    "letter_of",
    "option_probabilities",
    "probabilities",
    "ways_of_asking",
]

LETTERS_WAY = "letters"
OPTIONS_WAY = "options"


@dataclass(frozen=True)
class Asked:
    """One question put to a system about an item."""

    way: str
    text: str | None
    choices: tuple[str, ...] | None = None


def ways_of_asking(
    question: str | None, options: Sequence[str], *, scores_choices: bool = True, cyclic: bool = False
) -> list[Asked]:
    """All that is asked about one item.

    Args:
        question: The item's question.
        options: Its options; none for an open question, which is only asked to be written.
        scores_choices: Whether the system gives probabilities.
        cyclic: Whether every order of the options is asked.

    Example:
        >>> [asked.way for asked in ways_of_asking("Which?", ["red", "blue", "green"], cyclic=True)]
        ['written', 'letters', 'letters/1', 'letters/2', 'options']
        >>> print(ways_of_asking("Which?", ["red", "blue"], cyclic=True)[2].text)
        Question: Which?
        Options:
        A. blue
        B. red
        Answer with the correct option's letter directly.
    """
    asked = [Asked(WRITTEN, item_text(question, options))]
    if options and scores_choices:
        letters = tuple(LETTERS[: len(options)])
        for shift in range(len(options) if cyclic else 1):
            moved = [*options[shift:], *options[:shift]]
            asked.append(Asked(_way(shift), item_text(question, moved), letters))
        if question and len({option.strip() for option in options}) == len(options):  # else none is the likeliest
            asked.append(Asked(OPTIONS_WAY, question, tuple(options)))
    return asked


def _way(shift: int) -> str:
    return LETTERS_WAY if shift == 0 else f"{LETTERS_WAY}/{shift}"


def probabilities(record: Record, shift: int = 0) -> np.ndarray | None:
    """(C,) The probability of each option when the options were moved on by `shift`; None if not given.

    Example:
        >>> reply = {"text": "A", "error": None, "probabilities": [0.7, 0.2, 0.1]}  # C stood under A
        >>> moved = Record("0", "", {}, ("a", "b", "c"), "Which?", {"letters/2": reply})
        >>> probabilities(moved, 2).tolist()
        [0.2, 0.1, 0.7]
    """
    values = _shares(record, _way(shift))
    # Place j showed option (j + shift) mod C.
    return None if values is None else np.roll(values, shift)


def option_probabilities(record: Record) -> np.ndarray | None:
    """(C,) The probability of each option as the answer to the question alone; None if not given."""
    return _shares(record, OPTIONS_WAY)


def _shares(record: Record, way: str) -> np.ndarray | None:
    reply: Mapping[str, Any] = record.replies.get(way, {})
    values = reply.get("probabilities")
    return None if values is None or len(values) != len(record.options) else np.asarray(values, np.float64)


def average_over_orders(record: Record) -> np.ndarray | None:
    """(C,) The probability of each option averaged over all cyclic orders; None unless all were asked."""
    orders = [probabilities(record, shift) for shift in range(len(record.options))]
    known = [order for order in orders if order is not None]
    # sorted, so that equal shares in another order have equal means to the last bit
    return np.mean(np.sort(known, axis=0), axis=0) if known and len(known) == len(orders) else None


def letter_of(shares: np.ndarray) -> str:
    """The letter of the most probable option, the first of equals."""
    return LETTERS[int(np.argmax(shares))]


def exact_match(output: str, answer: str) -> bool:
    """GAR-Bench's rule: equal but for case, after a trailing end-of-turn token is removed.

    Example:
        >>> exact_match(" b<|eot_id|>", "B"), exact_match("B.", "B"), exact_match("B. red", "B")
        (True, False, False)
    """
    return output.strip().removesuffix("<|eot_id|>").lower() == answer.lower()
