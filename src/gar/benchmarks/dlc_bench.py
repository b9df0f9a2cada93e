"""DLC-Bench: descriptions of single regions, checked detail by detail by a judge that answers multiple choice.

Data: `annotations/{annotations,class_names,qa}.json` of nvidia/DLC-Bench (CC BY-NC-SA 4.0). Its pictures are looked for
in `images/`, and where `image_map_from_gar_bench.json` names GAR-Bench's copies of them, in the folder `gar-bench`
beside: that shows 90 of the 100 regions.

Rule: per region one question of recognition, then 7 to 10 about details that are there (positive) or not (negative).
Each option carries a score. Without recognition no score of the region is above 0. Positive and negative score are
means over regions of means over questions.

Two judges: `text` (Llama-3.1-8B-Instruct in the paper) reads the description only, `picture` (GPT-4o) also sees crop
and mask.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gar.benchmarks.benchmark import Benchmark, Cached, Judging, Mark, Means, Metric, Replies, View, mean_of
from gar.benchmarks.dlc_answers import match_option
from gar.benchmarks.items import LETTERS, Item, Loaded, Missing, Record, Shown, given
from gar.benchmarks.judge import JudgeRequest
from gar.benchmarks.messages import crops, user_message
from gar.benchmarks.reading import (
    Pictures,
    entry_of,
    find_file,
    fingerprint,
    list_of,
    misfit,
    read_json,
    region_of,
    text_of,
)
from gar.errors import InputError

__all__ = ["DLC"]

_SOURCE = "huggingface.co/datasets/nvidia/DLC-Bench (CC BY-NC-SA 4.0)"
_YES_NO = ("Yes", "No")


# Data


def _questions(value: Any, where: str) -> list[dict[str, Any]]:
    """The questions about one region: text, options, score of each option, and whether it is positive."""
    questions: list[dict[str, Any]] = []
    for entry in list_of(value, where):
        options: list[str] = []
        scores: list[float] = []
        for choice in list_of(entry.get("choices"), f"choices of {where}", list):
            match choice:
                case [str(option), int() | float() as score] if -1 <= score <= 1:
                    options.append(option)
                    scores.append(float(score))
                case _:
                    raise InputError(f"{where} has the choice {str(choice)[:80]}; needed is [text, score from -1 to 1]")
        kind = text_of(entry, "type", where)
        if kind not in ("positive", "negative") or not 2 <= len(options) <= len(LETTERS):
            raise InputError(f"{where} has a question of type {kind[:20]!r} with {len(options)} choices")
        question = text_of(entry, "question", where)
        questions.append({"question": question, "options": options, "scores": scores, "positive": kind == "positive"})
    return questions


def _is_question(value: Any) -> bool:
    """Whether a value is a question as `_questions` gives it."""
    shape = {"question": str, "options": [str], "scores": [float], "positive": bool}
    return misfit(value, shape) is None and len(value["options"]) == len(value["scores"])


def _load(data: Path | None) -> Loaded:
    assert data is not None, "the caller checks needs_data"
    path = find_file(data, "dlc-bench", "annotations/annotations.json", _SOURCE)
    folder = path.parent.parent
    told, names, questions = (read_json(path.with_name(name)) for name in (path.name, "class_names.json", "qa.json"))
    if not all(isinstance(one, dict) for one in (told, names, questions)):
        raise InputError(f"{path}, and class_names.json and qa.json beside it, must each be an object")
    files = {
        entry_of(image, "id", f"an image of {path}", int): text_of(image, "file_name", f"an image of {path}")
        for image in list_of(told.get("images"), f"images of {path}")
    }
    pictures, copies = Pictures([folder / "images", path.parent / "images"]), _copies(folder)
    borrowed = Pictures([folder.parent / "gar-bench" / "annotations"])
    items: list[Item] = []
    sizes: dict[str, int | None] = {}
    lost: dict[str, str] = {}
    for entry in list_of(told.get("annotations"), f"annotations of {path}"):
        name = str(entry_of(entry, "id", f"an annotation of {path}", int))
        where = f"annotation {name} of {path}"
        file = files.get(entry_of(entry, "image_id", where, int))
        if file is None:
            raise InputError(f"{where} is of a picture that is not listed")
        facts = {"class": text_of(names, name, where), "questions": _questions(questions.get(name), f"qa of {where}")}
        region = region_of(entry.get("segmentation"), where)
        sizes[file], shown = pictures.size(file), Shown(file, lambda file=file: pictures.read(file))
        if sizes[file] is None and file in copies:
            sizes[file] = borrowed.size(copies[file])
            shown = Shown(file, lambda copy=copies[file]: borrowed.read(copy))
        if sizes[file] is None:
            lost[name] = file
        items.append(Item(name, shown, (region,), None, facts=facts))
    missing = Missing.pictures(lost, str(folder / "images"), _SOURCE)
    return Loaded(tuple(items), fingerprint([path, path.with_name("qa.json")], sizes), missing)


def _copies(folder: Path) -> dict[str, str]:
    """Names of DLC-Bench's pictures → names of GAR-Bench's copies, where the map is there."""
    path = folder / "image_map_from_gar_bench.json"
    if not path.is_file():
        return {}
    found = entry_of(read_json(path), "image_file_to_gar_bench", str(path), dict)
    if not all(isinstance(name, str) for name in found.values()):
        raise InputError(f"{path}: 'image_file_to_gar_bench' must give a name for each name")
    return found


# The judge


def _article(name: str) -> str:
    return "an" if name[:1].lower() in set("aeio") else "a"


def _text_recognition(name: str) -> str:
    """The question of recognition for the judge that reads only; names that end in s are taken as plural."""
    if name.endswith("s"):
        asked = f"objects in the description are {name} or objects of a similar type"
    else:
        asked = f"object in the description is {_article(name)} {name} or an object of a similar type"
    return f"Is it likely that the {asked}? Again, It does not have to be an exact match."


def _picture_recognition(name: str) -> str:
    return (
        f"The object in the image is {name}. Based on the image, is it likely that the object in the description is "
        f"given class: {name} or object of a similar type?"
    )


def _prompt(of: str, description: str, question: str, options: Sequence[str]) -> str:
    """The published wording, as it stands in the published verdicts."""
    listed = "".join(f"{letter}. {option}\n" for letter, option in zip(LETTERS, options, strict=False))
    return (
        f"Answer the multiple-choice question based on the text description of an object in {of} image. "
        "You need to follow these rules:\n"
        "1. Do not output any reasoning. Do not perform correction. Please output exactly one answer from the choices "
        "for each question. Do not repeat the question.\n"
        "2. There is no need for exact matching. Please choose the closest option based on the description.\n\n"
        f"The description is:\n{description}\n\n"
        "From the description above, please answer the following question with one of the choices:\n"
        f"{question}\n{listed}"
    )


def _prompts(record: Record, of: str, recognition: Callable[[str], str]) -> list[str]:
    asked = [(recognition(record.facts["class"]), _YES_NO)]
    asked += [(question["question"], question["options"]) for question in record.facts["questions"]]
    return [_prompt(of, record.text, question, options) for question, options in asked]


def _text_requests(record: Record, view: View | None) -> list[JudgeRequest]:
    prompts = _prompts(record, "an", _text_recognition)
    return [JudgeRequest(user_message(prompt), max_tokens=300, temperature=0.0) for prompt in prompts]


def _picture_requests(record: Record, view: View | None) -> list[JudgeRequest]:
    assert view is not None, "this judge sees pictures"
    pictures = crops(view)
    prompts = _prompts(record, "this", _picture_recognition)
    return [JudgeRequest(user_message(prompt, pictures), max_tokens=300, temperature=0.0) for prompt in prompts]


# Marks


def _mark(record: Record, verdicts: Replies | None) -> Mark:
    questions = record.facts["questions"]
    replies = list(verdicts or ()) + [None] * (1 + len(questions) - len(verdicts or ()))
    if len(replies) > 1 + len(questions):
        raise InputError(f"item {record.id} has {len(replies)} verdicts on {1 + len(questions)} questions")
    recognized, *found = [
        match_option(reply or "", options)
        for reply, options in zip(replies, [_YES_NO, *(one["options"] for one in questions)], strict=True)
    ]
    sums: dict[bool, list[float]] = {True: [], False: []}
    for question, option in zip(questions, found, strict=True):
        score = 0.0 if option is None else question["scores"][option]
        sums[question["positive"]].append(score if recognized == 0 else min(0.0, score))
    means = {kind: math.fsum(scores) / len(scores) if scores else math.nan for kind, scores in sums.items()}
    values = {"pos": means[True], "neg": means[False], "recognized": float(recognized == 0)}
    return Mark(values, unparsed=sum(option is None for option in (recognized, *found)))


# Published answers and verdicts


def _read_cache(answers: Any, verdicts: Any, items: Mapping[str, Item] | None) -> Cached:
    if not isinstance(answers, dict):
        raise InputError(f"the file of answers holds {type(answers).__name__}; needed is a caption by annotation id")
    facts: dict[str, dict[str, Any]] = {name: dict(item.facts) for name, item in (items or {}).items()}
    replies: dict[str, Replies] | None = None
    judging = None
    if verdicts is not None:
        if not isinstance(verdicts, dict):
            raise InputError(f"the file of verdicts holds {type(verdicts).__name__}; needed is one by annotation id")
        judged = {name: entry for name, entry in verdicts.items() if isinstance(entry, dict)}
        replies = {}
        for name, entry in judged.items():
            where = f"{name} of the verdicts"
            if text_of(entry, "pred", where) != answers.get(name):
                raise InputError(f"{where} is about another caption than that of the answers")
            details = [
                *list_of(entry.get("details_positives"), f"details_positives of {where}"),
                *list_of(entry.get("details_negatives"), f"details_negatives of {where}"),
            ]
            recognition = list_of(entry.get("details_recognition"), f"details_recognition of {where}")[0]
            facts[name] = {"class": facts.get(name, {}).get("class", ""), "questions": _questions(details, where)}
            replies[name] = [text_of(one, "pred_answer", where) for one in (recognition, *details)]
            saw = text_of(recognition, "question", where).startswith("The object in the image")
            judging = "picture" if saw else "text"
    elif items is None:
        raise InputError("captions alone cannot be scored; give --verdicts, or --data and --judge")
    records = [
        Record(name, "", facts[name], replies=given(text_of(answers, name, "the answers")))
        for name in facts
        if name in answers
    ]
    if not records:
        raise InputError("no key of the answers is an annotation of DLC-Bench that there are questions about")
    return Cached(tuple(records), replies, judging)


def _average(means: Means) -> Any:
    return (means["pos"] + means["neg"]) / 2


def _floor(name: str, value: float) -> Callable[[Sequence[Record]], Mapping[str, float]]:
    return lambda records: {name: value}


_SILENT = "names the class, says nothing else"

DLC = Benchmark(
    name="dlc-bench",
    summary="100 regions described in detail, checked by 892 questions about what is and is not there",
    rule="A judge answers each question from the description; each option has a score; means over regions.",
    source=_SOURCE,
    load=_load,
    mark=_mark,
    metrics=(
        Metric("average", ("pos", "neg"), _average, percent=False, floors=_floor(_SILENT, 0.5)),
        Metric("positive", ("pos",), mean_of("pos"), percent=False, floors=_floor(_SILENT, 0.0)),
        Metric("negative", ("neg",), mean_of("neg"), percent=False, floors=_floor(_SILENT, 1.0)),
        Metric("recognized", ("recognized",), mean_of("recognized"), percent=False),
    ),
    read_cache=_read_cache,
    facts={"class": str, "questions": [_is_question]},
    judgings={
        "text": Judging(_text_requests, False, "Llama-3.1-8B-Instruct, temperature 0, max_tokens 300", "published"),
        "picture": Judging(_picture_requests, True, "gpt-4o, temperature 0, max_tokens 300", "published"),
    },
)
