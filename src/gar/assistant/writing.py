"""The decoder writes: one token of each row at a time, into the slots that were left for it.

Rows that have ended are dropped from the batch as soon as they are half of it. Others may join while it is written:
all rows of a cache end at the same slot, so the shorter are moved to the right.

Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, cast

import torch

from gar.assistant.caches import Slots
from gar.assistant.sampling import TokenChooser

if TYPE_CHECKING:
    from gar.assistant.compiled import CompiledDecoder
    from gar.assistant.prefill import Texts
    from gar.assistant.reading import Job
    from gar.assistant.sampling import Sampling
    from gar.model.modeling import GARForConditionalGeneration

__all__ = ["Rows", "padding_mask", "write"]


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
    numbers = {job: number for number, job in enumerate(texts.jobs)}
    free = compiled is not None and compiled.free.acquire(blocking=False)  # and not in use by another batch
    try:
        rows = Rows(model, texts, [sampling] * len(numbers), ends, compiled if free else None)
        while rows.jobs:
            yield [(numbers[job], token) for job, token in rows.step()]
    finally:
        if compiled is not None and free:
            compiled.free.release()


class Rows:
    """Rows that are written together, each with options of its own.

    Args:
        model: The model.
        texts: What was read; its slots are written on.
        samplings: How the tokens of each are chosen, in the order of `texts.jobs`, and how many there may be.
        ends: Tokens that end a row; they are given out too.
        compiled: Decodes in place of the model; then no row can join.
    """

    def __init__(
        self,
        model: GARForConditionalGeneration,
        texts: Texts,
        samplings: Sequence[Sampling],
        ends: Collection[int],
        compiled: CompiledDecoder | None = None,
    ):
        if compiled is None:
            self._decoder = _Decoder(model, texts)
        else:
            compiled.begin(texts)
            self._decoder = compiled
        self._ends = ends
        self._rows: list[Job | None] = list(texts.jobs)  # None has ended
        self._left = [sampling.max_new_tokens for sampling in samplings]  # tokens that may still be written
        self._chooser = TokenChooser(samplings)
        self._logits = texts.logits
        self._chosen: torch.Tensor | None = None  # tokens that were written and not read yet

    @property
    def jobs(self) -> list[Job]:
        """Those that have not ended."""
        return [job for job in self._rows if job is not None]

    def step(self) -> list[tuple[Job, int]]:
        """Writes the next token of every row that has not ended."""
        self._read()
        with torch.inference_mode():
            self._chosen = self._chooser(self._logits)
            tokens = cast("list[int]", self._chosen.tolist())
        written: list[tuple[Job, int]] = []
        for place, (job, token) in enumerate(zip(self._rows, tokens, strict=True)):
            if job is not None:
                written.append((job, token))
                self._left[place] -= 1
                if token in self._ends or not self._left[place]:
                    self._rows[place] = None
        return written

    def leave(self, jobs: Collection[Job]) -> None:
        """Ends rows before their time."""
        self._rows = [None if job in jobs else job for job in self._rows]

    def join(self, texts: Texts, samplings: Sequence[Sampling]) -> None:
        """Takes in rows that were read.

        Args:
            texts: What was read; its slots are copied.
            samplings: As above.
        """
        self._read()
        self._keep()
        decoder = self._decoder
        assert isinstance(decoder, _Decoder), "a compiled batch takes no further rows"
        left = [*self._left, *(sampling.max_new_tokens for sampling in samplings)]
        decoder.join(texts, max(left))
        self._rows, self._left = [*self._rows, *texts.jobs], left
        self._chooser.join(samplings)
        self._logits = torch.cat([self._logits, texts.logits])

    def _read(self) -> None:
        """Reads what was written last, so that the logits are those of the next token."""
        if self._chosen is None:
            return
        if 2 * len(self.jobs) <= len(self._rows):
            self._keep()
        self._logits, self._chosen = self._decoder.read(self._chosen), None

    def _keep(self) -> None:
        """Drops the rows that have ended."""
        places = [place for place, job in enumerate(self._rows) if job is not None]
        if isinstance(self._decoder, _Decoder) and len(places) < len(self._rows):
            self._decoder.keep(places)
            self._chooser.keep(places)
            self._rows, self._left = [self._rows[i] for i in places], [self._left[i] for i in places]
            self._logits = self._logits[places]
            self._chosen = None if self._chosen is None else self._chosen[places]


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
        self.prompts = texts.prompts
        self._set(texts.slots, texts.first)

    def _set(self, slots: Slots, first: list[int]) -> None:
        self.slots, self.first = slots, first
        self.mask = padding_mask(first, slots.room.shape[-2], slots.room)
        self.positions = torch.tensor([slots.length - slot for slot in first], device=slots.room.device)[:, None]

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
    def keep(self, rows: list[int]) -> None:
        """Goes on with some rows."""
        places = torch.tensor(rows, dtype=torch.long, device=self.slots.room.device)
        self._set(self.slots.select(places), [self.first[row] for row in rows])
        self.prompts = None if self.prompts is None else self.prompts[places]

    @torch.inference_mode()
    def join(self, texts: Texts, room: int) -> None:
        """Takes in rows that were read.

        Everything is copied into a cache in which the longest row begins at the first slot.

        Args:
            texts: The rows.
            room: Tokens that may still follow.
        """
        parts = [(slots, first) for slots, first in ((self.slots, self.first), (texts.slots, texts.first)) if first]
        end = max(slots.length - min(first) for slots, first in parts)
        several = sum(len(first) for _, first in parts)
        config, like = self.model.config.text_config, texts.slots.room
        joined = Slots.empty(config, several, end + room, like.dtype, like.device)
        firsts: list[int] = []
        for slots, first in parts:
            begin = min(first)  # no row needs what lies before
            length = slots.length - begin
            rows = slice(len(firsts), len(firsts) + len(first))
            joined.part(rows, end - length).take(slots.part(slice(None), begin), length)
            firsts += [end - length + slot - begin for slot in first]
        joined.fill(end)
        self._set(joined, firsts)
        if self.prompts is not None and texts.prompts is not None:
            self.prompts = torch.cat([self.prompts, texts.prompts])
