"""Keys and values of what the decoder has read, written in place.

transformers' `DynamicCache` concatenates at every token, which copies the whole cache every time. Here all layers of
all rows lie in one tensor that has room for what is still to come, and each token is written into its slot. Rows end at
the same slot (short ones begin later), so rows of any length decode as one batch; any part of the room is a cache of
its own that shares the memory, so rows of equal length are read together without padding.

Shapes: layers, 2 (keys, values), B rows, H key-value heads, slots, d head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import Cache
from transformers.cache_utils import DynamicLayer

__all__ = ["Slots", "head_width", "token_bytes"]


def token_bytes(config: Any, dtype: torch.dtype) -> int:
    """Bytes that the keys and values of one token take.

    Args:
        config: The decoder's configuration.
        dtype: Of the keys and values.
    """
    return 2 * config.num_hidden_layers * config.num_key_value_heads * head_width(config) * dtype.itemsize


def head_width(config: Any) -> int:
    """Width of one head of a decoder's attention."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _shape(config: Any, rows: int, slots: int) -> tuple[int, ...]:
    return (config.num_hidden_layers, 2, rows, config.num_key_value_heads, slots, head_width(config))


class _SlotLayer(DynamicLayer):
    """One layer of `Slots`.

    Args:
        room: (2, B, H, slots, d).
        length: Slots already filled.
    """

    def __init__(self, room: torch.Tensor, length: int):
        super().__init__()
        self.room = room
        self.length = length
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Writes (B, H, new, d) keys and values into the next slots; returns all that are filled."""
        stop = self.length + key_states.shape[-2]
        self.room[0, :, :, self.length : stop] = key_states
        self.room[1, :, :, self.length : stop] = value_states
        self.length = stop
        return self.room[0, :, :, :stop], self.room[1, :, :, :stop]

    def get_seq_length(self) -> int:
        """Filled slots."""
        return self.length


class Slots(Cache):
    """A cache of transformers with room for a known number of tokens.

    Args:
        room: (layers, 2, B, H, slots, d).
        length: Slots already filled.
    """

    def __init__(self, room: torch.Tensor, length: int = 0):
        self._slot_layers = [_SlotLayer(layer, length) for layer in room]
        super().__init__(layers=[*self._slot_layers])
        self.room = room

    @classmethod
    def empty(cls, config: Any, rows: int, slots: int, dtype: torch.dtype, device: torch.device) -> Slots:
        """Room for some tokens of some rows.

        Args:
            config: The decoder's configuration.
            rows: B.
            slots: Most tokens of a row.
            dtype: Of the keys and values.
            device: Where they lie.
        """
        # zeros, because what lies before a row's first slot is weighed with 0, which would not do for infinity
        return cls(torch.zeros(_shape(config, rows, slots), dtype=dtype, device=device))

    @classmethod
    def beginning_at(cls, first: Sequence[int], config: Any, slots: int, dtype: torch.dtype, device: Any) -> Slots:
        """As `empty`, for rows whose first slots are known, so that only what lies before them is cleared.

        Args:
            first: The slot in which each row begins.
            config: The decoder's configuration.
            slots: Most tokens of a row.
            dtype: Of the keys and values.
            device: Where they lie.
        """
        room = torch.empty(_shape(config, len(first), slots), dtype=dtype, device=device)
        for row, slot in enumerate(first):
            room[:, :, row, :, :slot] = 0
        return cls(room)

    @property
    def length(self) -> int:
        """Filled slots."""
        return self.get_seq_length()

    def fill(self, length: int) -> None:
        """Says that the first `length` slots are filled, be it more or fewer than before."""
        for layer in self._slot_layers:
            layer.length = length

    def part(self, rows: slice, first_slot: int, length: int = 0) -> Slots:
        """The cache of some rows from a slot on, in the same memory, `length` slots of it filled."""
        return Slots(self.room[:, :, rows, :, first_slot:], length)

    def take(self, other: Slots, length: int) -> None:
        """Copies the first `length` slots of a cache of one row, or of as many rows, into the first slots."""
        self.room[..., :length, :] = other.room[..., :length, :]

    def select(self, rows: torch.Tensor) -> Slots:
        """A copy with only some rows."""
        return Slots(self.room.index_select(2, rows), self.length)

    def resized(self, slots: int) -> Slots:
        """A copy of the filled slots with room for another number."""
        shape = (*self.room.shape[:4], slots, self.room.shape[5])
        larger = Slots(self.room.new_zeros(shape))
        larger.take(self, self.length)
        larger.fill(self.length)
        return larger
