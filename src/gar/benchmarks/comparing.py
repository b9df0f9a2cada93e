"""Several runs of one benchmark side by side, over the items that all of them answered.

Each score of a run after the first comes with its difference to the first run's and the 95 % interval of that
difference, by the paired bootstrap: both runs are scored on the same draws of items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gar.benchmarks.benchmark import Benchmark, Metric
from gar.benchmarks.registry import find_benchmark
from gar.benchmarks.results import Table, read_tables, table
from gar.benchmarks.run_folder import read_manifest
from gar.benchmarks.scoring import Score, columns_of, difference
from gar.errors import InputError

__all__ = ["Compared", "Comparison", "compare"]


@dataclass(frozen=True)
class Compared:
    """One score of one run."""

    score: Score
    difference: float | None = None
    """To the first run's score, over the same items; None for the first run."""
    low: float | None = None
    high: float | None = None
    """Bounds of the 95 % interval of the difference."""


@dataclass(frozen=True)
class Comparison:
    """Runs side by side."""

    tables: Sequence[Table]
    """One a run, over the common items."""
    rows: Sequence[tuple[str, str | None, Sequence[Compared | None]]]
    """Metric, group, and one entry a run; None where a run was not asked in that way."""
    items: int
    """Common items."""


def compare(folders: Sequence[Path]) -> Comparison:
    """Sets runs side by side.

    Args:
        folders: Of runs, the one to be compared with first.

    Raises:
        InputError: Fewer than two runs, of different benchmarks or data, without a common item, or not judged by the
            same judge.
    """
    if len(folders) < 2:
        raise InputError(f"{len(folders)} run to compare; at least 2 are needed")
    manifests = [read_manifest(folder) for folder in folders]
    asked = {(str(one["benchmark"]), str(one["data"]["fingerprint"])) for one in manifests}
    if len(asked) > 1:
        listed = "; ".join(f"{name} (data {data})" for name, data in sorted(asked))
        raise InputError(f"runs of different benchmarks or data cannot be compared: {listed}")
    benchmark = find_benchmark(manifests[0]["benchmark"])
    tables = _by_one_judge([read_tables(folder) for folder in folders], folders)
    common = set.intersection(*(set(one.marks) for one in tables))
    if not common:
        raise InputError("these runs have no item in common")
    cut = [_cut(benchmark, one, common) for one in tables]
    keys = dict.fromkeys((score.metric, score.group) for one in cut for score in one.scores)
    metrics = {metric.name: metric for metric in benchmark.metrics}
    rows = [(name, group, [_compared(metrics[name], group, one, cut[0]) for one in cut]) for name, group in keys]
    return Comparison(cut, rows, len(common))


def _by_one_judge(tables: Sequence[Sequence[Table]], folders: Sequence[Path]) -> list[Table]:
    """The table of each run by a judge that judged all of them; the only one where there is no judge."""

    def who(one: Table) -> object:
        return None if one.judged is None else (one.judged.judging, one.judged.judge)

    for first in tables[0]:
        same = [[one for one in run if who(one) == who(first)] for run in tables]
        if all(same):
            return [run[0] for run in same]
    raise InputError(f"no judge has judged all of {', '.join(map(str, folders))} with the same settings")


def _cut(benchmark: Benchmark, one: Table, common: set[str]) -> Table:
    """The table over the common items only."""
    records = [record for record in one.records if record.id in common]
    return table(benchmark, one.system, records, one.judged, perturbations=one.perturbations)


def _compared(metric: Metric, group: str | None, one: Table, first: Table) -> Compared | None:
    found = {(score.metric, score.group): score for score in one.scores}
    score = found.get((metric.name, group))
    if score is None or one is first:
        return None if score is None else Compared(score)
    both = [
        (one.marks[record.id], first.marks[record.id])
        for record in first.records
        if group in (None, record.group)
        and all(column in mark.marks[record.id].values for column in metric.columns for mark in (one, first))
    ]
    if not both:
        return Compared(score)
    ours, theirs = zip(*both, strict=True)
    return Compared(score, *difference(metric, columns_of(metric, ours), columns_of(metric, theirs)))
