"""What a frozen stem makes of the pictures, kept on disk.

The stem is the costly part of looking at a picture and never changes while training, so it runs once a picture. Any
source can be kept. A cache is a folder of shards, each two files written whole: `NAME.jsonl`, one record an item (its
samples in several epochs, masks as RLE), and `NAME.safetensors`, the features of its pictures in float16 and, where the
model wants close-ups, what the stem sees of regions in them. Making it can be stopped anywhere: shards that are there
are not made again. The folder's name tells the data, its files, the stem and the way of cutting tiles apart, so that a
cache is never taken for another.

Shapes: T tiles of a picture, N patches of a tile, C channels.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import save_file

from gar import __version__
from gar.errors import InputError
from gar.files import whole_file, write_whole
from gar.model.sights import look_closer
from gar.model.stem import EfficientNetLiteStem
from gar.processing import GARProcessor
from gar.processing.tiling import crop_window
from gar.regions import Region
from gar.training.processes import processes_for
from gar.training.progress import watched
from gar.training.samples import Sample, Skipped
from gar.training.settings import DataSource, Start
from gar.training.sources.source import Source
from gar.training.sources.specs import fingerprint, open_mixture
from gar.training.start import load_start

__all__ = ["CachedSource", "FeatureCache"]

_FORMAT = 2
"""Of the records; one of another format is never taken for one of this."""


@dataclass(frozen=True)
class FeatureCache:
    """The making of a cache."""

    folder: Path
    """The folder of caches; each has a folder in it."""
    model: Start
    """The model whose stem is used."""
    data: tuple[DataSource, ...]
    """The data's settings."""
    seed: int
    """Of what is drawn within the data."""
    variants: int
    """Samples of each item, from as many epochs."""
    shard: int = 200
    """Items of a shard."""

    def make(self, *, workers: int) -> CachedSource:
        """Makes what is missing and opens the cache.

        Args:
            workers: Processes; 0 makes it in this one.

        Raises:
            InputError: The model has no pretrained stem, or a source can't be opened.
        """
        processor, stem = self.load_stem()
        source = self.open_source(processor)
        folder = self.folder / self._name(source, processor, stem)
        folder.mkdir(parents=True, exist_ok=True)
        numbers = [number for number in range(-(-len(source) // self.shard)) if not _complete(folder, number)]
        if numbers:
            Console(stderr=True).print(f"features of {len(source)} pictures: {folder}", style="dim")
            watch = partial(watched, what="features", total=len(numbers))
            if workers:
                with processes_for(
                    min(workers, len(numbers)), partial(_make_shard_apart, self, folder), numbers
                ) as made:
                    deque(watch(made), maxlen=0)
            else:
                write = partial(_make_shard, self, folder, source=source, processor=processor, stem=stem)
                with _one_thread():
                    deque(watch(map(write, numbers)), maxlen=0)
        cached = CachedSource(folder, len(source), variants=self.variants, shard=self.shard)
        cached.skipped = source.skipped
        return cached

    def open_source(self, processor: GARProcessor) -> Source:
        """The data itself."""
        return open_mixture(self.data, seed=self.seed, max_regions=processor.config.max_regions)

    def load_stem(self) -> tuple[GARProcessor, EfficientNetLiteStem]:
        """The model's processor and stem."""
        loaded: Any
        loaded, processor = load_start(self.model, dtype=torch.float32)
        stem = loaded.model.vision_tower.patch_embed
        if not isinstance(stem, EfficientNetLiteStem):
            raise InputError(f"cache: the model {self.model.start!r} has no pretrained stem")
        return processor, stem.requires_grad_(False)

    def _name(self, source: Source, processor: GARProcessor, stem: EfficientNetLiteStem) -> str:
        facts = {
            "format": _FORMAT,
            "data": [spec.model_dump(mode="json") for spec in self.data],
            "seed": self.seed,
            "variants": self.variants,
            "shard": self.shard,
            "tile": processor.config.vision_config.image_size,
            "tiles": processor.max_num_tiles,
            "thumbnail": processor.config.use_thumbnail,
            "version": __version__,
        }
        if files := fingerprint(self.data):
            facts |= {"files": files, "items": len(source)}
        if processor.config.region_crops:
            facts["crops"] = True
        if size := processor.config.closeup_size:
            facts["closeups"] = [size, processor.config.stem_embedding, bool(processor.config.class_token_ids)]
        if levels := processor.config.color_levels:
            facts["colors"] = levels
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for name, tensor in stem.state_dict().items():
            if not name.startswith("proj."):
                digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()[:12]


def _path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}"


def _complete(folder: Path, number: int) -> bool:
    path = _path(folder, number)
    return path.with_suffix(".jsonl").exists() and path.with_suffix(".safetensors").exists()


def _make_shard(
    cache: FeatureCache,
    folder: Path,
    number: int,
    *,
    source: Source,
    processor: GARProcessor,
    stem: EfficientNetLiteStem,
) -> None:
    indices = range(number * cache.shard, min((number + 1) * cache.shard, len(source)))
    write_shard(_path(folder, number), source, indices, processor=processor, stem=stem, variants=cache.variants)


def _make_shard_apart(cache: FeatureCache, folder: Path, number: int) -> None:
    """Makes one shard, in a process of its own."""
    source, processor, stem = _open_once(cache)
    _make_shard(cache, folder, number, source=source, processor=processor, stem=stem)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Has torch calculate as in processes of their own: with more threads features differ in the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=1)
def _open_once(cache: FeatureCache) -> tuple[Source, GARProcessor, EfficientNetLiteStem]:
    """What a process of its own needs for all its shards."""
    processor, stem = cache.load_stem()
    return cache.open_source(processor), processor, stem


@torch.no_grad()
def write_shard(
    path: Path,
    source: Source,
    indices: Sequence[int],
    *,
    processor: GARProcessor,
    stem: EfficientNetLiteStem,
    variants: int,
) -> None:
    """Writes the samples and features of some items; those of regions alone too, if the model wants them.

    Args:
        path: Without suffix.
        source: The data.
        indices: Which items.
        processor: Cuts pictures into tiles.
        stem: Makes features of tiles.
        variants: Samples of each item.
    """
    records: list[str] = []
    seen = _Seen()
    for index in indices:
        samples: list[dict[str, Any]] = []
        look: _Look | None = None
        for epoch in range(variants):
            item = source.draw(index, epoch)
            if isinstance(item, Sample) and not all(mask.any() for mask in item.masks):
                item = Skipped(item.name, "a mask is empty")
            if isinstance(item, Skipped):
                samples.append({"name": item.name, "reason": item.reason})
                continue
            if look is None or not np.array_equal(look.picture, item.picture):  # the same picture is looked at once
                look = _Look(item.picture, processor, stem, seen)
            samples.append({**_to_record(item), **look.at(item)})
        records.append(json.dumps(samples, ensure_ascii=False))
    tensors = {name: torch.cat(rows) if rows else torch.zeros(0) for name, rows in vars(seen).items()}
    with whole_file(path.with_suffix(".safetensors")) as unfinished:
        save_file(tensors, unfinished)
    write_whole(path.with_suffix(".jsonl"), "\n".join(records) + "\n")


@dataclass
class _Seen:
    """What the stem made of a shard."""

    features: list[torch.Tensor] = field(default_factory=list[torch.Tensor])
    """(1, N, C) of each tile."""
    sights: list[torch.Tensor] = field(default_factory=list[torch.Tensor])
    """(1, ·) of each region in its close-up."""


class _Look:
    """One picture, each tile and each region of which is looked at once.

    Args:
        picture: (H, W, 3) uint8.
        processor: Cuts it into tiles.
        stem: Makes features of tiles.
        seen: What is seen is added.
    """

    def __init__(self, picture: Any, processor: GARProcessor, stem: EfficientNetLiteStem, seen: _Seen):
        self.picture = picture
        self._processor = processor
        self._stem = stem
        self._seen = seen
        self._whole: dict[str, Any] | None = None
        self._crops: dict[tuple[int, int, int], int] = {}
        self._sights: dict[bytes, int] = {}

    def at(self, sample: Sample) -> dict[str, Any]:
        """Where the features of a sample of this picture are: its tiles, and those of its regions alone."""
        if self._whole is None:
            pixels, _, grid = self._processor.picture_inputs(self.picture, sample.masks, sample.prompts)
            self._whole = {"tiles": self._see(pixels[: self._processor.tile_count(grid)]), "grid": grid}
        return {**self._whole, **self._at_crops(sample), **self._at_closeups(sample)}

    def _at_crops(self, sample: Sample) -> dict[str, Any]:
        if not self._processor.config.region_crops:
            return {}
        windows = [crop_window(mask) for mask in sample.masks]
        for window, mask in zip(windows, sample.masks, strict=True):
            if window not in self._crops:
                self._crops[window], _ = self._see(self._processor.crop_inputs(self.picture, [mask]))
        return {"crops": [self._crops[window] for window in windows]}

    def _at_closeups(self, sample: Sample) -> dict[str, Any]:
        names = [mask.tobytes() for mask in sample.masks]
        new = {name: mask for name, mask in zip(names, sample.masks, strict=True) if name not in self._sights}
        closeups = self._processor.closeup_inputs(self.picture, [*new.values()]) if new else {}
        if closeups:
            sights = look_closer(self._stem, self._processor.config, *closeups.values())
            for name, sight in zip(new, sights.half().split(1), strict=True):
                self._sights[name] = len(self._seen.sights)
                self._seen.sights.append(sight)
        return {"sights": [self._sights[name] for name in names]} if self._sights else {}

    def _see(self, tiles: torch.Tensor) -> list[int]:
        features = self._seen.features
        start = len(features)
        features += self._stem(tiles).half().split(1)
        return [start, len(features)]


def _to_record(sample: Sample) -> dict[str, Any]:
    return {
        "name": sample.name,
        "masks": [Region.mask(mask).to_rle(mask.shape) for mask in sample.masks],
        "prompts": sample.prompts,
        "turns": sample.turns,
        "kinds": sample.kinds,
        "wording": sample.wording,
        "dialogue": sample.dialogue,
        "words": sample.words,
    }


class CachedSource(Source):
    """The samples of a cache; epoch e gives variant e mod variants.

    Args:
        folder: The cache's own folder.
        length: Items in it.
        variants: Samples of each.
        shard: Items of a shard.
    """

    def __init__(self, folder: Path, length: int, *, variants: int, shard: int):
        super().__init__()
        self._folder = folder
        self._length = length
        self._variants = variants
        self._shard = shard

    def __len__(self) -> int:
        return self._length

    def draw(self, index: int, epoch: int) -> Sample | Skipped:
        """An item as it is in a given epoch, with features in place of its picture."""
        number, place = divmod(index, self._shard)
        path = _path(self._folder, number)
        record = json.loads(_line(path.with_suffix(".jsonl"), place))[epoch % self._variants]
        if "reason" in record:
            return Skipped(record["name"], record["reason"])
        stored = _stored(path.with_suffix(".safetensors"))
        features = stored.get_slice("features")
        spans = [record["tiles"], *([place, place + 1] for place in record.get("crops", []))]
        masks, own = record["masks"], record.get("sights", [])
        return Sample(
            name=record["name"],
            masks=tuple(Region.rle(mask).to_mask(tuple(mask["size"])) for mask in masks),
            prompts=tuple(record["prompts"]),
            turns=tuple((question, answer) for question, answer in record["turns"]),
            kinds=tuple(record["kinds"]),
            wording=record["wording"],
            dialogue=record["dialogue"],
            patch_features=torch.cat([features[start:stop] for start, stop in spans]),
            sights=torch.cat([stored.get_slice("sights")[at : at + 1] for at in own]) if own else None,
            grid=tuple(record["grid"]),
            words=tuple(record["words"]),
        )


@lru_cache(maxsize=512)
def _stored(path: Path) -> Any:
    return safe_open(path, "pt")


@lru_cache(maxsize=512)
def _line_starts(path: Path) -> list[int]:
    starts, position = [0], 0
    with path.open("rb") as file:
        for line in file:
            position += len(line)
            starts.append(position)
    return starts


def _line(path: Path, number: int) -> bytes:
    starts = _line_starts(path)
    with path.open("rb") as file:
        file.seek(starts[number])
        return file.read(starts[number + 1] - starts[number])
