"""From the vision tower's width to the decoder's, with average pooling afterwards.

Shapes: T tiles, N patches of a tile, n feature cells of a tile, C vision width, D decoder width.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from gar.model.configuration import GARConfig

__all__ = ["GARProjector", "pool_cells"]


def pool_cells(features: torch.Tensor, ratio: int) -> torch.Tensor:
    """Averages ratio × ratio neighbouring cells of square maps: (T, n, D) → (T, n / ratio², D)."""
    if ratio == 1:
        return features
    side = math.isqrt(features.shape[1])
    maps = features.transpose(1, 2).unflatten(2, (side, side))
    return F.avg_pool2d(maps, ratio).flatten(2).transpose(1, 2)


class GARProjector(nn.Module):
    """Two linear layers with erf GELU at full resolution, then pooling."""

    def __init__(self, config: GARConfig):
        super().__init__()
        width = config.text_config.hidden_size
        self.linear_1 = nn.Linear(config.vision_config.hidden_size, width)
        self.linear_2 = nn.Linear(width, width)
        self.pooling_ratio = config.projector_pooling_ratio

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(T, N, C) → (T, n, D)."""
        return pool_cells(self.linear_2(F.gelu(self.linear_1(features))), self.pooling_ratio)
