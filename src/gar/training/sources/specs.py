"""Sources as settings: what a training recipe says about its data.

A recipe embeds `SourceSpec`s; `kind` says which source each is. What is misspelled or missing is an error that names
the setting. Light to import: what reads the data is imported when a source is opened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from gar.errors import InputError, MissingExtraError

try:
    from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
except ImportError as error:
    raise MissingExtraError("pydantic", "train") from error

if TYPE_CHECKING:
    from gar.training.sources.source import Mixture, Source

__all__ = [
    "CocoData",
    "FolderData",
    "PanopticData",
    "PublishedData",
    "SourceSpec",
    "fingerprint",
    "open_mixture",
    "open_source",
]

_READ = (".json", ".jsonl", ".arrow", ".parquet", ".txt", ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""Endings of files that sources read."""


class _Data(BaseModel):
    """What every source can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    weight: int = Field(1, ge=1)
    """How often the source is gone through in one epoch."""

    def files(self) -> list[tuple[str, int, int]]:
        """Name, bytes and time of change (ns) of each file that is named or lies in a folder that is."""
        named = [path for _, path in self if isinstance(path, Path)]
        files = [file for path in named for file in (path.iterdir() if path.is_dir() else [path])]
        known = [(file.name, file.stat()) for file in files if file.suffix.lower() in _READ and file.is_file()]
        return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in known)


class PublishedData(_Data):
    """Records in the published data format."""

    kind: Literal["published"]
    """Records in the published data format."""
    path: Path
    """A .json or .jsonl file, or a folder (or a file) of Arrow or Parquet."""
    images: Path | None = None
    """The folder that paths of pictures are relative to; by default that of `path`."""
    augment: bool = True
    """Whether captions are asked for in varied words and lengths."""

    def open(self, seed: int, max_regions: int) -> Source:
        """Opens the source, see `PublishedSource`."""
        from gar.training.sources.published import PublishedSource

        return PublishedSource(self.path, images=self.images, seed=seed, augment=self.augment, max_regions=max_regions)


class CocoData(_Data):
    """COCO instance annotations."""

    kind: Literal["coco"]
    """COCO instance annotations."""
    path: Path
    """The JSON file of the annotations."""
    images: Path
    """The folder that the names of pictures are relative to."""

    def open(self, seed: int, max_regions: int) -> Source:
        """Opens the source, see `CocoSource`."""
        from gar.training.sources.coco import CocoSource

        return CocoSource(self.path, self.images, seed=seed, max_regions=max_regions)


class PanopticData(_Data):
    """COCO panoptic or PSG annotations."""

    kind: Literal["panoptic"]
    """COCO panoptic annotations, or PSG's with relations."""
    path: Path
    """The JSON file of the annotations."""
    images: Path
    """The folder that the names of pictures are relative to."""
    masks: Path
    """The folder that the names of the segments' PNGs are relative to."""
    split: Literal["train", "test"] = "train"
    """Which pictures of PSG; COCO has a file for each split."""

    def open(self, seed: int, max_regions: int) -> Source:
        """Opens the source, see `PanopticSource`."""
        from gar.training.sources.panoptic import PanopticSource

        return PanopticSource(self.path, self.images, self.masks, split=self.split, seed=seed, max_regions=max_regions)


class FolderData(_Data):
    """A folder of pictures, masks and texts."""

    kind: Literal["folder"]
    """Pictures, masks and texts side by side in a folder."""
    path: Path
    """The folder."""
    augment: bool = True
    """Whether captions are asked for in varied words and lengths."""

    def open(self, seed: int, max_regions: int) -> Source:
        """Opens the source, see `FolderSource`."""
        from gar.training.sources.folder import FolderSource

        return FolderSource(self.path, seed=seed, augment=self.augment, max_regions=max_regions)


SourceSpec = Annotated[PublishedData | CocoData | PanopticData | FolderData, Field(discriminator="kind")]
"""Any source, told apart by `kind`."""

_ADAPTER: TypeAdapter[SourceSpec] = TypeAdapter(SourceSpec)


def open_source(spec: Mapping[str, Any] | SourceSpec, *, seed: int = 0, max_regions: int = 5) -> Source:
    """Opens a source from its settings.

    Args:
        spec: `{"kind": "published", "path": …}` with the settings of that kind, or one of the specs.
        seed: Where all that the source draws comes from.
        max_regions: How many regions the model can name.

    Returns:
        The source, gone through once an epoch: its `weight` counts in a mixture only.

    Raises:
        InputError: A setting is unknown, missing or of the wrong type, or the source can't be opened.
        MissingExtraError: The source needs a package that is not installed.

    Example:
        >>> open_source({"kind": "folder", "path": "my-pictures", "augmented": True})
        Traceback (most recent call last):
        gar.errors.InputError: the source has folder.augmented: Extra inputs are not permitted (given: True)
    """
    return _parsed(spec).open(seed, max_regions)


def open_mixture(specs: Sequence[Mapping[str, Any] | SourceSpec], *, seed: int = 0, max_regions: int = 5) -> Mixture:
    """Opens several sources as one, each gone through as often as its settings say.

    Raises:
        InputError: There is none, or as `open_source`.
        MissingExtraError: As `open_source`.
    """
    from gar.training.sources.source import Mixture

    parsed = [_parsed(spec) for spec in specs]
    return Mixture([spec.open(seed, max_regions) for spec in parsed], [spec.weight for spec in parsed])


def fingerprint(specs: Sequence[Any]) -> str:
    """Tells apart what sources read at different times; empty if none reads files.

    Files in folders within folders are not looked at.
    """
    files = [spec.files() for spec in specs if isinstance(spec, _Data)]
    return hashlib.sha256(json.dumps(files).encode()).hexdigest() if files else ""


def _parsed(spec: Mapping[str, Any] | SourceSpec) -> SourceSpec:
    if not isinstance(spec, Mapping):
        return spec
    try:
        return _ADAPTER.validate_python(spec)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'settings'}: {fault['msg']} (given: {fault['input']!r})"
            for fault in error.errors()
        ]
        raise InputError(f"the source has {'; '.join(faults)}") from error
