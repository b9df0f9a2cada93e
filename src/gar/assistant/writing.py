"""The decoder writes: one token of each row at a time, into the slots that were left for it.

Rows that have ended are dropped from the batch as soon as they are half of it.

Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, cast

import torch

if TYPE_CHECKING:
    from gar.assistant.compiled import CompiledDecoder
    from gar.assistant.prefill import Texts
    from gar.assistant.sampling import Sampling
    from gar.model.modeling import GARForConditionalGeneration

__all__ = ["padding_mask", "write"]


def write(
    model: GARForConditionalGeneration,
    texts: Texts,
    sampling: Sampling,
    ends: Collection[int],
    compiled: CompiledDecoder | None = None,
) -> Iterator[list[tuple[int, int]]]:
    """Writes until every row has ended.

    Args:
        model: The model.
        texts: What was read; its slots are written on.
        sampling: How tokens are chosen, and how many there may be.
        ends: Tokens that end a row; they are given out too.
        compiled: Decodes in place of the model.

    Yields:
        At each step the number and the new token of every row that has not ended.
    """
    if compiled is None or not compiled.free.acquire(blocking=False):  # in use by another batch
        yield from _write(_Decoder(model, texts), texts, sampling, ends)
        return
    try:
        compiled.begin(texts)
        yield from _write(compiled, texts, sampling, ends)
    finally:
        compiled.free.release()


def _write(
    decoder: _Decoder | CompiledDecoder, texts: Texts, sampling: Sampling, ends: Collection[int]
) -> Iterator[list[tuple[int, int]]]:
    chooser = sampling.chooser(len(texts.jobs))
    logits, rows, ended = texts.logits, list(range(len(texts.jobs))), set[int]()
    for count in range(1, sampling.max_new_tokens + 1):
        with torch.inference_mode():
            chosen = chooser(logits)
            tokens = cast("list[int]", chosen.tolist())
        written = [(row, token) for row, token in zip(rows, tokens, strict=True) if row not in ended]
        ended.update(row for row, token in written if token in ends)
        yield written
        left = [place for place, row in enumerate(rows) if row not in ended]
        if not left or count == sampling.max_new_tokens:
            return
        if isinstance(decoder, _Decoder) and 2 * len(left) <= len(rows):
            rows = [rows[place] for place in left]
            chooser.keep(left)
            chosen = decoder.keep(left, chosen)
        logits = decoder.read(chosen)


def padding_mask(first: list[int], slots: int, like: torch.Tensor) -> torch.Tensor | None:
    """What is added to attention so that no row sees slots before its first.

    Args:
        first: The slot in which each row begins.
        slots: Of the cache.
        like: Its type and device are taken.

    Returns:
        (B, 1, 1, slots), or None if all rows begin at the first slot.
    """
    if not any(first):
        return None
    starts = torch.tensor(first, device=like.device)[:, None]
    hidden = torch.arange(slots, device=like.device) < starts  # (B, slots)
    return torch.zeros(hidden.shape, dtype=like.dtype, device=like.device).masked_fill_(
        hidden, torch.finfo(like.dtype).min
    )[:, None, None]


class _Decoder:
    """Reads the tokens that were written, as long as rows are left."""

    def __init__(self, model: GARForConditionalGeneration, texts: Texts):
        self.model = model
        self.slots = texts.slots
        self.prompts = texts.prompts
        room = texts.slots.room
        self.mask = padding_mask(texts.first, room.shape[-2], room)
        self.positions = torch.tensor(texts.lengths, device=room.device)[:, None]

    @torch.inference_mode()
    def read(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B,) token ids → (B, V) float32 logits of the next."""
        model = self.model
        read = model.model(
            inputs_embeds=model.model.embed_words(tokens[:, None], self.prompts),
            attention_mask=None if self.mask is None else self.mask[..., : self.slots.length + 1],
            position_ids=self.positions,
            past_key_values=self.slots,
            use_cache=True,
        )
        self.positions = self.positions + 1
        return model.lm_head(read.last_hidden_state[:, -1]).float()

    @torch.inference_mode()
    def keep(self, rows: list[int], tokens: torch.Tensor) -> torch.Tensor:
        """Goes on with some rows; returns their tokens."""
        places = torch.tensor(rows, device=tokens.device)
        self.slots = self.slots.select(places)
        self.positions = self.positions[places]
        self.mask = None if self.mask is None else self.mask[places]
        self.prompts = None if self.prompts is None else self.prompts[places]
        return tokens[places]
