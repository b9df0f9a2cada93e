"""Scores answers from files that others wrote, as they are: the published caches of any model.

With the benchmark's data the answers become a run's folder like any other, so that they are compared and shown beside
runs of one's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gar.benchmarks.benchmark import Benchmark, Cached
from gar.benchmarks.items import Item, Loaded, Record
from gar.benchmarks.judge import Judge
from gar.benchmarks.reading import read_json
from gar.benchmarks.results import Table, score_run, table
from gar.benchmarks.run_folder import open_log
from gar.benchmarks.running import load_benchmark, shown_of
from gar.benchmarks.verdicts import Judged, judge_records, write_judged
from gar.errors import InputError

__all__ = ["score_answers"]


def score_answers(
    benchmark: Benchmark,
    answers: Path,
    *,
    verdicts: Path | None = None,
    data: Path | None = None,
    judge: Judge | None = None,
    judging: str | None = None,
    out: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Table:
    """Scores a file of answers.

    Args:
        benchmark: Which.
        answers: As published, or by item (`gar.benchmarks.answer_files`).
        verdicts: As published with the answers; scored in place of asking a judge.
        data: The benchmark's folder; published files of most benchmarks can do without.
        judge: Asked about each answer, when there are no verdicts.
        judging: How it judges; see `judge_records`.
        out: A folder to keep all as a run in; needs `data`.
        on_progress: Called with items judged and in all.

    Raises:
        InputError: A file is of another format or does not fit the others, or something that is needed is missing.
        GARError: The judge answered nothing.
    """
    if verdicts is not None and judge is not None:
        raise InputError("there are verdicts and a judge; give one of them")
    if out is not None and data is None and benchmark.needs_data:
        raise InputError("a run's folder is made of the benchmark's data, too; give --data with --out")
    loaded = None if data is None and benchmark.needs_data else load_benchmark(benchmark, data)
    items = None if loaded is None else {item.id: item for item in loaded.items}
    cached = benchmark.read_cache(read_json(answers), None if verdicts is None else read_json(verdicts), items)
    judged = _published(cached, verdicts)
    if judge is not None:
        able = None if loaded is None else {item.id: item for item in loaded.showable}
        judged = judge_records(benchmark, cached.records, judge, judging=judging, items=able, on_progress=on_progress)
        judged.require_reply()
    found = table(benchmark, answers.name, cached.records, judged)
    if out is not None:
        assert loaded is not None, "checked above"
        _keep(out, benchmark, answers, loaded, cached.records, judged)
        score_run(out)
    return found


def _published(cached: Cached, verdicts: Path | None) -> Judged | None:
    if cached.verdicts is None or cached.judging is None or verdicts is None:
        return None
    lines: list[dict[str, Any]] = [
        {"item": name, "request": number, "reply": reply}
        for name, replies in cached.verdicts.items()
        for number, reply in enumerate(replies)
    ]
    return Judged(cached.judging, {"name": f"as in {verdicts.name}", "settings": {}}, cached.verdicts, lines)


def _keep(
    out: Path,
    benchmark: Benchmark,
    answers: Path,
    loaded: Loaded,
    records: tuple[Record, ...],
    judged: Judged | None,
) -> None:
    digest = hashlib.sha256(answers.read_bytes()).hexdigest()
    manifest = {
        "benchmark": benchmark.name,
        "data": loaded.to_manifest(),
        "system": {"name": answers.name, "settings": {"answers": digest}},
        "perturbations": [],
        "seed": 0,
        "cyclic": False,
        "max_new_tokens": None,
    }
    able: Mapping[str, Item] = {item.id: item for item in loaded.showable}
    with open_log(out, manifest) as log:
        for record in records:
            if record.id not in log.done:
                log.append(replace(record, shown=shown_of(able[record.id])) if record.id in able else record)
    if judged is not None:
        write_judged(out, benchmark, judged)
