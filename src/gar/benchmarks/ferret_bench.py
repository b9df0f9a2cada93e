"""Ferret-Bench, task refer_desc: 40 boxes on pictures of COCO, described and rated against a reference.

Data, as in `evaluation/Ferret-Bench` of github.com/Haochen-Wang409/Grasp-Any-Region:
`annotations/box_refer_caption.json`, pictures in `annotations/coco/val2017/`, and question, context and reference in
`ferret_gpt4_data/`.

As published, a system is only asked to describe the region, while the judge reads Ferret's question about it; the judge
sees no picture but a text of what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gar.benchmarks.benchmark import Benchmark, Cached, Judging, Replies, View
from gar.benchmarks.items import Item, Loaded, Missing, Record, Shown, given
from gar.benchmarks.judge import JudgeRequest
from gar.benchmarks.messages import user_message
from gar.benchmarks.pair_rating import RATIO, mark_pair, pair_text, read_rule
from gar.benchmarks.reading import (
    Pictures,
    entry_of,
    find_file,
    fingerprint,
    list_of,
    read_json,
    read_json_lines,
    text_of,
)
from gar.errors import InputError, RegionError
from gar.regions import Region

__all__ = ["FERRET"]

_SOURCE = "github.com/Haochen-Wang409/Grasp-Any-Region, folder evaluation/Ferret-Bench"
_ODD_BOX = "000000421923.jpg"


def _load(data: Path | None) -> Loaded:
    assert data is not None, "the caller checks needs_data"
    path = find_file(data, "ferret-bench", "annotations/box_refer_caption.json", _SOURCE)
    texts = path.parent.parent / "ferret_gpt4_data"
    rule = read_rule(texts / "rule.json", "refer_desc")
    files = {key: texts / "refer_desc" / f"{key}.jsonl" for key in ("question", "context", "answer")}
    columns = {key: list_of(read_json_lines(file), str(file)) for key, file in files.items()}
    pictures = Pictures([path.parent / "coco" / "val2017"])
    items: list[Item] = []
    sizes: dict[str, int | None] = {}
    lost: dict[str, str] = {}
    for number, entry in enumerate(list_of(read_json(path), str(path))):
        where = f"entry {number} of {path}"
        asked = entry_of(entry, "question_id", where, int)
        facts = dict(rule)
        for key, lines in columns.items():
            if number >= len(lines) or lines[number].get("question_id") != asked:
                raise InputError(f"line {number + 1} of {files[key]} is not about question {asked}, as {where} is")
            facts["reference" if key == "answer" else key] = text_of(lines[number], "text", where)
        try:
            region = Region.from_coco(entry_of(entry, "annotation", where, dict))
        except RegionError as error:
            raise InputError(f"{where}: {error}") from error
        picture = text_of(entry, "image", where)
        sizes[picture] = pictures.size(picture)
        if sizes[picture] is None:
            lost[str(number)] = picture
        shown = Shown(picture, lambda picture=picture: pictures.read(picture))
        items.append(Item(str(number), shown, (region,), None, facts=facts))
    odd = [item.id for item in items if item.shown.name == _ODD_BOX]
    notes = tuple(f"item {name}: its box does not agree with the coordinates in its question" for name in odd)
    missing = Missing.pictures(lost, str(path.parent / "coco" / "val2017"), _SOURCE)
    return Loaded(tuple(items), fingerprint([path, *files.values()], sizes), missing, notes)


def _requests(record: Record, view: View | None) -> list[JudgeRequest]:
    text = pair_text(record, record.facts["question"], record.facts["context"])
    return [JudgeRequest(user_message(text), max_tokens=1024, temperature=0.0)]


def _read_cache(answers: Any, verdicts: Any, items: Mapping[str, Item] | None) -> Cached:
    captions = {
        str(number): text_of(entry, "caption", f"entry {number} of the answers")
        for number, entry in enumerate(list_of(answers, "the file of answers"))
    }
    if verdicts is None and items is None:
        raise InputError("captions alone cannot be scored; give --verdicts, or --data and --judge")
    reviews = None if verdicts is None else list_of(verdicts, "the file of verdicts")
    for what, other in (("regions", items), ("verdicts", reviews)):
        if other is not None and len(other) != len(captions):
            raise InputError(f"there are {len(captions)} answers and {len(other)} {what}; needed are as many")
    records = [
        Record(name, "", items[name].facts if items else {}, replies=given(caption))
        for name, caption in captions.items()
    ]
    if reviews is None:
        return Cached(tuple(records))
    found: dict[str, Replies] = {}
    for record, review in zip(records, reviews, strict=True):
        where = f"entry {record.id} of the verdicts"
        if text_of(review, "answer2", where) != record.text:
            raise InputError(f"{where} is about another caption than that of the answers")
        found[record.id] = [text_of(review, "content", where)]
    return Cached(tuple(records), found, "text")


FERRET = Benchmark(
    name="ferret-bench",
    summary="40 boxes described, rated against a reference by a judge that reads what is in the picture",
    rule="Mean points of the answer over mean points of the reference; an unreadable verdict is -1 for both.",
    source=_SOURCE,
    load=_load,
    mark=mark_pair,
    metrics=(RATIO,),
    read_cache=_read_cache,
    facts=dict.fromkeys(("role", "prompt", "question", "context", "reference"), str),
    judgings={
        "text": Judging(
            _requests,
            False,
            "gpt-4o-2024-11-20, temperature 0, max_tokens 1024",
            "rule, question, context and reference from the data, in the sections of LLaVA's reviews",
        )
    },
    notes=(
        "The judge reads a question that the system was not asked: the system is only told to describe the region.",
    ),
)
