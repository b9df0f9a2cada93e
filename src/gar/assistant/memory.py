"""How many tokens fit into memory at once: a simple estimate, corrected when it was wrong.

A batch holds, for every token of every row, keys and values of all layers and a few vectors of the decoder's width;
and, whatever its size, the activations of one pass of the decoder and of some tiles in the tower. What is left of a
share of the free memory after the latter, divided by the former, is the number of tokens.

Memory may be too small all the same, because the estimate is wrong or because others took some. So the number is
halved then, and grows again by an eighth with each full batch that went well: where it was too large for good, one
batch in about eight is asked twice; where others have left, it soon is what it was.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gar.assistant.caches import token_bytes
from gar.assistant.encoding import tiles_at_once
from gar.assistant.prefill import pass_tokens

if TYPE_CHECKING:
    from gar.model.modeling import GARForConditionalGeneration

__all__ = ["BatchLimit", "batch_tokens", "is_out_of_memory"]

_SHARE = 0.6
"""Of the free memory; the rest is for what the estimate leaves out, and for others."""

_MOST_ON_CPU = 8192
"""Tokens of a batch on a CPU: more leave its caches (256 regions with the embedded model took 29 ms each at twice as
many, 25 at these, 32 at half), and answers come later."""

_LEAST = 1024


class BatchLimit:
    """Most tokens of a batch, learnt from what happens.

    Args:
        most: What is never gone beyond.

    Example:
        >>> limit = BatchLimit(8000)
        >>> limit.failed(6000)
        >>> limit.tokens
        3000
        >>> limit.went_well(2900), limit.tokens
        (None, 3376)
    """

    def __init__(self, most: int):
        self.most = most
        self.tokens = most

    def failed(self, tokens: int) -> None:
        """A batch of so many tokens was too large."""
        self.tokens = max(1, min(self.tokens, tokens) // 2)

    def went_well(self, tokens: int) -> None:
        """A batch of so many tokens was answered; only one that was nearly full says something."""
        if 4 * tokens >= 3 * self.tokens:
            self.tokens = min(self.most, self.tokens + self.tokens // 8 + 1)


def batch_tokens(model: GARForConditionalGeneration) -> int:
    """Tokens of all rows of a batch, read and to be written, that should fit into the free memory of the device."""
    config: Any = model.config
    text, vision, size = config.text_config, config.vision_config, model.dtype.itemsize
    row = token_bytes(text, model.dtype) + 4 * text.hidden_size * size
    decoder = pass_tokens(model) * (6 * text.hidden_size + 3 * text.intermediate_size) * size
    tower = tiles_at_once(model) * vision.grid_size**2 * (8 * vision.hidden_size + 2 * vision.intermediate_size) * size
    tokens = int((_SHARE * _free_bytes(model.device) - decoder - tower) / row)
    return max(_LEAST, tokens if model.device.type == "cuda" else min(tokens, _MOST_ON_CPU))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was too small; torch's CPU allocator has no class of its own for it."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):  # not Linux: half of what there is
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
