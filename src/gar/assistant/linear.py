"""Linear layers through oneDNN on a CPU.

torch multiplies float32 matrices with MKL, which on AMD processors leaves their AVX-512 units alone, and takes long
over a few rows on all. oneDNN, which comes with torch too, is more than twice as fast there at every number of rows;
docs/decisions/0005-inference.md has the figures.

It compiles and keeps a kernel for every number of rows, about a megabyte each, so rows go in blocks of few sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from gar.model.modeling import GARForConditionalGeneration

__all__ = ["OneDNNLinear", "use_onednn"]

_LARGEST = 256
"""Rows of a block; with more at once nothing is faster."""

_FEW = 32
"""Rows that are filled up to a power of two; more are taken apart into blocks."""

_SIZES = frozenset({1, 2, 4, 8, 16, 32, 64, 128, 256})
"""Rows of all blocks that there are."""

_LARGE = 1 << 20
"""Weights from which oneDNN is faster with a single row too: more than a core's cache holds."""


class OneDNNLinear(nn.Linear):
    """A linear layer whose float32 products on a CPU are oneDNN's, where nothing is to be learnt."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(…, inputs) → (…, outputs)."""
        rows = input.shape[:-1].numel()
        goes = input.device.type == "cpu" and input.dtype == torch.float32
        learns = torch.is_grad_enabled() and (self.weight.requires_grad or input.requires_grad)
        fast = rows <= 1 and self.weight.numel() < _LARGE  # or nothing to do
        if fast or learns or not goes or torch.compiler.is_compiling():  # a compiler makes its own choice
            return F.linear(input, self.weight, self.bias)
        if rows in _SIZES:
            return _product(input, self.weight, self.bias)
        given = input.reshape(rows, self.in_features)
        product = given.new_empty(rows, self.out_features)
        start = 0
        for size in _blocks(rows):
            block = given[start : start + size]
            several = len(block)
            if several < size:
                block = F.pad(block, (0, 0, 0, size - several))
            product[start : start + several] = _product(block, self.weight, self.bias)[:several]
            start += several
        return product.view(*input.shape[:-1], self.out_features)


def _blocks(rows: int) -> Iterator[int]:
    """Sizes of blocks, powers of two; the last may hold more than is left.

    Example:
        >>> list(_blocks(595))
        [256, 256, 64, 32]
    """
    size = _LARGEST
    while rows >= _FEW:
        while size > rows:
            size //= 2
        yield size
        rows -= size
    if rows:
        yield 1 << (rows - 1).bit_length()


def _product(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    operators: Any = torch.ops.mkldnn
    return cast("torch.Tensor", operators._linear_pointwise.default(input, weight, bias, "none", [], ""))


def use_onednn(model: GARForConditionalGeneration) -> None:
    """Lets a float32 model's linear layers go through oneDNN, if it is on a CPU and torch has been built with it.

    Nothing but the time changes: names, weights and what is saved stay as they are.
    """
    built = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    if not built or model.device.type != "cpu" or model.dtype != torch.float32:
        return
    for layer in model.modules():
        if type(layer) is nn.Linear:
            layer.__class__ = OneDNNLinear
