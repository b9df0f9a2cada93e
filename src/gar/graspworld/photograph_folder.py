"""A folder of photographs with named masks or boxes, read as it is needed.

Choices:
- Two forms are known: COCO's instance JSON (`instances*.json` in the folder, or `instances_NAME.json` beside the
  folder NAME or in `annotations` there), and `boxes.json`, a list of `{"file_name", "words", "box_xyxy"}`, whose boxes
  become masks.
- The whole list is read when the folder is opened, pictures and masks one at a time. An entry that cannot be used is
  skipped and named (`Photographs.skipped`); crowds, as COCO marks them, are no objects.
- Masks lie beside one another in memory, so a large picture with many of them is made smaller, and its masks with it.
- COCO's class names become our nouns ("mouse" the computer's). Of several words in `words` the first counts that is a
  noun of the world, by itself or by its last word ("Egyptian cat" is a cat); what has none is left out.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias, overload

import numpy as np
from PIL import Image

from gar.errors import GARError, MediaError, RegionError
from gar.fetching import short_name
from gar.graspworld.nouns import COCO_NOUNS, canonical_noun
from gar.media import load_image
from gar.regions import Region

__all__ = ["Photograph", "Photographs", "open_photographs"]

_MOST_BYTES = 1 << 30  # COCO's largest instance file has 450 MB
_MOST_MASKED = 1 << 28  # pixels of all masks of a picture, a byte each: 870 objects at 640 x 480, 22 at 4000 x 3000
_LONGEST_NAME = 60  # of a category


@dataclass(frozen=True, eq=False)
class Photograph:
    """A photograph that is not read yet, and what is known to be in it."""

    path: Path
    items: tuple[tuple[str, Region], ...]
    """Noun and region of each object, at least one."""
    listed_size: tuple[Any, Any] = (None, None)
    """Width and height as the list has them, None where it says nothing."""

    def read(self) -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
        """Reads the picture and the masks.

        Returns:
            The picture, uint8 (H, W, 3), and of each object its noun and mask, bool (H, W). Where the masks would
            have more than 268 million pixels in all, picture and masks are made smaller. Objects without a pixel in
            the picture are left out, as `photograph_scene` leaves out what is too small.

        Raises:
            MediaError: The picture cannot be read, it or a mask is of another size than it should be, or no object
                has a pixel in it.
        """
        picture = load_image(self.path)
        width, height = picture.size
        if any(said not in (None, true) for said, true in zip(self.listed_size, picture.size, strict=True)):
            said = " x ".join(map(reprlib.repr, self.listed_size))
            raise MediaError(f"{self.path} is {width} x {height} (width x height), but its list says {said}")
        scale = math.sqrt(_MOST_MASKED / (width * height * len(self.items)))
        smaller = None if scale >= 1 else (max(1, int(width * scale)), max(1, int(height * scale)))
        if smaller:
            picture = picture.resize(smaller, Image.Resampling.BICUBIC, reducing_gap=2.0)
        items: list[tuple[str, np.ndarray]] = []
        for number, (noun, region) in enumerate(self.items):
            try:
                mask = region.shape.fill((height, width))
            except RegionError as error:
                raise MediaError(f"{self.path}: object {number}, {noun!r}: {error}") from error
            if smaller:
                mask = np.asarray(Image.fromarray(mask).resize(smaller, Image.Resampling.NEAREST))
            if mask.any():  # it may be smaller than a pixel, or outside
                items.append((noun, mask))
        if not items:
            raise MediaError(f"{self.path}: none of {len(self.items)} objects has a pixel in the picture")
        return np.asarray(picture), items


@dataclass(frozen=True, eq=False)
class Photographs(Sequence[Photograph]):
    """The photographs of a folder, as a sequence."""

    listed: tuple[Photograph, ...]
    skipped: tuple[str, ...]
    """The entries of the list that could not be used, each with the reason."""

    def __len__(self) -> int:
        return len(self.listed)

    @overload
    def __getitem__(self, index: int) -> Photograph: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Photograph]: ...
    def __getitem__(self, index: int | slice) -> Photograph | Sequence[Photograph]:
        return self.listed[index]


def open_photographs(folder: str | Path) -> Photographs:
    """Lists the photographs of a folder that have known objects, in the order of their names.

    Args:
        folder: A folder of pictures with `boxes.json` or one `instances*.json` in it, or with `instances_NAME.json`
            beside it or in `annotations` beside it, as COCO has it.

    Raises:
        MediaError: There is no such folder or list, a picture of the list is missing, a category has a name that
            cannot be said, or nothing of the list can be used.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MediaError(f"{str(folder)!r} is not a folder")
    path = _list_of(folder)
    if path.stat().st_size > _MOST_BYTES:
        raise MediaError(f"{path} has {path.stat().st_size} bytes; at most {_MOST_BYTES} are read")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # also of a number too long, or lists too deep in one another
        raise MediaError(f"{path} is not JSON that can be read: {error}") from error
    found, skipped, sizes = _from_boxes(content, path) if path.name == "boxes.json" else _from_coco(content, path)
    if not found:
        why = f"; the first of {len(skipped)} that could not be used: {skipped[0]}" if skipped else ""
        raise MediaError(f"{path} names no object of the world{why}")
    listed = (
        Photograph(_picture(folder, path, name), tuple(items), sizes.get(name, (None, None)))
        for name, items in sorted(found.items())
    )
    return Photographs(tuple(listed), tuple(skipped))


