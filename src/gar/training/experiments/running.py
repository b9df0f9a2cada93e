"""Does the runs of an experiment: trains, asks, skips what is complete.

A run's folder is that of any training (`gar.training.run`), with `answers.jsonl` beside. A run is complete when it has
its result and the answers about each scene. Stopped anywhere, by a signal or by a kill, the same command goes on:
training from its last checkpoint, asking from the next scene.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from gar.assistant import load
from gar.training.begun import OWN_PLACES, check_settings
from gar.training.experiments.asking import answered, ask_model
from gar.training.experiments.plan import Run
from gar.training.precision import settle_precision
from gar.training.run import train

__all__ = ["ANSWERS", "do_runs", "is_complete", "is_trained"]

ANSWERS = "answers.jsonl"
"""The file of answers, in a run's folder."""


def is_trained(run: Run) -> bool:
    """Whether a run has its model."""
    return (run.recipe.out / "result").is_dir()


def is_complete(run: Run, *, asked: int) -> bool:
    """Whether a run has its model and all answers."""
    return is_trained(run) and answered(run.recipe.out / ANSWERS).keys() >= set(range(asked))


def do_runs(runs: Sequence[Run], *, asked: int) -> int | None:
    """Does what is missing of some runs, one after the other.

    Args:
        runs: In order.
        asked: Held-out scenes about which each model is asked.

    Returns:
        The signal that stopped training; None if all runs are complete.

    Raises:
        InputError: A run has been begun with other settings, or a setting cannot be used.
        MissingExtraError: A package that training needs is not installed.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for run in runs:
        for part in run.parts:
            check_settings(settle_precision(part.recipe), OWN_PLACES)
    missing = [run for run in runs if not is_complete(run, asked=asked)]
    console.print(f"{len(runs) - len(missing)} of {len(runs)} runs are complete", style="dim")
    for place, run in enumerate(missing, 1):
        console.rule(f"{run.arm.title} · seed {run.seed} · {place} of {len(missing)}", align="left")
        for part in run.parts:
            if is_trained(part):
                continue
            console.print(part.name, style="dim")
            signal = train(part.recipe).signal
            if signal is not None:
                return signal
        assistant = load(run.recipe.out / "result")
        ask_model(assistant, run.recipe.out / ANSWERS, scenes=asked, name=run.name)
    return None
