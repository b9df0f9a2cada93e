"""Questions about one prompted object: captions, attributes, yes or no, real or reflected.

Choices:
- Yes and no are drawn before the question is made to fit.
- "Real or a reflection" is asked only where a thing and a reflection are both prompted, each half of the time, so
  that neither the scene nor the question gives the answer away.
"""

from __future__ import annotations

from gar.graspworld.captions import write_caption
from gar.graspworld.facts import Facts, as_claim, in_words
from gar.graspworld.naming import is_plural
from gar.graspworld.nouns import NOUNS
from gar.graspworld.relations import false_relations
from gar.graspworld.turn import Turn, prompt_name
from gar.graspworld.vocabulary import ATTRIBUTES, opposite
from gar.graspworld.wording import (
    ATTRIBUTE_QUESTIONS,
    DESCRIBE,
    DESCRIBE_ALONE,
    IN_MIRROR,
    REAL_QUESTIONS,
    SHOWN,
    YES_NO_QUESTIONS,
)

__all__ = [
    "ask_attribute",
    "ask_caption",
    "ask_in_mirror",
    "ask_real",
    "ask_yes_no",
    "ask_yes_no_relation",
    "it_is",
    "say_yes",
    "split_by_reality",
]

_ANY = YES_NO_QUESTIONS[""]


def ask_caption(facts: Facts) -> Turn:
    """Asks for a description; in the published words if there is one prompt only."""
    number = facts.pick(facts.numbers)
    question = DESCRIBE_ALONE if len(facts.numbers) == 1 else facts.pick(DESCRIBE).format(p=prompt_name(number))
    answer = write_caption(facts.scene, facts.prompts[number], facts.rng)
    return Turn("caption", (number,), question, answer)


def ask_attribute(facts: Facts, attribute: str) -> Turn | None:
    """Asks for a word."""
    drawn = facts.pick_attribute(attribute)
    if drawn is None:
        return None
    number, word = drawn
    question = facts.pick(ATTRIBUTE_QUESTIONS[attribute]).format(p=prompt_name(number))
    chance = 1 / (len(NOUNS) if attribute == "noun" else len(ATTRIBUTES[attribute]))
    return Turn(attribute, (number,), question, in_words(attribute, word), chance=chance)


def say_yes(true: bool, reason: str = "") -> str:
    """Words an answer of yes or no, after a reason if there is one."""
    return f"{reason}, so {'yes' if true else 'no'}." if reason else "Yes." if true else "No."


def it_is(attribute: str, word: str) -> str:
    """Begins a sentence that says a word of an object: "It is", or "They are" for a noun like "scissors"."""
    return "They are" if attribute == "noun" and is_plural(word) else "It is"


def ask_yes_no(facts: Facts, attribute: str, *, reasoned: bool = False) -> Turn | None:
    """Asks whether a word is true of an object; with a reason the true word comes first."""
    drawn = facts.pick_attribute(attribute)
    if drawn is None:
        return None
    number, own = drawn
    true = facts.flip()
    wrong = [] if true else facts.wrong_words(own, attribute, 1)
    if not true and not wrong:
        return None
    claimed = own if true else wrong[0]
    claim = as_claim(attribute, claimed)
    questions = SHOWN if attribute == "noun" and is_plural(claimed) else YES_NO_QUESTIONS.get(attribute, _ANY)
    question = facts.pick(questions).format(p=prompt_name(number), c=claim)
    kind = f"yes-no-{attribute}" + ("-reasoned" if reasoned else "")
    reason = f"{it_is(attribute, own)} {as_claim(attribute, own)}" if reasoned else ""
    return Turn(kind, (number,), question, say_yes(true, reason), chance=0.5)


def ask_yes_no_relation(facts: Facts, *, reasoned: bool = False) -> Turn | None:
    """Asks whether a relation holds; a false one is the opposite half of the time."""
    drawn = facts.pick_relation()
    if drawn is None:
        return None
    a, b, own = drawn
    true = facts.flip()
    claim = own
    if not true:
        false = false_relations(facts.scene, facts.prompts[a], facts.prompts[b])
        turned = opposite(own)
        claim = turned if turned is not None and facts.flip() else facts.pick(false)
    names = {"a": prompt_name(a), "b": prompt_name(b)}
    question = facts.pick(YES_NO_QUESTIONS["relation"]).format(**names, c=claim)
    kind = "yes-no-relation" + ("-reasoned" if reasoned else "")
    reason = f"{names['a']} is {own} {names['b']}" if reasoned else ""
    return Turn(kind, (a, b), question, say_yes(true, reason), chance=0.5)


def split_by_reality(facts: Facts, *, in_mirror: bool) -> tuple[list[int], list[int]]:
    """Prompts of things themselves, and of reflections (in the mirror only, if so wanted)."""
    things = [n for n, o in facts.items.items() if o.inside is None and o.reflection_of is None and o.style != "frame"]
    images = [n for n, o in facts.items.items() if o.reflection_of is not None]
    return things, [n for n in images if not in_mirror or facts.items[n].inside is not None]


def ask_real(facts: Facts) -> Turn | None:
    """Asks whether an object is real or a reflection, where both kinds are prompted."""
    things, images = split_by_reality(facts, in_mirror=False)
    if not things or not images:
        return None
    real = facts.flip()
    number = facts.pick(things if real else images)
    question = facts.pick(REAL_QUESTIONS).format(p=prompt_name(number))
    return Turn("mirror", (number,), question, "real" if real else "a reflection", chance=0.5)


def ask_in_mirror(facts: Facts) -> Turn | None:
    """Asks whether an object is in the mirror, where some prompted ones are and some are not."""
    things, images = split_by_reality(facts, in_mirror=True)
    if not things or not images:
        return None
    true = facts.flip()
    number = facts.pick(images if true else things)
    question = facts.pick(IN_MIRROR).format(p=prompt_name(number))
    return Turn("yes-no-mirror", (number,), question, say_yes(true), chance=0.5)
