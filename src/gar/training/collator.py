"""Batches of packed conversations.

A sample is one picture with its regions (the prefix) and several questions about it. The questions stand one behind
the other, but none sees another: a block mask lets each see the prefix and itself, and each counts its positions from
the end of the prefix. So every question is read exactly as if it were asked alone, and the picture is encoded and
read once for all of them.

Shapes: B samples, L text length, R regions in all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from gar.processing import GARProcessor, Message
from gar.processing.processor import IGNORED, normalised_box
from gar.processing.prompts import one_region, several_regions
from gar.processing.tiling import mask_tiles, region_bits
from gar.training.world_data import PackedSample

__all__ = ["PackingCollator", "block_mask"]

LENGTH_STEP = 64
"""Texts are padded to a multiple of this, so that few different shapes occur (each costs set-up time and memory)."""

_MARK = "\x00"
"""Stands for the question while the text is split into what comes before and after it."""


def block_mask(segments: torch.Tensor) -> torch.Tensor:
    """Who sees whom in a packed conversation.

    Args:
        segments: (B, L) segment of each token: 0 the prefix, 1, 2, … the questions, -1 padding.

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


class PackingCollator:
    """Makes model inputs of packed samples.

    Args:
        processor: Knows the wording and the tokens.
        vocabulary: Attribute → words. Each region's true words become `attribute_labels`, for an auxiliary loss.
    """

    def __init__(self, processor: GARProcessor, vocabulary: Mapping[str, Sequence[str]]):
        self.processor = processor
        self.vocabulary = vocabulary

    def __call__(self, samples: Sequence[PackedSample]) -> dict[str, Any]:
        """Packs and pads a batch: the inputs of `ModelInputs` with 4-D attention mask, positions and labels."""
        processor, size = self.processor, self.processor.config.vision_config.image_size
        rows: list[list[int]] = []
        labels: list[list[int]] = []
        positions: list[list[int]] = []
        segments: list[list[int]] = []
        masks: list[torch.Tensor] = []
        for sample in samples:
            prefix, turns = self.split(sample)
            row, label, position, segment = [*prefix], [IGNORED] * len(prefix), [*range(len(prefix))], [0] * len(prefix)
            for number, (question, answer) in enumerate(turns, 1):
                length = len(question) + len(answer)
                row += question + answer
                label += [IGNORED] * len(question) + answer
                position += range(len(prefix), len(prefix) + length)
                segment += [number] * length
            rows.append(row)
            labels.append(label)
            positions.append(position)
            segments.append(segment)
            bits = region_bits(sample.masks, sample.prompts)
            thumbnail = processor.config.use_thumbnail
            masks.append(mask_tiles(bits, sample.grid, tile_size=size, thumbnail=thumbnail))
        return {
            "input_ids": processor.pad(rows, processor.tokenizer.pad_token_id, "right", multiple=LENGTH_STEP),
            "attention_mask": block_mask(processor.pad(segments, -1, "right", multiple=LENGTH_STEP)),
            "position_ids": processor.pad(positions, 0, "right", multiple=LENGTH_STEP),
            "labels": processor.pad(labels, IGNORED, "right", multiple=LENGTH_STEP),
            "patch_features": torch.cat([sample.patch_features for sample in samples]).float(),
            "mask_values": torch.cat(masks),
            "tiles_per_sample": torch.tensor([len(sample.patch_features) for sample in samples]),
            "tile_grid": torch.tensor([sample.grid for sample in samples]),
            "region_boxes": torch.tensor([normalised_box(mask) for s in samples for mask in s.masks]),
            "region_index": torch.tensor([(b, n) for b, s in enumerate(samples) for n in s.prompts]),
            "attribute_labels": torch.tensor(
                [
                    [
                        words.index(own[attribute]) if attribute in own else IGNORED
                        for attribute, words in self.vocabulary.items()
                    ]
                    for sample in samples
                    for own in sample.words
                ]
            ),
        }

    def split(self, sample: PackedSample) -> tuple[list[int], list[tuple[list[int], list[int]]]]:
        """Token ids of the prefix, and of each question with its answer."""
        processor = self.processor
        if sample.alone:
            asked = one_region(_MARK, sample.prompts[0], processor.crop_tokens)
        else:
            asked = several_regions(_MARK, sample.prompts, processor.crop_tokens)
        before, after = processor.chat_text([Message("user", asked)]).split(_MARK)
        tiles = len(sample.patch_features)
        return processor.token_ids(before, tiles), [
            (
                processor.token_ids(question + after, tiles),
                processor.token_ids(answer + "<|eot_id|>", tiles),
            )
            for question, answer in sample.turns
        ]
