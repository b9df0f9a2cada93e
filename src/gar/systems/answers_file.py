"""Answers that a system gave earlier, read from a file; so anyone's cached answers are scored.

    JSON lines, ours     {"key": "17", "text": "B"}, or "error" in place of "text"; the `answers.jsonl` of a run
    list of records      GAR-Bench ("model_output"), Ferret-Bench and MDVP-Bench ("caption"), VideoRefer-Bench ("pred"),
                         Ferret's answer file ("text"); as a JSON list or as JSON lines
    object               DLC-Bench: {annotation id: caption}

A record without "key", "id" or "item" belongs to the item at its place in the benchmark's published file, counted from
0. Its "question_id" does not count: in Ferret-Bench's published answers it is the place, in the questions it is not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from gar.errors import InputError
from gar.systems.protocol import Question, Reply

__all__ = ["AnswersFile", "read_answers"]

_TEXTS = ("text", "model_output", "pred", "caption")
"""Where published records hold the answer, the surest first: "caption" is the reference in some that have "pred"."""
_KEYS = ("key", "id", "item")


class AnswersFile:
    """A system that only remembers.

    Args:
        path: A file that `read_answers` takes.

    Raises:
        InputError: As `read_answers`.
    """

    scores_choices = False

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._replies = read_answers(self.path)
        self._digest = hashlib.sha256(self.path.read_bytes()).hexdigest()

    @property
    def name(self) -> str:
        """With the file's name."""
        return f"file:{self.path.name}"

    @property
    def settings(self) -> dict[str, Any]:
        """A digest of the file, wherever it lies."""
        return {"answers": self._digest}

    def answer(self, questions: Sequence[Question]) -> Iterator[Reply]:
        """Looks each question up by its key."""
        return map(self._reply, questions)

    def _reply(self, question: Question) -> Reply:
        missing = Reply(error=f"{self.path.name} has no answer for item {question.key!r}")
        return self._replies.get(question.key, missing)


def read_answers(path: str | Path) -> dict[str, Reply]:
    """Answers by the key of their item.

    Raises:
        InputError: There is no such file, it is not JSON, it has none of the known forms, a key stands twice, or some
            records have a key and others none.
    """
    path = Path(path)
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"cannot read the answers {str(path)!r}: {error}") from error
    found = _parsed(content, path)
    match found:
        case dict() if found and all(isinstance(text, str) for text in found.values()):
            return {key: Reply(text=text) for key, text in found.items()}
        case list() if found:
            return _records(found, path.name)
        case _:
            kind = type(found).__name__
            raise InputError(f"{path.name} holds {kind}; needed are records, or an object of id and caption")


def _records(records: Sequence[Any], file: str) -> dict[str, Reply]:
    answers: dict[str, Reply] = {}
    keyed = _key(records[0]) is not None
    for place, record in enumerate(records):
        key = _key(record)
        if (key is not None) != keyed:
            raise InputError(f"record {place} of {file}: some records have a key and others none")
        key = str(place) if key is None else key
        if key in answers and answers[key].error is None:  # a run has asked again what failed
            raise InputError(f"record {place} of {file}: the key {key!r} stands twice")
        answers[key] = _reply(record, f"record {place} of {file}")
    return answers


def _parsed(content: str, path: Path) -> Any:
    try:
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in content.split("\n") if line.strip()]
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name} is not JSON (.jsonl: a value on each line): {error}") from error


def _key(record: Any) -> str | None:
    if not isinstance(record, dict):
        return None
    return next((str(record[name]) for name in _KEYS if isinstance(record.get(name), (str, int))), None)


def _reply(record: Any, where: str) -> Reply:
    if not isinstance(record, dict):
        raise InputError(f"{where} is {type(record).__name__}; needed is an object")
    match record:
        case {"replies": {"written": dict(written)}}:  # of a run
            record = cast("dict[str, Any]", written)
        case _:
            pass
    error = record.get("error")
    text = next((record[name] for name in _TEXTS if isinstance(record.get(name), str)), None)
    if error is None and text is None:
        raise InputError(f"{where} has the keys {sorted(record)[:8]}; the answer must be in one of {', '.join(_TEXTS)}")
    return Reply(text=text or "", error=None if error is None else str(error))
