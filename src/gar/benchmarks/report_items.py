"""The items of a report as plain values, as `report.js` reads them.

    Entry    one item: its name, group, number of prompts, and its views
    View     what runs with equal perturbations were shown and asked, and their answers

Texts come from systems, judges and data of others; they are cut where they are very long, and the page shows them as
text only.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gar.benchmarks.asking import average_over_orders, option_probabilities, probabilities
from gar.benchmarks.items import WRITTEN, Record
from gar.benchmarks.report_runs import Reported, prompts_of

__all__ = ["LONGEST_TEXT", "Entry", "View", "entries_of", "entry_to_json"]

LONGEST_TEXT = 4000
"""Characters of a text that are kept."""

_DIFFER = "differ"
"""The flag of an item that some run has right and another has wrong."""

Lines = Mapping[str, Sequence[Mapping[str, Any]]]
"""What a judge was asked and said, by item."""


@dataclass
class View:
    """What runs with equal perturbations were shown and asked."""

    shows: tuple[tuple[str, ...], int]
    """Perturbations and their seed."""
    record: Record
    """Of one of these runs, one that wrote down its regions if there is one."""
    answers: list[dict[str, Any]] = field(default_factory=list)
    """One a run, as JSON values."""


@dataclass
class Entry:
    """One item with all that the runs have of it."""

    subject: int
    """Number of its benchmark in the page."""
    name: str
    views: list[View] = field(default_factory=list)

    @property
    def flags(self) -> list[str]:
        """Those of any of its answers, and whether runs differ."""
        found = list(dict.fromkeys(flag for view in self.views for answer in view.answers for flag in answer["flags"]))
        return [*found, _DIFFER] if {"right", "wrong"} <= set(found) else found


def entries_of(runs: Sequence[Reported], subject: int, numbers: Sequence[int]) -> list[Entry]:
    """The items that any of the runs has an answer to, in the order of their names.

    Args:
        runs: Of one benchmark and its data.
        subject: Number of the benchmark in the page.
        numbers: Number of each run in the page.
    """
    entries: dict[str, Entry] = {}
    for run, number in zip(runs, numbers, strict=True):
        lines = _lines_by_item(run)
        for record in run.table.records:
            entry = entries.setdefault(record.id, Entry(subject, record.id))
            view = next((one for one in entry.views if one.shows == run.view), None)
            if view is None:
                view = View(run.view, record)
                entry.views.append(view)
            elif not prompts_of(view.record):
                view.record = record
            view.answers.append(_answer(record, run, number, lines.get(record.id, ())))
    return sorted(entries.values(), key=lambda entry: _natural(entry.name))


def _natural(name: str) -> list[tuple[int, int | str]]:
    """A key that sorts `item 9` before `item 10`."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.findall(r"[0-9]+|[^0-9]+", name)]


def _lines_by_item(run: Reported) -> Lines:
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for line in () if run.table.judged is None else run.table.judged.lines:
        found[str(line["item"])].append(line)
    return found


# As JSON values


def entry_to_json(entry: Entry, pictures: Mapping[int, int]) -> dict[str, Any]:
    """An item as the page's script reads it.

    Args:
        entry: The item.
        pictures: `id` of a view → number of its picture in the page.
    """
    first = entry.views[0].record
    return {
        "subject": entry.subject,
        "name": entry.name,
        "group": first.group,
        "prompts": max(prompts_of(view.record) for view in entry.views),
        "flags": entry.flags,
        "views": [_view_to_json(view, pictures.get(id(view))) for view in entry.views],
    }


def _view_to_json(view: View, picture: int | None) -> dict[str, Any]:
    record = view.record
    return {
        "shows": list(view.shows[0]),
        "name": str(record.shown.get("picture", "")),
        "prompts": prompts_of(record),
        "picture": picture,
        "question": None if record.question is None else short(record.question),
        "options": [short(option) for option in record.options],
        "answer": str(record.facts.get("answer", "")) if record.options else None,
        "facts": [[name, short(_plain(value))] for name, value in record.facts.items() if _told(name, value, record)],
        "answers": view.answers,
    }


def _told(name: str, value: Any, record: Record) -> bool:
    """Whether a fact is worth reading here: not the letter that is marked, not what the judge is asked one by one."""
    return bool(value) and name != "questions" and not (name == "answer" and record.options)


def _answer(record: Record, run: Reported, number: int, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    outcome = run.outcomes[record.id]
    reply = record.replies.get(WRITTEN, {})
    shares = {
        "letters": probabilities(record),
        "all orders": average_over_orders(record),
        "options": option_probabilities(record),
    }
    return {
        "run": number,
        "text": short(record.text),
        "error": None if reply.get("error") is None else short(str(reply["error"])),
        "flags": list(outcome.flags),
        "value": outcome.value,
        "shown": outcome.shown,
        "shares": [
            [name, [round(float(one), 4) for one in values]]
            for name, values in shares.items()
            if values is not None and np.isfinite(values).all()
        ],
        "notes": [short(str(note)) for note in reply.get("notes", ())],
        "judge": [_said(line, record) for line in lines],
    }


def _said(line: Mapping[str, Any], record: Record) -> dict[str, Any]:
    """What the judge was asked, where that is known, and what it replied."""
    asked = "\n".join(_texts(line.get("messages", ())))
    questions = record.facts.get("questions")
    if not asked and isinstance(questions, list):  # DLC-Bench: recognition, then the questions of the facts
        number = int(line["request"])
        named = f"Recognized as {record.facts.get('class') or 'what it is'}?"
        asked = named if number == 0 else str(questions[number - 1]["question"]) if number <= len(questions) else ""
    reply = line.get("reply")
    error = line.get("error")
    return {
        "asked": short(asked),
        "reply": None if reply is None else short(str(reply)),
        "error": None if error is None else short(str(error)),
    }


def _texts(messages: Any) -> list[str]:
    """The texts of OpenAI-style messages, in their order."""
    if isinstance(messages, str):
        return [messages]
    if isinstance(messages, Mapping):
        return _texts(messages.get("content", messages.get("text", ())))
    return [text for one in messages for text in _texts(one)] if isinstance(messages, list) else []


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def short(text: str) -> str:
    """A text, cut where it is longer than the page keeps.

    Example:
        >>> short("red" * 2000)[-24:]
        '… (2000 more characters)'
    """
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]}… ({len(text) - LONGEST_TEXT} more characters)"