def _list_of(folder: Path) -> Path:
    if (folder / "boxes.json").is_file():
        return folder / "boxes.json"
    lists = sorted(folder.glob("instances*.json"))
    name = f"instances_{folder.name}.json"
    lists += [path for path in (folder.parent / name, folder.parent / "annotations" / name) if path.is_file()]
    if len(lists) != 1:
        names = ", ".join(path.name for path in lists) or "none"
        raise MediaError(f"{str(folder)!r} must have boxes.json or one instances*.json; found: {names}")
    return lists[0]


def _picture(folder: Path, list_path: Path, name: str) -> Path:
    """Finds a picture by the name that a list gives it, within the folder of the list or of the pictures."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise MediaError(f"{list_path}: file_name {short_name(name)} leaves the folder")
    tried = [list_path.parent / parts, folder / parts, folder / parts.name]
    try:
        for path in tried:
            if path.is_file():
                return path
    except OSError as error:
        raise MediaError(f"{list_path}: {short_name(name)} cannot be read: {error.strerror}") from error
    raise MediaError(f"{list_path}: there is no picture {short_name(name)} in {folder}")


_Objects: TypeAlias = tuple[dict[str, list[tuple[str, Region]]], list[str]]  # by file name; and what was skipped
_Found: TypeAlias = tuple[*_Objects, dict[str, tuple[Any, Any]]]  # and sizes by file name, as listed


def _from_coco(content: Any, path: Path) -> _Found:
    try:
        names = {image["id"]: str(image["file_name"]) for image in content["images"]}
        sizes = {str(image["file_name"]): (image.get("width"), image.get("height")) for image in content["images"]}
        categories = {category["id"]: _checked_name(category["name"], path) for category in content["categories"]}
        annotations = [entry for entry in content["annotations"] if not entry.get("iscrowd")]
    except (KeyError, TypeError, AttributeError) as error:
        raise MediaError(f"{path} is not COCO instance JSON: {type(error).__name__} {error}") from error

    def read(entry: Any) -> tuple[str, str, Region]:
        word = categories[entry["category_id"]]
        noun = COCO_NOUNS.get(word) or canonical_noun(word) or word
        return names[entry["image_id"]], noun, Region.from_coco(entry)

    return *_collect(annotations, read), sizes


def _checked_name(name: object, path: Path) -> str:
    """The name of a category, which stands in questions and answers as it is."""
    if (
        not isinstance(name, str)
        or not name.strip()
        or len(name) > _LONGEST_NAME
        or not name.isprintable()
        or re.search("[<>]", name)
    ):
        raise MediaError(
            f"{path}: the category name {short_name(name)} cannot be used; needed are 1 to {_LONGEST_NAME} "
            "characters on one line, without < and >"
        )
    return name


def _from_boxes(content: Any, path: Path) -> _Found:
    if not isinstance(content, list):
        raise MediaError(f"{path} holds a {type(content).__name__}; it must be a list of boxes")

    def read(entry: Any) -> tuple[str, str | None, Region]:
        return str(entry["file_name"]), _first_noun(str(entry["words"])), Region.box(*entry["box_xyxy"], whole=True)

    return *_collect(content, read), {}


def _collect(entries: list[Any], read: Callable[[Any], tuple[str, str | None, Region]]) -> _Objects:
    """Reads each entry of a list; those that cannot be used are named."""
    found: defaultdict[str, list[tuple[str, Region]]] = defaultdict(list)
    skipped: list[str] = []
    for number, entry in enumerate(entries):
        try:
            name, noun, region = read(entry)
        except (GARError, KeyError, TypeError) as error:
            skipped.append(f"entry {number}: {type(error).__name__} {error}")
        else:
            if noun is not None:
                found[name].append((noun, region))
    return dict(found), skipped


def _first_noun(words: str) -> str | None:
    """Finds the noun of the world among names that are separated by commas."""
    names = [name.strip() for name in words.split(",")]
    found = (canonical_noun(name) or canonical_noun(name.split()[-1]) for name in names if name)
    return next((noun for noun in found if noun), None)
