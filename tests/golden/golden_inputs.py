"""Whether our processor makes of a golden sample what the published code makes: text, ids, boxes, pixels, masks.

More prompts than the model has tokens for are refused by the library. What the published code does with them (their
crop tokens keep their plain embeddings, and they are not in the mask) is made here by hand, as a test of our
understanding.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from golden_data import Sample
from golden_deviation import EXACT, FEATURES, Deviation, differing, distance
from numpy.typing import NDArray

from gar import GARProcessor, PromptError
from gar.processing import Message
from gar.processing.processor import normalised_box
from gar.processing.prompts import caption_turns, several_regions
from gar.processing.tiling import nearest_index

__all__ = ["compare_inputs", "published_inputs", "sample_processor"]

NO_PROMPT = 5
"""What the published id images hold where no region is."""

Inputs = dict[str, torch.Tensor]


def sample_processor(tokenizer: Any, config: Any, sample: Sample) -> GARProcessor:
    """The processor with a sample's settings."""
    starts = 2 if sample.facts.get("add_special_tokens", True) else 1
    return GARProcessor(tokenizer, config, max_num_tiles=sample.facts["max_num_tiles"], bos_tokens=starts)


def compare_inputs(processor: GARProcessor, sample: Sample, inputs: Inputs) -> list[Deviation]:
    """Compares all that a sample stores of text and preprocessing.

    Args:
        processor: From `sample_processor`.
        sample: The sample.
        inputs: From `published_inputs`.
    """
    return [
        *_compare_text(processor, sample),
        *_compare_ids(sample, inputs),
        *_compare_boxes(processor, sample, inputs),
        *_compare_pixels(sample, inputs),
        *_compare_masks(sample, inputs),
    ]


# ---- text --------------------------------------------------------------------------------------------------------


def _crop_texts(processor: GARProcessor, sample: Sample) -> dict[int, str]:
    """The crop token of each prompt, those included that the model does not replay."""
    texts = processor.tokenizer.convert_ids_to_tokens(sample.crop_token_ids)
    return dict(zip(sample.prompts, texts, strict=True))


def _collapse(text: str, tokens: Sequence[str]) -> str:
    """Makes each run of a repeated crop token one token again: the stored texts hold them repeated."""
    for token in tokens:
        text = re.sub(f"(?:{re.escape(token)})+", lambda match: match.group()[: match.group().index(">") + 1], text)
    return text


def _chat_text(processor: GARProcessor, sample: Sample) -> str:
    """The sample's chat text with one placeholder for the picture and one for each region."""
    facts, crops = sample.facts, _crop_texts(processor, sample)
    if facts.get("conversation"):
        turns = [Message(m["role"], _collapse(m["text"], list(crops.values()))) for m in facts["conversation"]]
        return processor.chat_text(turns, add_generation_prompt=False)
    if facts["kind"] == "single":
        return processor.describe_text(facts["question"], prompt=sample.prompts[0])
    if len(sample.prompts) > processor.config.max_regions:
        return processor.chat_text([Message("user", several_regions(facts["question"], sample.prompts, crops))])
    return processor.question_text(facts["question"], sample.prompts)


def _compare_text(processor: GARProcessor, sample: Sample) -> Iterator[Deviation]:
    facts, prompts, crops = sample.facts, sample.prompts, _crop_texts(processor, sample)
    exact = partial(Deviation, "text", allowed=EXACT)
    text = _chat_text(processor, sample)
    for token in crops.values():
        text = text.replace(token, token * processor.config.replay_tokens)
    if "raw_prompt" in facts:
        yield exact("prompt text", float(text != facts["raw_prompt"]))
    if facts.get("conversation"):
        stored = [_collapse(message["text"], list(crops.values())) for message in facts["conversation"]]
        if facts.get("captions"):
            turns = caption_turns(dict(zip(prompts, facts["captions"], strict=True)), crops)
            yield exact("wording of captions", differing([turn.text for turn in turns], stored))
        elif facts["kind"] == "multi" and facts.get("question"):
            asked = several_regions(facts["question"], prompts, crops)
            yield exact("wording of the question", float(asked != stored[0]))
    if len(prompts) > processor.config.max_regions:
        refusals = 0
        for ask in (
            lambda: processor.question_text(facts["question"], prompts),
            lambda: processor([sample.picture], [text], [sample.regions], [prompts]),
        ):
            try:
                ask()
            except PromptError as error:
                refusals += str(processor.config.max_regions) in str(error)
        yield exact("refusals", 2.0 - refusals, note=f"{len(prompts)} prompts: what the published code does is shown")


# ---- inputs ------------------------------------------------------------------------------------------------------


def published_inputs(processor: GARProcessor, sample: Sample) -> Inputs:
    """The model's inputs as the published code makes them; more prompts than tokens are cut off as it does."""
    limit = processor.config.max_regions
    known = [(region, number) for region, number in zip(sample.regions, sample.prompts, strict=True) if number < limit]
    inputs: Inputs = dict(
        processor(
            [sample.picture],
            [_chat_text(processor, sample)],
            [[region for region, _ in known]],
            [[number for _, number in known]],
            labels=bool(sample.facts.get("conversation")),
        )
    )
    unknown = [token for token in sample.crop_token_ids if token not in processor.config.crop_token_ids]
    if unknown:  # their crop tokens are repeated too, but nothing is replayed into them
        ids = inputs["input_ids"][0]
        repeats = torch.where(torch.isin(ids, torch.tensor(unknown)), processor.config.replay_tokens, 1)
        inputs["input_ids"] = ids.repeat_interleave(repeats)[None]
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    return inputs


