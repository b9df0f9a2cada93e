"""Options scored as whole answers: the probability of each, given the text, with its end of turn.

All options of a row are read at once behind its text, none seeing another, each at the places it would have alone.

Shapes: B rows, Q tokens of all options of a row, S slots of the texts, V vocabulary.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, cast

import torch

if TYPE_CHECKING:
    from gar.assistant.prefill import Texts
    from gar.model.modeling import GARForConditionalGeneration

__all__ = ["score"]


@torch.inference_mode()
def score(model: GARForConditionalGeneration, texts: Texts) -> list[dict[str, float]]:
    """Probabilities of the options of each row, summing to 1.

    Args:
        model: The model.
        texts: Jobs with options, read; their slots are written on.
    """
    options = [list((job.options or {}).values()) for job in texts.jobs]
    # the last token of an option, its end of turn, is foretold but never read
    packed = [[token for ids in own for token in ids[:-1]] for own in options]
    longest, device = max(map(len, packed)), model.device
    tokens = torch.tensor([[*row, *[0] * (longest - len(row))] for row in packed], device=device)
    read = model.model(
        inputs_embeds=model.model.embed_words(tokens, texts.prompts),
        attention_mask=_mask(texts, options, longest, model.dtype).to(device),
        position_ids=_positions(texts, options, longest).to(device),
        past_key_values=texts.slots,
        use_cache=True,
    )
    found: list[dict[str, float]] = []
    for row, (job, own) in enumerate(zip(texts.jobs, options, strict=True)):
        first = texts.logits[row].log_softmax(-1)  # (V,)
        rest = model.lm_head(read.last_hidden_state[row]).float().log_softmax(-1)  # (Q, V)
        ends = accumulate(len(ids) - 1 for ids in own)
        scores = [
            first[ids[0]] + rest[torch.arange(end - len(ids) + 1, end), list(ids[1:])].sum()
            for ids, end in zip(own, ends, strict=True)
        ]
        shares = cast("list[float]", torch.stack(scores).double().softmax(0).tolist())
        found.append(dict(zip(job.options or {}, shares, strict=True)))
    return found


def _mask(texts: Texts, options: list[list[tuple[int, ...]]], longest: int, dtype: torch.dtype) -> torch.Tensor:
    """(B, 1, Q, S + Q) added to attention: each token sees its text, and its own option up to itself."""
    read = texts.slots.length
    allowed = torch.zeros(len(options), 1, longest, read + longest, dtype=torch.bool)
    own = torch.eye(longest, dtype=torch.bool)  # what fills up short rows sees itself, so that no row sees nothing
    for row, (first, several) in enumerate(zip(texts.first, options, strict=True)):
        allowed[row, 0, :, first:read] = True
        allowed[row, 0, :, read:] = own
        start = 0
        for ids in several:
            stop = start + len(ids) - 1
            allowed[row, 0, start:stop, read + start : read + stop] = torch.ones(stop - start, stop - start).tril() > 0
            start = stop
    return torch.zeros(allowed.shape, dtype=dtype).masked_fill_(~allowed, torch.finfo(dtype).min)


def _positions(texts: Texts, options: list[list[tuple[int, ...]]], longest: int) -> torch.Tensor:
    """(B, Q): each option follows on its text."""
    rows: list[list[int]] = []
    for length, several in zip(texts.lengths, options, strict=True):
        own = [length + place for ids in several for place in range(len(ids) - 1)]
        rows.append([*own, *[length] * (longest - len(own))])
    return torch.tensor(rows)
