"""Token ids to text, piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["text_pieces"]

_UNFINISHED = "\ufffd"
"""What a decoder writes for the first bytes of a character whose other bytes have not come yet."""


def text_pieces(tokens: Iterable[int], tokenizer: Any) -> Iterator[str]:
    """Decodes tokens as they come; the pieces joined are the text of all tokens without outer blanks.

    Of a character that takes several tokens nothing is said until it is whole. Only the tokens since the last whole
    piece but one are decoded again, since how a token reads may depend on the one before it.

    Args:
        tokens: Without those that end a turn.
        tokenizer: A transformers tokenizer.
    """
    ids: list[int] = []
    before = done = 0  # ids[before:done] are said, and decoded once more with what follows
    blanks, begun = "", False  # blanks around the text are not part of it, so they wait for what follows

    def decode(start: int, stop: int) -> str:
        # special tokens are kept: an answer may name a region, and "<Prompt2>" is one token
        return str(tokenizer.decode(ids[start:stop], skip_special_tokens=False))

    def visible(text: str) -> str:
        nonlocal blanks, begun
        text = blanks + text if begun else text.lstrip()
        kept = text.rstrip()
        blanks = text[len(kept) :]
        begun = begun or bool(kept)
        return kept

    for token in tokens:
        ids.append(token)
        said, text = decode(before, done), decode(before, len(ids))
        if len(text) > len(said) and not text.endswith(_UNFINISHED):
            before, done = done, len(ids)
            if piece := visible(text[len(said) :]):
                yield piece
    said, text = decode(before, done), decode(before, len(ids))
    if piece := visible(text[len(said) :]):
        yield piece
