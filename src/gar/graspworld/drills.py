"""Exercises for training only: reasons before yes, no or a letter, answers in other words, letters without looking.

Choices:
- A small model learns yes and no, and letters, when it names the thing first: measured, yes or no about nouns rose
  from chance to nine of ten. These answers are not in the published form, so that nothing is evaluated with them.
- Their questions ask for it, so that the same words never call for two kinds of answers.
- Options are often sentences ("It is red."). Whoever has never answered in one finds none of them likely, so which is
  likeliest says little.
- Options say relations from either side. Whoever has always answered from the one finds none of the others likely: so
  they are also answered from the other.
- Which of two things is in front is the hardest relation to see and, where not all that overlap are prompted, a rare
  one: it is also asked by itself.
- In the two that need no picture the answer stands in the question; what is learned is to copy its letter, and to
  compare two words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from gar.graspworld.asking_choices import (
    choose_attribute,
    choose_colors,
    choose_mirror,
    choose_outline,
    choose_position,
    choose_relation,
    choose_which,
)
from gar.graspworld.asking_one import ask_yes_no, ask_yes_no_relation, it_is, say_yes
from gar.graspworld.asking_several import ask_relation, ask_same
from gar.graspworld.asking_surfaces import ask_usual, choose_texture, choose_usual
from gar.graspworld.asking_ties import choose_chain, choose_on, choose_tie
from gar.graspworld.facts import Facts, as_claim, in_words
from gar.graspworld.turn import LETTER_ALONE, Turn, choice_text, say_turned, shuffled_in
from gar.graspworld.usual import USUAL
from gar.graspworld.vocabulary import RELATIONS, Staging

__all__ = ["DRILL_WRITERS"]

_ATTRIBUTES = ("noun", "color", "pattern", "material", "shape", "size", "place")

_CHOICES: dict[Staging, tuple[Callable[[Facts], Turn | None], ...]] = {
    "free": (
        *(partial(choose_attribute, attribute=name) for name in _ATTRIBUTES),
        *(choose_colors,) * 2,
        *(choose_outline,) * 2,
        *(choose_relation,) * 3,  # which is said from either side, and so in the most ways
        choose_which,
        choose_position,
        choose_mirror,
        choose_texture,
        *(partial(choose_usual, attribute=name) for name in USUAL),
    ),
    "rows": (choose_position,),
    "together": (choose_tie, choose_tie, choose_tie, choose_chain, choose_chain, choose_on),
}

_UNASKED = 0.15
"""Share of the sentences about one object among full answers that come without having been asked for. More of them, and
what is less sure of its words begins a sentence where one word is asked for."""
_UNASKED_PHRASES = 0.6
"""The same of all else: "Red and white.", or what relates two prompts, which is a sentence anyway."""

_SENTENCES = ("It ", "They ", "The ")
_SIDEWAYS = 0.85
"""Rate at which left and right are said from the other side: they are the most frequent of those that can be."""


def _asking_for_reasons(write: Callable[[Facts], Turn | None]) -> Callable[[Facts], Turn | None]:
    """Makes the question of a drill ask for what its answer says first."""

    def ask(facts: Facts) -> Turn | None:
        turn = write(facts)
        if turn is None:
            return None
        if turn.choices:
            return replace(turn, question=turn.question.replace(LETTER_ALONE, "Say what it is, then the letter."))
        return replace(turn, question=f"{turn.question} Say what it is, then yes or no.")

    return ask


def _draw(facts: Facts, attributes: Sequence[str]) -> tuple[str, int, str] | None:
    """Draws one of some attributes, and a prompt with its word."""
    attribute = facts.pick(attributes)
    drawn = facts.pick_attribute(attribute)
    return None if drawn is None else (attribute, *drawn)


def _answer_in_full(facts: Facts) -> Turn | None:
    """Answers a question of multiple choice without its options, in the words of the right one."""
    turn = facts.pick(_CHOICES[facts.scene.staging])(facts)
    if turn is None or (said := turn.right_choice).startswith("None"):  # none of what nobody has named
        return None
    unasked = _UNASKED if said.startswith(_SENTENCES) else _UNASKED_PHRASES
    asked_for = " Answer in full." if said.endswith(".") and not facts.flip(unasked) else ""
    return Turn("in-full", turn.prompts, turn.bare_question + asked_for, said)


def _front_or_behind(facts: Facts) -> Turn | None:
    """Asks how two objects stand to each other of which one covers a part of the other."""
    turn = ask_relation(facts, among=("in front of", "behind"))
    return None if turn is None else replace(turn, kind="front-or-behind", chance=0.5)


def _relation_turned(facts: Facts) -> Turn | None:
    """Asks how one object stands to another, and answers how the other stands to it."""
    turn = ask_relation(facts)
    if turn is None:
        return None
    a, b = turn.prompts
    answer = say_turned(a, b, facts.relations[a, b])
    if answer is None or (facts.relations[a, b] in RELATIONS[:2] and not facts.flip(_SIDEWAYS)):
        return None
    return replace(turn, kind="relation-turned", answer=answer, chance=1 / 6)


def _match_letter(facts: Facts) -> Turn | None:
    """Gives the answer and asks for its letter."""
    drawn = _draw(facts, _ATTRIBUTES)
    if drawn is None:
        return None
    attribute, number, own = drawn
    right, *wrong = (in_words(attribute, word) for word in (own, *facts.wrong_words(own, attribute, 3)))
    choices, letter = shuffled_in(right, wrong, facts.rng)
    text = choice_text(f"The answer is: {right}. Which option is that?", choices)
    return Turn("match-letter", (number,), text, letter, choices, 1 / len(choices))


def _match_word(facts: Facts) -> Turn | None:
    """Says what something is and asks whether it is that, or something else."""
    drawn = _draw(facts, ("noun", "color", "pattern", "material"))
    if drawn is None:
        return None
    attribute, number, own = drawn
    true = facts.flip()
    asked = [own] if true else facts.wrong_words(own, attribute, 1)
    if not asked:
        return None
    question = f"{it_is(attribute, own)} {as_claim(attribute, own)}. Is that {as_claim(attribute, asked[0])}?"
    return Turn("match-word", (number,), question, say_yes(true), chance=0.5)


DRILL_WRITERS: dict[str, Callable[[Facts], Turn | None]] = {
    **{
        f"yes-no-{name}-reasoned": _asking_for_reasons(partial(ask_yes_no, attribute=name, reasoned=True))
        for name in ("noun", "color", "pattern", "material")
    },
    "yes-no-relation-reasoned": _asking_for_reasons(partial(ask_yes_no_relation, reasoned=True)),
    "same-reasoned": _asking_for_reasons(partial(ask_same, reasoned=True)),
    **{
        f"choice-{name}-reasoned": _asking_for_reasons(partial(choose_attribute, attribute=name, reasoned=True))
        for name in ("noun", "color", "pattern", "material", "shape")
    },
    "choice-relation-reasoned": _asking_for_reasons(partial(choose_relation, reasoned=True)),
    "front-or-behind": _front_or_behind,
    "in-full": _answer_in_full,
    "relation-turned": _relation_turned,
    **{f"usual-{name}": partial(ask_usual, attribute=name) for name in USUAL},
    "match-letter": _match_letter,
    "match-word": _match_word,
}
