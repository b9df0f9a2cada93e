"""The pictures of a report: what a system was shown, its regions in their prompts' colors, small enough for a page.

Choices:

* what is drawn are the regions as the run wrote them down, on the picture with the run's perturbations applied again;
* every picture is brought to 320 to 640 px on its longer side before regions are drawn, so that lines and numbers are
  crisp, and a page of 424 pictures has about 20 MB;
* of a video up to four frames stand side by side, as published: the background's perturbations are not drawn there.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gar.benchmarks.items import Item, Record
from gar.benchmarks.perturbations import generator, parse_perturbation
from gar.benchmarks.reading import region_of
from gar.benchmarks.registry import find_benchmark
from gar.benchmarks.running import load_benchmark, view_of
from gar.drawing import draw_regions
from gar.errors import GARError, InputError
from gar.regions import Region

__all__ = ["LONGEST_SIDE", "Picture", "Shows", "draw_picture", "find_items"]

LONGEST_SIDE = 640
"""Pixels of the longer side of a picture in a page."""
_LEAST_SIDE = 320
"""Pixels; smaller pictures are enlarged by a whole factor."""
_FRAMES = 4
_QUALITY = 72
"""Of WebP: 20 to 60 KB a picture."""

Shows = tuple[tuple[str, ...], int]
"""Perturbations and their seed."""


@dataclass(frozen=True)
class Picture:
    """A picture as a page holds it."""

    url: str
    """A data URL of WebP."""
    width: int
    height: int
    """In pixels."""


def find_items(manifest: Mapping[str, Any], data: Path | None) -> tuple[dict[str, Item], str | None]:
    """The items of a run that can be shown, and why there are none.

    Args:
        manifest: Of the run.
        data: The benchmark's folder, if it is no longer where it was when the run was begun.
    """
    benchmark, known = find_benchmark(manifest["benchmark"]), manifest["data"].get("folder")
    try:
        loaded = load_benchmark(benchmark, data or (Path(known) if known else None))
    except GARError as error:
        return {}, str(error)
    if loaded.fingerprint != manifest["data"]["fingerprint"]:
        return {}, f"the data in {loaded.folder} is not that of these runs"
    return {item.id: item for item in loaded.showable}, None


def draw_picture(item: Item, record: Record, shows: Shows) -> Picture:
    """Draws what a system was shown.

    Args:
        item: As published.
        record: With the regions as they were shown.
        shows: The run's perturbations.

    Raises:
        GARError: The picture cannot be read, or the regions do not fit it.
    """
    where = f"item {record.id} of the run"
    picture, codes = item.shown.read(), record.shown.get("regions", ())
    if isinstance(picture, list):
        drawn = _strip(picture, codes, where)
    else:
        regions = [region_of(code, where) for code in codes]
        drawn = _with_regions(_as_shown(picture, item, shows), regions, LONGEST_SIDE)
    encoded = io.BytesIO()
    drawn.save(encoded, "WEBP", quality=_QUALITY, method=2)
    return Picture(f"data:image/webp;base64,{base64.b64encode(encoded.getvalue()).decode('ascii')}", *drawn.size)


def _as_shown(picture: Image.Image, item: Item, shows: Shows) -> Image.Image:
    """The picture with the run's perturbations, drawn from the same generators as in the run."""
    perturbations, seed = shows
    view = view_of(picture, item.regions)  # pyright: ignore[reportArgumentType] - of a picture, not of a video
    for place, change in enumerate(map(parse_perturbation, perturbations)):
        if change.change is not None:  # prompts that change places change no pixel
            view = change.change(view, generator(seed, item.id, place))
    return view.image


def _strip(frames: Sequence[Image.Image], tracks: Sequence[Sequence[Any]], where: str) -> Image.Image:
    """A few frames side by side, of those in which all regions are to be seen: colors go by a region's place."""
    if not all(isinstance(track, list) and len(track) == len(frames) for track in tracks):
        raise InputError(f"{where}: its regions do not fit the {len(frames)} frames")
    whole = [place for place in range(len(frames)) if all(track[place] is not None for track in tracks)]
    places = whole or list(range(len(frames)))
    count = min(_FRAMES, len(places))
    drawn = []
    for number in range(count):
        place = places[number * (len(places) - 1) // max(1, count - 1)]
        regions = [region_of(track[place], where) for track in tracks] if whole else []
        drawn.append(_with_regions(frames[place], regions, LONGEST_SIDE // 2))
    strip = Image.new("RGB", (sum(one.width for one in drawn), max(one.height for one in drawn)))
    left = 0
    for one in drawn:
        strip.paste(one, (left, 0))
        left += one.width
    return strip


def _with_regions(image: Image.Image, regions: Sequence[Region], longest: int) -> Image.Image:
    """A picture brought to size, with its regions in their prompts' colors."""
    side = max(image.size)
    scale = min(1.0, longest / side) if side >= _LEAST_SIDE else -(-_LEAST_SIDE // side)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    sized = image.resize(size, Image.Resampling.LANCZOS) if size != image.size else image
    masks = [_resized(region.to_mask((image.height, image.width)), size) for region in regions]
    return draw_regions(sized, masks)


def _resized(mask: NDArray[np.bool_], size: tuple[int, int]) -> Region:
    """A mask (H, W) brought to `size` (width, height); a small region does not vanish."""
    share = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX))
    return Region.mask(share >= min(128, int(share.max())))
