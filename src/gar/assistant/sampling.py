"""How the next token is chosen, and how long an answer may be."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Real
from operator import index
from typing import TYPE_CHECKING, TypedDict, Unpack

from gar.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["Sampling", "SamplingOptions", "TokenChooser", "number", "whole_number"]

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
            InputError: An option is unknown or out of range.
        """
        known = SamplingOptions.__annotations__
        if unknown := sorted(set(options) - set(known)):
            near = get_close_matches(unknown[0], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(known)}"
            raise InputError(f"{unknown[0]} is no option; {hint}")
        max_new_tokens = whole_number(options.get("max_new_tokens", MAX_NEW_TOKENS), "max_new_tokens")
        temperature = number(options.get("temperature", 0.0), "temperature")
        top_p = number(options.get("top_p", 1.0), "top_p")
        seed = options.get("seed")
        seed = seed if seed is None else whole_number(seed, "seed")
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

    def chooser(self, rows: int) -> TokenChooser:
        """What chooses the tokens of so many rows."""
        return TokenChooser([self] * rows)


def whole_number(value: object, name: str) -> int:
    """The value as an int, NumPy's too.

    Raises:
        InputError: It is none.
    """
    try:
        return int(index(value))  # pyright: ignore[reportArgumentType]
    except TypeError:
        raise InputError(f"{name} is {value!r:.60}; needed is a whole number") from None


def number(value: object, name: str) -> float:
    """The value as a float, NumPy's too.

    Raises:
        InputError: It is none.
    """
    if not isinstance(value, Real):
        raise InputError(f"{name} is {value!r:.60}; needed is a number")
    return float(value)


class TokenChooser:
    """Chooses the next token of each row.

    Each row has options and a generator of its own, so a row's answer does not depend on the rows beside it, on other
    threads or on torch's global random state, which stays untouched.

    Args:
        samplings: How, row by row.

    Example:
        >>> import torch
        >>> greedy, sampled = Sampling.checked(), Sampling.checked(temperature=1.0, top_p=0.5, seed=0)
        >>> TokenChooser([greedy, sampled])(torch.tensor([[5.0, 2.0, 1.0], [0.0, 2.0, 1.0]]))
        tensor([0, 1])
    """

    def __init__(self, samplings: Sequence[Sampling]):
        self._rows: list[tuple[Sampling, torch.Generator | None]] = []
        self.join(samplings)

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """(B, V) logits → (B,) token ids."""
        import torch

        chosen = logits.argmax(-1)
        drawing = [(row, *options) for row, options in enumerate(self._rows) if options[1] is not None]
        if not drawing:
            return chosen
        rows = torch.tensor([row for row, _, _ in drawing], device=logits.device)
        # float32 cannot divide by less
        heat = torch.tensor([max(sampling.temperature, 1e-6) for _, sampling, _ in drawing], device=logits.device)
        top_p = torch.tensor([sampling.top_p for _, sampling, _ in drawing], device=logits.device)
        scaled = logits[rows].float() / heat[:, None]
        likely, order = torch.sort(scaled.softmax(-1), dim=-1, descending=True, stable=True)
        reached = likely.cumsum(-1)
        allowed = (reached - likely < top_p[:, None]).sum(-1, keepdim=True)  # how many tokens can be drawn
        drawn = torch.stack([torch.rand(1, generator=generator) for _, _, generator in drawing]).to(logits.device)
        at = drawn * reached.gather(-1, allowed - 1)
        place = torch.minimum((reached <= at).sum(-1, keepdim=True), allowed - 1)
        chosen[rows] = order.gather(-1, place)[:, 0]
        return chosen

    def keep(self, rows: Sequence[int]) -> None:
        """Goes on with some of the rows only."""
        self._rows = [self._rows[row] for row in rows]

    def join(self, samplings: Sequence[Sampling]) -> None:
        """Takes in further rows, behind those that are there."""
        import torch

        for sampling in samplings:
            generator = None if sampling.seed is None else torch.Generator().manual_seed(sampling.seed)
            self._rows.append((sampling, generator))
