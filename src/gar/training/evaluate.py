"""What a model has learnt of GraspWorld, on scenes that were never trained on.

    python -m gar.training.evaluate                 # the embedded model
    python -m gar.training.evaluate runs/nano/result --scenes 500

Every figure comes with its n, its 95 % interval (Wilson) and chance. Answers count when exactly right, captions slot by
slot. Multiple choice is scored twice: the letter that the model writes, and the option that it finds likeliest
as the answer to the bare question.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gar.assistant import GAR, Request, load
from gar.graspworld import (
    ATTRIBUTES,
    CAPTION_KINDS,
    HELD_OUT_VERSION,
    KINDS,
    Scene,
    Turn,
    attribute_words,
    choose_prompts,
    read_caption,
    render_scene,
    write_turns,
)
from gar.graspworld.nouns import NOUNS
from gar.regions import Region

__all__ = ["Score", "evaluate", "main", "wilson"]

_ANSWERED = [kind for kind in KINDS if kind not in CAPTION_KINDS]


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


def wilson(right: int, n: int) -> tuple[float, float]:
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
        return [Score(name, self.right[name], n, self.chance[name] / n) for name, n in self.n.items()]


def _bare_question(turn: Turn) -> str:
    """The question of a multiple-choice turn without its options."""
    return turn.question.removeprefix("Question: ").split("\nOptions:\n")[0]


def _evaluate_scene(assistant: GAR, scene: Scene, rng: np.random.Generator, tally: _Tally) -> None:
    chosen = choose_prompts(scene, rng)
    # the assistant numbers regions from 0, so the prompts are renumbered in rising order
    prompts = {number: chosen[old] for number, old in enumerate(sorted(chosen))}
    regions = [Region.mask(scene.objects[index].mask) for index in prompts.values()]
    turns = write_turns(scene, prompts, rng, kinds=_ANSWERED)
    requests = [Request(scene.image, turn.question, regions) for turn in turns]
    for turn, answer in zip(turns, assistant.batch(requests, max_new_tokens=48, batch_size=24), strict=True):
        name = f"{turn.kind}, letter written" if turn.choices else turn.kind
        tally.add(name, answer.text == turn.answer, turn.chance)
    choices = [turn for turn in turns if turn.choices]
    scored = [Request(scene.image, _bare_question(turn), regions, turn.choices) for turn in choices]
    for turn, answer in zip(choices, assistant.batch(scored), strict=True):
        right = turn.choices["ABCD".index(turn.answer)]
        tally.add(f"{turn.kind}, option scored", answer.choice == right, turn.chance)
    described = assistant.describe(scene.image, [Region.mask(item.mask) for item in scene.objects], max_new_tokens=64)
    for item, answer in zip(scene.objects, described, strict=True):
        said = read_caption(answer.text)
        for attribute, word in attribute_words(item).items():
            tally.add(f"caption, {attribute}", said.get(attribute) == word, 1 / len(ATTRIBUTES.get(attribute, NOUNS)))


def evaluate(assistant: GAR, *, scenes: int = 300, seed: int = 0) -> list[Score]:
    """Asks a model about held-out scenes.

    Args:
        assistant: The model.
        scenes: Held-out scenes, about six questions each.
        seed: Of the choice of scenes, regions and questions.
    """
    tally = _Tally()
    for number in track(range(scenes), "scenes", console=Console(stderr=True)):
        scene = render_scene(seed + number, split="held-out")
        _evaluate_scene(assistant, scene, np.random.default_rng([seed, number]), tally)
    return sorted(tally.scores(), key=lambda score: score.name)


def main(
    model: Annotated[str, typer.Argument(help="'nano', a folder or a hub id.")] = "nano",
    scenes: Annotated[int, typer.Option(min=1, help="Held-out scenes.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Of scenes and questions.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Also write the scores as JSON.")] = None,
) -> None:
    """Prints what a model has learnt of GraspWorld."""
    scores = evaluate(load(model), scenes=scenes, seed=seed)
    table = Table(title=f"{model}: {scenes} held-out scenes (split version {HELD_OUT_VERSION}, seed {seed})")
    for column in ("asked", "right %", "95 %", "n", "chance %"):
        table.add_column(column, justify="left" if column == "asked" else "right")
    rows: list[dict[str, Any]] = []
    for score in scores:
        low, high = wilson(score.right, score.n)
        interval = f"{100 * low:.1f}–{100 * high:.1f}"
        table.add_row(score.name, f"{100 * score.share:.1f}", interval, str(score.n), f"{100 * score.chance:.1f}")
        rows.append({**asdict(score), "share": score.share, "low": low, "high": high})
    Console().print(table)
    if out is not None:
        partial = out.with_name(f".{out.name}.partial")
        partial.write_text(
            json.dumps({"model": model, "scenes": scenes, "seed": seed, "scores": rows}, indent=1) + "\n"
        )
        partial.replace(out)


if __name__ == "__main__":
    typer.run(main)
