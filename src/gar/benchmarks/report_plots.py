"""The plots of a report, as SVG that stands in a page and follows its colors.

    by_group          score by part of the benchmark, with intervals and floors
    by_prompts        score against the number of regions that are asked about
    confusion         which letter was right, and which was answered
    by_perturbation   score against how hard it was made
    side_by_side      several runs

Choices:

* every point is a score with its 95 % interval, as in the tables;
* ink is drawn in a color of its own that is replaced by `currentColor`, so that plots are read in the dark, too; runs
  differ in color and in marker;
* names of runs are written as text of SVG, escaped by matplotlib, and no formula is read in them.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gar.benchmarks.benchmark import Mark, Metric
from gar.benchmarks.items import LETTERS, Record
from gar.benchmarks.report_runs import Reported, metric_of, prompts_of
from gar.benchmarks.scoring import columns_of, interval, part_of, value_of
from gar.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Plot", "draw_plots"]

_INK, _FAINT = "#010203", "#040506"
"""Stand for the page's colors of text and of lines behind, and are replaced by them."""
_COLORS = ("#2d7ff9", "#e0662e", "#1aa37a", "#b05ad6", "#d9a200", "#d6457f", "#00a5c4", "#8a8f98")
_MARKERS = "osD^vP*X"
_LEAST_SCALE = 0.62
"""On a narrow screen plots shrink to it, and are scrolled from there on."""
_LONGEST_NAME = 28
"""Characters."""
_CONFUSIONS = 6
"""The most runs whose letters are drawn."""
_PERTURBATION = re.compile(r"(erode|dilate|shuffle-background|blur-background):(\d{1,4}(?:\.\d{1,3})?)(%?)")


@dataclass(frozen=True)
class Plot:
    """A picture of scores."""

    title: str
    svg: str
    """Without anything from outside; its ids are unique in the page."""


@dataclass(frozen=True)
class _Point:
    """A score with its interval; `value` times 100 where it is a percentage."""

    value: float
    low: float
    high: float
    n: int = 0