def _unroll(runs: Sequence[tuple[int, int]]) -> list[int]:
    return [value for value, length in runs for _ in range(length)]


def _compare_ids(sample: Sample, inputs: Inputs) -> Iterator[Deviation]:
    exact = partial(Deviation, "ids", allowed=EXACT)
    facts, ids = sample.facts, inputs["input_ids"][0]
    if "input_ids_rle" in facts:
        yield exact("input ids", differing(ids, _unroll(facts["input_ids_rle"])))
    if "input_ids" in sample.tensors:
        yield exact("input ids (tensor)", differing(ids, sample.tensors["input_ids"]))
    if "labels_rle" in facts:
        yield exact("labels", differing(inputs["labels"][0], _unroll(facts["labels_rle"])))


def _compare_boxes(processor: GARProcessor, sample: Sample, inputs: Inputs) -> Iterator[Deviation]:
    size = sample.picture.size[::-1]
    boxes = [normalised_box(region.to_mask(size)) for region in sample.regions]
    yield Deviation("boxes", "normalised boxes", differing(boxes, list(sample.facts["bboxes"].values())), EXACT)
    columns, rows = inputs["tile_grid"][0].tolist()
    extent = torch.tensor([columns, rows, columns, rows]) * processor.config.feature_grid_size
    for call in sample.facts.get("roi_calls", []):
        ours = inputs["region_boxes"][sample.crop_token_ids.index(call["crop_token"])] * extent
        theirs = torch.tensor(call["boxes_passed"])[0, 1:]
        gap = float(((ours - theirs).abs() / theirs.abs().clamp(min=1)).max())
        gap += abs(processor.config.replay_spatial_scale - call["spatial_scale_passed"])
        yield Deviation("boxes", f"box passed for {call['crop_token']}", gap, FEATURES)


def _compare_pixels(sample: Sample, inputs: Inputs) -> Iterator[Deviation]:
    exact = partial(Deviation, "pixels", allowed=EXACT)
    pixels, stored = inputs["pixel_values"], sample.preprocessed_numbers
    if "aspect_ratio_tiles_wh" in sample.facts:
        yield exact("grid of tiles", differing(inputs["tile_grid"][0], sample.facts["aspect_ratio_tiles_wh"]))
    columns, rows = inputs["tile_grid"][0].tolist()
    tiles = (pixels.double() * 127.5 + 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()  # (T, S, S, 3)
    canvas = _canvas(tiles[1:], columns, rows)
    hashes = sample.facts.get("preproc", {})
    if "canvas_sha256" in hashes:
        yield exact("sha256 of the canvas", float(_sha256(canvas) != hashes["canvas_sha256"]))
    if "thumb_sha256" in hashes:
        yield exact("sha256 of the thumbnail", float(_sha256(tiles[0]) != hashes["thumb_sha256"]))
    for suffix, ours in (("thumb", tiles[0]), ("tiles", canvas)):
        picture = sample.preprocessed(suffix)
        if picture is not None:
            yield exact(f"picture {suffix}", differing(ours, picture))
    if "canvas_stride7" in stored:
        yield exact("canvas, every 7th", differing(canvas[::7, ::7], stored["canvas_stride7"]))
    if "pixel_values_stride" in stored:
        yield exact("values, every 16th", differing(pixels[:, :, ::16, ::16], stored["pixel_values_stride"]))
    if "pixel_values_sum_per_tile" in stored:  # the order of a sum of 600,000 doubles is not part of the rule
        sums = torch.from_numpy(stored["pixel_values_sum_per_tile"])
        gap = distance(pixels.double().sum((1, 2, 3)), sums)
        yield Deviation("pixels", "sum of each tile", gap, 1e-6)


def _sha256(array: NDArray[np.uint8]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _canvas(tiles: NDArray[np.uint8], columns: int, rows: int) -> NDArray[np.uint8]:
    """Puts tiles (rows·columns, S, S, …) together again."""
    grid = tiles.reshape(rows, columns, *tiles.shape[1:])
    return np.concatenate([np.concatenate(list(row), axis=1) for row in grid], axis=0)


def _compare_masks(sample: Sample, inputs: Inputs) -> Iterator[Deviation]:
    exact = partial(Deviation, "masks", allowed=EXACT)
    columns, rows = inputs["tile_grid"][0].tolist()
    masks = (inputs["mask_values"][:, 0].numpy() != 0).astype(np.uint8)
    canvas, size = _canvas(masks[1:], columns, rows), masks.shape[-1]
    ids = np.full(sample.picture.size[::-1], NO_PROMPT, np.uint8)
    for number, region in reversed(list(zip(sample.prompts, sample.regions, strict=True))):  # the first one wins
        ids[region.to_mask(ids.shape)] = min(number, NO_PROMPT)

    def resized(height: int, width: int) -> NDArray[np.uint8]:
        return ids[np.ix_(nearest_index(ids.shape[0], height), nearest_index(ids.shape[1], width))]

    ids_canvas, ids_thumbnail = resized(rows * size, columns * size), resized(size, size)
    yield exact("mask canvas against id image", differing(canvas, ids_canvas != NO_PROMPT))
    yield exact("mask thumbnail against id image", differing(masks[0], ids_thumbnail != NO_PROMPT))
    stored = sample.facts.get("preproc", {}).get("mask_canvas_sha256")
    if stored is not None:
        yield exact("sha256 of the id canvas", float(_sha256(ids_canvas) != stored))
    for suffix, ours in (("mask_input", ids), ("mask_thumb", ids_thumbnail), ("mask_tiles", ids_canvas)):
        picture = sample.preprocessed(suffix)
        if picture is not None:
            yield exact(f"picture {suffix}", differing(ours, picture))
