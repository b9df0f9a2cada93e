"""What lmms-eval's task files call: documents, what a model sees and reads, scores.

    documents(dataset)               the items of a benchmark, in place of the line that names it
    doc_to_visual, doc_to_text       a visual prompt: pictures with marked regions, and the text that speaks of them
    doc_to_messages                  the same as one message, for models that take pictures and text in turn
    process_results(doc, results)    the marks of one answer, by the benchmark's rule or by its judge
    pool(marks)                      a score of all items

Choices:

* a document is a name: pictures and masks stay in the benchmark's folder, which GAR_BENCH_DATA names, and are read when
  they are needed; what cannot be shown is left out with a warning;
* items come in the order in which every run of `gar bench` asks them, so that `--limit N` asks the same items here;
* the style of the visual prompt (`gar.systems.visual_prompts`) is `style` of the task's `lmms_eval_specific_kwargs`;
* judges are OpenAI-style endpoints: GAR_BENCH_JUDGE is the model, OPENAI_API_KEY and OPENAI_BASE_URL say the rest;
  verdicts are kept where `gar bench score` keeps them;
* each metric of a benchmark is named in lower case and with underscores, and with `_GROUP` for one of its parts.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from gar.benchmarks.benchmark import Mark, Metric
from gar.benchmarks.items import Item, Loaded, Record, given, item_text
from gar.benchmarks.judge import Judge, open_judge
from gar.benchmarks.judge_cache import usual_cache
from gar.benchmarks.registry import find_benchmark
from gar.benchmarks.running import in_order, load_benchmark
from gar.benchmarks.scoring import columns_of, value_of
from gar.benchmarks.verdicts import choose_judging, judge_records
from gar.errors import InputError
from gar.processing.prompts import prompts_in
from gar.systems.protocol import Question
from gar.systems.visual_prompts import STYLES, Part, Style, show, unnamed

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["DATA", "JUDGE", "doc_to_messages", "doc_to_text", "doc_to_visual", "documents", "pool", "process_results"]

DATA = "GAR_BENCH_DATA"
"""Environment variable: the folder of the benchmarks' data."""
JUDGE = "GAR_BENCH_JUDGE"
"""Environment variable: the model that judges."""
UNPARSED = "unparsed"
"""The metric that counts answers or verdicts that could not be read."""

Doc = Mapping[str, Any]
"""A document: `benchmark`, `judging`, `item`, `group`, `question` and `target`, all text; `parts` is true or false."""


# Documents


def documents(dataset: Dataset) -> Dataset:
    """The items of a benchmark as documents.

    Args:
        dataset: One line with `benchmark`, `judging` if the benchmark has judges, and `parts` if each of its groups
            has a metric in the task's file, too.

    Raises:
        InputError: The benchmark's data is not there, or it needs a judge and none is named.
    """
    from datasets import Dataset

    told = dataset[0]
    name, judging, parts = told["benchmark"], told.get("judging") or "", bool(told.get("parts"))
    if find_benchmark(name).judgings:
        choose_judging(find_benchmark(name), judging)
        _judge()
    loaded = _loaded(name)
    for missing in loaded.missing:
        warnings.warn(f"{len(missing.items)} items of {name} cannot be shown: {missing.what}", stacklevel=2)
    if not loaded.showable:
        raise InputError(f"nothing of {name} can be shown: {loaded.missing[0].what}")
    return Dataset.from_list(
        [
            {
                "benchmark": name,
                "judging": judging,
                "parts": parts,
                "item": item.id,
                "group": item.group,
                "question": item_text(item.question, item.options) or "",
                "target": str(item.facts.get("answer", item.facts.get("reference", ""))),
            }
            for item in in_order(loaded.showable)
        ]
    )


@lru_cache(maxsize=16)
def _loaded(name: str) -> Loaded:
    benchmark = find_benchmark(name)
    folder = os.environ.get(DATA)
    if folder is None and benchmark.needs_data:
        raise InputError(f"the environment variable {DATA} is not set: the folder of {name}, from {benchmark.source}")
    return load_benchmark(benchmark, Path(folder) if folder and benchmark.needs_data else None)


@lru_cache(maxsize=16)
def _items(name: str) -> dict[str, Item]:
    return {item.id: item for item in _loaded(name).items}


