"""GAR-Bench: multiple choice about regions (VQA), and captions of relations (Simple, Detailed).

Data: `annotations/GAR-Bench-*.json` and the pictures in `annotations/images/` or `annotations/images.tar`, as in
`evaluation/GAR-Bench` of github.com/Haochen-Wang409/Grasp-Any-Region. The same annotations with a `model_output`
(and `eval_result`) in each entry are the published answers (and verdicts).

Rules: VQA counts an output that is the letter but for case, and nothing else. Simple and Detailed count verdicts that
are exactly `True`; the judge sees the picture, each region's crop and mask, and not the question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gar.benchmarks.asking import (
    LETTERS_WAY,
    OPTIONS_WAY,
    average_over_orders,
    exact_match,
    letter_of,
    option_probabilities,
    probabilities,
)
from gar.benchmarks.benchmark import Benchmark, Cached, Judging, Mark, Metric, Replies, View, mean_of
from gar.benchmarks.items import LETTERS, Item, Loaded, Missing, Record, Shown, given
from gar.benchmarks.judge import JudgeRequest
from gar.benchmarks.messages import crops, user_message
from gar.benchmarks.reading import (
    Pictures,
    entry_of,
    find_file,
    fingerprint,
    list_of,
    read_json,
    region_of,
    text_of,
)
from gar.benchmarks.scoring import letter_floors
from gar.errors import InputError

__all__ = ["CHOICE_METRICS", "DETAILED", "SIMPLE", "VQA", "mark_choice"]

_SOURCE = "github.com/Haochen-Wang409/Grasp-Any-Region, folder evaluation/GAR-Bench"
_PARSE = "The output must be the letter alone, in either case."

Parse = Callable[[dict[str, Any], int, str], Record]


# What an entry says


def _vqa_record(entry: dict[str, Any], number: int, where: str) -> Record:
    choices = entry_of(entry, "choices", where, list)
    letters = LETTERS[: len(choices)]
    if not 2 <= len(choices) <= len(LETTERS) or any(
        not isinstance(choice, str) or not choice.startswith(f"{letter}. ")
        for letter, choice in zip(letters, choices, strict=False)
    ):
        raise InputError(f"{where}: the choices are {str(choices)[:100]}; needed are 2 or more, 'A. …', 'B. …'")
    answer = text_of(entry, "answer", where)
    if answer not in set(letters):
        raise InputError(f"{where}: the answer is {answer[:20]!r}; needed is one of {', '.join(letters)}")
    options = tuple(choice[3:] for choice in choices)
    question = text_of(entry, "question", where)
    return Record(str(number), text_of(entry, "type", where), {"answer": answer}, options, question)


def _simple_record(entry: dict[str, Any], number: int, where: str) -> Record:
    answer = text_of(entry, "answer", where)
    return Record(str(number), "", {"answer": answer}, question=text_of(entry, "question", where))


def _detailed_record(entry: dict[str, Any], number: int, where: str) -> Record:
    facts = {part: text_of(entry, f"{part}_name", where) for part in ("subject", "object", "predicate")}
    # The published question is the same for all: the first region is the subject, the second the object.
    question = "Describe <Prompt0> in detail, including the relationship with <Prompt1>."
    return Record(str(number), "", facts, question=question)


def _loader(benchmark: str, parse: Parse) -> Callable[[Path | None], Loaded]:
    def load(data: Path | None) -> Loaded:
        assert data is not None, "the caller checks needs_data"
        path = find_file(data, "gar-bench", f"annotations/{benchmark}.json", _SOURCE)
        pictures = Pictures([path.parent])
        items: list[Item] = []
        sizes: dict[str, int | None] = {}
        lost: dict[str, str] = {}
        for number, entry in enumerate(list_of(read_json(path), str(path))):
            where = f"entry {number} of {path}"
            record = parse(entry, number, where)
            name = text_of(entry, "image", where)
            sizes[name] = pictures.size(name)
            if sizes[name] is None:
                lost[record.id] = name
            regions = tuple(region_of(rle, where) for rle in list_of(entry.get("mask_rles"), f"mask_rles of {where}"))
            shown = Shown(name, lambda name=name: pictures.read(name))
            items.append(Item(record.id, shown, regions, record.question, record.options, record.group, record.facts))
        missing = Missing.pictures(lost, f"{path.parent} or its images.tar", _SOURCE)
        return Loaded(tuple(items), fingerprint([path], sizes), missing)

    return load


# Published answers and verdicts


def _cache_reader(parse: Parse) -> Callable[[Any, Any, Mapping[str, Item] | None], Cached]:
    def read(answers: Any, verdicts: Any, items: Mapping[str, Item] | None) -> Cached:
        records: list[Record] = []
        for number, entry in enumerate(list_of(answers, "the file of answers")):
            where = f"entry {number} of the answers"
            if isinstance(entry, dict) and "replies" in entry:
                raise InputError(f"{where} is one of a run; a run is scored by its folder: gar bench score RUN")
            bare = parse(entry, number, where)
            if items is not None and bare.id in items and items[bare.id].facts != bare.facts:
                raise InputError(f"{where} is not about the same item as entry {number} of the annotations")
            replies = given(text_of(entry, "model_output", where))
            records.append(replace(bare, replies=replies))
        return Cached(tuple(records), *_verdicts(records, verdicts))

    return read


def _verdicts(records: list[Record], verdicts: Any) -> tuple[dict[str, Replies] | None, str | None]:
    if verdicts is None:
        return None, None
    judged = list_of(verdicts, "the file of verdicts")
    if len(judged) != len(records):
        raise InputError(f"there are {len(records)} answers and {len(judged)} verdicts; needed are as many")
    found: dict[str, Replies] = {}
    for record, entry in zip(records, judged, strict=True):
        where = f"entry {record.id} of the verdicts"
        if text_of(entry, "model_output", where) != record.text:
            raise InputError(f"{where} is about another answer than entry {record.id} of the answers")
        found[record.id] = [text_of(entry, "eval_result", where)]
    return found, "picture"


# Marks


def mark_choice(record: Record, verdicts: Replies | None = None) -> Mark:
    """Marks multiple choice in each way that it was asked."""
    answer = str(record.facts["answer"])
    values = {"exact": float(exact_match(record.text, answer))}
    scored = {
        "letters": (LETTERS_WAY, probabilities(record)),
        "averaged": (f"{LETTERS_WAY}/1", average_over_orders(record)),
        "options": (OPTIONS_WAY, option_probabilities(record)),
    }
    for name, (way, shares) in scored.items():
        if way in record.replies:  # what was asked and not answered is wrong
            values[name] = float(shares is not None and letter_of(shares) == answer)
    readable = any(exact_match(record.text, letter) for letter in LETTERS[: len(record.options)])
    return Mark(values, unparsed=int(not readable))


def _mark_verdict(record: Record, verdicts: Replies | None) -> Mark:
    verdict = verdicts[0] if verdicts else None
    return Mark({"true": float(verdict == "True")}, unparsed=int(verdict not in ("True", "False")))


CHOICE_METRICS = (
    Metric("exact match", ("exact",), mean_of("exact"), floors=letter_floors),
    Metric("letters scored", ("letters",), mean_of("letters"), floors=letter_floors),
    Metric("letters scored, all orders", ("averaged",), mean_of("averaged"), floors=letter_floors),
    Metric("options scored", ("options",), mean_of("options"), floors=letter_floors),
)
"""The published score, the most probable letter, the most probable option over all cyclic orders, and the most probable
option as the answer to the question alone."""


# What the judge is asked


def _judging(text: Callable[[Record], str]) -> Judging:
    def requests(record: Record, view: View | None) -> list[JudgeRequest]:
        assert view is not None, "this judge sees pictures"
        shown = (
            f"The first picture is whole. After it come {len(view.masks)} regions, <Prompt0> first: for each a crop, "
            "then the region in that crop, white on black.\n\n"
        )
        message = user_message(shown + text(record), [view.image, *crops(view)])
        return [JudgeRequest(message, max_tokens=1000, temperature=0.0, top_p=1.0)]

    wording = "ours; the published judge is given the same facts and pictures in other words"
    return Judging(requests, True, "gpt-4o-2024-11-20, max_tokens 1000, top_p 1, one call an item", wording)


def _ask_simple(record: Record) -> str:
    return (
        f"Reference answer: {record.facts['answer']}\nAnswer to be judged: {record.text}\n\n"
        "Does the answer to be judged say the same about the regions as the reference answer? "
        "Reply with one word, True or False, and nothing else."
    )


def _ask_detailed(record: Record) -> str:
    facts = record.facts
    return (
        f"Subject, <Prompt0>: {facts['subject']}\nObject, <Prompt1>: {facts['object']}\n"
        f"Relation: {facts['predicate']}\nDescription to be judged: {record.text}\n\n"
        "Does the description mention the subject, and does it convey a relation of this kind between the subject and "
        "the object? Reply with one word, True or False, and nothing else."
    )


_TRUE = (Metric("accuracy", ("true",), mean_of("true"), percent=False),)

VQA = Benchmark(
    name="gar-bench-vqa",
    summary="424 multiple-choice questions about 1 to 9 regions: attributes, mirrors, order, relations",
    rule=f"{_PARSE} Percent right, over all items and per type.",
    source=_SOURCE,
    load=_loader("GAR-Bench-VQA", _vqa_record),
    mark=mark_choice,
    metrics=CHOICE_METRICS,
    read_cache=_cache_reader(_vqa_record),
    facts={"answer": str},
)
SIMPLE = Benchmark(
    name="gar-bench-simple",
    summary="97 questions about the relation of regions, answered in a sentence",
    rule="Share of verdicts that are exactly True.",
    source=_SOURCE,
    load=_loader("GAR-Bench-Caption-Simple", _simple_record),
    mark=_mark_verdict,
    metrics=_TRUE,
    read_cache=_cache_reader(_simple_record),
    facts={"answer": str},
    judgings={"picture": _judging(_ask_simple)},
)
DETAILED = Benchmark(
    name="gar-bench-detailed",
    summary="107 descriptions of one region with its relation to another",
    rule="Share of verdicts that are exactly True: subject mentioned, relation conveyed.",
    source=_SOURCE,
    load=_loader("GAR-Bench-Caption-Detailed", _detailed_record),
    mark=_mark_verdict,
    metrics=_TRUE,
    read_cache=_cache_reader(_detailed_record),
    facts={"subject": str, "object": str, "predicate": str},
    judgings={"picture": _judging(_ask_detailed)},
)
