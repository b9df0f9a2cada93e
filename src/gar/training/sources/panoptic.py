"""Panoptic annotations: COCO's (`panoptic_train2017.json` with its PNGs) and PSG's (`psg.json`, with relations).

Both name, for each picture, a PNG in which the color of a pixel says its segment: R + 256 G + 65536 B. PSG (Panoptic
Scene Graph, arXiv 2207.11247) keeps everything of a picture in one record under `data`; there category and predicate
numbers are places in `thing_classes` followed by `stuff_classes`, and in `predicate_classes`; a relation is
[subject, object, predicate], subject and object being places in `segments_info`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gar.errors import InputError, RegionError
from gar.training.samples import Skipped
from gar.training.sources.coco import picture_files, read_kinds
from gar.training.sources.files import (
    entries,
    file_under,
    folder_at,
    mapping,
    parse_json,
    read_file,
    read_picture,
    shown,
)
from gar.training.sources.segments import AnnotatedPicture, Segment, SegmentSource
from gar.training.sources.things import Kind, kind_named

__all__ = ["PanopticSource"]


class PanopticSource(SegmentSource):
    """Named regions, things and stuff, and in PSG how they relate.

    Args:
        path: The JSON file of COCO panoptic or PSG.
        images: The folder that names of pictures are relative to, and must not leave.
        masks: The same for the PNGs with the segments.
        split: Of PSG, which pictures: those of its `test_image_ids`, or all others. COCO's files hold one split each.
        seed: Where the deal of regions, prompt numbers, questions and wordings come from.
        max_regions: How many regions the model can name.

    Raises:
        InputError: The file is missing or in neither format, a folder is missing, or nothing can be used.

    Example:
        >>> source = PanopticSource("psg.json", "coco", "coco")  # doctest: +SKIP
        >>> source[0].turns[0]  # doctest: +SKIP
        ('How does <Prompt4> relate to <Prompt0>?', '<Prompt4> is riding <Prompt0>.')
    """

    def __init__(
        self,
        path: str | Path,
        images: str | Path,
        masks: str | Path,
        *,
        split: Literal["train", "test"] = "train",
        seed: int = 0,
        max_regions: int = 5,
    ):
        path = Path(path)
        images, masks = folder_at(images, "the folder of pictures"), folder_at(masks, "the folder of masks")
        table = mapping(parse_json(read_file(path), str(path)), str(path))
        skipped: list[Skipped] = []
        if "data" in table:
            pictures = _read_psg(table, path, images, masks, split, skipped)
        elif split == "train":
            pictures = _read_coco(table, path, images, masks, skipped)
        else:
            raise InputError(f"{path} is no PSG file (it has no data); the split {split!r} is one of PSG's")
        super().__init__(path, pictures, skipped, seed=seed, max_regions=max_regions)

    def _masks(
        self, picture: AnnotatedPicture, chosen: Sequence[int], size: tuple[int, int]
    ) -> list[NDArray[np.bool_]]:
        assert picture.masks is not None  # every picture of ours has one
        colors = read_picture(picture.masks)
        if colors.shape[:2] != size:
            raise RegionError(
                f"the segments in {picture.masks.name} are {colors.shape[0]} x {colors.shape[1]}, the picture is "
                f"{size[0]} x {size[1]} (height x width)"
            )
        numbers = colors @ np.array([1, 256, 65536])
        found = [numbers == picture.segments[place].mask for place in chosen]
        for place, mask in zip(chosen, found, strict=True):
            if not mask.any():
                raise RegionError(f"segment {picture.segments[place].mask} has no pixel in {picture.masks.name}")
        return found


def _read_coco(
    table: Mapping[str, Any], path: Path, images: Path, masks: Path, skipped: list[Skipped]
) -> list[AnnotatedPicture]:
    """The pictures of a COCO panoptic file."""
    kinds = read_kinds(table, path)
    files = picture_files(table, path, images, skipped)
    pictures: list[AnnotatedPicture] = []
    for place, annotation in enumerate(entries(table, "annotations", str(path))):
        name = f"{path}: annotation at {place}"
        try:
            annotation = mapping(annotation, "it")
            key = annotation.get("image_id")
            if not isinstance(key, int | str) or key not in files:
                raise InputError(f"its image_id is {shown(key)}; there is no such picture")
            segments = _segments(annotation, kinds, name, skipped)
            if segments:
                file = file_under(masks, annotation.get("file_name"))
                pictures.append(
                    AnnotatedPicture(f"{path}: picture {key}", files[key], list(segments.values()), masks=file)
                )
        except InputError as error:
            skipped.append(Skipped(name, str(error)))
    return pictures


def _read_psg(
    table: Mapping[str, Any], path: Path, images: Path, masks: Path, split: str, skipped: list[Skipped]
) -> list[AnnotatedPicture]:
    """The pictures of one split of a PSG file."""
    things, stuff, predicates = (
        _words(table, key, path) for key in ("thing_classes", "stuff_classes", "predicate_classes")
    )
    names = [kind_named(name) for name in things] + [kind_named(name, thing=False) for name in stuff]
    kinds = dict(enumerate(names))
    held_out = {str(number) for number in entries(table, "test_image_ids", str(path))}
    pictures: list[AnnotatedPicture] = []
    for place, record in enumerate(entries(table, "data", str(path))):
        name = f"{path}: record at {place}"
        try:
            record = mapping(record, "it")
            key = record.get("image_id")
            if (str(key) in held_out) != (split == "test"):
                continue
            segments = _segments(record, kinds, name, skipped)
            if not segments:
                continue
            relations = _relations(record, list(segments), predicates, name, skipped)
            pictures.append(
                AnnotatedPicture(
                    f"{path}: picture {shown(key)}",
                    file_under(images, record.get("file_name")),
                    list(segments.values()),
                    relations,
                    file_under(masks, record.get("pan_seg_file_name")),
                )
            )
        except InputError as error:
            skipped.append(Skipped(name, str(error)))
    return pictures


def _segments(
    record: Mapping[str, Any], kinds: Mapping[int, Kind], name: str, skipped: list[Skipped]
) -> dict[int, Segment]:
    """The usable segments by their place in `segments_info`; the others are added to `skipped`."""
    segments: dict[int, Segment] = {}
    for place, segment in enumerate(entries(record, "segments_info", "it")):
        match segment:
            case {"iscrowd": 1 | True}:
                reason = "it is a crowd (iscrowd), which has no name of its own"
            case {"id": int(number), "category_id": int(kind)} if kind in kinds:
                segments[place] = Segment(kinds[kind], number)
                continue
            case _:
                reason = f"it is {shown(segment)}; needed are an id and the category_id of a category"
        skipped.append(Skipped(f"{name}, segment at {place}", reason))
    return segments


def _relations(
    record: Mapping[str, Any], places: list[int], predicates: list[str], name: str, skipped: list[Skipped]
) -> dict[tuple[int, int], tuple[str, ...]]:
    """Relations between usable segments; malformed ones are added to `skipped`."""
    found: dict[tuple[int, int], tuple[str, ...]] = {}
    total = len(entries(record, "segments_info", "it"))
    for place, relation in enumerate(entries(record, "relations", "it")):
        match relation:
            case [int(a), int(b), int(word)] if (
                0 <= a < total and 0 <= b < total and a != b and 0 <= word < len(predicates)
            ):
                if a in places and b in places:
                    pair = places.index(a), places.index(b)
                    found[pair] = (*found.get(pair, ()), predicates[word])
            case _:
                reason = (
                    f"it is {shown(relation)}; needed are two of {total} segments and one of {len(predicates)} words"
                )
                skipped.append(Skipped(f"{name}, relation at {place}", reason))
    return found


def _words(table: Mapping[str, Any], key: str, path: Path) -> list[str]:
    words = entries(table, key, str(path))
    if not all(isinstance(word, str) and word.strip() for word in words):
        raise InputError(f"{path} has {shown(words)} under {key!r}; it must be a list of names")
    return words