def _item(doc: Doc) -> Item:
    return _items(doc["benchmark"])[doc["item"]]


# What a model sees and reads


def doc_to_visual(doc: Doc, lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> list[Image.Image]:
    """The pictures of an item, its regions marked; the frames of a video."""
    return [part for part in _parts(doc, lmms_eval_specific_kwargs) if isinstance(part, Image.Image)]


def doc_to_text(doc: Doc, lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> str:
    """The text that goes with the pictures: what is marked in them, and the question."""
    *_, text = _parts(doc, lmms_eval_specific_kwargs)
    assert isinstance(text, str), "a visual prompt ends with its text"
    return text


def doc_to_messages(doc: Doc, lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Pictures and texts in their order as one message; each frame of a video comes after its number."""
    content = [
        {"type": "text", "text": part} if isinstance(part, str) else {"type": "image", "url": part}
        for part in _parts(doc, lmms_eval_specific_kwargs)
    ]
    return [{"role": "user", "content": content}]


def _parts(doc: Doc, settings: Mapping[str, Any] | None) -> tuple[Part, ...]:
    style = (settings or {}).get("style", "marks")
    if style not in STYLES:
        raise InputError(f"the style is {style!r}; allowed: {', '.join(STYLES)}")
    return _shown(doc["benchmark"], doc["item"], style)


@lru_cache(maxsize=8)  # pictures and text of a document are asked for one after the other
def _shown(benchmark: str, name: str, style: Style) -> tuple[Part, ...]:
    item = _items(benchmark)[name]
    text = item_text(item.question, item.options)
    return tuple(show(Question(item.shown.read(), item.regions, text, key=item.id), style))


# Scores


def process_results(doc: Doc, results: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The marks of one answer.

    Args:
        doc: The document.
        results: What the model wrote, as the only entry.

    Returns:
        For each metric that applies, and for the item's part of it: what `pool` needs.
    """
    item, benchmark = _item(doc), find_benchmark(doc["benchmark"])
    text = results[0].strip()
    if item.question is not None and prompts_in(item.question):
        text = unnamed(text, len(item.regions))
    record = Record(item.id, item.group, item.facts, item.options, item.question, given(text))
    replies = None
    if benchmark.judgings:
        items = _items(doc["benchmark"])
        judged = judge_records(benchmark, [record], _judge(), judging=doc["judging"] or None, items=items)
        replies = judged.replies[record.id]
    mark = benchmark.mark(record, replies)
    found = {UNPARSED: _entry(doc, UNPARSED, {UNPARSED: float(mark.unparsed)})}
    for metric in benchmark.metrics:
        if all(column in mark.values for column in metric.columns):
            entry = _entry(doc, metric.name, {column: mark.values[column] for column in metric.columns})
            found[_named(metric)] = entry
            if doc["parts"] and metric.by_group:
                found[f"{_named(metric)}_{item.group}"] = entry
    return found


def _entry(doc: Doc, metric: str, marks: Mapping[str, float]) -> dict[str, Any]:
    entry: dict[str, Any] = {"benchmark": doc["benchmark"], "metric": metric, "marks": dict(marks)}
    if len(marks) == 1 and not any(math.isnan(value) for value in marks.values()):
        (entry["score"],) = marks.values()  # from it lmms-eval takes the standard error of a mean
    return entry


def _named(metric: Metric) -> str:
    """A metric's name for lmms-eval, which separates names by commas."""
    return metric.name.lower().replace(",", "").replace(" ", "_")


def pool(marks: Sequence[Mapping[str, Any]]) -> float:
    """A score of all items, as in `gar bench score`; of `unparsed` the sum.

    Args:
        marks: From `process_results`, of one metric.
    """
    name = marks[0]["metric"]
    if name == UNPARSED:
        return math.fsum(entry["marks"][UNPARSED] for entry in marks)
    metric = next(one for one in find_benchmark(marks[0]["benchmark"]).metrics if one.name == name)
    return value_of(metric, columns_of(metric, [Mark(entry["marks"]) for entry in marks]))


@lru_cache(maxsize=1)
def _judge() -> Judge:
    model = os.environ.get(JUDGE)
    if not model:
        raise InputError(f"this task needs a judge: set the environment variable {JUDGE} to its model")
    return open_judge(model, cache=usual_cache())
