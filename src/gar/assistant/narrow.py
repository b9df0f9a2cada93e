"""Products of large matrices with few rows, as fast as the matrix can be read.

While it writes, a decoder multiplies each of its matrices with one row per answer. On a CPU torch's float32 product of
2 to 16 rows takes up to seven times as long as reading the matrix does, and that of one row up to three times
(docs/decisions/0005-inference.md has the figures). The same product the other way round, the matrix on the left and two
or four columns on the right, runs as fast as the memory. So few rows go in such parts, and a single row goes twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from gar.model.modeling import GARForConditionalGeneration

__all__ = ["NarrowLinear", "use_narrow_products"]

_WIDE = 1024
"""Inputs up to which four columns are as fast as two."""

_LARGE = 1 << 20
"""Weights from which a single row is worth being multiplied twice: more than a core's cache holds."""


class NarrowLinear(nn.Linear):
    """A linear layer that takes few rows in parts."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(…, inputs) → (…, outputs)."""
        rows = input.shape[:-1].numel()
        part = 4 if self.in_features <= _WIDE else 2
        if rows > part * part or input.device.type != "cpu" or input.dtype != torch.float32:
            return F.linear(input, self.weight, self.bias)
        if rows == 1 and self.weight.numel() < _LARGE:
            return F.linear(input, self.weight, self.bias)
        columns = input.reshape(rows, self.in_features).t()  # (inputs, rows)
        if rows == 1:
            product = (self.weight @ torch.cat([columns, columns]).view(2, -1).t())[:, :1]
        else:
            product = torch.cat([self.weight @ few for few in torch.split(columns, part, dim=1)], dim=1)
        # rows lie in one piece again: attention is much slower where they do not
        product = product.t().contiguous().view(*input.shape[:-1], self.out_features)
        # a plain layer's bias is None at run time, whatever its type says
        return product if cast("torch.Tensor | None", self.bias) is None else product + self.bias


def use_narrow_products(model: GARForConditionalGeneration) -> None:
    """Lets the decoder's linear layers and the language head take few rows in parts, if the model is on a CPU.

    Nothing but the time changes: names, weights and what is saved stay as they are.
    """
    if model.device.type != "cpu" or model.dtype != torch.float32:
        return
    for layer in (*model.model.language_model.modules(), model.lm_head):
        if type(layer) is nn.Linear:
            layer.__class__ = NarrowLinear
