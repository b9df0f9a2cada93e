"""What one row has said so far: tokens in, pieces of text out, up to the first stop sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers.decoders import DecodeStream

__all__ = ["Spoken"]


class Spoken:
    """The text of an answer while it is written.

    A piece is held back as long as it may be the beginning of a stop sequence or an outer blank, and a character of
    several tokens until it is whole. All pieces joined, with that of `end`, are the answer's text.

    Args:
        tokenizer: A fast tokenizer of transformers.
        stop: Texts that end the answer and are no part of it.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str] = ()):
        self._backend = tokenizer.backend_tokenizer
        # special tokens are kept: an answer may name a region, and "<Prompt2>" is one token
        self._decoder = DecodeStream(skip_special_tokens=False)
        self._stop = tuple(stop)
        self._text = ""  # all of it, from its first visible character on
        self._said = 0
        self._place: int | None = None  # of the stop sequence that was met

    @property
    def stopped(self) -> bool:
        """Whether a stop sequence was met."""
        return self._place is not None

    def push(self, token: int) -> str:
        """Takes the next token; returns what can be said now."""
        new = self._decoder.step(self._backend, token)
        if not new or self.stopped:
            return ""
        searched = max(0, len(self._text) - max(map(len, self._stop), default=0))
        self._text = self._text + new if self._text else new.lstrip()
        places = [place for stop in self._stop if (place := self._text.find(stop, searched)) >= 0]
        if places:
            self._place = min(places)
            return ""
        held = max((_overlap(self._text, stop) for stop in self._stop), default=0)
        return self._say(self._text[: len(self._text) - held].rstrip())

    def end(self, text: str) -> tuple[str, str]:
        """Ends the answer.

        Args:
            text: All of its tokens, decoded at once.

        Returns:
            The whole answer, and what of it was not said yet.
        """
        whole = text.strip() if self._place is None else self._text[: self._place].rstrip()
        rest = whole[self._said :]
        self._said = len(whole)
        return whole, rest

    def _say(self, text: str) -> str:
        piece = text[self._said :]
        self._said = max(self._said, len(text))
        return piece


def _overlap(text: str, stop: str) -> int:
    """How many of the last characters of a text are the beginning of a stop sequence.

    Example:
        >>> _overlap("the en", "end")
        2
    """
    most = min(len(text), len(stop) - 1)
    return next((length for length in range(most, 0, -1) if text.endswith(stop[:length])), 0)
