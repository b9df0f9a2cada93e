"""A judge's verdicts on the answers of a run, kept with what was asked.

    verdicts/NAME.json      which judging, the judge's name and settings, the words of whom, how many failed
    verdicts/NAME.jsonl     one line a request: item, number, messages, reply, error

NAME is the judging and the judge, with a digest of its settings: verdicts of other judges stand beside. Pictures in
messages are replaced by their digest. Both files are written at the end, whole or not at all: the judge's own cache is
what a killed run continues from, so that nothing is paid for twice.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from gar.benchmarks.benchmark import Benchmark, Judging, Replies, View
from gar.benchmarks.items import Item, Record
from gar.benchmarks.judge import Judge, JudgeRequest, Verdict
from gar.benchmarks.reading import check, read_json, read_json_lines
from gar.benchmarks.registry import find_benchmark
from gar.benchmarks.run_folder import read_manifest, read_records, write_json
from gar.benchmarks.running import load_benchmark, view_of
from gar.errors import GARError, InputError
from gar.files import write_whole

__all__ = ["Judged", "choose_judging", "judge_records", "judge_run", "read_judged", "write_judged"]

_BATCH = 16
"""Items whose requests, pictures included, are in memory at once."""


@dataclass(frozen=True)
class Judged:
    """Verdicts of one judge on one set of answers."""

    judging: str
    """Which of the benchmark's judgings."""
    judge: Mapping[str, Any]
    """`name` and `settings`; `name` alone for published verdicts."""
    replies: Mapping[str, Replies]
    """By item."""
    lines: Sequence[Mapping[str, Any]] = ()
    """Each request and verdict, as they are written down."""

    def require_reply(self) -> None:
        """Refuses verdicts of which there is none.

        Raises:
            GARError: The judge answered nothing; a score of it would be one of no answers.
        """
        if self.lines and all(line["reply"] is None for line in self.lines):
            reason = self.lines[0].get("error")
            raise GARError(f"{self.judge['name']} answered none of {len(self.lines)} requests: {reason}")

    @property
    def failed(self) -> int:
        """Requests without a reply."""
        return sum(reply is None for replies in self.replies.values() for reply in replies)


def choose_judging(benchmark: Benchmark, name: str | None) -> tuple[str, Judging]:
    """A benchmark's judging by name; its usual one by default.

    Raises:
        InputError: The benchmark has no judge, or none of that name.
    """
    if not benchmark.judgings:
        raise InputError(f"{benchmark.name} has no judge; leave --judge out")
    chosen = name or next(iter(benchmark.judgings))
    if chosen not in benchmark.judgings:
        raise InputError(f"{benchmark.name} has no judging {chosen!r}; allowed: {', '.join(benchmark.judgings)}")
    return chosen, benchmark.judgings[chosen]


