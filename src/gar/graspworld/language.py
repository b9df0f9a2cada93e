"""Truthful questions and answers about the prompted objects of a scene.

Choices:
- Nothing but what was rendered is said, and only where it is unambiguous; what cannot be asked is not asked.
- Answers are balanced so that priors give chance: yes and no, letters and prompt numbers are drawn before the
  question is made to fit, and frequent words are asked less often (`balance.py`).
- A wrong option is certainly wrong, and half of the time it is a word that is true of another object.
- `KINDS` have answers in their published form; `DRILLS` are exercises for training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gar.errors import PromptError
from gar.graspworld.asking_choices import (
    choose_attribute,
    choose_colors,
    choose_mirror,
    choose_outline,
    choose_position,
    choose_relation,
    choose_which,
)
from gar.graspworld.asking_one import (
    ask_attribute,
    ask_caption,
    ask_in_mirror,
    ask_real,
    ask_yes_no,
    ask_yes_no_relation,
)
from gar.graspworld.asking_several import (
    ask_absent,
    ask_extreme,
    ask_order,
    ask_relation,
    ask_relation_caption,
    ask_same,
    ask_which,
)
from gar.graspworld.asking_surfaces import choose_near_color, choose_texture, choose_usual
from gar.graspworld.asking_ties import ask_tie, ask_tied, choose_chain, choose_on, choose_tie
from gar.graspworld.drills import DRILL_WRITERS
from gar.graspworld.facts import Facts
from gar.graspworld.scene import Scene
from gar.graspworld.turn import MAX_PROMPTS, Turn
from gar.graspworld.usual import USUAL
from gar.graspworld.wording import ATTRIBUTE_QUESTIONS, ORDER_QUESTIONS

__all__ = [
    "CAPTION_KINDS",
    "DRILLS",
    "KINDS",
    "MAX_PROMPTS",
    "STAGED_KINDS",
    "Turn",
    "choose_prompts",
    "write_turns",
]

_LINKED_FIRST = 0.6  # how often an object is prompted together with its reflection or its frame
_TIED_FIRST = 0.85  # how often two are prompted that have to do with each other

_WRITERS: dict[str, Callable[[Facts], Turn | None]] = {
    "caption": ask_caption,
    "relation-caption": ask_relation_caption,
    **{name: lambda facts, name=name: ask_attribute(facts, name) for name in ATTRIBUTE_QUESTIONS},
    "relation": ask_relation,
    "which": ask_which,
    "absent": ask_absent,
    "extreme": ask_extreme,
    **{name: lambda facts, name=name: ask_order(facts, name) for name in ORDER_QUESTIONS},
    "same": ask_same,
    "mirror": ask_real,
    **{
        f"yes-no-{name}": lambda facts, name=name: ask_yes_no(facts, name)
        for name in ATTRIBUTE_QUESTIONS
        if name != "shape"
    },
    "yes-no-relation": ask_yes_no_relation,
    "yes-no-mirror": ask_in_mirror,
    **{f"choice-{name}": lambda facts, name=name: choose_attribute(facts, name) for name in ATTRIBUTE_QUESTIONS},
    "choice-colors": choose_colors,
    "choice-outline": choose_outline,
    "choice-near-color": choose_near_color,
    "choice-texture": choose_texture,
    **{f"choice-usual-{name}": lambda facts, name=name: choose_usual(facts, name) for name in USUAL},
    "choice-relation": choose_relation,
    "choice-which": choose_which,
    "choice-position": choose_position,
    "choice-mirror": choose_mirror,
}

_STAGED_WRITERS: dict[str, Callable[[Facts], Turn | None]] = {
    "tie": ask_tie,
    "tied": ask_tied,
    "choice-tie": choose_tie,
    "choice-on": choose_on,
    "choice-chain": choose_chain,
}

KINDS = tuple(_WRITERS)
"""The kinds of turns whose answers are in their published form, of scenes in which objects lie anywhere."""
STAGED_KINDS = {"rows": ("choice-position",), "together": ("tie", "tied", "choice-tie", "choice-on", "choice-chain")}
"""Kinds that are asked of staged scenes, by their staging."""
CAPTION_KINDS = ("caption", "relation-caption")
"""Those that are answered in sentences."""
DRILLS = tuple(DRILL_WRITERS)
"""Exercises for training only."""
_ALL = {**_WRITERS, **_STAGED_WRITERS, **DRILL_WRITERS}


def choose_prompts(scene: Scene, rng: np.random.Generator) -> dict[int, int]:
    """Draws one to five objects of a scene and a prompt number for each, in random order.

    Numbers need not begin at 0, so that which numbers there are says nothing about the answer. An object and its
    reflection, its frame, or what it has to do with, are often prompted together.

    Args:
        scene: A scene.
        rng: Where the choice comes from.

    Returns:
        Prompt number → index of the object in `scene.objects`.
    """
    most = min(len(scene.objects), MAX_PROMPTS)
    count = int(rng.integers(1, most + 1)) if rng.random() < 0.5 else most
    objects = rng.permutation(len(scene.objects)).tolist()
    linked = [n for n in objects if scene.objects[n].reflection_of is not None or scene.objects[n].inside is not None]
    if count > 1 and linked and rng.random() < _LINKED_FIRST:
        item = scene.objects[linked[0]]
        partner = item.reflection_of if item.reflection_of is not None else item.inside
        first = [linked[0], partner]
        objects = first + [n for n in objects if n not in first]
    elif count > 1 and scene.ties and rng.random() < _TIED_FIRST:
        tie = scene.ties[int(rng.integers(len(scene.ties)))]
        objects = [tie.a, tie.b, *(n for n in objects if n not in (tie.a, tie.b))]
    objects = [objects[n] for n in rng.permutation(count)]
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
        if kind not in _ALL:
            raise PromptError(f"kind {kind!r}; it must be one of {', '.join(_ALL)}")


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
        kinds: The kinds to draw from: any of `KINDS`, `STAGED_KINDS` and `DRILLS`.

    Returns:
        Turns in random order. Balanced kinds are not asked of every scene (see the module's choices).

    Raises:
        PromptError: A prompt or a kind is unknown, or two prompts are of one object.

    Example:
        >>> from gar.graspworld.scene import render_scene
        >>> rng = np.random.default_rng(0)
        >>> turn = write_turns(render_scene(0), {0: 0}, rng, kinds=["caption"])[0]
        >>> turn.kind, turn.question
        ('caption', 'Describe this masked region in detail.')
    """
    _check(scene, prompts, kinds)
    facts = Facts(scene, prompts, rng)
    turns: dict[str, Turn] = {}
    for _ in range(1 if n is None else 12):
        for kind in facts.some(kinds):
            if n is not None and len(turns) >= n:
                break
            turn = _ALL[kind](facts)
            if turn is not None:
                turns.setdefault(turn.question, turn)
    return list(turns.values())
