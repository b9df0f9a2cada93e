"""What a report is about: runs read from their folders, and how each of their answers did.

    Reported    the answers of one run, as one judge or none scored them
    Outcome     how one answer did: its score, and the words by which a reader looks for it

Choices:

* an answer's score is the first of the benchmark's metrics that can be computed from its marks alone;
* where that score is 1 or 0 for every item of the run, answers are right or wrong; elsewhere they are above or below
  the mean of the run, since what counts as right is not the report's to say;
* a run that awaits its judge is shown without scores: pictures and answers can be looked at.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gar.benchmarks.benchmark import Benchmark, Mark, Metric
from gar.benchmarks.items import Record
from gar.benchmarks.registry import find_benchmark
from gar.benchmarks.results import Table, read_tables
from gar.benchmarks.run_folder import read_manifest, read_records
from gar.benchmarks.scoring import Score, columns_of, part_of, value_of
from gar.benchmarks.verdicts import read_judged
from gar.errors import InputError

__all__ = ["FLAGS", "Outcome", "Reported", "metric_of", "prompts_of", "read_reported"]

FLAGS = ("right", "wrong", "above", "below", "unparsed", "failed", "unjudged")
"""The words by which answers are looked for, in the order in which they are offered."""


@dataclass(frozen=True)
class Outcome:
    """How one answer did."""

    flags: tuple[str, ...]
    """Of `FLAGS`; an answer that could not be read is also wrong."""
    value: float | None
    """Its score; None without marks."""
    shown: str
    """The score as it is read, empty where a flag says it."""


@dataclass(frozen=True)
class Reported:
    """The answers of one run as one judge, or none, scored them."""

    label: str
    """What it is called in the report."""
    folder: Path
    manifest: Mapping[str, Any]
    table: Table
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    """By item."""

    @property
    def benchmark(self) -> Benchmark:
        """What was asked."""
        return find_benchmark(self.table.benchmark)

    @property
    def rows(self) -> list[tuple[tuple[str, str], Score]]:
        """All of its scores, each with its metric and group."""
        return [((score.metric, part_of(score.group)), score) for score in self.table.scores]

    @property
    def subject(self) -> tuple[str, str | None]:
        """Benchmark and fingerprint of its data; runs that agree in it are shown together."""
        return self.table.benchmark, self.manifest["data"]["fingerprint"]

    @property
    def view(self) -> tuple[tuple[str, ...], int]:
        """Perturbations and seed: runs that agree in it were shown the same."""
        perturbations = tuple(self.manifest["perturbations"])
        return perturbations, int(self.manifest.get("seed", 0)) if perturbations else 0


def read_reported(folders: Sequence[Path]) -> list[Reported]:
    """Reads runs, one entry for each judge of each.

    Args:
        folders: Of runs; one that stands there twice is read once.

    Raises:
        InputError: There is none, or one of them is no run, has no answers or is damaged.
    """
    if not folders:
        raise InputError("there is no run to report; give the folder of at least 1")
    chosen = list({folder.resolve(): folder for folder in folders}.values())
    names = [folder.resolve().name for folder in chosen]
    found: list[Reported] = []
    for folder, name in zip(chosen, names, strict=True):
        manifest = read_manifest(folder)
        base = name if names.count(name) == 1 else str(folder)
        tables = _tables(folder, manifest)
        for one in tables:
            label = base if len(tables) == 1 else f"{base}, {one.judge}"
            found.append(Reported(label, folder, manifest, one, _outcomes(one)))
    return found


def _tables(folder: Path, manifest: Mapping[str, Any]) -> list[Table]:
    benchmark = find_benchmark(manifest["benchmark"])
    records = read_records(folder, benchmark.facts)
    if not benchmark.judgings or read_judged(folder, benchmark, records):
        return read_tables(folder)
    if not records:
        raise InputError(f"{folder} has no answers yet; there is nothing to report")
    note = "no judge has graded these answers yet; `gar bench score RUN --judge MODEL` does"
    perturbations, system = tuple(manifest["perturbations"]), manifest["system"]["name"]
    return [Table(benchmark.name, system, None, (), {}, records, perturbations, (*benchmark.notes, note))]


def prompts_of(record: Record) -> int:
    """How many regions an item is about; 0 where the run does not say."""
    return len(record.shown.get("regions", ()))


def metric_of(benchmark: Benchmark, mark: Mark) -> Metric | None:
    """The first of the benchmark's metrics that a mark is enough for."""
    return next((one for one in benchmark.metrics if all(name in mark.values for name in one.columns)), None)


def _outcomes(one: Table) -> dict[str, Outcome]:
    benchmark = find_benchmark(one.benchmark)
    metrics = {name: metric_of(benchmark, mark) for name, mark in one.marks.items()}
    values: dict[str, float] = {}
    together: dict[str, list[float]] = defaultdict(list)
    with np.errstate(all="ignore"):  # a ratio of an item whose reference has no points is none
        for name, metric in metrics.items():
            if metric is not None:
                values[name] = value_of(metric, columns_of(metric, [one.marks[name]]))
                together[metric.name].append(values[name])
    means = {name: _mean(known) for name, known in together.items() if not set(known) <= {0.0, 1.0}}
    return {
        record.id: _outcome(record, one.marks.get(record.id), metrics.get(record.id), values.get(record.id), means)
        for record in one.records
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return math.fsum(known) / len(known) if known else math.nan


def _outcome(
    record: Record, mark: Mark | None, metric: Metric | None, value: float | None, means: Mapping[str, float]
) -> Outcome:
    """How one answer did; `means` holds the metrics in which answers are neither right nor wrong."""
    flags: list[str] = []
    shown = ""
    if mark is None or metric is None or value is None or not math.isfinite(value):
        flags.append("unjudged")
        value = None
    elif metric.name in means:
        flags.append("above" if value >= means[metric.name] else "below")
        shown = f"{metric.name} {100 * value:.0f} %" if metric.percent else f"{metric.name} {value:.2f}"
    else:
        flags.append("right" if value else "wrong")
    if mark is not None and mark.unparsed:
        flags.append("unparsed")
    if record.failed:
        flags.append("failed")
    return Outcome(tuple(flags), value, shown)
