"""Answers of any system from a plain file, for benchmarks without a published format of answers.

    {"12": "A red cup.", …}                              by item, or
    [{"item": "12", "text": "A red cup."}, …]            as a list, or a line each (.jsonl)

A run's own `answers.jsonl` is read, too; an `error` in place of `text` is an answer that the system failed to give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gar.benchmarks.items import WRITTEN, Item, Record, given
from gar.benchmarks.reading import list_of, text_of
from gar.errors import InputError

__all__ = ["read_texts", "record_of"]


def record_of(item: Item) -> Record:
    """The record of an item that nothing was answered to yet."""
    return Record(item.id, item.group, item.facts, item.options, item.question)


def read_texts(answers: Any, items: Mapping[str, Item]) -> tuple[Record, ...]:
    """Records of answers by item.

    Raises:
        InputError: Another format, an item that the benchmark does not have, or two answers to one.
    """
    if isinstance(answers, dict):
        found = {name: given(text_of(answers, name, "the answers")) for name in answers}
    else:
        found = {}
        for number, entry in enumerate(list_of(answers, "the file of answers")):
            where = f"entry {number} of the answers"
            name = text_of(entry, "item", where)
            if name in found and found[name][WRITTEN]["error"] is None:  # a run has asked again what failed
                raise InputError(f"{where}: item {name!r} was answered before")
            found[name] = _replies(entry, where)
    for name in found:
        if name not in items:
            raise InputError(f"the answers have an item {name[:40]!r}, which the benchmark has not")
    return tuple(replace(record_of(items[name]), replies=replies) for name, replies in found.items())


def _replies(entry: dict[str, Any], where: str) -> dict[str, dict[str, Any]]:
    match entry:
        case {"replies": {"written": dict(written)}}:  # of a run
            entry = written
        case _:
            pass
    match entry:
        case {"error": str(error)}:
            return {WRITTEN: {"text": None, "error": error, "probabilities": None}}
        case _:
            return given(text_of(entry, "text", where))
