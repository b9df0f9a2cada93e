"""How much one request may ask for, and how much there may be at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

from gar.errors import InputError

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Limits of a server; a request beyond one is refused as early as it can be seen.

    Raises:
        InputError: A limit is not above 0.
    """

    max_body_bytes: int = 32_000_000
    """Bytes of a request's body."""
    max_pixels: int = 32_000_000
    """Pixels of a picture or mask, width times height."""
    max_regions: int = 64
    """Regions that one request describes. A question takes as many as the model has prompt tokens."""
    max_tokens: int = 1024
    """Tokens of one answer; more may not be asked for."""
    max_answers: int = 8
    """Answers to one question (`n`)."""
    max_seconds: float = 120.0
    """Seconds from a request's last byte to its answer's last."""
    max_body_seconds: float = 30.0
    """Seconds in which a request's body must arrive."""
    max_requests: int = 256
    """Requests at once, those whose bodies are still arriving included."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise InputError(f"{field.name} is {value}; it must be above 0")