def draw_plots(runs: Sequence[Reported], prefix: str) -> list[Plot]:
    """Draws what can be drawn of the runs of one benchmark.

    Args:
        runs: Of one benchmark and its data.
        prefix: Begins every id in the SVG; another one for each call that goes into a page.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    scored = [replace(run, label=_brief(run.label)) for run in runs if run.table.scores]
    if not scored:
        return []
    drawn: list[tuple[str, Callable[[Sequence[Reported]], Figure | None]]] = [
        ("Runs side by side", _side_by_side),
        ("Score by part", _by_group),
        ("Score against number of prompts", _by_prompts),
        ("Letters: right and answered", _confusion),
        ("Score against perturbation", _by_perturbation),
    ]
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError("matplotlib", "eval") from error
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": prefix,
        "text.parse_math": False,
        "font.family": "sans-serif",
        "font.size": 10,
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
        **dict.fromkeys(("axes.edgecolor", "grid.color"), _FAINT),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "figure.constrained_layout.use": True,
    }
    plots: list[Plot] = []
    with mpl.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # measured with a font that lacks it, drawn by the browser
        for number, (title, draw) in enumerate(drawn):
            figure = draw(scored)
            if figure is not None:
                plots.append(Plot(title, _svg(figure, f"{prefix}-{number}", title)))
    return plots


# What is drawn


def _side_by_side(runs: Sequence[Reported]) -> Figure | None:
    """Each metric of all items, a row a run."""
    if len(runs) < 2:
        return None
    names = list(dict.fromkeys(score.metric for run in runs for score in run.table.scores if score.group is None))
    rows = [run.label for run in runs]
    figure, axes = _panels(len(names), 0.34 * len(rows) + 0.9)
    for place, (ax, name) in enumerate(zip(axes, names, strict=True)):
        for row, run in enumerate(runs):
            for score in run.table.scores:
                if score.metric == name and score.group is None:
                    _dot(ax, _point(score), row, row)
        _rows(ax, rows if place == 0 else [""] * len(rows))
        ax.set_xlabel(_unit(name, runs))
    return figure


def _by_group(runs: Sequence[Reported]) -> Figure | None:
    """The first metric by group, runs beside each other; all metrics of a single run."""
    scores = [score for run in runs for score in run.table.scores if score.group is not None]
    if not scores:
        return None
    first = scores[0].metric
    if len(runs) == 1:
        names = list(dict.fromkeys(score.metric for score in scores))
        series = [(name, [score for score in scores if score.metric == name]) for name in names]
    else:
        series = [
            (run.label, [one for one in run.table.scores if one.metric == first and one.group is not None])
            for run in runs
        ]
    groups = list(dict.fromkeys(part_of(score.group) for _, one in series for score in one))
    figure, (ax,) = _panels(1, (0.16 + 0.12 * len(series)) * len(groups) + 1.0)
    floors: dict[int, tuple[int, float]] = {}  # of the run with most items
    for number, (label, one) in enumerate(series):
        shift = _beside(number, len(series))
        for place, score in enumerate(one):
            row = groups.index(part_of(score.group))
            _dot(ax, _point(score), row + shift, number, label if place == 0 else None)
            if score.floors:
                highest = (100 if score.percent else 1) * max(score.floors.values())
                floors[row] = max(floors.get(row, (0, 0.0)), (score.n, highest))
    if floors:
        ends = [(row - 0.4, row + 0.4) for row in floors]
        highest = [floor for _, floor in floors.values()]
        ax.vlines(highest, *zip(*ends, strict=True), color=_INK, alpha=0.45, lw=2, label="highest floor")
    _rows(ax, [_brief(group) for group in groups])
    ax.set_xlabel(_unit(first if len(runs) > 1 or len(series) == 1 else None, runs))
    _legend(ax)
    return figure


def _by_prompts(runs: Sequence[Reported]) -> Figure | None:
    """The first metric over items of equal numbers of regions."""
    metric = _first_metric(runs[0])
    if metric is None:
        return None
    lines = [_parts(run, metric, prompts_of) for run in runs]
    counts = sorted({count for line in lines for count in line if count})
    if len(counts) < 2:
        return None
    figure, (ax,) = _panels(1, 3.0)
    for number, (run, line) in enumerate(zip(runs, lines, strict=True)):
        shift = 0.5 * _beside(number, len(runs))
        _line(ax, [count + shift for count in counts if count in line], [line[c] for c in counts if c in line], number)
        ax.plot([], [], color=_color(number), marker=_marker(number), label=run.label)
    most = {count: max(line[count].n for line in lines if count in line) for count in counts}
    ax.set_xticks(counts, [f"{count}\nn {most[count]}" for count in counts])
    ax.set_xlabel("number of prompts")
    ax.set_ylabel(_unit(metric.name, runs))
    ax.grid(axis="y", alpha=0.25)
    _legend(ax)
    return figure


def _confusion(runs: Sequence[Reported]) -> Figure | None:
    """A square a run: right letters down, answered ones across, the last column for what is no letter."""
    known = [(run, found) for run in runs if (found := _letters(run))][:_CONFUSIONS]
    if not known:
        return None
    figure, axes = _panels(len(known), 2.9)
    for place, (ax, (run, found)) in enumerate(zip(axes, known, strict=True)):
        size = 1 + max(LETTERS.index(letter) for pair in found for letter in pair if letter)
        letters = LETTERS[:size]
        for row, right in enumerate(letters):
            total = sum(count for (true, _), count in found.items() if true == right)
            for column, answered in enumerate((*letters, "")):
                _cell(ax, row, column, found[right, answered], total, right == answered)
        ax.set_xlim(-0.5, size + 0.5)
        ax.set_ylim(size - 0.5, -0.5)
        ax.set_xticks(range(size + 1), [*letters, "none"])
        ax.set_yticks(range(size), list(letters))
        ax.set_aspect("equal")
        ax.tick_params(length=0)
        ax.set_title(run.label, fontsize=10)
        ax.set_xlabel("answered")
        if place == 0:
            ax.set_ylabel("right")
    return figure


def _cell(ax: Axes, row: int, column: int, count: int, total: int, hit: bool) -> None:
    from matplotlib.patches import Rectangle

    share = count / total if total else 0.0
    color = _COLORS[2] if hit else _COLORS[1]
    corner = (column - 0.48, row - 0.48)
    ax.add_patch(Rectangle(corner, 0.96, 0.96, facecolor=color, alpha=0.06 + 0.7 * share, linewidth=0))
    ax.text(column, row, str(count), ha="center", va="center", fontsize=9)


def _letters(run: Reported) -> Counter[tuple[str, str]]:
    """How often each right letter was answered by each letter, by the benchmark's own rule; empty for no letter."""

    def answered(record: Record) -> str:
        for letter in LETTERS[: len(record.options)]:
            if run.benchmark.mark(replace(record, facts={**record.facts, "answer": letter}), None).values.get("exact"):
                return letter
        return ""

    return Counter((str(one.facts["answer"]), answered(one)) for one in run.table.records if one.options)


