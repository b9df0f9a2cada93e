"""The words of regions: a loss that makes features point at them, and a stage that learns them before any text.

What speaks for a region points at a word by its product with the word's embedding; cross-entropy over all words of an
attribute (all colors, say) trains it. As an auxiliary loss (`train.word_loss`) it grounds a small model in minutes
where the language loss alone takes hours.

`learn_words` is quicker still. The stem is frozen, so each region is looked at once, and then come many small steps of
hundreds of regions, which train nothing but what speaks for a region and, of a model from nothing, the embeddings of
words: minutes, where steps of whole pictures take hours for as many regions (docs/decisions/0004).

Shapes: R regions, D width, V tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedTokenizerBase, get_cosine_schedule_with_warmup

from gar.errors import InputError
from gar.model.pointing import mean_embeddings, point
from gar.model.replay import locate_pictures, mask_weights
from gar.model.sights import look
from gar.processing.processor import IGNORED
from gar.training.collator import SampleCollator
from gar.training.parts import part_of
from gar.training.progress import watched
from gar.training.samples import Sample
from gar.training.settings import Training, Words
from gar.training.sources.source import Source

__all__ = ["SeenRegions", "learn_words", "look_at_regions", "share_of_right_words", "word_loss", "word_tokens"]

WordTokens = Sequence[Sequence[Sequence[int]]]
"""Of each attribute the tokens of each word."""

_WARMUP = 100
"""Steps over which the learning rate of `learn_words` rises."""

_PICTURES = 16
"""Pictures that are looked at together."""


def word_tokens(tokenizer: PreTrainedTokenizerBase, vocabulary: Mapping[str, Sequence[str]]) -> list[list[list[int]]]:
    """The tokens of each word (with the blank before it) of each attribute."""
    return [
        [tokenizer(f" {word}", add_special_tokens=False)["input_ids"] for word in words]
        for words in vocabulary.values()
    ]


def word_loss(spoken: torch.Tensor, embeddings: torch.Tensor, words: WordTokens, labels: torch.Tensor) -> torch.Tensor:
    """How badly the regions' features point at their words: mean cross-entropy over all labels.

    Not a mean over attributes, in which the few labels of a rare one (material) outweigh the many of another (noun).

    Args:
        spoken: (R, D) what speaks for each region.
        embeddings: (V, D) word embeddings; a word of several tokens is their mean.
        words: Of each attribute the tokens of each word.
        labels: (R, attributes) which word is true, -100 where none is known; 0 is the loss if none is at all.
    """
    total = spoken.float().sum() * 0.0  # of no labels the loss is 0, and has gradients
    for column, scores in enumerate(_word_scores(spoken, embeddings, words)):
        total = total + F.cross_entropy(scores, labels[:, column], ignore_index=IGNORED, reduction="sum")
    return total / (labels != IGNORED).sum().clamp(min=1)


def _word_scores(spoken: torch.Tensor, embeddings: torch.Tensor, words: WordTokens) -> Iterator[torch.Tensor]:
    """Of each attribute how much each region points at each word: (R, words)."""
    for tokens in words:
        yield point(spoken, mean_embeddings(embeddings, tokens))


# ---- looking -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SeenRegions:
    """What the stem sees of regions, in float16, and the words that are true of them."""

    sights: torch.Tensor
    """(R, ·), see `gar.model.sights`."""
    boxes: torch.Tensor
    """(R, 4) normalised xyxy."""
    labels: torch.Tensor
    """(R, attributes) which word is true, -100 where none is known."""

    def __len__(self) -> int:
        return len(self.labels)


class _Regions(Dataset[list[Sample]]):
    """Each item with every region that any of its epochs asks about, once; no item if none can be used."""

    def __init__(self, source: Source, epochs: int, most: int):
        self.source = source
        self.epochs = epochs
        self.most = most

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> list[Sample]:
        drawn = [self.source.draw(index, epoch) for epoch in range(self.epochs)]
        samples = [item for item in drawn if isinstance(item, Sample)]
        regions = {
            mask.tobytes(): (mask, sample.words[number] if sample.words else {}, _sight(sample, number))
            for sample in samples
            if _same_picture(sample, samples[0])
            for number, mask in enumerate(sample.masks)
            if mask.any()
        }
        if not regions:
            return []
        masks, words, sights = zip(*list(regions.values())[: self.most], strict=True)
        kept = None if samples[0].sights is None else torch.stack(sights)
        return [replace(samples[0], masks=masks, words=words, sights=kept, prompts=tuple(range(len(masks))))]


def _sight(sample: Sample, number: int) -> torch.Tensor | None:
    return None if sample.sights is None else sample.sights[number]


def _same_picture(one: Sample, other: Sample) -> bool:
    if one.picture is not None and other.picture is not None:
        return np.array_equal(one.picture, other.picture)
    if one.patch_features is not None and other.patch_features is not None:
        return torch.equal(one.patch_features, other.patch_features)
    return False


class _WithoutText:
    """Batches of what is looked at; None where no item of a batch can be used."""

    def __init__(self, collator: SampleCollator):
        self.collator = collator

    def __call__(self, items: Sequence[list[Sample]]) -> dict[str, torch.Tensor] | None:
        samples = [sample for item in items for sample in item]
        return self.collator.without_text(samples) if samples else None


@torch.no_grad()
def look_at_regions(model: Any, source: Source, collator: SampleCollator, *, epochs: int, workers: int) -> SeenRegions:
    """Has a model's stem look at all regions of a source, each once.

    Args:
        model: A GAR model.
        source: Pictures or their cached features.
        collator: Knows the vocabulary.
        epochs: In how many epochs regions are drawn.
        workers: Processes that read.

    Raises:
        InputError: The model reads regions off pictures of their own, or no region can be used.
    """
    core, config = model.model, model.config
    if config.region_crops:
        raise InputError("words: the model reads regions off tiles of their own (region_crops), not off the picture")
    loader = DataLoader(
        _Regions(source, epochs, config.max_regions),
        batch_size=_PICTURES,
        num_workers=workers,
        collate_fn=_WithoutText(collator),
    )
    seen: list[tuple[torch.Tensor, ...]] = []
    for batch in watched(loader, "regions", total=len(loader)):
        if batch is None:
            continue
        on = {name: tensor.to(model.device) for name, tensor in batch.items()}
        seen.append((_sights(core, on).half(), on["region_boxes"], on["attribute_labels"]))
    if not seen:
        raise InputError("words: no item of the data can be used")
    return SeenRegions(*(torch.cat(parts) for parts in zip(*seen, strict=True)))


def _sights(core: Any, on: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """What the stem of a model sees of the regions of a batch."""
    config, stem = core.config, core.vision_tower.patch_embed
    if config.closeup_size:
        kept = on.get("region_sights")
        return core.look_closer(on["closeup_values"], on["closeup_masks"]) if kept is None else kept
    features = on["patch_features"] if "patch_features" in on else stem(on["pixel_values"])
    index, side = on["region_index"], config.vision_config.grid_size
    grids, first = locate_pictures(on["tile_grid"], index, thumbnail=config.use_thumbnail)
    weight = mask_weights(on["mask_values"], on["region_boxes"], index[:, 1], grids, first, side=side)
    return look(stem, config, features, weight)


# ---- learning ----------------------------------------------------------------------------------------------------


def learn_words(
    model: Any,
    seen: SeenRegions,
    words: WordTokens,
    settings: Words,
    training: Training,
    *,
    embeddings: bool,
    seed: int,
) -> dict[str, torch.Tensor]:
    """Trains what speaks for regions until it points at their words.

    Args:
        model: A GAR model in float32; it learns.
        seen: What its stem sees of regions.
        words: Of each attribute the tokens of each word.
        settings: Steps, regions of a step, learning rate.
        training: Weight decay and clipping.
        embeddings: Whether the embeddings of words are trained too: those of a model that has learnt to write are not.
        seed: Where the order of the regions comes from.

    Returns:
        The parameters that were trained, by their names.

    Raises:
        InputError: Nothing of the model speaks for a region by what the stem sees.
    """
    core = model.model
    if core.stem_embed is None:
        raise InputError("words: the model has no stem_embedding, so nothing that its stem sees speaks for a region")
    trained = {
        name: value
        for name, value in model.named_parameters()
        if value.requires_grad
        and (part_of(name, has_stem=True) in ("region", "color") or (embeddings and "embed_tokens." in name))
    }
    decayed = [value for value in trained.values() if value.ndim > 1]
    plain = [value for value in trained.values() if value.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": training.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=settings.learning_rate,
    )
    schedule = get_cosine_schedule_with_warmup(optimizer, _WARMUP, settings.steps)
    torch.manual_seed(seed)
    model.train()
    for _ in watched(range(settings.steps), "words", total=settings.steps):
        drawn = torch.randint(len(seen), (settings.batch_size,)).to(seen.labels.device)
        loss = word_loss(_speak(core, seen, drawn), model.get_input_embeddings().weight, words, seen.labels[drawn])
        optimizer.zero_grad()
        loss.backward()
        if training.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(trained.values(), training.max_grad_norm)
        optimizer.step()
        schedule.step()
    return {name: value.detach().clone() for name, value in trained.items()}


@torch.no_grad()
def share_of_right_words(
    model: Any, seen: SeenRegions, words: Mapping[str, Sequence[Sequence[int]]]
) -> dict[str, tuple[float, int]]:
    """Of each attribute the share of the regions that point at the right word, and how many regions have one.

    Args:
        model: A GAR model.
        seen: What its stem sees of regions.
        words: Attribute → the tokens of each word.
    """
    model.eval()
    spoken = _speak(model.model, seen, torch.arange(len(seen), device=seen.labels.device))
    shares: dict[str, tuple[float, int]] = {}
    scores = _word_scores(spoken, model.get_input_embeddings().weight, [*words.values()])
    for name, points, labels in zip(words, scores, seen.labels.T, strict=True):
        known = labels != IGNORED
        right = (points.argmax(-1) == labels)[known]
        shares[name] = (right.float().mean().item() if len(right) else 0.0, len(right))
    return shares


def _speak(core: Any, seen: SeenRegions, drawn: torch.Tensor) -> torch.Tensor:
    return core.speak(seen.sights[drawn].float(), seen.boxes[drawn])
