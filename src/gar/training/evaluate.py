"""What a model has learnt, on scenes and photographs that were never trained on.

    python -m gar.training.evaluate                 # the embedded model
    python -m gar.training.evaluate runs/nano/result --scenes 500 --photographs coco/val2017

Every figure comes with its n, its 95 % interval (Wilson) and chance.

Choices:
- Short answers count when exactly right. A noun counts by any of its synonyms, and in a sentence ("It is a chair.");
  a relation from either side ("<Prompt1> is below <Prompt0>."), a tie in any of its ways. Captions count word by word.
- Multiple choice is scored twice: the letter that the model writes, and the option that it finds likeliest as the
  answer to the bare question.
- "front or behind alone" is the relation asked of pairs of which one is in front; any other answer is wrong.
- Scenes are held out by seed; besides, nouns are asked for in a rendering style that training never shows.
- Of photographs only nouns are asked, since nothing else about them is certain.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gar.assistant import GAR, Request, load
from gar.ending import exit_status
from gar.files import write_whole
from gar.graspworld import (
    ATTRIBUTES,
    HELD_OUT_VERSION,
    KINDS,
    RELATIONS,
    STAGED_KINDS,
    Scene,
    Turn,
    attribute_words,
    choose_prompts,
    read_caption,
    read_relation,
    relation_is_true,
    render_scene,
    write_turns,
)
from gar.graspworld.language import CAPTION_KINDS
from gar.graspworld.nouns import NOUNS, canonical_noun
from gar.graspworld.photograph_folder import open_photographs
from gar.graspworld.ties import says_tie
from gar.graspworld.turn import say_turned
from gar.regions import Region

__all__ = ["Score", "app", "evaluate", "is_right", "main", "point", "wilson"]

_LATER = (
    ("choice-colors", "choice-outline"),
    tuple(kind for kind in KINDS if "texture" in kind or "usual" in kind),
    ("choice-near-color",),
)
"""Kinds with draws of their own, since they came later: the questions of all others stay those of former figures."""
_ANSWERED = [kind for kind in KINDS if not any(kind in kinds for kinds in (CAPTION_KINDS, *_LATER))]
_ASKED_FOR_NOUN = "What is <Prompt0>?"
_LARGE = 0.02
"""Share of a photograph above which a region counts as large."""


@dataclass(frozen=True)
class Score:
    """How often answers of one kind are right."""

    name: str
    """What was asked."""
    right: int
    """Right answers."""
    n: int
    """Answers."""
    chance: float
    """Share that a uniform guess gets right."""

    @property
    def share(self) -> float:
        """Right answers over all."""
        return self.right / self.n


def wilson(right: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson's score interval).

    Example:
        >>> [round(bound, 3) for bound in wilson(50, 100)]
        [0.404, 0.596]
    """
    z = 1.96
    middle = (right + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(right * (n - right) / n + z * z / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


class _Tally:
    def __init__(self) -> None:
        self.right: dict[str, int] = defaultdict(int)
        self.n: dict[str, int] = defaultdict(int)
        self.chance: dict[str, float] = defaultdict(float)

    def add(self, name: str, right: bool, chance: float) -> None:
        self.right[name] += right
        self.n[name] += 1
        self.chance[name] += chance

    def scores(self) -> list[Score]:
        return [Score(name, self.right[name], n, self.chance[name] / n) for name, n in sorted(self.n.items())]


def is_right(turn: Turn, text: str) -> bool:
    """Whether a short answer is right.

    A noun is by any of its synonyms, alone or in a sentence (shapes have none), a relation from either side, a tie in
    any of its ways; all else is word by word.
    """
    if text == turn.answer:
        return True
    if turn.kind == "noun":
        noun = _noun(text)
        return noun is not None and noun == _noun(turn.answer)
    if turn.kind == "relation" and (relation := read_relation(turn.answer)):
        return text == say_turned(*turn.prompts, relation)
    return turn.kind == "tie" and says_tie(text, turn.answer)


def _noun(text: str) -> str | None:
    """The noun that an answer says: "chair", "A chair.", "It is a chair."."""
    return canonical_noun(re.sub(r"^(It is|They are) ", "", text).rstrip("."))


def point(scene: Scene, rng: np.random.Generator) -> tuple[dict[int, int], list[Region]]:
    """Points at some objects of a scene.

    Returns:
        The object's index by the number of its prompt, from 0 in rising order as the assistant numbers regions; and
        the regions.
    """
    chosen = choose_prompts(scene, rng)
    prompts = {number: chosen[old] for number, old in enumerate(sorted(chosen))}
    return prompts, [Region.mask(scene.objects[index].mask) for index in prompts.values()]


def _ask(assistant: GAR, scene: Scene, rng: np.random.Generator, tally: _Tally, kinds: Sequence[str]) -> None:
    """Asks one question of each kind about some objects of a scene."""
    prompts, regions = point(scene, rng)
    turns = write_turns(scene, prompts, rng, kinds=kinds)
    requests = [Request(scene.image, turn.question, regions) for turn in turns]
    for turn, answer in zip(turns, assistant.batch(requests, max_new_tokens=48, batch_size=24), strict=True):
        if turn.kind in CAPTION_KINDS:
            claim = relation_is_true(scene, prompts[turn.prompts[0]], answer.text, prompts)
            tally.add("caption of two, relation true", claim is True, 1 / len(RELATIONS))
            continue
        right = is_right(turn, answer.text)
        tally.add(f"{turn.kind}, letter written" if turn.choices else turn.kind, right, turn.chance)
        if turn.kind == "noun":
            tally.add(f"noun, {scene.objects[prompts[turn.prompts[0]]].size or 'between sizes'}", right, turn.chance)
        if turn.kind == "relation" and ("in front of" in turn.answer or "behind" in turn.answer):
            tally.add("relation, front or behind alone", right, 0.5)
    choices = [turn for turn in turns if turn.choices]
    scored = [Request(scene.image, turn.bare_question, regions, turn.choices) for turn in choices]
    for turn, answer in zip(choices, assistant.batch(scored), strict=True):
        tally.add(f"{turn.kind}, option scored", answer.choice == turn.right_choice, turn.chance)


def _describe(assistant: GAR, scene: Scene, tally: _Tally) -> None:
    """Has each object described alone."""
    chances = {"noun": 1 / len(NOUNS)} | {name: 1 / len(words) for name, words in ATTRIBUTES.items()}
    answers = assistant.describe(scene.image, [Region.mask(item.mask) for item in scene.objects], max_new_tokens=72)
    for index, (item, answer) in enumerate(zip(scene.objects, answers, strict=True)):
        said = read_caption(answer.text)
        for attribute, word in attribute_words(item).items():
            if attribute != "shape":  # a shape is its noun
                tally.add(f"caption, {attribute}", said.get(attribute) == word, chances[attribute])
        if item.main_color is None:
            tally.add("caption, no color where there is none", "color" not in said, 0.5)
        claim = relation_is_true(scene, index, answer.text)
        if claim is not None:
            tally.add("caption, relation true where one is stated", claim, 1 / len(RELATIONS))


def _photographs(assistant: GAR, folder: Path, tally: _Tally) -> None:
    """Asks for the noun of each region of photographs."""
    for photograph in track(open_photographs(folder), "photographs", console=Console(stderr=True)):
        image, items = photograph.read()
        requests = [Request(image, _ASKED_FOR_NOUN, [Region.mask(mask)]) for _, mask in items]
        for (noun, mask), answer in zip(items, assistant.batch(requests, max_new_tokens=12), strict=True):
            right = _noun(answer.text) == noun
            name = "photographs, noun of a person" if noun == "person" else "photographs, noun of other regions"
            tally.add(name, right, 1 / len(NOUNS))
            if noun != "person" and mask.mean() > _LARGE:
                tally.add("photographs, noun of other large regions", right, 1 / len(NOUNS))


def evaluate(
    assistant: GAR, *, scenes: int = 300, seed: int = 0, photographs: Path | None = None
) -> dict[str, list[Score]]:
    """Asks a model about what it was never trained on.

    Args:
        assistant: The model.
        scenes: Held-out scenes, about twenty questions each.
        seed: Of the choice of scenes, regions and questions.
        photographs: A folder of photographs with named masks, see `open_photographs`.

    Returns:
        Scores of each part: "held-out scenes", "held-out staged scenes", "held-out style" and, where asked,
        "photographs".

    Raises:
        MediaError: The folder cannot be read.
    """
    own, style, photographed = _Tally(), _Tally(), _Tally()
    for number in track(range(scenes), "scenes", console=Console(stderr=True)):
        scene = render_scene(seed + number, split="held-out")
        rng = np.random.default_rng([seed, number])
        _ask(assistant, scene, rng, own, [*_ANSWERED, "relation-caption"])
        for draw, kinds in enumerate(_LATER, 2):
            _ask(assistant, scene, np.random.default_rng([seed, number, draw]), own, kinds)
        _describe(assistant, scene, own)
    for number in track(range(scenes), "another style", console=Console(stderr=True)):
        scene = render_scene(seed + number, split="held-out-style")
        _ask(assistant, scene, np.random.default_rng([seed, number, 1]), style, ["noun"])
    staged = _Tally()
    for number in track(range(scenes), "staged scenes", console=Console(stderr=True)):
        for draw, (staging, kinds) in enumerate(STAGED_KINDS.items(), 4):
            scene = render_scene(seed + number, split="held-out", staging=staging)
            _ask(assistant, scene, np.random.default_rng([seed, number, draw]), staged, kinds)
    parts = {
        "held-out scenes": own.scores(),
        "held-out staged scenes": staged.scores(),
        "held-out style": style.scores(),
    }
    if photographs is not None:
        _photographs(assistant, photographs, photographed)
        parts["photographs"] = photographed.scores()
    return parts


def main(
    model: Annotated[str, typer.Argument(help="'nano', a folder or a hub id.")] = "nano",
    scenes: Annotated[int, typer.Option(min=1, help="Held-out scenes.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Of scenes and questions.")] = 0,
    photographs: Annotated[Path | None, typer.Option(help="Folder of photographs with named masks.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the scores as JSON.")] = None,
) -> None:
    """Prints what a model has learnt."""
    parts = evaluate(load(model), scenes=scenes, seed=seed, photographs=photographs)
    rows: list[dict[str, Any]] = []
    for part, scores in parts.items():
        table = Table(title=f"{model}: {part} (split version {HELD_OUT_VERSION}, seed {seed})")
        for column in ("asked", "right %", "95 %", "n", "chance %"):
            table.add_column(column, justify="left" if column == "asked" else "right")
        for score in scores:
            low, high = wilson(score.right, score.n)
            interval = f"{100 * low:.1f}–{100 * high:.1f}"
            table.add_row(score.name, f"{100 * score.share:.1f}", interval, str(score.n), f"{100 * score.chance:.1f}")
            rows.append({"part": part, **asdict(score), "share": score.share, "low": low, "high": high})
        Console().print(table)
    if out is not None:
        told = {"model": model, "scenes": scenes, "seed": seed, "scores": rows}
        write_whole(out, json.dumps(told, indent=1) + "\n")


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)


if __name__ == "__main__":
    sys.exit(exit_status(lambda: app(standalone_mode=False)))
