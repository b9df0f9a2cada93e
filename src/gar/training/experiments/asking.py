"""Asks a trained model about held-out scenes, item by item.

Every model is asked the same: scenes, regions and questions come from a seed. What is kept is one line of JSON a scene,
so that asking can be stopped anywhere and goes on; shares and intervals are computed from the lines (`results`).

An item is of one of these measures:

noun, attribute     of a region among up to five; an attribute is a color, a pattern or a material
relation            of two regions among up to five, seven classes
option              multiple choice about any of these: the option that is likeliest
noun alone,         of a region that is described alone in the mask, so that a model that cannot tell prompts apart
attribute alone     can show what it sees
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from gar.assistant import GAR, Request
from gar.files import write_whole
from gar.graspworld import (
    ATTRIBUTES,
    Scene,
    Turn,
    attribute_words,
    read_caption,
    render_scene,
    write_turns,
)
from gar.graspworld.nouns import NOUNS
from gar.graspworld.vocabulary import size_of
from gar.regions import Region
from gar.training.evaluate import is_right, point

__all__ = ["MEASURES", "Item", "answered", "ask_model"]

MEASURES = ("noun alone", "noun", "attribute alone", "attribute", "relation", "option")
"""What is measured, in the order of tables and plots."""

_ATTRIBUTES = ("color", "pattern", "material")
_DRAWN = {  # kinds of questions, and how many are drawn; one that comes twice in other words counts once
    ("noun", *_ATTRIBUTES): 12,
    ("relation",): 3,
    ("choice-noun", *(f"choice-{name}" for name in _ATTRIBUTES), "choice-relation"): 5,
}
_SHORT, _LONG = 24, 72
"""Tokens of an answer of few words and of a caption, at most."""


@dataclass(frozen=True)
class Item:
    """One answer."""

    measure: str
    """One of `MEASURES`."""
    size: str | None
    """Size of the smallest region that the question is about, one of `SIZES`; None between two classes."""
    right: bool
    """Whether it is right."""
    chance: float
    """Share that a uniform guess gets right."""


def ask_model(assistant: GAR, path: Path, *, scenes: int, name: str) -> None:
    """Asks a model about held-out scenes; goes on where it was stopped.

    Args:
        assistant: The model.
        path: The file of answers: one line of JSON a scene.
        scenes: How many, those of seeds 0, 1, …
        name: The model's, for the progress that a person sees.
    """
    done = answered(path)
    # without a line that a kill has torn
    write_whole(path, "".join(_line(number, items) for number, items in done.items()))
    missing = [number for number in range(scenes) if number not in done]
    with path.open("a", encoding="utf-8") as file:
        for number in track(missing, f"{name}: asked", console=Console(stderr=True)):
            scene = render_scene(number, split="held-out")
            items = [*_ask(assistant, scene, np.random.default_rng([number, 2])), *_describe(assistant, scene)]
            file.write(_line(number, items))
            file.flush()


def answered(path: Path) -> dict[int, list[Item]]:
    """The answers of a file by scene; a line that is not whole is left out."""
    if not path.exists():
        return {}
    *lines, _torn = path.read_text(encoding="utf-8").split("\n")
    records = [json.loads(line) for line in lines]
    return {record["scene"]: [Item(**item) for item in record["items"]] for record in records}


def _line(number: int, items: list[Item]) -> str:
    return json.dumps({"scene": number, "items": [asdict(item) for item in items]}) + "\n"


def _ask(assistant: GAR, scene: Scene, rng: np.random.Generator) -> Iterator[Item]:
    """Asks questions of all kinds about some objects of a scene."""
    prompts, regions = point(scene, rng)
    drawn = [turn for kinds, n in _DRAWN.items() for turn in write_turns(scene, prompts, rng, n, kinds=kinds)]
    turns = list({(turn.kind, turn.prompts): turn for turn in drawn}.values())
    plain = [turn for turn in turns if not turn.choices]
    requests = [Request(scene.image, turn.question, regions) for turn in plain]
    for turn, answer in zip(plain, assistant.batch(requests, max_new_tokens=_SHORT, batch_size=24), strict=True):
        measure = "attribute" if turn.kind in _ATTRIBUTES else turn.kind
        chance = 1 / len(NOUNS) if turn.kind == "noun" else turn.chance
        yield Item(measure, _size(scene, prompts, turn), is_right(turn, answer.text), chance)
    choices = [turn for turn in turns if turn.choices]
    scored = assistant.batch([Request(scene.image, turn.bare_question, regions, turn.choices) for turn in choices])
    for turn, answer in zip(choices, scored, strict=True):
        right = answer.choice == turn.right_choice
        yield Item("option", _size(scene, prompts, turn), right, turn.chance)


def _size(scene: Scene, prompts: dict[int, int], turn: Turn) -> str | None:
    return size_of(min(float(scene.objects[prompts[number]].mask.mean()) for number in turn.prompts))


def _describe(assistant: GAR, scene: Scene) -> Iterator[Item]:
    """Has each object described alone; an attribute that is not said is wrong."""
    regions = [Region.mask(item.mask) for item in scene.objects]
    answers = assistant.describe(scene.image, regions, max_new_tokens=_LONG, batch_size=24)
    for item, answer in zip(scene.objects, answers, strict=True):
        said, words = read_caption(answer.text), attribute_words(item)
        yield Item("noun alone", item.size, said.get("noun") == words["noun"], 1 / len(NOUNS))
        for name in _ATTRIBUTES:
            if name in words:
                yield Item("attribute alone", item.size, said.get(name) == words[name], 1 / len(ATTRIBUTES[name]))
