"""Golden data: what the published code gave, as files, and where they lie.

A golden folder holds model folders (`config.json`, `model.safetensors`, `samples/NAME.json` and `.safetensors`), what
preprocessing gave (`preproc/`), derived pictures (`images/`) and single RoIAlign cases (`roi_align/`). Nothing here
knows the names of models or samples: whatever a folder holds is read. The tokenizer and GAR-Bench's pictures always
come from the shared folder beside the repository; the pictures are unpacked once into the user's cache.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

from gar import Region

__all__ = ["SHARED", "GoldenDataError", "Sample", "bench_pictures", "model_folders", "samples", "shared_tokenizer"]

SHARED = Path(__file__).resolve().parents[3] / "shared"
"""The shared folder beside the repository."""


class GoldenDataError(Exception):
    """Golden data is not where it should be."""


@dataclass(frozen=True)
class Sample:
    """One picture with its regions and question, and what the published code made of it."""

    root: Path
    """The golden folder."""
    file: Path
    """`samples/NAME.json` of one model."""

    @property
    def name(self) -> str:
        """The sample's name, the same in every model folder."""
        return self.file.stem

    @cached_property
    def facts(self) -> dict[str, Any]:
        """The content of the JSON file."""
        return json.loads(self.file.read_text(encoding="utf-8"))

    @cached_property
    def tensors(self) -> dict[str, torch.Tensor]:
        """The content of the safetensors file; empty where there is none."""
        file = self.file.with_suffix(".safetensors")
        return load_file(file) if file.exists() else {}

    @cached_property
    def picture(self) -> Image.Image:
        """The picture in RGB, alpha dropped as published."""
        name = self.facts["image"]
        if self.facts.get("image_is_derived"):
            places = [self.root / "images" / name, SHARED / "golden" / "images" / name]
        else:
            places = [bench_pictures() / name, self.root / "images" / Path(name).name]
        for place in places:
            if place.exists():
                with Image.open(place) as picture:
                    return picture.convert("RGB")
        raise GoldenDataError(f"{self.file}: no picture {name!r}; looked at {', '.join(map(str, places))}")

    @property
    def prompts(self) -> list[int]:
        """The prompt number of each region, in the order in which they are listed."""
        return list(self.facts.get("train_prompts") or self.facts["prompts_in_order"])

    @property
    def regions(self) -> list[Region]:
        """The region of each of `prompts`."""
        masks = [Region.rle(rle) for rle in self.facts["mask_rles"]]
        by_number = self.facts["kind"] == "multi"  # there a mask's place in the list is its prompt number
        return [masks[number if by_number else place] for place, number in enumerate(self.prompts)]

    @property
    def crop_token_ids(self) -> list[int]:
        """The crop token of each of `prompts`, beyond the model's own ones too."""
        return [int(token) for token in self.facts["bboxes"]]

    def preprocessed(self, suffix: str) -> NDArray[np.uint8] | None:
        """One of the stored pictures of preprocessing, if it was stored."""
        file = self.root / "preproc" / f"{self.name}.{suffix}.png"
        if not file.exists():
            return None
        with Image.open(file) as picture:
            return np.asarray(picture)

    @property
    def preprocessed_numbers(self) -> dict[str, NDArray[Any]]:
        """The stored numbers of preprocessing."""
        file = self.root / "preproc" / f"{self.name}.npz"
        if not file.exists():
            return {}
        with np.load(file, allow_pickle=False) as numbers:
            return dict(numbers)


def model_folders(root: Path) -> list[Path]:
    """Every folder in `root` that holds a model and samples."""
    return sorted(f.parent for f in root.glob("*/config.json") if (f.parent / "samples").is_dir())


def samples(root: Path, model_folder: Path) -> list[Sample]:
    """The samples of one model, by name."""
    return [Sample(root, file) for file in sorted((model_folder / "samples").glob("*.json"))]


@lru_cache(maxsize=1)
def shared_tokenizer() -> Any:
    """The tokenizer that all golden models share.

    Raises:
        GoldenDataError: The shared folder is not there.
    """
    folder = SHARED / "golden" / "tokenizer"
    if not (folder / "tokenizer.json").exists():
        raise GoldenDataError(f"no tokenizer at {folder}")
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@lru_cache(maxsize=1)
def bench_pictures() -> Path:
    """The folder that GAR-Bench's pictures were unpacked into; `images/NAME.png` lie in it.

    Unpacks at most once for each archive, into `$XDG_CACHE_HOME/grasp-any-region` (`~/.cache` by default); the folder
    appears whole or not at all.

    Raises:
        GoldenDataError: The shared folder is not there.
    """
    archive = SHARED / "bench" / "gar-bench" / "annotations" / "images.tar"
    if not archive.exists():
        raise GoldenDataError(f"no pictures of GAR-Bench at {archive}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "grasp-any-region"
    folder = cache / f"gar-bench-{archive.stat().st_size}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".gar-bench-", dir=cache))
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(partial, filter="data")
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise somebody else was faster
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder
