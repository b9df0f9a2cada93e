"""What a server can refuse for reasons that are not the request's.

ServingError (a GARError)
├── QueueFullError     as many wait as may wait; ask again in `retry_after` seconds
└── ClosedError        the worker is closing, or has closed
"""

from __future__ import annotations

from gar.errors import GARError

__all__ = ["ClosedError", "QueueFullError", "ServingError"]


class ServingError(GARError):
    """The server cannot answer now."""


class QueueFullError(ServingError):
    """As many questions wait as may wait."""

    def __init__(self, waiting: int, limit: int, retry_after: int):
        """Says how many wait, how many may, and in how many seconds to ask again."""
        super().__init__(f"{waiting} questions wait already, and at most {limit} may; try again in {retry_after} s")
        self.retry_after = retry_after


class ClosedError(ServingError):
    """The server is shutting down."""

    def __init__(self) -> None:
        """Says so."""
        super().__init__("the server is shutting down; ask another one, or this one again later")
