"""The words that regions point at: those whose embeddings are most like what speaks for a region.

Shapes: R regions, W words, D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

__all__ = ["mean_embeddings", "point"]


def mean_embeddings(embeddings: torch.Tensor, words: Sequence[Sequence[int]]) -> torch.Tensor:
    """The embedding of each word, of several tokens their mean.

    Args:
        embeddings: (V, D).
        words: The tokens of each word, at least one.

    Returns:
        (W, D) in float32.
    """
    flat = torch.tensor([token for word in words for token in word], device=embeddings.device)
    starts = torch.tensor([0, *map(len, words[:-1])], device=embeddings.device).cumsum(0)
    return F.embedding_bag(flat, embeddings, starts, mode="mean").float()


def point(spoken: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """How much regions point at words: the product with their embeddings, what speaks for a region standardised.

    Args:
        spoken: (R, D) what speaks for each region.
        words: (W, D) in float32.

    Returns:
        (R, W) in float32.
    """
    return F.layer_norm(spoken.float(), spoken.shape[-1:]) @ words.T
