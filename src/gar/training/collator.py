"""Batches of samples of every kind.

A sample is one picture with its regions and several turns about them, read in one of two ways:

* a dialogue: one conversation, each turn seeing those before it, in the published wording;
* packed: the picture and its regions are a prefix, and the turns stand one behind the other, but none sees another: a
  block mask lets each see the prefix and itself, and each counts its positions from the end of the prefix. So every
  question is read exactly as if it were asked alone, and the picture is encoded and read once for all of them.

The text is the processor's, token for token. Items that cannot be used are left out of the batch and noted, each once.

Shapes: B samples, L text length, T tiles in all, R regions in all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gar.errors import InputError
from gar.processing import GARProcessor, Message
from gar.processing.processor import IGNORED, normalised_box
from gar.processing.prompts import caption_turns, one_region, prompts_in, several_regions
from gar.processing.tiling import choose_grid
from gar.training.packing import block_mask, question_rows
from gar.training.samples import Sample, Skipped

__all__ = ["SampleCollator", "conversation", "names_noted"]

LENGTH_STEP = 64
"""Texts are padded to a multiple of this, so that few different shapes occur (each costs set-up time and memory)."""

_MARK = "\x00"
"""Stands for a question while the text around it is written."""


def conversation(sample: Sample, crop_tokens: Sequence[str]) -> list[Message]:
    """The turns of a sample as messages, its regions listed in the first.

    Args:
        sample: A sample.
        crop_tokens: The crop token's text of each prompt number.

    Raises:
        InputError: The wording does not fit the number of regions or turns.
    """
    questions = [question for question, _ in sample.turns]
    if sample.wording == "captions":
        asked = _caption_questions(questions, sample.prompts, crop_tokens)
    elif sample.wording == "one":
        if len(sample.prompts) != 1:
            raise InputError(f"{len(sample.prompts)} regions in the wording for one")
        asked = [one_region(questions[0], sample.prompts[0], crop_tokens), *questions[1:]]
    else:
        asked = [several_regions(questions[0], sample.prompts, crop_tokens), *questions[1:]]
    return [
        message
        for text, (_, answer) in zip(asked, sample.turns, strict=True)
        for message in (Message("user", text), Message("assistant", answer))
    ]


def _caption_questions(questions: Sequence[str], prompts: Sequence[int], crop_tokens: Sequence[str]) -> list[str]:
    """Each region's question with its name and crop token, those about regions that are not there as they are."""
    messages = caption_turns(dict.fromkeys(prompts, ""), crop_tokens, question=_MARK)
    introduction, _, first = messages[0].text.partition("\n")
    wordings = iter([first, *(message.text for message in messages[2::2])])
    asked: list[str] = []
    for question in questions:
        named = prompts_in(question.partition(": ")[0])
        absent = question.startswith("<Prompt") and named and named[0] not in prompts
        wording = question if absent else next(wordings, None)
        if wording is None:
            raise InputError(f"{len(questions)} captions of {len(prompts)} regions")
        asked.append(wording.replace(_MARK, question))
    if next(wordings, None) is not None:
        raise InputError(f"{len(questions)} captions of {len(prompts)} regions")
    return [f"{introduction}\n{asked[0]}", *asked[1:]]


@dataclass
class _Row:
    """The text of one sample, token by token."""

    ids: list[int]
    labels: list[int]
    positions: list[int]
    segments: list[int]


@dataclass
class _Picture:
    """The picture of one sample: its tiles and close-ups, or what the stem made of them."""

    pixels: torch.Tensor | None
    features: torch.Tensor | None
    masks: torch.Tensor
    grid: tuple[int, int]
    closeups: dict[str, torch.Tensor]


def names_noted(lines: Iterable[bytes]) -> set[str]:
    """The names of items that lines of a file of skipped items tell; a line that a kill has cut short tells none."""
    names: set[str] = set()
    for line in lines:
        with suppress(ValueError):
            names.add(json.loads(line)["name"])
    return names