def judge_records(
    benchmark: Benchmark,
    records: Sequence[Record],
    judge: Judge,
    *,
    judging: str | None = None,
    items: Mapping[str, Item] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Judged:
    """Has a judge grade answers.

    Args:
        benchmark: Which.
        records: Answers; one that the system failed to give is judged as an empty answer.
        judge: From `gar.benchmarks.judge.open_judge`.
        judging: Which of the benchmark's judgings; its usual one by default.
        items: The benchmark's items, where the judge sees pictures: as published, not as perturbed.
        on_progress: Called with items done and in all.

    Raises:
        InputError: There is no such judging, or it needs pictures and none are given.
    """
    name, way = choose_judging(benchmark, judging)
    if way.sees_pictures:
        missing = [record.id for record in records if items is None or record.id not in items]
        if missing:
            raise InputError(f"this judge sees pictures, and those of {len(missing)} items are not there; give --data")
    replies: dict[str, Replies] = {}
    lines: list[dict[str, Any]] = []
    for start in range(0, len(records), _BATCH):
        batch = records[start : start + _BATCH]
        asked: list[list[JudgeRequest]] = []
        problems: dict[str, str] = {}
        for record in batch:
            try:
                asked.append(way.requests(record, _view(record, items) if way.sees_pictures else None))
            except GARError as error:  # a picture that cannot be read is its item's problem
                asked.append([])
                problems[record.id] = str(error)
        verdicts = judge.ask([request for requests in asked for request in requests])
        for record, requests in zip(batch, asked, strict=True):
            own = list(islice(verdicts, len(requests)))
            if len(own) != len(requests):
                raise GARError(f"{judge.name} gave {len(own)} verdicts to {len(requests)} requests")
            if record.id in problems:
                requests, own = [JudgeRequest([])], [Verdict(None, problems[record.id])]
            replies[record.id] = [verdict.text for verdict in own]
            lines += [_line(record, *one) for one in zip(range(len(own)), requests, own, strict=True)]
        on_progress(min(start + _BATCH, len(records)), len(records))
    return Judged(name, {"name": judge.name, "settings": dict(judge.settings)}, replies, lines)


def judge_run(
    folder: Path,
    judge: Judge,
    *,
    judging: str | None = None,
    data: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Judged:
    """Has a judge grade the answers of a run, and writes its verdicts into the run's folder.

    Args:
        folder: Of the run.
        judge: From `gar.benchmarks.judge.open_judge`.
        judging: As in `judge_records`.
        data: The benchmark's folder, if it is no longer where it was when the run was begun.
        on_progress: As in `judge_records`.

    Raises:
        InputError: The folder is no run, or the judge sees pictures and the data is gone or another.
        GARError: The judge answered nothing.
    """
    manifest = read_manifest(folder)
    benchmark, items = find_benchmark(manifest["benchmark"]), None
    _, way = choose_judging(benchmark, judging)
    if way.sees_pictures:
        known = manifest["data"].get("folder")
        loaded = load_benchmark(benchmark, data or (Path(known) if known else None))
        if loaded.fingerprint != manifest["data"]["fingerprint"]:
            raise InputError(f"the data in {loaded.folder} is not that of {folder}; give the right folder with --data")
        items = {item.id: item for item in loaded.showable}
    records = read_records(folder, benchmark.facts)
    judged = judge_records(benchmark, records, judge, judging=judging, items=items, on_progress=on_progress)
    judged.require_reply()
    write_judged(folder, benchmark, judged)
    return judged


def _view(record: Record, items: Mapping[str, Item] | None) -> View:
    """The published picture and masks, in the order in which the answer names the regions."""
    assert items is not None, "a judge that sees pictures is given the items"
    item = items[record.id]
    picture = item.shown.read()
    assert not isinstance(picture, list), "no judge sees videos"
    order = record.shown.get("order", range(len(item.regions)))
    return view_of(picture, [item.regions[place] for place in order])  # pyright: ignore[reportArgumentType]


def _line(record: Record, number: int, request: JudgeRequest, verdict: Verdict) -> dict[str, Any]:
    return {
        "item": record.id,
        "answer": record.text,
        "request": number,
        "messages": _without_pictures(request.messages),
        "reply": verdict.text,
        "error": verdict.error,
        "cached": verdict.cached,
        "prompt_tokens": verdict.prompt_tokens,
        "new_tokens": verdict.new_tokens,
    }


def _without_pictures(value: Any) -> Any:
    """Messages with a digest in place of each data URL."""
    if isinstance(value, str) and value.startswith("data:"):
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"
    if isinstance(value, Mapping):
        return {key: _without_pictures(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_pictures(one) for one in value]
    return value


# Files


def write_judged(folder: Path, benchmark: Benchmark, judged: Judged) -> None:
    """Writes verdicts into a run's folder, in place of earlier ones of the same judge and settings."""
    digest = hashlib.sha256(json.dumps(judged.judge, sort_keys=True, default=str).encode()).hexdigest()[:8]
    judge = re.sub(r"[^A-Za-z0-9.]+", "-", str(judged.judge["name"])).strip("-")[:60]
    path = folder / "verdicts" / f"{judged.judging}-{judge}-{digest}.jsonl"
    path.parent.mkdir(exist_ok=True)
    about = {
        "format": 1,
        "judging": judged.judging,
        "judge": judged.judge,
        "published": benchmark.judgings[judged.judging].published,
        "wording": benchmark.judgings[judged.judging].wording,
        "requests": len(judged.lines),
        "failed": judged.failed,
    }
    write_json(path.with_suffix(".json"), about)
    write_whole(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in judged.lines))


def read_judged(folder: Path, benchmark: Benchmark, records: Sequence[Record]) -> list[Judged]:
    """All verdicts in a run's folder. Those on an answer that another one has replaced since are left out.

    Args:
        folder: Of the run.
        benchmark: That it is a run of.
        records: Its answers.

    Raises:
        InputError: A file is damaged, or is about an item that has no answer.
    """
    answers = {record.id: record.text for record in records}
    found: list[Judged] = []
    for path in sorted((folder / "verdicts").glob("*.jsonl")) if benchmark.judgings else ():
        about = read_json(path.with_suffix(".json"))
        check(about, _ABOUT, str(path.with_suffix(".json")))
        judging, _ = choose_judging(benchmark, about["judging"])
        replies: dict[str, list[str | None]] = {}
        lines = read_json_lines(path)
        for number, line in enumerate(lines, 1):
            where = f"line {number} of {path}"
            check(line, _VERDICT, where)
            if line["item"] not in answers:
                raise InputError(f"{where} is about item {line['item'][:40]!r}, to which the run has no answer")
            if line["request"] != len(replies.setdefault(line["item"], [])):
                raise InputError(f"{where} is out of order: it is of request {line['request']}")
            replies[line["item"]].append(line["reply"])
        old = {line["item"] for line in lines if line.get("answer", answers[line["item"]]) != answers[line["item"]]}
        kept = {item: own for item, own in replies.items() if item not in old}
        if kept:
            found.append(Judged(judging, about["judge"], kept, [line for line in lines if line["item"] not in old]))
    return found


_ABOUT = {"judging": str, "judge": {"name": str, "settings?": dict}}
_VERDICT = {"item": str, "answer?": str, "request": int, "reply": (str, None), "error?": (str, None)}
