"""A folder of pictures and masks, as people have them.

    cat.jpg          the picture: .jpg, .jpeg, .png, .webp, .bmp, .tif or .tiff
    cat.mask.png     its mask, a picture of the same size: whatever is not black is inside
    cat.txt          what the mask shows

With several regions, `cat.mask0.png`, `cat.mask1.png`, … and a line in `cat.txt` for each, in this order. In place of
`cat.txt`, `cat.json` may hold a conversation in the published format, `[{"from": "human", "value": "What is
<Prompt1>?"}, {"from": "gpt", "value": "A cat."}]`, in which `cat.mask1.png` is `<Prompt1>`.

The folder is read as records of the published format, so its rules hold: see `conversations.py`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gar.errors import InputError, MediaError, PromptError, RegionError
from gar.media import load_mask
from gar.regions import Region
from gar.training.samples import Sample, Skipped
from gar.training.sources.conversations import Conversation, read_turns, to_sample
from gar.training.sources.files import folder_at, parse_json, read_file, read_picture
from gar.training.sources.source import SeededSource

__all__ = ["FolderSource"]

_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_MASK = re.compile(r"(?P<name>.+)\.mask(?P<number>\d{0,4})")


class FolderSource(SeededSource):
    """Pictures, masks and texts side by side in one folder.

    Args:
        path: The folder; folders in it are not read.
        seed: Where prompt numbers, wordings and regions that are not there come from.
        augment: Whether captions are asked for in varied words and lengths.
        max_regions: How many regions the model can name.

    Raises:
        InputError: There is no such folder, or nothing in it can be used.

    Example:
        >>> FolderSource("my-pictures")[0].turns  # doctest: +SKIP
        (('Say in 1 sentence what this region looks like.', 'A grey cat, asleep.'),)
    """

    def __init__(self, path: str | Path, *, seed: int = 0, augment: bool = True, max_regions: int = 5):
        super().__init__(seed)
        self._augment = augment
        self._max_regions = max_regions
        self._path = Path(path)
        folder = folder_at(path, "the folder")
        pictures: list[Path] = []
        masks: defaultdict[str, list[tuple[int, Path]]] = defaultdict(list)
        for file in sorted(folder.iterdir()):
            if file.suffix.lower() not in _PICTURES or not file.is_file():
                continue
            if part := _MASK.fullmatch(file.stem):
                masks[part["name"]].append((int(part["number"] or 0), file))
            else:
                pictures.append(file)
        self._items: list[tuple[Path, list[Path], Conversation]] = []
        self.skipped = skipped = []
        for picture in pictures:
            own = sorted(masks.pop(picture.stem, []))
            try:
                files = _numbered(own)
                self._items.append((picture, files, self._conversation(picture, len(files))))
            except InputError as error:
                skipped.append(Skipped(self._named(picture), str(error)))
        for own in masks.values():
            skipped.extend(Skipped(self._named(file), "there is no picture for this mask") for _, file in own)
        self.check_some(folder)

    def __len__(self) -> int:
        return len(self._items)

    def _name(self, index: int) -> str:
        return self._named(self._items[index][0])

    def _named(self, file: Path) -> str:
        return str(self._path / file.name)

    def _read(self, index: int, epoch: int) -> Sample:
        picture, files, conversation = self._items[index]
        pixels = read_picture(picture)
        return to_sample(
            self._named(picture),
            pixels,
            [_mask(file, pixels.shape[:2]) for file in files],
            conversation,
            self.rng(epoch, index),
            augment=self._augment,
            max_regions=self._max_regions,
        )

    def _conversation(self, picture: Path, masks: int) -> Conversation:
        captions, turns = picture.with_suffix(".txt"), picture.with_suffix(".json")
        if turns.is_file():
            return read_turns(parse_json(read_file(turns), turns.name), masks, self._max_regions)
        if not captions.is_file():
            raise PromptError(f"there is neither {captions.name} nor {turns.name} beside it")
        try:
            lines = [line for line in read_file(captions).decode("utf-8-sig").splitlines() if line.strip()]
        except UnicodeDecodeError as error:
            raise PromptError(f"{captions.name} is not UTF-8: {error}") from error
        said = [[{"from": "human", "value": "?"}, {"from": "gpt", "value": line}] for line in lines]
        return read_turns([message for turn in said for message in turn], masks, self._max_regions)


def _numbered(masks: list[tuple[int, Path]]) -> list[Path]:
    """The mask files in the order of their numbers, of which none is missing or there twice."""
    if not masks:
        raise MediaError("there is no mask beside it")
    numbers = [number for number, _ in masks]
    if numbers != list(range(len(masks))):
        raise MediaError(f"its masks have the numbers {numbers}; needed are 0, 1, … without gaps, each once")
    return [file for _, file in masks]


def _mask(file: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    try:
        return Region.mask(load_mask(file)).to_mask(size)
    except RegionError as error:
        raise RegionError(f"{file.name}: {error}") from error
