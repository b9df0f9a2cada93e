"""What an experiment has found so far: numbers, tables and plots, all from the files of its runs.

    results.json    everything
    results.md      a page with the tables and the plots
    *.png           the plots

It may be written at any time; arms without a complete run are named as missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from gar import __version__
from gar.files import write_whole
from gar.graspworld import HELD_OUT_VERSION, SIZES
from gar.training.experiments.asking import MEASURES, answered
from gar.training.experiments.costs import Cost, measure_costs, step_seconds
from gar.training.experiments.plan import Experiment, Run
from gar.training.experiments.plots import draw_costs, draw_measures, draw_sizes
from gar.training.experiments.results import Answers, ArmResult, Difference, Share, difference, share
from gar.training.experiments.running import ANSWERS, is_complete

__all__ = ["write_report"]


def write_report(experiment: Experiment, runs: Sequence[Run], folder: Path) -> list[ArmResult]:
    """Writes what the complete runs have found.

    Args:
        experiment: What is compared.
        runs: All runs, complete or not.
        folder: Where to write; made if absent.

    Returns:
        What is known, an entry for each arm with a complete run.
    """
    complete = [run for run in runs if is_complete(run, asked=experiment.asked)]
    found = _find(experiment, complete)
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "experiment": experiment.title,
        "complete": [run.name for run in complete],
        "missing": [run.name for run in runs if run not in complete],
        "steps": sorted({run.recipe.train.steps for run in runs}),
        "scenes": sorted({getattr(run.recipe.data[0], "scenes", None) for run in runs}),
        "asked": experiment.asked,
        "split_version": HELD_OUT_VERSION,
        "version": __version__,
        "reference": experiment.reference,
    }
    plots = {}
    if found:
        plots = {"measures.png": draw_measures, "sizes.png": draw_sizes, "costs.png": draw_costs}
        for name, draw in plots.items():
            draw(found, folder / name)
    write_whole(folder / "results.json", json.dumps({**facts, "arms": [_plain(arm) for arm in found]}, indent=1) + "\n")
    write_whole(folder / "results.md", _page(experiment, facts, found, list(plots)))
    return found


def _plain(result: ArmResult) -> dict[str, Any]:
    values = asdict(result)
    return {**result.arm.model_dump(mode="json"), **{name: value for name, value in values.items() if name != "arm"}}


def _find(experiment: Experiment, complete: Sequence[Run]) -> list[ArmResult]:
    by_arm = {arm.name: [run for run in complete if run.arm == arm] for arm in experiment.arms}
    by_arm = {name: runs for name, runs in by_arm.items() if runs}
    if not by_arm:
        return []
    answers = {name: [_answers(run, experiment.asked) for run in runs] for name, runs in by_arm.items()}
    costs = measure_costs({name: runs[0].recipe.out / "result" for name, runs in by_arm.items()})
    reference = answers.get(experiment.reference)
    return [
        _arm(runs, answers[name], None if name == experiment.reference else reference, costs[name])
        for name, runs in by_arm.items()
    ]


def _answers(run: Run, asked: int) -> Answers:
    """Of the scenes that count: more may have been asked about once."""
    known = answered(run.recipe.out / ANSWERS)
    return {scene: items for scene, items in known.items() if scene < asked}


def _arm(runs: Sequence[Run], own: Sequence[Answers], reference: Sequence[Answers] | None, cost: Cost) -> ArmResult:
    seconds = [
        (run.recipe.train.steps or 0) * each
        for run in runs
        if (each := step_seconds(run.recipe.out / "log.jsonl")) is not None
    ]
    shares = {name: share(own, lambda item, name=name: item.measure == name) for name in MEASURES}
    sizes = {
        name: {
            size: share(own, lambda item, name=name, size=size: (item.measure, item.size) == (name, size))
            for size in SIZES
        }
        for name in MEASURES
    }
    against = {
        name: difference(own, reference, lambda item, name=name: item.measure == name)
        for name in MEASURES
        if reference is not None
    }
    return ArmResult(
        arm=runs[0].arm,
        seeds=tuple(run.seed for run in runs),
        measures=_known(shares),
        sizes={name: _known(each) for name, each in sizes.items()},
        differences=_known(against),
        cost=cost,
        training_seconds=median(seconds) if seconds else 0.0,
    )


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


# ---- the page ----------------------------------------------------------------------------------------------------


def _page(experiment: Experiment, facts: Mapping[str, Any], found: Sequence[ArmResult], plots: Sequence[str]) -> str:
    done, missing = facts["complete"], facts["missing"]
    lines = [
        "<!-- Written by `gar experiment`; do not edit. -->",
        "",
        f"# Results: {experiment.title}",
        "",
        f"{len(done)} of {len(done) + len(missing)} runs are complete"
        + (f"; missing: {', '.join(missing)}." if missing and done else "."),
        "",
    ]
    if not found:
        return "\n".join(lines)
    lines += [
        f"Steps of each training: {_joined(facts['steps'])}; scenes: {_joined(facts['scenes'])}; held-out scenes asked "
        f"about: {facts['asked']} (split version {facts['split_version']}).",
        "",
        "## Right answers",
        "",
        "Per cent right, the mean over seeds; in brackets its 95 % interval over items, and from the lowest to the "
        "highest seed.",
        "",
        *_table(found, [(name, lambda arm, name=name: _told(arm.measures.get(name))) for name in MEASURES]),
        _row("*chance*", [_percent(_any(found, name).chance) for name in MEASURES]),
        _row("*items a seed*", [str(_any(found, name).n) for name in MEASURES]),
        "",
    ]
    compared = [arm for arm in found if arm.differences]
    if compared:
        title = next(arm.title for arm in experiment.arms if arm.name == experiment.reference)
        lines += [
            f"## Compared with: {title}",
            "",
            "Points more of the same items right, with the 95 % interval over scenes.",
            "",
            *_table(compared, [(name, lambda arm, name=name: _more(arm.differences.get(name))) for name in MEASURES]),
            "",
        ]
    lines += [
        "## Cost",
        "",
        "Seconds are medians on the machine that wrote this, all arms timed in turn; of a training, steps times the "
        "median seconds of a step.",
        "",
        *_table(
            found,
            [
                ("tokens a region", lambda arm: str(arm.cost.tokens)),
                ("tiles a region", lambda arm: str(arm.cost.tiles)),
                ("ms to read a picture and a region", lambda arm: f"{1000 * arm.cost.first_seconds:.0f}"),
                ("ms for each further region", lambda arm: f"{1000 * arm.cost.further_seconds:.1f}"),
                ("minutes of a training", lambda arm: f"{arm.training_seconds / 60:.1f}"),
                ("seeds", lambda arm: str(len(arm.seeds))),
            ],
        ),
        "",
        "## Plots",
        "",
        *(f"![{name.removesuffix('.png')}]({name})\n" for name in plots),
    ]
    return "\n".join(lines)


def _table(found: Sequence[ArmResult], columns: Sequence[tuple[str, Any]]) -> list[str]:
    names = [name for name, _ in columns]
    rows = [_row(arm.arm.title, [tell(arm) for _, tell in columns]) for arm in found]
    return [_row("", names), "| --- |" + " ---: |" * len(names), *rows]


def _row(title: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([title, *cells])} |"


def _any(found: Sequence[ArmResult], measure: str) -> Share:
    return next(arm.measures[measure] for arm in found if measure in arm.measures)


def _told(value: Share | None) -> str:
    if value is None:
        return "–"
    spread = f"; {_percent(min(value.seeds))}–{_percent(max(value.seeds))}" if len(value.seeds) > 1 else ""
    return f"**{_percent(value.share)}** [{_percent(value.low)}–{_percent(value.high)}{spread}]"


def _more(value: Difference | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value.difference:+.1f} [{100 * value.low:+.1f} to {100 * value.high:+.1f}]"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _joined(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))
