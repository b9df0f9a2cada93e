"""One step of decoding as a compiled graph of fixed shapes, replayed without Python in between.

For CUDA, where a step of a small batch takes less time than launching its kernels one by one: `torch.compile` with CUDA
graphs over transformers' `StaticCache`. Rows and slots are rounded up, so that few shapes are ever compiled, and the
last cache is used again while its shape fits. On other devices the same code compiles without graphs.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import torch
from transformers import StaticCache

from gar.assistant.caches import Slots, head_width

if TYPE_CHECKING:
    from gar.assistant.prefill import Texts
    from gar.model.modeling import GARForConditionalGeneration

__all__ = ["CompiledDecoder"]

_SLOTS_STEP = 256


class CompiledDecoder:
    """Decodes as the model does, from a static cache, for one batch at a time.

    Args:
        model: The model; the first step of every new shape compiles for a while.
    """

    def __init__(self, model: GARForConditionalGeneration):
        self.model = model
        self.free = Lock()
        """Held while a batch is being written."""
        self._cache: Any = None
        self._shape: tuple[int, int] | None = None
        mode = "reduce-overhead" if model.device.type == "cuda" else "default"
        self._step = torch.compile(self._decode, mode=mode, dynamic=False)

    @torch.inference_mode()
    def begin(self, texts: Texts) -> None:
        """Takes over texts that were read; their own slots are freed."""
        rows, slots = len(texts.jobs), texts.slots.room.shape[-2]
        shape = (1 << (rows - 1).bit_length(), -(-slots // _SLOTS_STEP) * _SLOTS_STEP)
        if shape != self._shape:
            self._cache, self._shape = None, None  # freed before the new one is made
            self._cache, self._shape = self._empty(shape), shape
        read, device = texts.slots.length, self.model.device
        for layer, own in zip(self._cache.layers, texts.slots.room, strict=True):
            layer.keys.zero_()
            layer.values.zero_()
            layer.keys[:rows, :, :read] = own[0, :, :, :read]
            layer.values[:rows, :, :read] = own[1, :, :, :read]
            layer.cumulative_length.fill_(read)
        texts.slots = Slots(texts.slots.room.new_empty(*texts.slots.room.shape[:4], 0, 0))
        places = torch.arange(shape[1], device=device)
        first = torch.tensor([*texts.first, *[read] * (shape[0] - rows)], device=device)[:, None]
        hidden = (places < first) | (places >= read)
        low = torch.finfo(self.model.dtype).min
        self._mask = torch.zeros(hidden.shape, dtype=self.model.dtype, device=device).masked_fill_(hidden, low)
        self._mask = self._mask[:, None, None]
        self._positions = torch.tensor([*texts.lengths, *[0] * (shape[0] - rows)], device=device)[:, None]
        self._prompts = texts.prompts
        self._place = read

    @torch.inference_mode()
    def read(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B,) token ids → (B, V) float32 logits of the next."""
        rows = len(tokens)
        embeds = self.model.model.embed_words(tokens[:, None], self._prompts)  # (B, 1, D)
        filled = embeds.new_zeros(len(self._mask), *embeds.shape[1:])
        filled[:rows] = embeds
        self._mask[..., self._place] = 0.0
        if embeds.device.type == "cuda":
            torch.compiler.cudagraph_mark_step_begin()
        logits = self._step(filled, self._mask, self._positions, self._cache)[:rows]
        self._positions = self._positions + 1
        self._place += 1
        return logits.float()

    def _decode(
        self, embeds: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: StaticCache
    ) -> torch.Tensor:
        read = self.model.model(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        return self.model.lm_head(read.last_hidden_state[:, -1])

    def _empty(self, shape: tuple[int, int]) -> StaticCache:
        config = self.model.config.text_config
        rows, slots = shape
        cache = StaticCache(config=config, max_cache_len=slots)
        heads, width = config.num_key_value_heads, head_width(config)
        cache.early_initialization(rows, heads, width, self.model.dtype, self.model.device)
        return cache
