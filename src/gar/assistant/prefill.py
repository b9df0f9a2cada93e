"""The decoder reads texts, each token once.

* Jobs that show the same thing, and begin with the same text, share that beginning: it is read once, and its keys and
  values are copied to each of them (a fork). So several questions about the same regions, and the descriptions of a
  group of regions in the shared way, cost one reading of the picture.
* Rows of equal length are read together, so nothing is padded; all rows end at the same slot, where writing begins.
* Logits are computed of the last place alone.

Shapes: B rows, L tokens read, V vocabulary, K prompts, D width.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import torch

from gar.assistant.caches import Slots
from gar.assistant.encoding import Prefix, Shown, embed, encode

if TYPE_CHECKING:
    from gar.assistant.reading import Job
    from gar.model.modeling import GARForConditionalGeneration

__all__ = [
    "Texts",
    "common_start",
    "keep",
    "pass_tokens",
    "question_start",
    "read",
    "read_on",
    "read_prefix",
    "spoken_prompts",
]

_PASS_TOKENS = 8192
"""Most tokens read at once, if a single text is not longer; bounds the memory of activations."""

_PASS_TOKENS_ON_CPU = 2048
"""There a pass of several long texts is slower than one text after the other, as activations leave the caches."""


@dataclass
class Texts:
    """Texts that were read, one in each row."""

    jobs: list[Job]
    """What each row is; not in the order in which they were given."""
    slots: Slots
    first: list[int]
    """The slot in which each row begins; all end at the same."""
    logits: torch.Tensor
    """(B, V) float32, of the next token."""
    prompts: torch.Tensor | None
    """(B, K, D) what is added to each mention of a prompt in what follows."""

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(job.ids) for job in self.jobs]


def pass_tokens(model: GARForConditionalGeneration) -> int:
    """Most tokens that the decoder reads at once, if a single text is not longer."""
    return _PASS_TOKENS_ON_CPU if model.device.type == "cpu" else _PASS_TOKENS


@torch.inference_mode()
def read(model: GARForConditionalGeneration, jobs: Sequence[Job]) -> Texts:
    """Reads the texts of some jobs, and leaves room for what follows.

    Args:
        model: The model.
        jobs: At least one.
    """
    encode(model, [job.shown for job in jobs])
    prefixes = _prefixes(model, jobs)

    def past(job: Job) -> int:
        prefix = prefixes[id(job)]
        return 0 if prefix is None else len(prefix.ids)

    rows = sorted(jobs, key=lambda job: (past(job), len(job.ids)))
    end = max(len(job.ids) for job in rows)
    first_slots = [end - len(job.ids) for job in rows]
    slots = _room(model, first_slots, end + max(job.room for job in rows))
    logits: list[torch.Tensor] = []
    for part in _passes(rows, past, pass_tokens(model)):
        start, done, first = sum(map(len, logits)), past(part[0]), end - len(part[0].ids)
        for row, job in enumerate(part, start):
            if (prefix := prefixes[id(job)]) is not None:
                slots.part(slice(row, row + 1), first).take(prefix.slots, done)
        own = slots.part(slice(start, start + len(part)), first, done)
        logits.append(read_on(model, embed(model, [(job.shown, job.ids[done:]) for job in part]), own))
    slots.fill(end)
    return Texts(rows, slots, first_slots, torch.cat(logits), spoken_prompts([job.shown for job in rows]))


@torch.inference_mode()
def read_on(model: GARForConditionalGeneration, embeds: torch.Tensor, slots: Slots) -> torch.Tensor:
    """Reads on where a cache ends.

    Args:
        model: The model.
        embeds: (B, L, D) what follows, features written in.
        slots: The rows' cache, with room for it.

    Returns:
        (B, V) float32 logits of the next token.
    """
    past = slots.length
    positions = torch.arange(past, past + embeds.shape[1], device=embeds.device)
    read = model.model(
        inputs_embeds=embeds,
        attention_mask=_later_hidden(past, embeds),
        position_ids=positions.expand(len(embeds), -1),
        past_key_values=slots,
        use_cache=True,
    )
    return model.lm_head(read.last_hidden_state[:, -1]).float()


@torch.inference_mode()
def read_prefix(model: GARForConditionalGeneration, shown: Shown, ids: Sequence[int]) -> Prefix:
    """Reads the beginning of a text, or what is new in it."""
    known = _longest(shown.prefixes, ids, len(ids))
    if known is not None and len(known.ids) == len(ids):
        return known
    encode(model, [shown])
    slots = _room(model, [0], len(ids))
    done = 0
    if known is not None:
        done = len(known.ids)
        slots.take(known.slots, done)
        slots.fill(done)
    read_on(model, embed(model, [(shown, ids[done:])]), slots)
    return Prefix(tuple(ids), slots)


def spoken_prompts(several: Sequence[Shown]) -> torch.Tensor | None:
    """(B, K, D) what is added to each mention of a prompt; None where a mention is a word like any other."""
    features = [shown.features for shown in several]
    prompts = [told.prompts for told in features if told is not None and told.prompts is not None]
    return torch.stack(prompts) if prompts else None


def question_start(ids: Sequence[int], model: GARForConditionalGeneration) -> int:
    """How many tokens of a text about regions do not depend on the question: all up to the last crop token."""
    shown = {*model.config.crop_token_ids, model.config.image_token_id}
    return max((place + 1 for place, token in enumerate(ids) if token in shown), default=0)


def _room(model: GARForConditionalGeneration, first: Sequence[int], slots: int) -> Slots:
    return Slots.beginning_at(first, model.config.text_config, slots, model.dtype, model.device)


def _later_hidden(past: int, embeds: torch.Tensor) -> torch.Tensor | None:
    """What is added to attention so that no token sees later ones: (1, 1, L, past + L).

    None where attention itself sees to it: without a past, or for a single token. Made here once, in place of a mask of
    bits that attention would turn into numbers anew in every layer.
    """
    new = embeds.shape[1]
    if not past or new == 1:
        return None
    hidden = torch.full((new, past + new), torch.finfo(embeds.dtype).min, dtype=embeds.dtype, device=embeds.device)
    return hidden.triu_(past + 1)[None, None]


def _passes(rows: Sequence[Job], past: Callable[[Job], int], tokens: int) -> Iterator[list[Job]]:
    """Rows in order, in parts that are read at once."""
    for (done, length), equal in groupby(rows, key=lambda job: (past(job), len(job.ids))):
        several = list(equal)
        most = max(1, tokens // (length - done))
        for start in range(0, len(several), most):
            yield several[start : start + most]


def _prefixes(model: GARForConditionalGeneration, jobs: Sequence[Job]) -> dict[int, Prefix | None]:
    """By job: the beginning of its text that is read already, or is worth being read once for several jobs."""
    groups: defaultdict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        groups[id(job.shown)].append(job)
    found: dict[int, Prefix | None] = {}
    for group in groups.values():
        shown = group[0].shown
        if any(job.kept for job in group):
            job = next(job for job in group if job.kept)
            keep(model, shown, job.ids[: question_start(job.ids, model)])
        shared = None
        if len(group) > 1:
            length = common_start([job.ids for job in group], model)
            shared = read_prefix(model, shown, group[0].ids[:length]) if length else None
        for job in group:
            found[id(job)] = shared or _longest(shown.prefixes, job.ids, len(job.ids) - 1)
    return found


def keep(model: GARForConditionalGeneration, shown: Shown, ids: Sequence[int]) -> Prefix:
    """Reads the beginning of a text and keeps it with what is shown."""
    prefix = read_prefix(model, shown, ids)
    if prefix not in shown.prefixes:
        shown.prefixes.append(prefix)
    return prefix


def common_start(texts: Sequence[tuple[int, ...]], model: GARForConditionalGeneration) -> int:
    """How many tokens all texts begin with, the last token of the shortest left out and no run of features cut.

    The tokens of one text that carry features stand in runs, which are embedded as wholes.
    """
    first, last = min(texts), max(texts)  # by order: what these two have in common, all have
    most = min(map(len, texts)) - 1
    length = next((place for place in range(most) if first[place] != last[place]), most)
    runs = {*model.config.crop_token_ids, model.config.image_token_id}
    while length and first[length - 1] == first[length] and first[length] in runs:
        length -= 1
    return length


def _longest(prefixes: Sequence[Prefix], ids: Sequence[int], most: int) -> Prefix | None:
    fitting = [p for p in prefixes if len(p.ids) <= most and tuple(ids[: len(p.ids)]) == p.ids]
    return max(fitting, key=lambda prefix: len(prefix.ids), default=None)
