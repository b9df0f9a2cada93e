"""Many things done at once, their results one by one and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from threading import Event
from typing import TypeVar

__all__ = ["map_in_order"]

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 4
"""How many items a worker may be ahead of the one that is waited for, so that a slow one does not stop the others."""


def map_in_order(work: Callable[[T, Event], R], items: Sequence[T], workers: int) -> Iterator[R]:
    """Runs `work` on items in threads; yields each result as soon as it and those before it are there.

    When the reader stops, items that have not begun are dropped, the event is set, and those in work are waited for.

    Args:
        work: What is done with an item; it should end soon once the event is set.
        items: Any number.
        workers: Threads.

    Example:
        >>> list(map_in_order(lambda number, stop: number * number, [1, 2, 3], workers=2))
        [1, 4, 9]
    """
    stop = Event()
    coming: deque[Future[R]] = deque()
    rest = iter(items)
    with ThreadPoolExecutor(workers, thread_name_prefix="gar-endpoint") as pool:
        try:
            coming.extend(pool.submit(work, item, stop) for item in islice(rest, workers * _AHEAD))
            while coming:
                yield coming.popleft().result()
                coming.extend(pool.submit(work, item, stop) for item in islice(rest, 1))
        finally:
            stop.set()
            for future in coming:
                future.cancel()
