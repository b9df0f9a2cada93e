"""What the demo shows: held-out scenes of GraspWorld and real photographs.

Of a world scene everything is known: each object's caption and words, and the answers to questions about up
to three objects. Of a photograph there is a note by a person for each region; nothing is scored there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from itertools import permutations
from typing import Any, Literal

import numpy as np
from PIL import Image

from gar.graspworld.captions import attribute_words, write_caption
from gar.graspworld.language import write_turns
from gar.graspworld.scene import Scene, render_scene
from gar.regions import Region

__all__ = ["Case", "Question", "photographs", "world_scenes"]


@dataclass(frozen=True)
class Question:
    """A question with its choices and the right one."""

    text: str
    """Names the first `regions` regions of its case as `<Prompt0>`, `<Prompt1>`, …"""
    regions: int
    """How many of the case's regions, from the first, go with the question."""
    choices: tuple[str, ...]
    truth: str
    """One of `choices`."""


@dataclass(frozen=True)
class Case:
    """A picture of the demo, its regions, and what is known of them."""

    name: str
    """For file names."""
    title: str
    kind: Literal["world", "photograph"]
    image: Image.Image
    regions: tuple[Region, ...]
    known: tuple[str, ...]
    """For each region its true caption, or a person's note."""
    words: tuple[dict[str, str], ...] = ()
    """For each region of a world scene its true size, color, pattern, shape and place."""
    questions: tuple[Question, ...] = ()


def world_scenes(count: int, seed: int, max_regions: int) -> list[Case]:
    """Renders `count` held-out scenes of at least two objects, from `seed` on.

    At most `max_regions` objects of each become regions: so many prompts the model has.
    """
    cases: list[Case] = []
    while len(cases) < count:
        scene = render_scene(seed, split="held-out")
        if len(scene.objects) >= 2:
            cases.append(_world_case(scene, max_regions))
        seed += 1
    return cases


def photographs() -> list[Case]:
    """The example photographs of this package with their regions (`examples/regions.json`)."""
    folder = files("gar") / "examples"
    entries = json.loads((folder / "regions.json").read_text("utf-8"))
    cases: list[Case] = []
    for entry in entries:
        with (folder / entry["picture"]).open("rb") as stream:
            image = Image.open(stream).convert("RGB")
        name = entry["picture"].removesuffix(".jpg")
        regions = tuple(_photograph_region(region) for region in entry["regions"])
        notes = tuple(region["is"] for region in entry["regions"])
        cases.append(Case(f"photograph-{name}", name.capitalize(), "photograph", image, regions, notes))
    return cases


def _photograph_region(entry: dict[str, Any]) -> Region:
    numbers = {name: value for name, value in entry.items() if name not in ("is", "kind", "box")}
    if entry["kind"] == "box":
        return Region.box(*entry["box"])
    return getattr(Region, entry["kind"])(**numbers)


def _world_case(scene: Scene, max_regions: int) -> Case:
    rng = np.random.default_rng(scene.seed)
    order, relation = _related_pair_first(scene, rng)
    objects = [scene.objects[index] for index in order[:max_regions]]
    questions = relation
    for regions, kind in ((1, "choice-color"), (min(3, len(objects)), "choice-which")):
        questions += _questions(scene, order[:regions], kind, rng)
    return Case(
        name=f"world-{scene.seed}",
        title=f"Held-out scene {scene.seed}",
        kind="world",
        image=Image.fromarray(scene.image),
        regions=tuple(Region.mask(item.mask) for item in objects),
        known=tuple(write_caption(scene, index, rng) for index in order[:max_regions]),
        words=tuple(attribute_words(item) for item in objects),
        questions=tuple(questions),
    )


def _related_pair_first(scene: Scene, rng: np.random.Generator) -> tuple[list[int], list[Question]]:
    """Orders the objects so that the first two stand in a relation, if any two do, and asks for it."""
    indices = list(range(len(scene.objects)))
    for pair in permutations(indices, 2):
        if asked := _questions(scene, list(pair), "choice-relation", rng):
            return [*pair, *(index for index in indices if index not in pair)], asked
    return indices, []


def _questions(scene: Scene, order: list[int], kind: str, rng: np.random.Generator) -> list[Question]:
    """At most one question of a kind about the objects of `order`, which are `<Prompt0>`, `<Prompt1>`, …."""
    turns = write_turns(scene, dict(enumerate(order)), rng, kinds=[kind])
    return [
        Question(
            text=turn.bare_question,  # the choices are given apart
            regions=len(order),
            choices=turn.choices,
            truth=turn.right_choice,
        )
        for turn in turns
    ]