def _by_perturbation(runs: Sequence[Reported]) -> Figure | None:
    """A panel for each kind of perturbation that has a strength, lines by system; the last one for all others."""
    metric = _first_metric(runs[0])
    if metric is None:
        return None
    points: dict[str, dict[tuple[str, ...], _Point]] = {}
    for run in runs:
        for score in run.table.scores:
            if score.metric == metric.name and score.group is None:
                points.setdefault(run.table.system, {})[run.view[0]] = _point(score)
    points = {system: own for system, own in points.items() if len(own) > 1}
    views = list(dict.fromkeys(view for own in points.values() for view in own))
    kinds = sorted({kind for view in views if (kind := _kind(view))})
    others = [view for view in views if view and not _kind(view)]
    if not kinds and not others:
        return None
    figure, axes = _panels(len(kinds) + bool(others), 3.0)
    for ax, kind in zip(axes, kinds, strict=False):
        for number, (system, own) in enumerate(points.items()):
            line = {_strength(view): point for view, point in own.items() if _kind(view) == kind}
            if line and () in own:
                line[0.0] = own[()]
            _line(ax, sorted(line), [line[strength] for strength in sorted(line)], number)
            ax.plot([], [], color=_color(number), marker=_marker(number), label=_brief(system))
        ax.set_xlabel(kind)
        ax.set_ylabel(_unit(metric.name, runs))
        ax.grid(axis="y", alpha=0.25)
    if others:
        rows = [view for view in ((), *others) if view in views]
        for number, (system, own) in enumerate(points.items()):
            for row, view in enumerate(rows):
                if view in own:
                    label = None if kinds or row else _brief(system)
                    _dot(axes[-1], own[view], row + _beside(number, len(points)), number, label)
        _rows(axes[-1], [" +\n".join(view) or "as published" for view in rows])
        axes[-1].set_xlabel(_unit(metric.name, runs))
    _legend(axes[0])
    return figure


def _kind(view: tuple[str, ...]) -> str | None:
    """What a single perturbation with a strength is, such as `erode by %`; None for others, and for none."""
    found = _PERTURBATION.fullmatch(view[0]) if len(view) == 1 else None
    return f"{found[1]} by {found[3] or 'px'}" if found else None


def _strength(view: tuple[str, ...]) -> float:
    """The strength of a perturbation that has a `_kind`."""
    found = _PERTURBATION.fullmatch(view[0])
    assert found is not None, f"{view} has a kind"
    return float(found[2])


# Scores of parts


