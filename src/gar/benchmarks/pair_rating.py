"""The rating of Ferret-Bench and MDVP-Bench: a judge gives a reference and a system's answer 1 to 10 points each.

The score is the system's mean over the reference's. The request has the sections of LLaVA's reviews, which both
benchmarks took over; the rule in it comes with the data (`rule.json`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from gar.benchmarks.benchmark import Mark, Means, Metric, Replies
from gar.benchmarks.items import Record
from gar.benchmarks.reading import entry_of, read_json, text_of
from gar.errors import InputError

__all__ = ["RATIO", "UNREADABLE", "mark_pair", "pair_text", "read_pair", "read_rule"]

UNREADABLE = (-1.0, -1.0)
"""What the published code puts for a reply without two numbers; it stays in the means."""


def read_rule(path: Path, task: str) -> dict[str, str]:
    """The rule of a task: `role`, the name that the answers go by, and `prompt`, what is asked of the judge."""
    rules = read_json(path)
    if not isinstance(rules, dict):
        raise InputError(f"{path} holds {type(rules).__name__}; needed is a rule by task")
    rule = entry_of(rules, task, str(path), dict)
    return {key: text_of(rule, key, f"{task} of {path}") for key in ("role", "prompt")}


def pair_text(record: Record, question: str, context: str | None = None) -> str:
    """What the judge reads; facts `reference`, `role` and `prompt` are the record's.

    Text in brackets is removed from the system's answer, as published: it is taken for coordinates.

    Example:
        >>> from gar.benchmarks.items import given
        >>> facts = {"reference": "A cup.", "role": "Assistant", "prompt": "Rate both."}
        >>> print(pair_text(Record("0", "", facts, replies=given("A mug [0.1, 0.2].")), "What is it?"))
        [Question]
        What is it?
        <BLANKLINE>
        [Assistant 1]
        A cup.
        <BLANKLINE>
        [End of Assistant 1]
        <BLANKLINE>
        [Assistant 2]
        A mug .
        <BLANKLINE>
        [End of Assistant 2]
        <BLANKLINE>
        [System]
        Rate both.
        <BLANKLINE>
        <BLANKLINE>
    """
    role = record.facts["role"]
    answers = (record.facts["reference"], re.sub(r"\[.*?\]", "", record.text))
    parts = [] if context is None else [f"[Context]\n{context}"]
    parts.append(f"[Question]\n{question}")
    for number, answer in enumerate(answers, 1):
        parts.append(f"[{role} {number}]\n{answer}\n\n[End of {role} {number}]")
    parts.append(f"[System]\n{record.facts['prompt']}")
    return "".join(f"{part}\n\n" for part in parts)


def read_pair(reply: str | None) -> tuple[float, float]:
    """The two numbers in the first line of a reply, or `UNREADABLE`.

    Example:
        >>> read_pair("7, 4"), read_pair("8 3.5  "), read_pair("I would say 7 and 4")
        ((7.0, 4.0), (8.0, 3.5), (-1.0, -1.0))
    """
    first, _, _ = (reply or "").partition("\n")
    try:
        reference, system = (float(word) for word in first.replace(",", " ").split())
    except ValueError:
        return UNREADABLE
    return (reference, system) if np.isfinite((reference, system)).all() else UNREADABLE


def mark_pair(record: Record, verdicts: Replies | None) -> Mark:
    """The points of reference and system."""
    reference, system = pair = read_pair(verdicts[0] if verdicts else None)
    return Mark({"reference": reference, "system": system}, unparsed=int(pair == UNREADABLE))


def _ratio(means: Means) -> Any:
    reference, system = np.round(means["reference"], 3), np.round(means["system"], 3)
    return np.divide(system, reference, out=np.full_like(system, np.nan), where=reference != 0)


RATIO = Metric("relative to the reference", ("reference", "system"), _ratio)
"""Mean points of the system over mean points of the reference, each mean rounded to 3 decimals as published."""
