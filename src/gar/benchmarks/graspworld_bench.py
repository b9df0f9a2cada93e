"""GraspWorld's held-out set: scenes of combinations that no model was trained on, with exact masks and true answers.

Nothing is downloaded: scenes are rendered from their seeds. Of each scene regions are chosen and one question of each
kind is asked (`gar.graspworld.KINDS`); each chosen region is also described.

Rules: an answer counts when it is the true one but for case, outer blanks and a full stop. Multiple choice counts as in
GAR-Bench. Of a description the share of attributes counts that it names truly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gar.benchmarks.answer_files import read_texts
from gar.benchmarks.benchmark import Benchmark, Cached, Mark, Metric, Replies, mean_of
from gar.benchmarks.gar_bench import mark_choice
from gar.benchmarks.items import Item, Loaded, Record, Shown
from gar.benchmarks.scoring import letter_floors
from gar.errors import InputError
from gar.graspworld import (
    ATTRIBUTES,
    CAPTION_KINDS,
    HELD_OUT_VERSION,
    KINDS,
    Scene,
    attribute_words,
    choose_prompts,
    read_caption,
    render_scene,
    write_turns,
)
from gar.graspworld.nouns import NOUNS
from gar.regions import Region

__all__ = ["GRASPWORLD", "SCENES", "items_of_scene"]

SCENES = 100
"""Scenes; about fifteen questions and four descriptions each."""
_SEED = 0
_ASKED = [kind for kind in KINDS if kind not in CAPTION_KINDS]
_MAX_NEW_TOKENS = 64


@lru_cache(maxsize=8)
def _scene(number: int) -> Scene:
    return render_scene(_SEED + number, split="held-out")


def _load(data: Path | None) -> Loaded:
    items = [item for number in range(SCENES) for item in items_of_scene(number)]
    return Loaded(tuple(items), f"held-out-{HELD_OUT_VERSION}-{SCENES}-{_SEED}")


def items_of_scene(number: int) -> list[Item]:
    """All that is asked about one scene."""
    scene, rng = _scene(number), np.random.default_rng([_SEED, number])
    chosen = choose_prompts(scene, rng)
    # Systems number regions from 0, so the prompts are renumbered in rising order.
    prompts = {place: chosen[old] for place, old in enumerate(sorted(chosen))}
    regions = tuple(Region.mask(scene.objects[index].mask) for index in prompts.values())
    shown = Shown(f"scene {number}", lambda: Image.fromarray(_scene(number).image))
    items: list[Item] = []
    for turn in write_turns(scene, prompts, rng, kinds=_ASKED):
        # the question of multiple choice carries its options, which are asked for in each order here
        question = turn.question.removeprefix("Question: ").split("\nOptions:\n")[0]
        facts = {"answer": turn.answer, "chance": turn.chance}
        name = f"{number}/{turn.kind}"
        items.append(Item(name, shown, regions, question, turn.choices, turn.kind, facts, _MAX_NEW_TOKENS))
    for place, index in prompts.items():
        words = attribute_words(scene.objects[index])
        # an attribute's words are those of the world, a noun is any of its nouns
        facts = {"words": words, "chance": float(np.mean([1 / len(ATTRIBUTES.get(name, NOUNS)) for name in words]))}
        name, alone = f"{number}/describe-{place}", (regions[place],)
        items.append(Item(name, shown, alone, None, (), "describe", facts, _MAX_NEW_TOKENS))
    return items


def _mark(record: Record, verdicts: Replies | None) -> Mark:
    if record.options:
        return mark_choice(record)
    if "words" in record.facts:
        said, words = read_caption(record.text), record.facts["words"]
        right = [said.get(attribute) == word for attribute, word in words.items()]
        return Mark({"attributes": sum(right) / len(right)}, unparsed=int(not said))
    return Mark({"exact": float(_plain(record.text) == _plain(record.facts["answer"]))})


def _plain(text: str) -> str:
    return text.strip().removesuffix(".").lower()


def _floors(records: Sequence[Record]) -> Mapping[str, float]:
    uniform = {"uniform": float(np.mean([record.facts["chance"] for record in records]))}
    if all(record.options for record in records):
        return {**letter_floors(records), **uniform}
    return uniform


def _read_cache(answers: Any, verdicts: Any, items: Mapping[str, Item] | None) -> Cached:
    if verdicts is not None:
        raise InputError("this benchmark has no judge, so that there are no verdicts")
    return Cached(read_texts(answers, items or {item.id: item for item in _load(None).items}))


GRASPWORLD = Benchmark(
    name="graspworld",
    summary=f"{SCENES} rendered scenes of held-out combinations: attributes, relations, multiple choice, descriptions",
    rule="Answers that are the true one; of descriptions, the share of attributes that are named truly.",
    source="nothing to be had: scenes are rendered from their seeds",
    load=_load,
    mark=_mark,
    metrics=(
        Metric("exact match", ("exact",), mean_of("exact"), floors=_floors),
        Metric("letters scored", ("letters",), mean_of("letters"), floors=_floors),
        Metric("letters scored, all orders", ("averaged",), mean_of("averaged"), floors=_floors),
        Metric("options scored", ("options",), mean_of("options"), floors=_floors),
        Metric("attributes described", ("attributes",), mean_of("attributes"), floors=_floors),
    ),
    read_cache=_read_cache,
    facts=({"answer": str, "chance": float}, {"words": {str: str}, "chance": float}),
    needs_data=False,
)
