"""What a benchmark is made of: items to show and ask, and the records of what was answered.

    Item      before: a picture or video that can be read, regions, a question, and the facts that scoring needs
    Record    after: the same in plain values, with what the system replied; one line of a run's `answers.jsonl`

An item holds pictures and masks, a record holds JSON values only, so that answers are scored without the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from gar.benchmarks.reading import check, misfit
from gar.errors import InputError
from gar.regions import Region
from gar.systems.protocol import Track

__all__ = ["LETTERS", "WRITTEN", "Item", "Loaded", "Missing", "Record", "Shown", "given", "item_text"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The letters of options."""

WRITTEN = "written"
"""The way of asking in which the system writes its answer; see `gar.benchmarks.asking` for the others."""


@dataclass(frozen=True)
class Shown:
    """A picture or video that is read when it is needed."""

    name: str
    """Its name in the benchmark's folder, for people and messages."""
    read: Callable[[], Image.Image | list[Image.Image]]
    """Reads it: a picture, or the frames of a video."""
    frames: tuple[int, ...] = ()
    """Frame numbers of a video; empty for a picture."""


@dataclass(frozen=True)
class Item:
    """One thing that a benchmark asks."""

    id: str
    """Its name, unique in the benchmark and the same in every run."""
    shown: Shown
    """What the system sees."""
    regions: tuple[Region, ...] | tuple[Track, ...]
    """In the order of their prompts; for a video each is a track."""
    question: str | None
    """What is asked, without options; None asks for a description of the only region."""
    options: tuple[str, ...] = ()
    """Options without letters, when it is multiple choice."""
    group: str = ""
    """The part of the benchmark that also gets a score of its own."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What scoring needs beside the answer, as JSON values."""
    max_new_tokens: int = 1024
    """Longest answer; 1024 in the published evaluation of GAR."""


@dataclass(frozen=True)
class Missing:
    """Items that cannot be shown, and what to do about it."""

    items: tuple[str, ...]
    """Their ids."""
    what: str
    """What is missing, and where it is to be had."""

    @classmethod
    def pictures(cls, lost: Mapping[str, str], where: str, source: str) -> tuple[Missing, ...]:
        """What is missing when pictures are.

        Args:
            lost: Item → name of the picture that is not there.
            where: Where it was looked for.
            source: Where it is to be had.

        Returns:
            One entry, or none when nothing is lost.
        """
        if not lost:
            return ()
        names = sorted(set(lost.values()))
        listed = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        what = f"{len(names)} pictures ({listed}) are not in {where}; they come from {source}"
        return (cls(tuple(lost), what),)


@dataclass(frozen=True)
class Loaded:
    """A benchmark read from its folder."""

    items: tuple[Item, ...]
    """All of it, whether it can be shown or not."""
    fingerprint: str
    """Of annotations and the names and sizes of pictures; runs with equal fingerprints asked the same."""
    missing: tuple[Missing, ...] = ()
    """What cannot be shown."""
    notes: tuple[str, ...] = ()
    """What the reader of a score should know of the data."""
    folder: Path | None = None
    """Where it was read from."""

    @property
    def showable(self) -> tuple[Item, ...]:
        """The items whose pictures are there."""
        lost = {name for missing in self.missing for name in missing.items}
        return tuple(item for item in self.items if item.id not in lost)

    def to_manifest(self) -> dict[str, Any]:
        """What a run writes down of its data."""
        return {
            "folder": None if self.folder is None else str(self.folder.resolve()),
            "fingerprint": self.fingerprint,
            "items": len(self.items),
            "missing": [{"items": list(one.items), "what": one.what} for one in self.missing],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Record:
    """What was asked of one item and what came back, as plain values."""

    id: str
    group: str
    facts: Mapping[str, Any]
    options: tuple[str, ...] = ()
    question: str | None = None
    replies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """For each way of asking: `text`, `probabilities`, `error` and what else the system told."""
    shown: Mapping[str, Any] = field(default_factory=dict)
    """`picture`, `size` (H, W), `regions` as COCO run-length codes, `frames` for a video; as the system saw them."""

    @property
    def text(self) -> str:
        """The written answer; empty where the system gave none."""
        return str(self.replies.get(WRITTEN, {}).get("text") or "")

    @property
    def failed(self) -> bool:
        """Whether the system gave an error in place of an answer, in any of the ways in which it was asked."""
        return any(reply.get("error") is not None for reply in self.replies.values())

    def to_json(self) -> dict[str, Any]:
        """One line of `answers.jsonl`; `from_json` reads it."""
        return {
            "item": self.id,
            "group": self.group,
            **self.shown,
            "question": self.question,
            "options": list(self.options),
            "facts": dict(self.facts),
            "replies": {way: dict(reply) for way, reply in self.replies.items()},
        }

    @classmethod
    def from_json(cls, line: Any, where: str) -> Record:
        """Reads what `to_json` wrote.

        Raises:
            InputError: It is something else; the message begins with `where`.
        """
        check(line, _LINE, where)
        options, answer = line["options"], line["facts"].get("answer")
        if options and answer not in list(LETTERS[: len(options)]):
            raise InputError(
                f"{where}: facts.answer cannot be {str(answer)[:40]!r}; it names one of {len(options)} options"
            )
        if "order" in line and sorted(line["order"]) != list(range(len(line.get("regions", ())))):
            raise InputError(f"{where}: order cannot be {str(line['order'])[:40]}; it names each of the regions once")
        known = ("item", "group", "question", "options", "facts", "replies")
        shown = {key: value for key, value in line.items() if key not in known}
        question, replies = line["question"], line["replies"]
        return cls(line["item"], line["group"], line["facts"], tuple(options), question, replies, shown)


_REPLY = {"text": (str, None), "error": (str, None), "probabilities": (None, [float]), "notes?": [str]}
_LINE = {
    "item": str,
    "group": str,
    "question": (str, None),
    "options": lambda options: misfit(options, [str]) is None and len(options) <= len(LETTERS),
    "facts": dict,
    "replies": {str: _REPLY},
    "regions?": [(dict, [(dict, None)])],
    "order?": [int],
}


def given(text: str) -> dict[str, dict[str, Any]]:
    """The replies of a record whose written answer is known from a file."""
    return {WRITTEN: {"text": text, "error": None, "probabilities": None}}


def item_text(question: str | None, options: Sequence[str]) -> str | None:
    """The text that a system reads: the question alone, or GAR-Bench's wording of multiple choice."""
    if not options:
        return question
    # As `gar.processing.multiple_choice`; that room loads torch, which asking somebody else's model can do without.
    listed = "".join(f"{letter}. {option}\n" for letter, option in zip(LETTERS, options, strict=False))
    return f"Question: {question}\nOptions:\n{listed}Answer with the correct option's letter directly."
