"""Instance annotations in COCO's format (`instances_train2017.json` and the like).

Of an annotation its `segmentation`, `category_id`, `image_id` and `iscrowd` are read; of a picture its `file_name`;
of a category its `name`. Crowds are left out: they hold several things and have no name of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gar.errors import InputError, RegionError
from gar.regions import Region
from gar.training.samples import Skipped
from gar.training.sources.files import entries, file_under, folder_at, mapping, parse_json, read_file, shown
from gar.training.sources.segments import AnnotatedPicture, Segment, SegmentSource
from gar.training.sources.things import Kind, kind_named

__all__ = ["CocoSource", "picture_files", "read_kinds"]


class CocoSource(SegmentSource):
    """Named regions from COCO instance annotations.

    Args:
        path: The JSON file.
        images: The folder that the `file_name` of a picture is relative to, and must not leave.
        seed: Where the deal of regions, prompt numbers, questions and wordings come from.
        max_regions: How many regions the model can name.

    Raises:
        InputError: The file is missing or not in this format, the folder is missing, or nothing can be used.

    Example:
        >>> source = CocoSource("annotations/instances_train2017.json", "train2017")  # doctest: +SKIP
        >>> source[0].turns  # doctest: +SKIP
        (('What is <Prompt3>?', 'An umbrella.'), ('Is <Prompt1> a cat?', 'no'))
    """

    def __init__(self, path: str | Path, images: str | Path, *, seed: int = 0, max_regions: int = 5):
        path = Path(path)
        table = mapping(parse_json(read_file(path), str(path)), str(path))
        kinds = read_kinds(table, path)
        skipped: list[Skipped] = []
        files = picture_files(table, path, folder_at(images, "the folder of pictures"), skipped)
        segments: dict[object, list[Segment]] = {key: [] for key in files}
        for place, annotation in enumerate(entries(table, "annotations", str(path))):
            try:
                annotation = mapping(annotation, "it")
                key, kind = annotation.get("image_id"), annotation.get("category_id")
                if annotation.get("iscrowd"):
                    raise InputError("it is a crowd (iscrowd), which has no name of its own")
                if not isinstance(kind, int) or kind not in kinds:
                    raise InputError(f"its category_id is {shown(kind)}; there is no such category")
                if not isinstance(key, int | str) or key not in segments:
                    raise InputError(f"its image_id is {shown(key)}; there is no such picture")
                if not annotation.get("segmentation"):
                    raise InputError("it has no segmentation")
                segments[key].append(Segment(kinds[kind], annotation))
            except InputError as error:
                skipped.append(Skipped(f"{path}: annotation at {place}", str(error)))
        pictures = [
            AnnotatedPicture(f"{path}: picture {key}", file, segments[key])
            for key, file in files.items()
            if segments[key]
        ]
        super().__init__(path, pictures, skipped, seed=seed, max_regions=max_regions)

    def _masks(
        self, picture: AnnotatedPicture, chosen: Sequence[int], size: tuple[int, int]
    ) -> list[NDArray[np.bool_]]:
        masks: list[NDArray[np.bool_]] = []
        for place in chosen:
            annotation = picture.segments[place].mask
            try:
                masks.append(Region.from_coco(annotation).to_mask(size))
            except RegionError as error:
                raise RegionError(f"annotation {shown(annotation.get('id'))}: {error}") from error
        return masks


def read_kinds(table: Mapping[str, Any], path: Path) -> dict[int, Kind]:
    """What there is in the data, by its id.

    Raises:
        InputError: A category lacks its id or its name.
    """
    kinds: dict[int, Kind] = {}
    for category in entries(table, "categories", str(path)):
        match category:
            case {"id": int(number), "name": str(name)} if name.strip():
                kinds[number] = kind_named(name.strip(), thing=category.get("isthing", 1) != 0)
            case _:
                raise InputError(f"{path}: the category {shown(category)} lacks an id or a name")
    return kinds


def picture_files(table: Mapping[str, Any], path: Path, images: Path, skipped: list[Skipped]) -> dict[int | str, Path]:
    """The files of the pictures by id; those that are not there are added to `skipped`."""
    files: dict[int | str, Path] = {}
    for place, image in enumerate(entries(table, "images", str(path))):
        try:
            image = mapping(image, "it")
            key = image.get("id")
            if not isinstance(key, int | str):
                raise InputError(f"its id is {shown(key)}; it must be a number or a text")
            files[key] = file_under(images, image.get("file_name"))
        except InputError as error:
            skipped.append(Skipped(f"{path}: picture at {place}", str(error)))
    return files