def _first_metric(run: Reported) -> Metric | None:
    """The benchmark's first metric that the run has a score in."""
    named = {score.metric for score in run.table.scores}
    return next((metric for metric in run.benchmark.metrics if metric.name in named), None)


def _parts(run: Reported, metric: Metric, part: Callable[[Record], Any]) -> dict[Any, _Point]:
    """The score of each part of a run's items."""
    marks: dict[Any, list[Mark]] = {}
    for record in run.table.records:
        mark = run.table.marks.get(record.id)
        if mark is not None and metric_of(run.benchmark, mark) == metric:
            marks.setdefault(part(record), []).append(mark)
    return {name: _scored(metric, own) for name, own in marks.items()}


def _scored(metric: Metric, marks: Sequence[Mark]) -> _Point:
    values, scale = columns_of(metric, marks), 100 if metric.percent else 1
    low, high = interval(metric, values)
    return _Point(scale * value_of(metric, values), scale * low, scale * high, len(marks))


def _point(score: Any) -> _Point:
    scale = 100 if score.percent else 1
    return _Point(scale * score.value, scale * score.low, scale * score.high, score.n)


def _unit(name: str | None, runs: Sequence[Reported]) -> str:
    scores = [score for run in runs for score in run.table.scores if name in (None, score.metric)]
    percent = bool(scores) and scores[0].percent
    return f"{name or 'score'} (%)" if percent else name or "score"


# Drawing


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with some panels in a row; two of one or two panels fit beside each other in the page."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(5.5, 2.9 * count), height))
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _brief(name: str) -> str:
    """A name that leaves room for a plot; a long one without its middle, since runs often differ in the end."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME // 2 - 1]}…{name[-_LONGEST_NAME // 2 :]}"


def _color(number: int) -> str:
    return _COLORS[number % len(_COLORS)]


def _marker(number: int) -> str:
    return _MARKERS[number % len(_MARKERS)]


def _beside(number: int, count: int) -> float:
    """Where series `number` of `count` stands around its row, which is one unit high."""
    return (number - (count - 1) / 2) * 0.7 / max(count, 3)


def _dot(ax: Axes, point: _Point, row: float, number: int, label: str | None = None) -> None:
    """A score and its interval on a row."""
    if not math.isnan(point.low):
        ax.hlines(row, point.low, point.high, color=_color(number), lw=2, alpha=0.6)
    ax.plot(point.value, row, linestyle="none", marker=_marker(number), color=_color(number), ms=6, label=label)


def _line(ax: Axes, places: Sequence[float], points: Sequence[_Point], number: int) -> None:
    """Scores and their intervals, joined."""
    color = _color(number)
    ax.vlines(places, [one.low for one in points], [one.high for one in points], color=color, lw=2, alpha=0.6)
    ax.plot(places, [one.value for one in points], color=color, marker=_marker(number), ms=6, lw=1)


def _rows(ax: Axes, names: Sequence[str]) -> None:
    """Names the rows of a panel, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", alpha=0.25)


def _legend(ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    if len(labels) > 1:
        ax.figure.legend(handles, labels, frameon=False, fontsize=9, loc="outside upper left", ncols=2)


def _svg(figure: Figure, prefix: str, title: str) -> str:
    """A figure as an SVG element for a page."""
    from html import escape

    written = io.StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = written.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    # ids are unique in one plot; the page has several
    svg = re.sub(r'(?<=\bid=")|(?<=href="#)|(?<=url\(#)', f"{prefix}-", svg)
    svg = svg.replace(_INK, "currentColor").replace(_FAINT, "var(--faint)")
    head, rest = svg.split(">", 1)
    width, height = (float(re.search(rf'\b{name}="([\d.]+)pt"', head)[1]) for name in ("width", "height"))
    pixels = width / 72 * 96
    return (
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(title)}" style="width: {pixels:.0f}px; min-width: {_LEAST_SCALE * pixels:.0f}px">{rest}'
    )
