"""The plots of an experiment.

An arm has one color and one marker in all plots. Bars are 95 % intervals over items, small dots single seeds, gray
strokes chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gar.errors import MissingExtraError
from gar.files import whole_file
from gar.graspworld import SIZES
from gar.training.experiments.asking import MEASURES
from gar.training.experiments.results import ArmResult, Share

try:
    from matplotlib.figure import Figure
except ImportError as error:
    raise MissingExtraError("matplotlib", "train") from error

__all__ = ["draw_costs", "draw_measures", "draw_sizes"]

_COLORS = ("#8a8f98", "#d6457f", "#2d7ff9", "#1aa37a", "#e0662e", "#b05ad6", "#d9a200", "#00a5c4")
_MARKERS = "osD^vP*X"


def draw_measures(found: Sequence[ArmResult], path: Path) -> None:
    """Draws each measure with all arms side by side."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    axes = figure.subplots()
    for number, arm in enumerate(found):
        shift = _shift(number, len(found))
        known = [(place, arm.measures[name]) for place, name in enumerate(MEASURES) if name in arm.measures]
        _points(axes, [(place + shift, value) for place, value in known], number, arm.arm.title)
    shown = {place: value.chance for arm in found for place, name in enumerate(MEASURES)
             if (value := arm.measures.get(name)) is not None}  # fmt: skip
    _chance(axes, shown)
    axes.set_xticks(range(len(MEASURES)), MEASURES)
    _finish(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    _save(figure, path)


def draw_sizes(found: Sequence[ArmResult], path: Path) -> None:
    """Draws each measure by the size of the smallest region that is asked about."""
    shown = [name for name in MEASURES if any(arm.sizes.get(name) for arm in found)]
    columns = 3
    rows = max(1, -(-len(shown) // columns))
    figure = Figure(figsize=(12, 3.4 * rows + 0.8), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    for axes, name in zip(panels, shown, strict=False):
        chance: dict[int, float] = {}
        for number, arm in enumerate(found):
            sizes = arm.sizes.get(name, {})
            points = [(place, sizes[size]) for place, size in enumerate(SIZES) if size in sizes]
            chance |= {place: value.chance for place, value in points}
            shift = 0.6 * _shift(number, len(found))
            _points(axes, [(place + shift, value) for place, value in points], number, arm.arm.title, joined=True)
        _chance(axes, chance)
        axes.set_xticks(range(len(SIZES)), SIZES)
        axes.set_title(name)
        _finish(axes)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    _save(figure, path)


def draw_costs(found: Sequence[ArmResult], path: Path) -> None:
    """Draws what showing a region costs, in milliseconds of reading and in minutes of training."""
    figure = Figure(figsize=(11, 0.45 * len(found) + 1.4), layout="constrained")
    titles = [arm.arm.title for arm in found]
    for axes, label, values in zip(
        figure.subplots(1, 3, sharey=True),
        ("ms to read a picture and a region", "ms for each further region", "minutes of a training"),
        (
            [1000 * arm.cost.first_seconds for arm in found],
            [1000 * arm.cost.further_seconds for arm in found],
            [arm.training_seconds / 60 for arm in found],
        ),
        strict=True,
    ):
        axes.barh(titles, values, color=[_COLORS[number % len(_COLORS)] for number in range(len(found))])
        axes.set_xlabel(label)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].invert_yaxis()
    _save(figure, path)


def _shift(number: int, count: int) -> float:
    """Where an arm stands beside the others, within ±0.35."""
    return 0.0 if count == 1 else 0.7 * number / (count - 1) - 0.35


def _points(axes: Any, points: Sequence[tuple[float, Share]], number: int, label: str, *, joined: bool = False) -> None:
    if not points:
        return
    places = [place for place, _ in points]
    values = [value for _, value in points]
    color, marker = _COLORS[number % len(_COLORS)], _MARKERS[number % len(_MARKERS)]
    axes.errorbar(
        places,
        [100 * value.share for value in values],
        yerr=[
            [100 * (value.share - value.low) for value in values],
            [100 * (value.high - value.share) for value in values],
        ],
        fmt=marker + ("-" if joined else ""),
        color=color,
        markersize=5,
        linewidth=1.2,
        capsize=2,
        label=label,
    )
    for place, value in points:
        if len(value.seeds) > 1:
            axes.plot(
                [place] * len(value.seeds),
                [100 * one for one in value.seeds],
                ".",
                color=color,
                alpha=0.5,
                markersize=4,
            )


def _chance(axes: Any, chance: dict[int, float]) -> None:
    for number, (place, value) in enumerate(chance.items()):
        label = None if number else "chance"
        axes.hlines(100 * value, place - 0.42, place + 0.42, color="#555555", linestyle="--", linewidth=1, label=label)


def _finish(axes: Any) -> None:
    axes.set_ylim(0, 101)
    axes.set_ylabel("% right")
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=100)
