"""MDVP-Bench: 364 regions on 60 pictures of six domains, described and rated against a reference.

Data, as in `evaluation/MDVP-Bench` of github.com/Haochen-Wang409/Grasp-Any-Region:
`annotations/mdvp_caption_mask.json`, `annotations/rule.json` and pictures in `data/`.

The published run pairs each domain's 10 questions with the first 10 of all 364 answers, which are about one
screenshot, so that 59 of its 60 pairs judge an answer about another picture. Here each region is judged with
its own picture: darkened to 0.8, with the boxes of all its regions drawn and numbered, as published. Scores are
therefore not comparable with the published ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from gar.benchmarks.benchmark import Benchmark, Cached, Judging, View
from gar.benchmarks.items import Item, Loaded, Missing, Record, Shown, given
from gar.benchmarks.judge import JudgeRequest
from gar.benchmarks.messages import user_message
from gar.benchmarks.pair_rating import RATIO, mark_pair, pair_text, read_rule
from gar.benchmarks.reading import Pictures, find_file, fingerprint, list_of, misfit, read_json, region_of, text_of
from gar.drawing import prompt_color, text_color
from gar.errors import InputError

__all__ = ["MDVP", "mark_boxes"]

_SOURCE = "github.com/Haochen-Wang409/Grasp-Any-Region, folder evaluation/MDVP-Bench"
_SUFFIX = "_detailed_caption_box"
_BRIGHTNESS = 0.8

Box = tuple[int, int, int, int]


def _load(data: Path | None) -> Loaded:
    assert data is not None, "the caller checks needs_data"
    path = find_file(data, "mdvp-bench", "annotations/mdvp_caption_mask.json", _SOURCE)
    folder = path.parent.parent / "data"
    rule = read_rule(path.with_name("rule.json"), "box")
    pictures = Pictures([folder])
    entries = list_of(read_json(path), str(path))
    wheres = [f"entry {number} of {path}" for number in range(len(entries))]
    names = [text_of(entry, "image_path", where) for entry, where in zip(entries, wheres, strict=True)]
    regions = [region_of(entry.get("mask_rle"), where) for entry, where in zip(entries, wheres, strict=True)]
    boxes: dict[str, list[Box]] = defaultdict(list)
    marks: list[int] = []
    for entry, name, region in zip(entries, names, regions, strict=True):
        marks.append(len(boxes[name]))
        boxes[name].append(region.to_box(tuple(entry["mask_rle"]["size"])))
    sizes = {name: pictures.size(name) for name in boxes}
    items: list[Item] = []
    for number, (entry, where, name) in enumerate(zip(entries, wheres, names, strict=True)):
        facts = {
            **rule,
            "question": text_of(entry, "question", where),
            "reference": text_of(entry, "caption", where),
            "boxes": [list(box) for box in boxes[name]],
            "mark": marks[number],
        }
        shown = Shown(name, lambda name=name: pictures.read(name))
        group = text_of(entry, "dataset_name", where).removesuffix(_SUFFIX)
        items.append(Item(str(number), shown, (regions[number],), None, group=group, facts=facts))
    lost = {item.id: item.shown.name for item in items if sizes[item.shown.name] is None}
    return Loaded(tuple(items), fingerprint([path], sizes), Missing.pictures(lost, str(folder), _SOURCE))


def _are_facts(value: Any) -> bool:
    shape = {**dict.fromkeys(("role", "prompt", "question", "reference"), str), "boxes": [[int]], "mark": int}
    if misfit(value, shape) is not None:
        return False
    return 0 <= value["mark"] < len(value["boxes"]) and all(len(box) == 4 for box in value["boxes"])


def mark_boxes(picture: Image.Image, boxes: list[Box]) -> Image.Image:
    """What the judge sees: the picture darkened to 0.8, with numbered boxes."""
    drawn = ImageEnhance.Brightness(picture).enhance(_BRIGHTNESS)
    pen = ImageDraw.Draw(drawn)
    side = (picture.width * picture.height) ** 0.5
    line, font = max(2, round(0.003 * side)), ImageFont.load_default(max(12, round(0.025 * side)))
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        color = prompt_color(number)
        pen.rectangle((x1, y1, x2 - 1, y2 - 1), outline=color, width=line)
        left, top, right, bottom = pen.textbbox((x1, y1), str(number + 1), font=font)
        pen.rectangle((left - line, top - line, right + line, bottom + line), fill=color)
        pen.text((x1, y1), str(number + 1), fill=text_color(color), font=font)
    return drawn


def _requests(record: Record, view: View | None) -> list[JudgeRequest]:
    assert view is not None, "this judge sees pictures"
    boxes, mark = [tuple(box) for box in record.facts["boxes"]], record.facts["mark"]
    x1, y1, x2, y2 = boxes[mark]
    width, height = view.image.size
    place = ", ".join(f"{n:.3f}" for n in (x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height))
    question = f"{record.facts['question']}\nRated is region {mark + 1} only: [{place}]."
    message = user_message(pair_text(record, question), [mark_boxes(view.image, boxes)])
    return [JudgeRequest(message, max_tokens=1024, temperature=0.0)]


def _read_cache(answers: Any, verdicts: Any, items: Mapping[str, Item] | None) -> Cached:
    if verdicts is not None:
        raise InputError("there are no published verdicts that pair each region with its picture; give --judge")
    if items is None:
        raise InputError("captions alone cannot be scored; give --data and --judge")
    entries = list_of(answers, "the file of answers")
    if len(entries) != len(items):
        raise InputError(f"there are {len(entries)} answers to {len(items)} regions; needed are as many")
    records: list[Record] = []
    for item, entry in zip(items.values(), entries, strict=True):
        where = f"entry {item.id} of the answers"
        if not text_of(entry, "image_path", where).endswith(item.shown.name):
            raise InputError(f"{where} is not about {item.shown.name}")
        records.append(Record(item.id, item.group, item.facts, replies=given(text_of(entry, "caption", where))))
    return Cached(tuple(records))


MDVP = Benchmark(
    name="mdvp-bench",
    summary="364 regions of screenshots, documents, panels, web pages and photographs, described and rated",
    rule="Mean points of the answer over mean points of the reference, over all regions and per domain.",
    source=_SOURCE,
    load=_load,
    mark=mark_pair,
    metrics=(RATIO,),
    read_cache=_read_cache,
    facts=_are_facts,
    judgings={
        "picture": Judging(
            _requests,
            True,
            "gpt-4o-2024-11-20, temperature 0, max_tokens 1024",
            "rule, question and reference from the data; which region is rated is said in words of ours",
        )
    },
    notes=(
        "The published run judges 59 of 60 answers with another picture than theirs. Here each region is judged with "
        "its own, so these numbers are not comparable with the published ones.",
    ),
)
