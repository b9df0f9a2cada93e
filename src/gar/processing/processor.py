"""From pictures, regions and text to `ModelInputs`.

`GARProcessor` holds a tokenizer and the model's configuration (the only things it knows of the model) and two settings
of its own. It is a transformers processor: `from_pretrained`, `save_pretrained` and `AutoProcessor` work.

Choices:

* text is tokenised with one placeholder for the picture and one for each region; the runs of image and crop tokens
  are expanded on the ids, which gives the ids of the expanded text and costs nothing for many tiles;
* everything is packed over tiles and regions, nothing is padded but the text;
* what a user writes may name regions (`<Prompt0>` …) but may not hold any other reserved token.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoProcessor, AutoTokenizer, BatchFeature, ProcessorMixin

from gar.errors import PromptError
from gar.media import ImageSource, load_image
from gar.model.configuration import GARConfig
from gar.processing.prompts import (
    DESCRIBE,
    SINGLE_PROMPT,
    SYSTEM_PROMPT,
    Message,
    check_question,
    one_region,
    render_chat,
    several_regions,
)
from gar.processing.tiling import (
    choose_grid,
    crop_mask_tiles,
    crop_tiles,
    mask_tiles,
    picture_tiles,
    region_bits,
)
from gar.processing.tokens import placeholders, reserved_pattern

if TYPE_CHECKING:
    from PIL import Image

    from gar.regions import Region

__all__ = ["GARProcessor", "ModelInputs", "normalised_box"]

IGNORED = -100
"""The label of a token that is not learnt."""

_MAX_TILES = 1024
"""Tiles of one picture, at most; all grids of so many are gone through."""


class ModelInputs(BatchFeature):
    """The tensors that cross from processing to model; `model(**inputs)`.

    B samples, L text length, T tiles in all, S tile side, R regions in all:

    * `input_ids`, `attention_mask` (B, L) int64; `labels` (B, L) when asked for;
    * `pixel_values` (T, 3, S, S) float32 in [-1, 1]; `mask_values` (T, 1, S, S) uint8, bit k set
      inside region `<PromptK>` (see `region_bits`), so 0 outside all regions;
    * `tiles_per_sample` (B,); `tile_grid` (B, 2) columns and rows;
    * `region_boxes` (R, 4) float32, normalised xyxy; `region_index` (R, 2) sample and prompt number.

    With `GARConfig.region_crops` the tiles of a picture are followed by one for each of its regions, in the order of
    `region_index`. With `GARConfig.closeup_size` there are `closeup_values` (R, 3, C, C) float32 in [-1, 1] and
    `closeup_masks` (R, 1, C, C) uint8, not 0 inside the region.
    """


def normalised_box(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """The box of a mask as the model reads it: least and greatest index of set pixels over width and height.

    The published rule adds no 1 to the greatest index, so a single pixel has a box without area.

    Args:
        mask: (H, W) bool, not empty.

    Returns:
        (x1, y1, x2, y2) in [0, 1).

    Example:
        >>> mask = np.zeros((4, 4), bool); mask[1:3, 2] = True
        >>> normalised_box(mask)
        (0.5, 0.25, 0.5, 0.5)
    """
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (
        float(columns[0]) / width,
        float(rows[0]) / height,
        float(columns[-1]) / width,
        float(rows[-1]) / height,
    )


def _normalise(tiles: torch.Tensor) -> torch.Tensor:
    """uint8 → float32 in [-1, 1]."""
    return (tiles.float() - 127.5) / 127.5


class GARProcessor(ProcessorMixin):
    """Turns pictures, regions and text into `ModelInputs`.

    Args:
        tokenizer: A transformers tokenizer that knows the image, crop and prompt tokens.
        config: The model's configuration.
        max_num_tiles: Most tiles of one picture, the thumbnail not counted; from 1 to 1024.
        system_prompt: The system sentence; empty for none.
        bos_tokens: Begin-of-text tokens before a question. The published evaluation code has 2 (its chat text already
            begins with one, and the tokenizer adds another); conversations to learn from always have 1.
        answer_prefix: What comes before each answer.

    Raises:
        CheckpointError: The tokenizer does not know the tokens that the configuration or the wording names, or more
            than the model.
        PromptError: A setting is out of range, or a text holds a reserved token.
    """

    tokenizer: Any

    def __init__(
        self,
        tokenizer: Any,
        config: GARConfig,
        max_num_tiles: int = 16,
        system_prompt: str = SYSTEM_PROMPT,
        bos_tokens: int = 2,
        answer_prefix: str = "",
    ):
        super().__init__(tokenizer)
        if type(max_num_tiles) is not int or not 1 <= max_num_tiles <= _MAX_TILES:
            raise PromptError(f"max_num_tiles is {max_num_tiles!r}; allowed are 1 to {_MAX_TILES}")
        if type(bos_tokens) is not int or not 1 <= bos_tokens <= 2:
            raise PromptError(f"bos_tokens is {bos_tokens!r}; allowed are 1 and 2")
        self.config = config
        self.max_num_tiles = max_num_tiles
        self.system_prompt = system_prompt
        self.bos_tokens = bos_tokens
        self.answer_prefix = answer_prefix
        ids = [config.image_token_id, *config.crop_token_ids]
        self.image_token, *self.crop_tokens = placeholders(tokenizer, ids, config.text_config.vocab_size)
        self._reserved = reserved_pattern(tokenizer, [self.image_token, *self.crop_tokens])
        for name, text in (("system_prompt", system_prompt), ("answer_prefix", answer_prefix)):
            if type(text) is not str or self.reserved_token(text):
                raise PromptError(f"{name} is {text!r:.100}; needed is a string without reserved tokens")
        header = f"<|start_header_id|>assistant<|end_header_id|>{chr(10) * 2}"
        self._answer_header: list[int] = self._encode(header)
        self._end_of_turn: int = self._encode("<|eot_id|>")[-1]

    # ---- text ----------------------------------------------------------------------------------------------------

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def reserved_token(self, text: str) -> str | None:
        """The first reserved token in a text (prompt names do not count), or None."""
        found = self._reserved.search(text)
        return found.group() if found else None

    def check_prompts(self, prompts: Sequence[int]) -> None:
        """Checks that the model has a token for each prompt number, and each is used once.

        Raises:
            PromptError: There are more regions than prompt tokens, or a number is taken twice or out of range.
        """
        limit = self.config.max_regions
        if not prompts:
            raise PromptError("no region was given; at least 1 is needed")
        if len(prompts) > limit:
            raise PromptError(f"{len(prompts)} regions were given; this model can name at most {limit} at once")
        if len(set(prompts)) != len(prompts) or min(prompts) < 0 or max(prompts) >= limit:
            raise PromptError(f"prompt numbers {list(prompts)}: each must be used once, from 0 to {limit - 1}")

    def describe_text(self, question: str = DESCRIBE, *, prompt: int | None = None) -> str:
        """The chat text that asks for one region described, in the published single-region wording.

        Args:
            question: What to ask.
            prompt: Its prompt number; 1 as published, or 0 for a model that knows only one.
        """
        number = self.single_prompt if prompt is None else prompt
        self.check_prompts([number])
        text = check_question(question, [number], self.reserved_token)
        return self.chat_text([Message("user", one_region(text, number, self.crop_tokens))])

    def question_text(self, question: str, prompts: Sequence[int]) -> str:
        """The chat text that asks a question about several regions, in the published wording.

        Args:
            question: May name the regions as `<Prompt0>`, `<Prompt1>`, …
            prompts: The prompt number of each region, in the order in which they are listed.
        """
        self.check_prompts(prompts)
        text = check_question(question, prompts, self.reserved_token)
        return self.chat_text([Message("user", several_regions(text, prompts, self.crop_tokens))])

    def chat_text(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> str:
        """Joins turns with this model's system sentence, see `gar.processing.prompts.render_chat`."""
        return render_chat(
            messages,
            system_prompt=self.system_prompt,
            image_token=self.image_token,
            answer_prefix=self.answer_prefix,
            add_generation_prompt=add_generation_prompt,
        )

    def answer_ids(self, answer: str) -> list[int]:
        """Token ids of an answer, as it follows on the header of the assistant's turn, with its end of turn."""
        return self._encode(f"{self.answer_prefix}{answer.strip()}<|eot_id|>")

    @property
    def single_prompt(self) -> int:
        """The prompt number of a region that is described alone."""
        return min(SINGLE_PROMPT, self.config.max_regions - 1)

    def token_ids(self, text: str, tiles: int) -> list[int]:
        """Tokenises a chat text and expands its placeholders.

        Args:
            text: With one image placeholder and one crop placeholder a region.
            tiles: Tiles of the picture, see `tile_count`.
        """
        repeats = dict.fromkeys(self.config.crop_token_ids, self.config.replay_tokens)
        repeats[self.config.image_token_id] = tiles * self.config.tokens_per_tile
        return [token for token in self._encode(text) for _ in range(repeats.get(token, 1))]

    def answer_labels(self, ids: Sequence[int]) -> list[int]:
        """Labels of a conversation: every assistant turn with its end-of-turn token, -100 elsewhere."""
        labels = [IGNORED] * len(ids)
        header, length = self._answer_header, len(self._answer_header)
        position = 0
        while position < len(ids):
            if list(ids[position : position + length]) != header:
                position += 1
                continue
            position += length
            while position < len(ids):
                labels[position] = ids[position]
                position += 1
                if ids[position - 1] == self._end_of_turn:
                    break
        return labels

    # ---- pictures and regions ------------------------------------------------------------------------------------

    def picture_inputs(
        self,
        picture: Image.Image | NDArray[np.uint8],
        masks: Sequence[NDArray[np.bool_]],
        prompts: Sequence[int] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, tuple[int, int]]:
        """Cuts one picture and its masks into tiles, those of the regions alone last if the model wants them.

        Args:
            picture: RGB, (H, W, 3) uint8 or PIL.
            masks: (H, W) bool each, at least one.
            prompts: The prompt number of each mask; by default 0, 1, …

        Returns:
            Tiles (T, 3, S, S) float32 in [-1, 1], mask tiles (T, 1, S, S) uint8, and the grid (columns, rows).
        """
        pixels = np.asarray(picture, dtype=np.uint8)
        size, thumbnail = self.config.vision_config.image_size, self.config.use_thumbnail
        grid = choose_grid(*pixels.shape[:2], tile_size=size, max_num_tiles=self.max_num_tiles)
        tiles = _normalise(picture_tiles(pixels, grid, tile_size=size, thumbnail=thumbnail))
        if self.config.region_crops:
            tiles = torch.cat([tiles, self.crop_inputs(pixels, masks)])
        return tiles, self.mask_inputs(masks, range(len(masks)) if prompts is None else prompts, grid), grid

    def crop_inputs(self, picture: NDArray[np.uint8], masks: Sequence[NDArray[np.bool_]]) -> torch.Tensor:
        """The tiles of regions alone, of a model that wants them.

        Args:
            picture: (H, W, 3) uint8, RGB.
            masks: (H, W) bool each, at least one.

        Returns:
            (R, 3, S, S) float32 in [-1, 1].
        """
        return _normalise(crop_tiles(picture, masks, tile_size=self.config.vision_config.image_size))

    def closeup_inputs(self, picture: NDArray[np.uint8], masks: Sequence[NDArray[np.bool_]]) -> dict[str, torch.Tensor]:
        """The close-ups of regions, of a model that wants them; nothing of any other.

        Args:
            picture: (H, W, 3) uint8, RGB.
            masks: (H, W) bool each, at least one.

        Returns:
            `closeup_values` (R, 3, C, C) float32 in [-1, 1] and `closeup_masks` (R, 1, C, C) uint8, not 0 inside.
        """
        size = self.config.closeup_size
        if not size:
            return {}
        return {
            "closeup_values": _normalise(crop_tiles(picture, masks, tile_size=size)),
            "closeup_masks": crop_mask_tiles(masks, [0] * len(masks), tile_size=size),
        }

    def mask_inputs(
        self, masks: Sequence[NDArray[np.bool_]], prompts: Sequence[int], grid: tuple[int, int]
    ) -> torch.Tensor:
        """Cuts the masks of one picture into tiles, as `picture_inputs` cuts the picture.

        Args:
            masks: (H, W) bool each, at least one.
            prompts: The prompt number of each mask.
            grid: (columns, rows) of the picture.

        Returns:
            (T, 1, S, S) uint8.
        """
        size = self.config.vision_config.image_size
        bits = region_bits(masks, prompts)
        tiles = mask_tiles(bits, grid, tile_size=size, thumbnail=self.config.use_thumbnail)
        if self.config.region_crops:
            tiles = torch.cat([tiles, crop_mask_tiles(masks, prompts, tile_size=size)])
        return tiles

    def tile_count(self, grid: tuple[int, int]) -> int:
        """Tiles of a picture, the thumbnail included, those of regions alone not."""
        return grid[0] * grid[1] + int(self.config.use_thumbnail)

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        images: Sequence[ImageSource],
        text: Sequence[str],
        regions: Sequence[Sequence[Region]],
        prompts: Sequence[Sequence[int]] | None = None,
        *,
        padding_side: Literal["left", "right"] = "left",
        labels: bool = False,
    ) -> ModelInputs:
        """Prepares a batch; every sample may have another size, grid and number of regions.

        Args:
            images: B pictures, see `gar.media.load_image`.
            text: B chat texts, from `describe_text`, `question_text` or `chat_text`.
            regions: The regions of each picture.
            prompts: The prompt number of each region; by default 0, 1, …
            padding_side: "left" to generate, "right" to train.
            labels: Whether `text` are whole conversations to learn from: adds `labels`, and one begin-of-text
                token in place of `bos_tokens`.

        Raises:
            PromptError: The lists differ in length or are empty, a sample has no region or too many, or its text has
                not one placeholder for the picture and for each region.
            MediaError: A picture is none.
            RegionError: A region does not fit its picture.
        """
        if prompts is None:
            prompts = [range(len(own)) for own in regions]
        if not len(images) == len(text) == len(regions) == len(prompts):
            raise PromptError(
                f"{len(images)} pictures, {len(text)} texts, {len(regions)} lists of regions, "
                f"{len(prompts)} lists of prompt numbers: the numbers must agree"
            )
        if not images:
            raise PromptError("no picture was given; at least 1 is needed")
        tiles: list[torch.Tensor] = []
        mask_tiles_: list[torch.Tensor] = []
        grids: list[tuple[int, int]] = []
        boxes: list[tuple[float, float, float, float]] = []
        index: list[tuple[int, int]] = []
        closeups: list[dict[str, torch.Tensor]] = []
        ids: list[list[int]] = []
        for sample, (image, chat, own, numbers) in enumerate(zip(images, text, regions, prompts, strict=True)):
            self.check_prompts(numbers)
            if len(own) != len(numbers):
                raise PromptError(
                    f"sample {sample}: {len(own)} regions but {len(numbers)} prompt numbers {list(numbers)}"
                )
            self._check_placeholders(chat, numbers, sample)
            pixels = np.asarray(load_image(image))
            masks = [region.to_mask((pixels.shape[0], pixels.shape[1])) for region in own]
            picture, mask, grid = self.picture_inputs(pixels, masks, numbers)
            tiles.append(picture)
            mask_tiles_.append(mask)
            grids.append(grid)
            boxes.extend(normalised_box(m) for m in masks)
            index.extend((sample, number) for number in numbers)
            closeups.append(self.closeup_inputs(pixels, masks))
            extra = 0 if labels else self.bos_tokens - 1
            ids.append([self.tokenizer.bos_token_id] * extra + self.token_ids(chat, self.tile_count(grid)))
        inputs: dict[str, Any] = {
            "input_ids": self.pad(ids, self.tokenizer.pad_token_id, padding_side),
            "attention_mask": self.pad([[1] * len(row) for row in ids], 0, padding_side),
            "pixel_values": torch.cat(tiles),
            "mask_values": torch.cat(mask_tiles_),
            "tiles_per_sample": torch.tensor([len(t) for t in tiles]),
            "tile_grid": torch.tensor(grids),
            "region_boxes": torch.tensor(boxes, dtype=torch.float32),
            "region_index": torch.tensor(index),
        }
        inputs |= {name: torch.cat([own[name] for own in closeups]) for name in closeups[0]}
        if labels:
            inputs["labels"] = self.pad([self.answer_labels(row) for row in ids], IGNORED, padding_side)
        return ModelInputs(inputs)

    def _check_placeholders(self, text: str, prompts: Sequence[int], sample: int) -> None:
        """Checks that a text shows its picture and each region once; else those of a batch could change places."""
        wanted = {self.image_token: 1, **{crop: int(k in prompts) for k, crop in enumerate(self.crop_tokens)}}
        for token, times in wanted.items():
            if (found := text.count(token)) != times:
                raise PromptError(f"sample {sample}: the text holds {token!r} {found} times; needed is {times}")

    @staticmethod
    def pad(
        rows: Sequence[Sequence[int]], value: int, side: Literal["left", "right"], *, multiple: int = 1
    ) -> torch.Tensor:
        """Pads rows of numbers to the longest, or to the next multiple of a length: (B, L) int64."""
        if side not in ("left", "right"):
            raise PromptError(f"the side to pad is {side!r}; allowed are 'left' and 'right'")
        length = -(-max(map(len, rows)) // multiple) * multiple
        padded = torch.full((len(rows), length), value)
        for target, row in zip(padded, rows, strict=True):
            where = slice(length - len(row), None) if side == "left" else slice(len(row))
            target[where] = torch.tensor(row)
        return padded

    # ---- saving and loading --------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The settings of `processor_config.json`; the model's configuration stays in `config.json`."""
        settings: dict[str, Any] = super().to_dict()
        settings.pop("config", None)
        return settings

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> Any:  # pyright: ignore
        """Saves tokenizer and settings, and `config.json` where there is none yet."""
        saved = super().save_pretrained(save_directory, **kwargs)
        if not (Path(save_directory) / "config.json").exists():
            self.config.save_pretrained(save_directory)
        return saved

    @classmethod
    def from_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, pretrained_model_name_or_path: str | Path, **kwargs: Any
    ) -> GARProcessor:
        """Loads the processor of a model folder or hub id, ours or published.

        Args:
            pretrained_model_name_or_path: Folder or hub id.
            kwargs: Settings of `GARProcessor` to change, `config=`, `tokenizer=`, and transformers' hub options.
        """
        name = str(pretrained_model_name_or_path)
        changed = {
            setting: kwargs.pop(setting)
            for setting in ("max_num_tiles", "system_prompt", "bos_tokens", "answer_prefix")
            if setting in kwargs
        }
        given_config, given_tokenizer = kwargs.pop("config", None), kwargs.pop("tokenizer", None)
        kwargs.pop("trust_remote_code", None)  # nothing of this library is remote code
        config = given_config or GARConfig.from_pretrained(name, **kwargs)
        tokenizer = cast(
            "Any", given_tokenizer or AutoTokenizer.from_pretrained(name, trust_remote_code=False, **kwargs)
        )
        tokenizer.clean_up_tokenization_spaces = False  # true in published folders; it would eat blanks of answers
        try:
            saved, _ = cls.get_processor_dict(name, **kwargs)
        except OSError:  # a published folder without settings of ours
            saved = {}
        if saved.get("processor_class") == cls.__name__:
            for setting in ("max_num_tiles", "system_prompt", "bos_tokens", "answer_prefix"):
                if setting in saved:
                    changed.setdefault(setting, saved[setting])
        return cls(tokenizer, config, **changed)


AutoProcessor.register(GARConfig, GARProcessor, exist_ok=True)
