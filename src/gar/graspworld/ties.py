"""What two things have to do with each other: one holds, wears or rides the other, is on it, over it or beside it.

Choices:
- A tie is what a scene was staged as (`together.py`), so it is known, not guessed from masks.
- Each is said in several ways. Its verb is the plainest, and the answer to an open question; the others are what
  options say. What a thing does on another depends on what it is: people and animals stand on it, vehicles park there,
  unless somebody rides them; fish and boats do neither.
- `false_claims` lists only what nobody could claim of the pair: who rides something is on it, too, and what is held
  may be said to be in front of its holder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gar.graspworld.naming import category_of
from gar.graspworld.turn import prompt_name

__all__ = ["TIES", "Tie", "Verb", "false_claims", "meaning", "pose_of", "say_claim", "says_tie", "true_claims"]

Verb = Literal["on", "holding", "wearing", "riding", "sitting on", "over", "beside"]
TIES: tuple[Verb, ...] = ("on", "holding", "wearing", "riding", "sitting on", "over", "beside")

_SAID: dict[Verb, tuple[str, ...]] = {
    "on": ("on", "on top of"),
    "holding": ("holding", "carrying"),
    "wearing": ("wearing",),
    "riding": ("riding", "sitting on", "riding on"),
    "sitting on": ("sitting on", "seated on"),
    "over": ("over", "above", "positioned over"),
    "beside": ("beside", "next to"),
}
_ON = {"standing": ("standing on",), "parked": ("parked on",)}
"""What else is said of what is on something, by how it is there."""
_POSES = {"person": "standing", "animal": "standing", "vehicle": "parked"}
_LYING = frozenset((
    "aircraft carrier", "airship", "baby", "boat", "cable car", "canoe", "caterpillar", "centipede", "coral",
    "dolphin", "eel", "feather", "ferry", "fish", "flying saucer", "ghost", "jellyfish", "mermaid", "microbe",
    "monorail", "octopus", "oyster", "paw print", "poop", "pufferfish", "railway car", "rocket", "sailboat",
    "sea anemone", "sea urchin", "seal", "seashell", "shark", "ship", "shrimp", "skull", "snail", "snake",
    "space invader", "squid", "starfish", "steam locomotive", "stingray", "submarine", "train", "tram", "whale",
    "wing", "worm",
))  # fmt: skip
"""Of these categories what neither stands anywhere nor is parked."""

_TURNED: dict[Verb, tuple[str, ...]] = {
    "on": ("under",),
    "holding": ("held by", "being held by", "carried by"),
    "wearing": ("worn by", "on the head of"),
    "riding": ("under", "carrying"),
    "sitting on": ("under",),
    "over": ("under", "below"),
    "beside": ("beside", "next to"),
}

_FALSE: dict[Verb, tuple[str, ...]] = {
    "on": ("holding", "wearing", "beside", "next to", "under", "inside"),
    "holding": ("sitting on", "riding", "standing on", "over", "under", "on top of", "inside"),
    "wearing": ("sitting on", "riding", "standing on", "over", "inside", "on top of"),
    "riding": ("holding", "wearing", "beside", "next to", "under", "inside"),
    "sitting on": ("holding", "wearing", "beside", "next to", "under", "riding", "inside"),
    "over": ("on", "standing on", "holding", "beside", "under", "inside", "sitting on", "wearing"),
    "beside": ("on", "over", "holding", "inside", "riding", "wearing", "sitting on", "under", "on top of"),
}
"""What is certainly not so of the one to the other."""
_FALSE_TURNED: dict[Verb, tuple[str, ...]] = {
    "on": ("on", "on top of", "standing on", "over", "holding", "wearing", "riding"),
    "holding": ("holding", "carrying", "wearing", "riding", "sitting on"),
    "wearing": ("wearing", "holding", "riding", "sitting on"),
    "riding": ("riding", "sitting on", "on", "holding", "wearing"),
    "sitting on": ("sitting on", "on", "on top of", "holding", "wearing"),
    "over": ("over", "above", "on", "on top of", "standing on"),
    "beside": ("on", "over", "holding", "inside", "riding", "under"),
}
"""And of the other to the one."""

_ANSWER = re.compile(r"<Prompt(\d)> is ([a-z ]+) <Prompt(\d)>\.")


@dataclass(frozen=True)
class Tie:
    """What one object of a scene has to do with another."""

    a: int
    """Index of the one that does it in `Scene.objects`."""
    verb: Verb
    b: int
    """Index of the one that it is done to."""
    pose: str | None = None
    """How `a` is on something: "standing" or "parked"; None if it just is."""


def pose_of(noun: str) -> str | None:
    """How things of a noun are on something: "standing", "parked", or None.

    >>> pose_of("cow"), pose_of("car"), pose_of("fish")
    ('standing', 'parked', None)
    """
    return None if noun in _LYING else _POSES.get(category_of(noun) or "")


def meaning(claim: tuple[bool, str]) -> tuple[bool, str]:
    """The same for claims of a pair that say the same thing: in other words, or from the other side.

    >>> meaning((False, "above")) == meaning((True, "under")), meaning((False, "on")) == meaning((True, "on"))
    (True, False)
    """
    turned, words = claim
    if words in ("under", "below"):
        turned, words = not turned, "over"
    meant = next((str(verb) for verb in reversed(TIES) if words in _SAID[verb]), words)  # who sits need not ride
    return (turned and meant != "beside", meant)


def say_claim(a: int, b: int, claim: tuple[bool, str]) -> str:
    """Says a claim of a pair of prompts: "<Prompt0> is holding <Prompt2>."."""
    turned, words = claim
    first, second = (b, a) if turned else (a, b)
    return f"{prompt_name(first)} is {words} {prompt_name(second)}."


def says_tie(text: str, answer: str) -> bool:
    """Whether a sentence says the same tie as the answer to an open question, in any of its ways.

    >>> says_tie("<Prompt2> is being held by <Prompt0>.", "<Prompt0> is holding <Prompt2>.")
    True
    """
    found = _ANSWER.fullmatch(answer)
    verb = next((verb for verb in TIES if found and verb == found[2]), None)
    if found is None or verb is None:
        return False
    a, b = int(found[1]), int(found[3])
    return any(text == say_claim(a, b, claim) for pose in (None, *_ON) for claim in true_claims(Tie(a, verb, b, pose)))


def true_claims(tie: Tie) -> list[tuple[bool, str]]:
    """Lists all ways to say a tie: whether from the other's side, and the words between "is" and the name.

    >>> true_claims(Tie(0, "wearing", 1))
    [(False, 'wearing'), (True, 'worn by'), (True, 'on the head of')]
    """
    said = _SAID[tie.verb]
    if tie.verb == "on":
        said += _ON.get(tie.pose or "", ())
    return [*((False, words) for words in said), *((True, words) for words in _TURNED[tie.verb])]


def false_claims(tie: Tie) -> list[tuple[bool, str]]:
    """Lists what is certainly not so of the pair of a tie, in the same form as `true_claims`."""
    return [*((False, words) for words in _FALSE[tie.verb]), *((True, words) for words in _FALSE_TURNED[tie.verb])]
