"""How the next token is chosen, and how long an answer may be."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from gar.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["Sampling", "SamplingOptions"]

MAX_NEW_TOKENS = 256
"""Longest answer, unless asked otherwise."""


class SamplingOptions(TypedDict, total=False):
    """The keyword arguments that every verb of `GAR` takes."""

    max_new_tokens: int
    """Longest answer in tokens; 256 by default."""
    temperature: float
    """0, the default, is greedy; up to 100."""
    top_p: float
    """Sample from the likeliest tokens that hold this much probability together; 1.0 by default, for all."""
    seed: int | None
    """Of the sampling; drawn, and noted in the answer, if not given."""


@dataclass(frozen=True)
class Sampling:
    """Checked options.

    Example:
        >>> Sampling.checked(temperature=0.7, seed=1).seed
        1
    """

    max_new_tokens: int
    temperature: float
    top_p: float
    seed: int | None
    """None when greedy."""

    @classmethod
    def checked(cls, **options: Unpack[SamplingOptions]) -> Sampling:
        """Fills in defaults and draws a seed where one is needed.

        Raises:
            InputError: An option is out of range.
        """
        max_new_tokens = options.get("max_new_tokens", MAX_NEW_TOKENS)
        temperature, top_p = options.get("temperature", 0.0), options.get("top_p", 1.0)
        seed = options.get("seed")
        if max_new_tokens < 1:
            raise InputError(f"max_new_tokens is {max_new_tokens}; at least 1 is needed")
        if not 0.0 <= temperature <= 100.0:
            raise InputError(f"temperature is {temperature}; allowed: 0 (greedy) to 100")
        if not 0.0 < top_p <= 1.0:
            raise InputError(f"top_p is {top_p}; allowed: above 0, up to 1")
        if temperature == 0.0:
            return cls(max_new_tokens, temperature, top_p, None)
        drawn = secrets.randbits(32) if seed is None else seed
        if not 0 <= drawn < 2**63:
            raise InputError(f"seed is {seed}; allowed: 0 to 2^63 - 1")
        return cls(max_new_tokens, temperature, top_p, drawn)

    def options(self) -> dict[str, Any]:
        """As `generate` takes them."""
        if self.seed is None:
            return {"max_new_tokens": self.max_new_tokens, "do_sample": False}
        return {
            "max_new_tokens": self.max_new_tokens,
            "do_sample": True,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": 0,
        }

    @contextmanager
    def seeded(self, device: torch.device) -> Generator[None]:
        """Seeds torch inside, and leaves its global state as it was."""
        import torch

        if self.seed is None:
            yield
            return
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(self.seed)
            yield
