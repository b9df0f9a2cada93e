"""Many questions behind one prefix, and attention that reads only what a question can see.

In a packed conversation each question sees the prefix and itself. A block mask says so, but attention under a mask
still multiplies everything with everything: with a dozen questions a row nine tenths of it for nothing. Here each
question is a row of its own whose keys are the prefix's and its own, and the prefix one more; all else in the decoder
stays as it is, token by token. Questions of like length are put together, so that little is padding. Attention is
calculated in float32 on CPUs, whose kernels for bfloat16 are slower at these lengths.

Shapes: B samples, L text length, P longest prefix, Q questions of a group, W longest of them, H heads, E width of a
head.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

__all__ = ["PACKED_ATTENTION", "block_mask", "packed_attention", "question_rows"]

PACKED_ATTENTION = "gar_packed"
"""The name by which transformers knows this attention; without `packed` among a model's inputs it is plain SDPA."""


def block_mask(segments: torch.Tensor) -> torch.Tensor:
    """Who sees whom in packed conversations.

    Args:
        segments: (B, L) segment of each token: 0 the prefix or a dialogue, 1, 2, … the questions, -1 padding.

    Returns:
        (B, 1, L, L) bool: token i sees token j ≤ i of its own segment and of the prefix.

    Example:
        >>> block_mask(torch.tensor([[0, 1, 2]]))[0, 0].int()
        tensor([[1, 0, 0],
                [1, 1, 0],
                [1, 0, 1]], dtype=torch.int32)
    """
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    same = segments[:, :, None] == segments[:, None, :]
    prefix = (segments == 0)[:, None, :]
    return (causal & (same | prefix))[:, None]


def question_rows(segments: torch.Tensor, *, groups: int = 4) -> dict[str, Any]:
    """Where prefixes and questions stand in packed conversations.

    Args:
        segments: (B, L) as in `block_mask`; the prefix first, then the questions in order, padding last.
        groups: Of questions of like length.

    Returns:
        What the attention wants as `packed`: "prefix" (B, P), places in the flattened (B·L) text, -1 beyond the end;
        "questions", such places (Q, W) for each group; "samples", for each group (Q,) the sample of each question;
        "back" (B·L,) where each token stands in the flattened prefixes followed by the flattened groups, 0 for padding.

    Example:
        >>> rows = question_rows(torch.tensor([[0, 0, 1, 2, 2]]), groups=1)
        >>> rows["prefix"].tolist(), rows["questions"][0].tolist(), rows["back"].tolist()
        ([[0, 1]], [[2, -1], [3, 4]], [0, 1, 2, 4, 5])
    """
    batch, length = segments.shape
    places = torch.arange(batch * length).view(batch, length)
    prefix = _pad([places[b][segments[b] == 0] for b in range(batch)])
    found = [
        (b, places[b][segments[b] == number]) for b in range(batch) for number in range(1, int(segments[b].max()) + 1)
    ]
    found.sort(key=lambda question: len(question[1]))
    size = max(1, -(-len(found) // groups))
    parts = [found[start : start + size] for start in range(0, len(found), size)]
    questions = [_pad([question for _, question in part]) for part in parts]
    order = torch.cat([prefix.flatten(), *(part.flatten() for part in questions)])
    back = torch.zeros(batch * length, dtype=torch.long)
    back[order[order >= 0]] = (order >= 0).nonzero().squeeze(1)
    samples = [torch.tensor([sample for sample, _ in part]) for part in parts]
    return {"prefix": prefix, "questions": questions, "samples": samples, "back": back}


def _pad(places: list[torch.Tensor]) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(places, batch_first=True, padding_value=-1)


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    packed: dict[str, Any] | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """SDPA of each question with its prefix and itself.

    Args:
        module: The decoder's attention.
        query: (B, H, L, E).
        key: (B, heads of keys, L, E).
        value: As `key`.
        attention_mask: Only read without `packed`.
        packed: From `question_rows`; None for plain SDPA.
        kwargs: As transformers gives them.

    Returns:
        (B, L, H, E), and no weights.
    """
    if packed is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    batch, heads, length, width = query.shape
    dtype = query.dtype
    with torch.autocast(query.device.type, enabled=False):
        if query.device.type == "cpu":
            query, key, value = query.float(), key.float(), value.float()
        flat = [each.transpose(1, 2).reshape(batch * length, -1) for each in (query, key, value)]

        def rows(part: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
            """(rows, heads, places of a row, E)."""
            taken = part.index_select(0, places.clamp(min=0).flatten())
            return taken.view(*places.shape, -1, width).transpose(1, 2)

        attend = partial(F.scaled_dot_product_attention, scale=kwargs.get("scaling"), enable_gqa=key.shape[1] != heads)
        prefix = packed["prefix"]
        there = (prefix >= 0)[:, None, None]  # (B, 1, 1, P)
        before_query, before_key, before_value = (rows(part, prefix) for part in flat)
        read = [attend(before_query, before_key, before_value, _causal(prefix) & there)]
        for questions, samples in zip(packed["questions"], packed["samples"], strict=True):
            own_query, own_key, own_value = (rows(part, questions) for part in flat)
            before = there.index_select(0, samples).expand(-1, 1, questions.shape[1], -1)
            seen = torch.cat([before, _causal(questions).expand(len(samples), 1, -1, -1)], dim=-1)
            keys = torch.cat([before_key.index_select(0, samples), own_key], dim=2)
            values = torch.cat([before_value.index_select(0, samples), own_value], dim=2)
            read.append(attend(own_query, keys, values, seen))
        together = torch.cat([each.transpose(1, 2).reshape(-1, heads, width) for each in read])
        return together.index_select(0, packed["back"]).view(batch, length, heads, width).to(dtype), None


def _causal(places: torch.Tensor) -> torch.Tensor:
    """(1, 1, n, n) of places (rows, n)."""
    length = places.shape[1]
    return torch.ones(length, length, dtype=torch.bool, device=places.device).tril()[None, None]


AttentionInterface.register(PACKED_ATTENTION, packed_attention)
AttentionMaskInterface.register(PACKED_ATTENTION, sdpa_mask)
