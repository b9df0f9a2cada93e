"""Scores and comparisons as a person reads them, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table as RichTable
from rich.text import Text

from gar.benchmarks.results import table_to_json
from gar.benchmarks.scoring import or_null, part_of, score_to_json
from gar.cli.reporting import print_json, say, stdout

if TYPE_CHECKING:
    from gar.benchmarks.comparing import Compared, Comparison
    from gar.benchmarks.results import Table
    from gar.benchmarks.scoring import Score

__all__ = ["comparison_to_json", "print_comparison", "print_tables"]

_WIDE = 240
"""Characters."""


def print_tables(tables: list[Table], *, as_json: bool) -> None:
    """Prints the scores of one set of answers a table."""
    if as_json:
        print_json([table_to_json(one) for one in tables])
        return
    for one in tables:
        title = ", ".join(filter(None, [one.benchmark, one.system, *one.perturbations, one.judge]))
        floors = list(dict.fromkeys(name for score in one.scores for name in score.floors))
        drawn = _table(title, ("score", "of"), ("value", "95 %", "n", *floors, "unparsed", "failed"))
        above = None
        for score in one.scores:
            named = "" if score.metric == above else score.metric
            above = score.metric
            seen = [_number(score.floors[name], score) if name in score.floors else "" for name in floors]
            cells = [_number(score.value, score), _interval(score), str(score.n), *seen]
            _add_row(drawn, named, part_of(score.group), *cells, str(score.unparsed), str(score.failed))
        _print(drawn)
        for note in one.notes:
            say(f"note: {note}")


def _table(title: str, left: Sequence[str], right: Sequence[str]) -> RichTable:
    drawn = RichTable(title=Text(title), title_justify="left", box=None, pad_edge=False)
    for column in left:
        drawn.add_column(Text(column), no_wrap=True)
    for column in right:
        drawn.add_column(Text(column), justify="right", no_wrap=True)
    return drawn


def _add_row(drawn: RichTable, *cells: str) -> None:
    """Adds a row; no markup is read in names."""
    drawn.add_row(*map(Text, cells))


def _print(drawn: RichTable) -> None:
    """Prints a table; in a file or pipe, where nothing says how wide, wide enough for all columns."""
    console = stdout()
    if not console.is_terminal:
        console.width = _WIDE
    console.print(drawn)


def _number(value: float, score: Score) -> str:
    return f"{100 * value:.2f}" if score.percent else f"{value:.4f}"


def _interval(score: Score) -> str:
    return f"{_number(score.low, score)}–{_number(score.high, score)}"


def print_comparison(comparison: Comparison, runs: list[Path]) -> None:
    """Prints runs side by side; `runs` are their folders."""
    first = comparison.tables[0]
    title = ", ".join(filter(None, [first.benchmark, f"{comparison.items} common items", first.judge]))
    drawn = _table(title, ("score", "of"), [run.name or str(run) for run in runs])
    for metric, group, entries in comparison.rows:
        _add_row(drawn, metric, part_of(group), *map(_compared, entries))
    _print(drawn)
    for run, one in zip(runs, comparison.tables, strict=True):
        say(f"{run.name or run}: {', '.join([one.system, *one.perturbations])}")


def _compared(entry: Compared | None) -> str:
    if entry is None:
        return "–"
    shown = _number(entry.score.value, entry.score)
    if entry.difference is None or entry.low is None or entry.high is None:
        return shown
    scale, digits = (100, 2) if entry.score.percent else (1, 4)
    change, low, high = (f"{scale * value:+.{digits}f}" for value in (entry.difference, entry.low, entry.high))
    return f"{shown} ({change}: {low} to {high})"


def comparison_to_json(comparison: Comparison, runs: list[Path]) -> dict[str, Any]:
    """A comparison as JSON values."""
    return {
        "benchmark": comparison.tables[0].benchmark,
        "items": comparison.items,
        "runs": [
            {"run": str(run), "system": one.system, "perturbations": list(one.perturbations)}
            for run, one in zip(runs, comparison.tables, strict=True)
        ],
        "rows": [
            {
                "metric": metric,
                "group": group,
                "runs": [
                    None
                    if entry is None
                    else {
                        **score_to_json(entry.score),
                        "difference": or_null(entry.difference),
                        "difference_low": or_null(entry.low),
                        "difference_high": or_null(entry.high),
                    }
                    for entry in entries
                ],
            }
            for metric, group, entries in comparison.rows
        ],
    }
