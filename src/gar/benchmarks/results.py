"""What comes out of answers: tables of scores, of one run and of several side by side.

table(...)            the scores of one set of answers by one judge, or none
score_run(folder)     the tables of a run: one, or one for each judge; written to `scores.json`
compare(folders)      several runs over the items that all of them answered, with paired differences to the first
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gar.benchmarks.benchmark import Benchmark, Mark
from gar.benchmarks.items import Record
from gar.benchmarks.registry import find_benchmark
from gar.benchmarks.run_folder import read_manifest, read_records, write_json
from gar.benchmarks.scoring import Score, mark_all, or_null, score_all, score_to_json
from gar.benchmarks.verdicts import Judged, read_judged
from gar.errors import InputError

__all__ = ["Table", "read_tables", "score_run", "table", "table_to_json"]


@dataclass(frozen=True)
class Table:
    """The scores of one set of answers."""

    benchmark: str
    system: str
    judged: Judged | None
    scores: Sequence[Score]
    marks: Mapping[str, Mark]
    """By item."""
    records: Sequence[Record]
    perturbations: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What the reader of the scores should know."""

    @property
    def judge(self) -> str | None:
        """Judge and judging in a word, if there is one."""
        return None if self.judged is None else f"{self.judged.judge['name']} ({self.judged.judging})"


def table(
    benchmark: Benchmark,
    system: str,
    records: Sequence[Record],
    judged: Judged | None = None,
    *,
    perturbations: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Table:
    """Scores answers.

    Raises:
        InputError: There are no answers, or the benchmark needs a judge and there are no verdicts.
    """
    if not records:
        raise InputError(f"there are no answers to {benchmark.name} to be scored")
    if benchmark.judgings and judged is None:
        raise InputError(f"{benchmark.name} is scored by a judge, and there are no verdicts; give --judge MODEL")
    marks = mark_all(benchmark, records, None if judged is None else judged.replies)
    if not marks:
        raise InputError(f"no verdict is about an item of these answers to {benchmark.name}")
    told = [*benchmark.notes, *notes]
    if judged is not None:
        if benchmark.judgings[judged.judging].wording != "published":
            told.append(f"words of the judge's request: {benchmark.judgings[judged.judging].wording}")
        if judged.failed:
            reason = next((f" ({line['error']})" for line in judged.lines if line.get("error")), "")
            told.append(f"{judged.failed} requests to the judge failed{reason} and count as unreadable; judge again")
        if len(marks) < len(records):
            told.append(f"{len(records) - len(marks)} of {len(records)} answers were not judged and do not count")
    scores = score_all(benchmark, records, marks)
    return Table(benchmark.name, system, judged, scores, marks, records, tuple(perturbations), tuple(told))


def read_tables(folder: Path) -> list[Table]:
    """The scores of a run: one table, or one for each judge.

    Raises:
        InputError: It is no run, it has no answers, or it needs a judge.
    """
    manifest = read_manifest(folder)
    benchmark = find_benchmark(manifest["benchmark"])
    records = read_records(folder, benchmark.facts)
    notes = [one["what"] for one in manifest["data"]["missing"]] + list(manifest["data"]["notes"])
    lost = sum(len(one["items"]) for one in manifest["data"]["missing"])
    if lost:
        notes.append(f"{lost} of {manifest['data']['items']} items could not be shown and do not count")
    noted = [reply["notes"] for record in records for reply in record.replies.values() if reply.get("notes")]
    if noted:
        items = sum(any(reply.get("notes") for reply in record.replies.values()) for record in records)
        notes.append(f"{items} items have notes of the system, such as: {noted[0][0]}")
    judges = read_judged(folder, benchmark, records)
    told: dict[str, Any] = {"perturbations": manifest["perturbations"], "notes": notes}
    return [table(benchmark, manifest["system"]["name"], records, one, **told) for one in judges or [None]]


def score_run(folder: Path) -> list[Table]:
    """Scores a run and writes its `scores.json`.

    Raises:
        InputError: As `read_tables`.
    """
    tables = read_tables(folder)
    write_json(folder / "scores.json", {"format": 1, "tables": [table_to_json(one) for one in tables]})
    return tables


def table_to_json(one: Table) -> dict[str, Any]:
    """A table as JSON values: scores, and the marks of each item."""
    judged = one.judged
    return {
        "benchmark": one.benchmark,
        "system": one.system,
        "perturbations": list(one.perturbations),
        "judging": None if judged is None else judged.judging,
        "judge": None if judged is None else dict(judged.judge),
        "answers": len(one.records),
        "failed": sum(record.failed for record in one.records),
        "notes": list(one.notes),
        "scores": [score_to_json(score) for score in one.scores],
        "marks": {name: _mark_to_json(mark) for name, mark in one.marks.items()},
    }


def _mark_to_json(mark: Mark) -> dict[str, Any]:
    return {**{name: or_null(value) for name, value in mark.values.items()}, "unparsed": mark.unparsed}
