"""Processes beside this one that never outlive it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread

import torch

__all__ = ["processes_for"]


@contextmanager
def processes_for(count: int, function: Callable[[int], None], numbers: Sequence[int]) -> Iterator[Iterator[None]]:
    """What a function gives for some numbers, each in a process of its own; in order.

    The processes end with the block, or with this process, whatever ends it, and leave Ctrl-C to it. Torch has one
    thread in each.

    Args:
        count: How many at once.
        function: Of a module, as it is sent to the processes.
        numbers: What for.
    """
    context = get_context("spawn")
    ours = signal.getsignal(signal.SIGINT)
    reader, writer = context.Pipe(duplex=False)
    with reader, writer, ProcessPoolExecutor(count, context, _begin_process, (reader,)) as pool:
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # which processes have from the first, as they begin like this
            made = [pool.submit(function, number) for number in numbers]
            signal.signal(signal.SIGINT, ours)
            yield (future.result() for future in made)
        except BaseException:
            writer.close()
            raise
        finally:
            signal.signal(signal.SIGINT, ours)


def _begin_process(parent: Connection) -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Connection) -> None:
    """Ends this process, whatever it does, as soon as nobody is left at the other end."""
    with suppress(EOFError):
        parent.recv_bytes()
    os._exit(1)
