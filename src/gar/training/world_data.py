"""Scenes of GraspWorld as training data on disk.

A folder of shards, each two files written whole: `NAME.jsonl`, one record a scene (masks as RLE, several samples of
prompts with their turns), and `NAME.safetensors`, what the frozen stem made of each scene's tiles in float16. The stem
is the costly part of looking at a picture and never changes while training, so it runs once a scene. Making shards can
be stopped anywhere: shards that are there are not made again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch.utils.data import Dataset

from gar.graspworld import Scene, Turn, attribute_words, choose_prompts, render_scene, write_turns
from gar.model.stem import EfficientNetLiteStem
from gar.processing import GARProcessor
from gar.regions import Region

__all__ = ["PackedSample", "WorldDataset", "sample_turns", "write_shard"]

_DESCRIBED_ALONE = 0.4
"""Share of the samples that describe one region, alone in the mask, in the single-region wording."""


@dataclass(frozen=True)
class PackedSample:
    """One picture, its prompted regions, and several questions that do not see one another."""

    patch_features: torch.Tensor
    """(T, N, C) float16, from the stem."""
    grid: tuple[int, int]
    """(columns, rows)."""
    masks: tuple[NDArray[np.bool_], ...]
    """(H, W) each."""
    prompts: tuple[int, ...]
    """The prompt number of each mask."""
    alone: bool
    """Whether the single-region wording is used (one mask only)."""
    turns: tuple[tuple[str, str], ...]
    """Question and answer."""
    words: tuple[dict[str, str], ...]
    """True words of each region: size, color, …, and of its place also row and column."""


def sample_turns(
    scene: Scene, rng: np.random.Generator, *, turns: int, single_prompt: int
) -> tuple[dict[int, int], bool, list[Turn]]:
    """Draws which regions of a scene are prompted and what is asked about them.

    Args:
        scene: A scene.
        rng: Where the choice comes from.
        turns: Most questions.
        single_prompt: The prompt number of a region described alone.

    Returns:
        Prompt number → object, whether the single-region wording is used, and the turns.
    """
    if rng.random() < _DESCRIBED_ALONE:
        prompts = {single_prompt: int(rng.integers(len(scene.objects)))}
        # the wording of a caption varies: two of them teach more than one
        drawn = [write_turns(scene, prompts, rng, kinds=["caption"])[0] for _ in range(2)]
        return prompts, True, drawn
    prompts = choose_prompts(scene, rng)
    return prompts, False, write_turns(scene, prompts, rng, n=turns)


@torch.no_grad()
def write_shard(
    path: Path,
    seeds: Sequence[int],
    *,
    processor: GARProcessor,
    stem: EfficientNetLiteStem,
    variants: int,
    turns: int,
) -> None:
    """Renders scenes and writes them as one shard.

    Args:
        path: Shard path without suffix; nothing is done where the shard is complete.
        seeds: One scene a seed.
        processor: Cuts pictures into tiles.
        stem: Makes patch features of tiles.
        variants: Samples of prompts and turns for each scene.
        turns: Most questions of one sample.
    """
    records_path, features_path = path.with_suffix(".jsonl"), path.with_suffix(".safetensors")
    if records_path.exists() and features_path.exists():
        return
    records: list[str] = []
    features: list[torch.Tensor] = []
    first_tile = 0
    for seed in seeds:
        scene = render_scene(seed)
        rng = np.random.default_rng([seed, 1])
        masks = [item.mask for item in scene.objects]
        tiles, _, grid = processor.picture_inputs(scene.image, masks)
        features.append(stem(tiles).half())
        samples: list[dict[str, Any]] = []
        for _ in range(variants):
            prompts, alone, drawn = sample_turns(scene, rng, turns=turns, single_prompt=processor.single_prompt)
            samples.append(
                {
                    "prompts": list(prompts.items()),
                    "alone": alone,
                    "turns": [(turn.question, turn.answer) for turn in drawn],
                }
            )
        size = scene.image.shape[:2]
        record = {
            "seed": seed,
            "tiles": [first_tile, first_tile + len(tiles)],
            "grid": grid,
            "masks": [Region.mask(mask).to_rle(size) for mask in masks],
            "words": [attribute_words(item) for item in scene.objects],
            "samples": samples,
        }
        first_tile += len(tiles)
        records.append(json.dumps(record))
    partial = path.with_suffix(".partial")
    save_file({"features": torch.cat(features)}, partial)
    partial.replace(features_path)
    partial.write_text("\n".join(records) + "\n", encoding="utf-8")
    partial.replace(records_path)


class WorldDataset(Dataset[PackedSample]):
    """The samples of a folder of shards; index i gives another sample of scene i mod scenes in each round."""

    def __init__(self, folder: Path, *, rounds: int = 1):
        self.records: list[dict[str, Any]] = []
        for path in sorted(folder.glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                self.records.append({**json.loads(line), "shard": path.with_suffix(".safetensors")})
        self.rounds = rounds

    def __len__(self) -> int:
        return len(self.records) * self.rounds

    def __getitem__(self, index: int) -> PackedSample:
        turn, scene = divmod(index, len(self.records))
        record = self.records[scene]
        sample = record["samples"][turn % len(record["samples"])]
        size = tuple(record["masks"][0]["size"])
        objects = [int(item) for _, item in sample["prompts"]]
        start, stop = record["tiles"]
        return PackedSample(
            patch_features=_open_features(record["shard"]).get_slice("features")[start:stop],
            grid=tuple(record["grid"]),
            masks=tuple(Region.rle(record["masks"][item]).to_mask(size) for item in objects),
            prompts=tuple(int(number) for number, _ in sample["prompts"]),
            alone=sample["alone"],
            turns=tuple((question, answer) for question, answer in sample["turns"]),
            words=tuple(_with_row_and_column(record["words"][item]) for item in objects),
        )

    def texts(self) -> Iterator[str]:
        """Every question and answer."""
        for record in self.records:
            for sample in record["samples"]:
                for question, answer in sample["turns"]:
                    yield question
                    yield answer


def _with_row_and_column(words: dict[str, str]) -> dict[str, str]:
    """Adds the two words of a place: "top left" is row "top", column "left"; "center" is in the middle of both."""
    if "place" not in words:
        return words
    row, _, column = words["place"].rpartition(" ")
    return {**words, "row": row or "middle", "column": column}


@lru_cache(maxsize=64)
def _open_features(path: Path) -> Any:
    return safe_open(path, "pt")
