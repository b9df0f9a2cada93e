"""How commands end: `gar`, and the modules that are run with `python -m`.

Every mistake of a user ends here: one line on stderr and exit status 2, without a traceback. Whatever else escapes is a
bug and keeps its traceback. Ctrl-C is exit status 130 and SIGTERM 143, as shells have it, and what is unfinished is
removed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

import typer

from gar.errors import GARError

__all__ = ["exit_status"]


def exit_status(command: Callable[[], object]) -> int:
    """Runs a command and says how it ended.

    Args:
        command: A function; of a Typer application one with `standalone_mode=False`, so that its errors are told here.

    Returns:
        The exit status: what the command gives if that is a whole number, else 0; 2 for a mistake of the user; 130
        after Ctrl-C.

    Raises:
        SystemExit: With status 143, after SIGTERM.
    """
    try:
        with _sigterm_as_exit():
            status = command()
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:  # the reader of our output, `head` for example, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except GARError as error:
        return _refuse(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        return _refuse(f"{error.filename}: {error.strerror}")
    except Exception as error:
        # Typer's errors of usage share no public class, but all of them have this method.
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        return _refuse(message())
    return status if isinstance(status, int) else 0


def _refuse(message: str) -> int:
    typer.echo(f"gar: {' '.join(message.split())}", err=True)
    return 2


@contextmanager
def _sigterm_as_exit() -> Generator[None]:
    """Has SIGTERM end blocks one by one, each of which removes what it has begun, and not all of it at once."""
    if current_thread() is not main_thread():  # no other thread gets signals
        yield
        return
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
