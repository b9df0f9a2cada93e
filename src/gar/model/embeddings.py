"""Words as vectors.

Shapes: D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

__all__ = ["mean_embeddings"]


def mean_embeddings(embeddings: torch.Tensor, words: Sequence[Sequence[int]]) -> torch.Tensor:
    """The embedding of each word, of several tokens their mean.

    Args:
        embeddings: (V, D).
        words: The tokens of each word, at least one.

    Returns:
        (words, D) in float32.
    """
    flat = torch.tensor([token for word in words for token in word], device=embeddings.device)
    starts = torch.tensor([0, *map(len, words[:-1])], device=embeddings.device).cumsum(0)
    return F.embedding_bag(flat, embeddings, starts, mode="mean").float()
