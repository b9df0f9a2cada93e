"""Answers as a person reads them, and as JSON.

Results go to stdout, everything else (progress, notes, where a file went) to stderr, so that
output can be piped.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from gar.drawing import prompt_color, text_color

if TYPE_CHECKING:
    from gar.assistant import Answer
    from gar.regions import Region

__all__ = ["answer_record", "bar", "print_json", "print_notes", "prompt_tag", "say", "stdout"]

_BAR_WIDTH = 24


def stdout() -> Console:
    """The console for results; lines are not broken where a program reads them."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.soft_wrap = True
    return console


def say(message: str) -> None:
    """Tells a person something that is no result."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(message, style="dim"))


def print_notes(answer: Answer) -> None:
    """Tells what was noted beside an answer: a region that was cut, an answer that was cut off."""
    for note in answer.notes:
        say(f"  note: {note}")
    if answer.finish_reason == "length":
        say(f"  note: cut off after {answer.new_tokens} tokens; --max-new-tokens allows more")


def print_json(content: Any) -> None:
    """Prints a value as JSON to stdout."""
    print(json.dumps(content, indent=2, ensure_ascii=False))


def prompt_tag(index: int) -> Text:
    """The number of a prompt on its color, as drawn in pictures."""
    paper, ink = prompt_color(index), text_color(prompt_color(index))
    return Text(f" {index} ", style=f"bold rgb({ink[0]},{ink[1]},{ink[2]}) on rgb({paper[0]},{paper[1]},{paper[2]})")


def bar(share: float) -> str:
    """A bar for a share in [0, 1].

    Example:
        >>> bar(0.25)
        '━━━━━━──────────────────'
    """
    filled = round(share * _BAR_WIDTH)
    return "━" * filled + "─" * (_BAR_WIDTH - filled)


def answer_record(answer: Answer, size: tuple[int, int]) -> dict[str, Any]:
    """An answer as plain values for JSON; `size` is (H, W) of the picture."""
    record: dict[str, Any] = {
        "text": answer.text,
        "regions": [_region_record(region, size) for region in answer.regions],
        "finish_reason": answer.finish_reason,
        "prompt_tokens": answer.prompt_tokens,
        "new_tokens": answer.new_tokens,
        "seconds": round(answer.seconds, 4),
        "notes": list(answer.notes),
    }
    if answer.probabilities is not None:
        record |= {"choice": answer.choice, "probabilities": answer.probabilities}
    return record


def _region_record(region: Region, size: tuple[int, int]) -> dict[str, Any]:
    return {"kind": region.kind, "box": list(region.to_box(size)), "rle": region.to_rle(size)}