class SampleCollator:
    """Makes model inputs of samples.

    Args:
        processor: Knows the wording and the tokens.
        vocabulary: Attribute → words. Each region's true words become `attribute_labels`, for the auxiliary loss.
        skipped: A file that gets a line of JSON for each item left out, once.
    """

    def __init__(
        self,
        processor: GARProcessor,
        *,
        vocabulary: Mapping[str, Sequence[str]] | None = None,
        skipped: Path | None = None,
    ):
        self.processor = processor
        self.skipped = skipped
        self._noted: set[str] = set()
        self._read = 0
        self._words = {
            attribute: {word: number for number, word in enumerate(words)}
            for attribute, words in (vocabulary or {}).items()
        }

    def __call__(self, items: Sequence[Sample | Skipped]) -> dict[str, Any]:
        """Packs and pads a batch: the tensors of `ModelInputs`, with labels.

        Where samples are packed, the attention mask is (B, 1, L, L) and there are `position_ids`; where features are
        cached, `patch_features` stand in place of `pixel_values`.

        Raises:
            InputError: None of the items can be used; the message names them.
        """
        samples: list[Sample] = []
        pictures: list[_Picture] = []
        rows: list[_Row] = []
        left_out: list[Skipped] = []
        for item in items:
            if isinstance(item, Skipped):
                left_out.append(item)
                continue
            try:
                self._check(item)
                row = self._row(item, self._tiles(item))
                picture = self._picture(item)
            except InputError as error:
                left_out.append(Skipped(item.name, str(error)))
            else:
                samples.append(item)
                pictures.append(picture)
                rows.append(row)
        self._note(left_out)
        if not samples:
            reasons = "; ".join(f"{item.name}: {item.reason}" for item in left_out)
            raise InputError(f"no item of a batch of {len(items)} can be used: {reasons}")
        return {**self._text_inputs(rows), **self._region_inputs(samples, pictures)}

    def without_text(self, samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
        """The inputs of some samples but for their text, which need not be of use."""
        return self._region_inputs(samples, [self._picture(sample) for sample in samples])

    def length(self, item: Sample | Skipped) -> int:
        """Tokens of an item; 0 if it cannot be used."""
        if isinstance(item, Skipped):
            return 0
        try:
            self._check(item)
            return len(self._row(item, self._tiles(item)).ids)
        except InputError:
            return 0

    def _check(self, sample: Sample) -> None:
        """Raises an `InputError` if prompt numbers, masks and turns do not fit or a text holds a reserved token."""
        self.processor.check_prompts(sample.prompts)
        if len(sample.masks) != len(sample.prompts) or not sample.turns:
            raise InputError(f"{len(sample.masks)} masks, {len(sample.prompts)} prompts, {len(sample.turns)} turns")
        for number, mask in zip(sample.prompts, sample.masks, strict=True):
            if not mask.any():
                raise InputError(f"the mask of <Prompt{number}> is empty")
        for text in (text.strip() for turn in sample.turns for text in turn):
            token = self.processor.reserved_token(text)
            if token is not None or not text:
                raise InputError(f"a text holds the reserved token {token!r}" if token else "a text is empty")

    # ---- text ----------------------------------------------------------------------------------------------------

    def _row(self, sample: Sample, tiles: int) -> _Row:
        row = self._dialogue(sample, tiles) if sample.dialogue else self._packed(sample, tiles)
        limit = self.processor.config.text_config.max_position_embeddings
        if max(row.positions) >= limit:
            raise InputError(f"{max(row.positions) + 1} tokens; the model can hold {limit}")
        return row

    def _dialogue(self, sample: Sample, tiles: int) -> _Row:
        messages = conversation(sample, self.processor.crop_tokens)
        ids = self.processor.token_ids(self.processor.chat_text(messages, add_generation_prompt=False), tiles)
        return _Row(ids, self.processor.answer_labels(ids), [*range(len(ids))], [0] * len(ids))

    def _packed(self, sample: Sample, tiles: int) -> _Row:
        prefix, turns = self.split(sample, tiles)
        start = len(prefix)
        row = _Row([*prefix], [IGNORED] * start, [*range(start)], [0] * start)
        for number, (question, answer) in enumerate(turns, 1):
            length = len(question) + len(answer)
            row.ids += question + answer
            row.labels += [IGNORED] * len(question) + answer
            row.positions += range(start, start + length)
            row.segments += [number] * length
        return row

    def split(self, sample: Sample, tiles: int) -> tuple[list[int], list[tuple[list[int], list[int]]]]:
        """Token ids of the prefix of a packed sample, and of each question with its answer."""
        if sample.wording == "captions":
            raise InputError("captions in turns are a dialogue; packed questions stand each alone")
        processor = self.processor
        marked = Sample(sample.name, sample.masks, sample.prompts, ((_MARK, ""),), sample.wording)
        before, after = processor.chat_text(conversation(marked, processor.crop_tokens)[:1]).split(_MARK)
        return processor.token_ids(before, tiles), [
            (
                processor.token_ids(question.strip() + after, tiles),
                processor.answer_ids(answer),
            )
            for question, answer in sample.turns
        ]

    def _text_inputs(self, rows: Sequence[_Row]) -> dict[str, torch.Tensor]:
        def pad(parts: Sequence[list[int]], value: int) -> torch.Tensor:
            return self.processor.pad(parts, value, "right", multiple=LENGTH_STEP)

        inputs = {
            "input_ids": pad([row.ids for row in rows], self.processor.tokenizer.pad_token_id),
            "labels": pad([row.labels for row in rows], IGNORED),
        }
        if not any(row.segments[-1] for row in rows):  # dialogues alone need no mask of their own
            return {**inputs, "attention_mask": pad([[1] * len(row.ids) for row in rows], 0)}
        segments = pad([row.segments for row in rows], -1)
        return {
            **inputs,
            "attention_mask": block_mask(segments),
            "position_ids": pad([row.positions for row in rows], 0),
            "packed": question_rows(segments),
        }

    # ---- pictures ------------------------------------------------------------------------------------------------

    def _tiles(self, sample: Sample) -> int:
        """How many tiles a sample's picture is cut into, thumbnail included."""
        grid = sample.grid or choose_grid(
            *sample.masks[0].shape,
            tile_size=self.processor.config.vision_config.image_size,
            max_num_tiles=self.processor.max_num_tiles,
        )
        return self.processor.tile_count(grid)

    def _picture(self, sample: Sample) -> _Picture:
        processor = self.processor
        if sample.patch_features is not None and sample.grid is not None:
            masks = processor.mask_inputs(sample.masks, sample.prompts, sample.grid)
            sights = {} if sample.sights is None else {"region_sights": sample.sights.float()}
            return _Picture(None, sample.patch_features.float(), masks, sample.grid, sights)
        if sample.picture is None:
            raise InputError("there is neither a picture nor its features")
        pixels, masks, grid = processor.picture_inputs(sample.picture, sample.masks, sample.prompts)
        return _Picture(pixels, None, masks, grid, processor.closeup_inputs(sample.picture, sample.masks))

    def _region_inputs(self, samples: Sequence[Sample], pictures: Sequence[_Picture]) -> dict[str, torch.Tensor]:
        return {
            **self._picture_inputs(pictures),
            "region_boxes": torch.tensor([normalised_box(mask) for s in samples for mask in s.masks]),
            "region_index": torch.tensor([(b, n) for b, s in enumerate(samples) for n in s.prompts]),
            **self._word_labels(samples),
        }

    def _picture_inputs(self, pictures: Sequence[_Picture]) -> dict[str, torch.Tensor]:
        cached = [picture.features for picture in pictures if picture.features is not None]
        pixels = [picture.pixels for picture in pictures if picture.pixels is not None]
        if cached and pixels:
            raise InputError(f"{len(pixels)} pictures and cached features of {len(cached)} others in one batch")
        return {
            **({"patch_features": torch.cat(cached)} if cached else {"pixel_values": torch.cat(pixels)}),
            "mask_values": torch.cat([picture.masks for picture in pictures]),
            "tiles_per_sample": torch.tensor([len(picture.masks) for picture in pictures]),
            "tile_grid": torch.tensor([picture.grid for picture in pictures]),
            **{name: torch.cat([picture.closeups[name] for picture in pictures]) for name in pictures[0].closeups},
        }

    def _word_labels(self, samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
        if not self._words:
            return {}
        own = [words for s in samples for words in (s.words or ({},) * len(s.masks))]
        known = self._words.items()
        rows = [[numbers.get(words.get(attribute, ""), IGNORED) for attribute, numbers in known] for words in own]
        return {"attribute_labels": torch.tensor(rows)}

    # ---- what is left out ----------------------------------------------------------------------------------------

    def _note(self, items: Sequence[Skipped]) -> None:
        """Adds to the file what is not in it yet, by this process or another."""
        if self.skipped is None or all(item.name in self._noted for item in items):
            return
        with self.skipped.open("a+b") as file:  # short lines are added whole, from any process
            file.seek(self._read)
            self._noted |= names_noted(file)
            self._read = file.tell()
            new = {item.name: item for item in items if item.name not in self._noted}
            file.write(b"".join(json.dumps(asdict(item), ensure_ascii=False).encode() + b"\n" for item in new.values()))
        self._noted |= new.keys()
