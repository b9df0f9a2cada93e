"""The published data format: Arrow, Parquet, JSON or JSON lines with pictures, masks and conversations.

A record has

* `image`: a path under the folder of pictures, `data:base64,…` or another base64 data URL, or, in Arrow and Parquet,
  the picture itself;
* `mask_rle`: a COCO run-length dictionary, a list of them, or nothing;
* `conversations`: a list of `{"from": "human" or "gpt", "value": text}`;
* `dialogue`, ours: false if each turn stands alone. Other keys are not read.

What the three mean together is in `conversations.py`. JSON is held in memory and its records are checked when it is
opened; Arrow and Parquet are read row by row from disk, and a row is checked when its turn comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gar.errors import InputError, MediaError, RegionError
from gar.media import ImageSource
from gar.regions import Region
from gar.training.samples import Sample, Skipped
from gar.training.sources.arrow import ArrowRows
from gar.training.sources.conversations import Conversation, read_turns, to_sample
from gar.training.sources.files import file_under, folder_at, mapping, parse_json, read_file, read_picture, shown
from gar.training.sources.source import SeededSource

__all__ = ["PublishedSource"]

_COLUMNS = ("image", "mask_rle", "conversations")


class PublishedSource(SeededSource):
    """Records in the published data format.

    Args:
        path: A .json or .jsonl file; or a folder with Arrow files (as `datasets` saves them, or as the published
            parts come) or Parquet files; or one such file.
        images: The folder that paths of pictures are relative to, and must not leave; by default the folder that
            `path` is in, or is.
        seed: Where prompt numbers, wordings and regions that are not there come from.
        augment: Whether captions are asked for in varied words and lengths.
        max_regions: How many regions the model can name.

    Raises:
        InputError: The file or folder is missing, of another kind, unreadable, lacks a column, or has no usable
            record.
        MissingExtraError: Arrow or Parquet is to be read, and the package `datasets` is not installed.

    Example:
        >>> source = PublishedSource("Fine-Grained-Dataset-Part1")  # doctest: +SKIP
        >>> source[0].turns  # doctest: +SKIP
        (('Describe this masked region in detail.', 'A ceramic cup …'),)
    """

    def __init__(
        self,
        path: str | Path,
        *,
        images: str | Path | None = None,
        seed: int = 0,
        augment: bool = True,
        max_regions: int = 5,
    ):
        super().__init__(seed)
        self._path = Path(path)
        if not self._path.exists():
            raise InputError(f"there is no file or folder {path}")
        default = self._path if self._path.is_dir() else self._path.parent
        self._images = folder_at(default if images is None else images, "the folder of pictures")
        self._augment = augment
        self._max_regions = max_regions
        self._rows: Mapping[int, Any] | ArrowRows
        self._numbers: Sequence[int]
        if self._path.suffix in (".json", ".jsonl"):
            self._rows = _json_records(self._path)
            faults = {number: self._fault(record) for number, record in self._rows.items()}
            self._numbers = [number for number, fault in faults.items() if not fault]
            self.skipped = [Skipped(self._record_name(number), fault) for number, fault in faults.items() if fault]
        else:
            self._rows = ArrowRows(self._path, _COLUMNS, ("dialogue",))
            self._numbers = range(len(self._rows))
        self.check_some(self._path)

    def __len__(self) -> int:
        return len(self._numbers)

    def _name(self, index: int) -> str:
        return self._record_name(self._numbers[index])

    def _record_name(self, number: int) -> str:
        return f"{self._path}, line {number}" if self._path.suffix == ".jsonl" else f"{self._path}[{number}]"

    def _read(self, index: int, epoch: int) -> Sample:
        record = self._rows[self._numbers[index]]
        conversation = self._conversation(record)
        picture = read_picture(self._image(record))
        masks = [_mask(rle, picture.shape[:2], place) for place, rle in enumerate(_rles(record))]
        return to_sample(
            self._name(index),
            picture,
            masks,
            conversation,
            self.rng(epoch, index),
            augment=self._augment,
            max_regions=self._max_regions,
            dialogue=record.get("dialogue") is not False,
        )

    def _fault(self, record: object) -> str:
        """What is plainly wrong with a record, or nothing; neither picture nor masks are decoded."""
        if isinstance(record, InputError):
            return str(record)
        try:
            record = mapping(record, "the record")
            self._conversation(record)
            self._image(record)
        except InputError as error:
            return str(error)
        return ""

    def _conversation(self, record: Mapping[str, Any]) -> Conversation:
        return read_turns(record.get("conversations"), len(_rles(record)), self._max_regions)

    def _image(self, record: Mapping[str, Any]) -> ImageSource:
        """What `load_image` shall read."""
        image = record.get("image")
        if isinstance(image, Mapping):  # an undecoded picture of `datasets`
            image = image.get("bytes") or image.get("path")
        if isinstance(image, bytes):
            return image
        if isinstance(image, str) and image.startswith("data:"):
            head, comma, payload = image.partition(",")
            if not comma or not head.endswith("base64"):
                raise MediaError(f"the picture is {shown(image)}; data URLs must be base64")
            return f"data:;base64,{payload}"  # the published prefix "data:base64," is no media type
        return file_under(self._images, image)


def _json_records(path: Path) -> dict[int, Any]:
    """The records of a JSON list by place, or of JSON lines by line; for a line that is no JSON, an `InputError`."""
    if path.suffix == ".json":
        records = parse_json(read_file(path), str(path))
        if not isinstance(records, list):
            raise InputError(f"{path} holds {shown(records)}; it must be a list of records")
        return dict(enumerate(records))
    lines: dict[int, Any] = {}
    for number, line in enumerate(read_file(path).split(b"\n"), 1):
        if line.strip():
            try:
                lines[number] = parse_json(line, "the line")
            except InputError as error:
                lines[number] = error
    return lines


def _rles(record: Mapping[str, Any]) -> list[Any]:
    """The masks of a record, as they are."""
    rle = record.get("mask_rle")
    if rle is None:
        return []
    if isinstance(rle, Mapping):
        return [rle] if rle.get("counts") is not None else []  # Arrow writes nothing as a dictionary of nothing
    if isinstance(rle, list):
        return rle
    raise RegionError(f"mask_rle is {shown(rle)}; it must be a run-length dictionary, a list of them, or nothing")


def _mask(rle: Any, size: tuple[int, int], place: int) -> NDArray[np.bool_]:
    """A mask of the picture's size."""
    try:
        return Region.rle(rle).to_mask(size)
    except RegionError as error:
        raise RegionError(f"mask {place}: {error}") from error
