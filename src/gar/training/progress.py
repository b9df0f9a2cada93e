"""How far long work is, told to a person, and to a file where nobody looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

__all__ = ["watched"]

Item = TypeVar("Item")


def watched(items: Iterable[Item], what: str, *, total: int) -> Iterator[Item]:
    """Goes through some items and shows how far it is: a bar, or, where nobody looks, a line for every tenth.

    Args:
        items: What is gone through.
        what: What they are called.
        total: How many they are.
    """
    console = Console(stderr=True)
    hidden = not console.is_terminal
    for done, item in enumerate(track(items, what, total=total, console=console, disable=hidden), 1):
        yield item
        if hidden and done * 10 // total > (done - 1) * 10 // total:
            console.print(f"{what}: {done * 100 // total} %")
