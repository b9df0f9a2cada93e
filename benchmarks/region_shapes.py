"""How well a box, a point or a scribble stands for the object it points at, without a segmenter.

Every mask of GAR-Bench is pointed at as a user would: by its tight box; by its most interior point, its
centroid and a random point of it; by a scribble along its length. What each stands for is compared with the
mask by IoU, for several shapes and sizes, and the means are printed as a table. The choices made from it,
in docs/decisions/0001-regions-without-a-segmenter.md, are the defaults of `gar.Region`.

    python benchmarks/region_shapes.py FOLDER

FOLDER is GAR-Bench, with its `annotations/GAR-Bench-*.json`; the pictures are not needed. Takes under two minutes on
one core. Needs scipy (the `train` extra brings it).
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.ndimage import distance_transform_edt

from gar.regions import Region

FILES = ("VQA", "Caption-Simple", "Caption-Detailed")
EXPONENTS = (1.5, 2.5, 3.0, 4.0)
SHRINKS = (0.95, 0.9)
RADII = (0.03, 0.05, 0.06, 0.07, 0.08, 0.1, 0.12, 0.15, 0.2)
LENGTH_WIDTHS = (0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
DIAGONAL_WIDTHS = (0.03, 0.05, 0.07, 0.1)
SCRIBBLE_BINS = 9

Mask = NDArray[np.bool_]
Point = tuple[float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of GAR-Bench")
    folder = parser.parse_args().folder
    paths = [folder / "annotations" / f"GAR-Bench-{name}.json" for name in FILES]
    if missing := [str(path) for path in paths if not path.is_file()]:
        parser.error(f"GAR-Bench is not there: no {', '.join(missing)}")

    scores: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, path in zip(FILES, paths, strict=True):
        for index, item in enumerate(json.loads(path.read_text())):
            for prompt, rle in enumerate(item["mask_rles"]):
                truth = Region.rle(rle)
                rng = np.random.default_rng([FILES.index(name), index, prompt])
                for shape, iou in measure(truth, tuple(rle["size"]), rng):
                    scores[shape][name].append(iou)
    report(scores)


def measure(truth: Region, size: tuple[int, int], rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """Names of shapes, and the IoU of each with one mask."""
    mask = truth.to_mask(size)
    x1, y1, x2, y2 = truth.to_box(size)
    diagonal = math.hypot(*size)

    yield "box: whole", iou(Region.box(x1, y1, x2, y2, whole=True), mask)
    yield "box: ellipse (default)", iou(Region.box(x1, y1, x2, y2), mask)
    for shrink in SHRINKS:
        yield f"box: ellipse, sides x {shrink}", iou(Region.box(*shrunk((x1, y1, x2, y2), shrink)), mask)
    for exponent in EXPONENTS:
        for shrink in (1.0, *SHRINKS):
            shape = superellipse(shrunk((x1, y1, x2, y2), shrink), exponent, size)
            sides = f", sides x {shrink}" if shrink < 1 else ""
            yield f"box: superellipse, exponent {exponent}{sides}", iou_of_masks(shape, mask)

    for name, point in points_on(mask, rng).items():
        yield f"point: {name}, default radius", iou(Region.points([point]), mask)
        for radius in RADII:
            region = Region.points([point], radius=radius * diagonal)
            yield f"point: {name}, {radius:.0%} of the diagonal", iou(region, mask)

    line = scribble_along(mask)
    length = math.dist(np.min(line, axis=0), np.max(line, axis=0))
    yield "scribble: default width", iou(Region.scribble(line), mask)
    for width in LENGTH_WIDTHS:
        region = Region.scribble(line, max(width * length, 1.0))
        yield f"scribble: {width:.0%} of its box's diagonal", iou(region, mask)
    for width in DIAGONAL_WIDTHS:
        region = Region.scribble(line, width * diagonal)
        yield f"scribble: {width:.0%} of the picture's diagonal", iou(region, mask)


def iou(region: Region, mask: Mask) -> float:
    height, width = mask.shape
    return iou_of_masks(region.to_mask((height, width)), mask)


def iou_of_masks(one: Mask, other: Mask) -> float:
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


def shrunk(box: tuple[float, ...], factor: float) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box
    dx, dy = (x2 - x1) * (1 - factor) / 2, (y2 - y1) * (1 - factor) / 2
    return x1 + dx, y1 + dy, x2 - dx, y2 - dy


def superellipse(box: tuple[float, ...], exponent: float, size: tuple[int, int]) -> Mask:
    """Pixels with |x|^n + |y|^n <= 1 at their centre, x and y in semi-axes from the box's middle."""
    x1, y1, x2, y2 = box
    across = np.abs((np.arange(size[1]) + 0.5 - (x1 + x2) / 2) / ((x2 - x1) / 2)) ** exponent
    down = np.abs((np.arange(size[0]) + 0.5 - (y1 + y2) / 2) / ((y2 - y1) / 2)) ** exponent
    return across[None, :] + down[:, None] <= 1


def points_on(mask: Mask, rng: np.random.Generator) -> dict[str, Point]:
    """Where a user may click: farthest from the edge, at the centre of mass, anywhere on the object."""
    rows, columns = np.nonzero(mask)
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), mask.shape)
    chance = rng.integers(rows.size)
    return {
        "most interior": (column + 0.5, row + 0.5),
        "centroid": (columns.mean() + 0.5, rows.mean() + 0.5),
        "random": (columns[chance] + 0.5, rows[chance] + 0.5),
    }


def scribble_along(mask: Mask) -> list[Point]:
    """A line along the mask's long axis: the middles of nine slices of its inner 90 %."""
    places = np.argwhere(mask)[:, ::-1] + 0.5
    offsets = places - places.mean(axis=0)
    axis = np.linalg.eigh(offsets.T @ offsets)[1][:, -1]
    along = offsets @ axis
    low, high = np.quantile(along, [0.05, 0.95])
    slices = np.floor((along - low) / max(high - low, 1e-9) * SCRIBBLE_BINS)
    middles = [places[slices == index].mean(axis=0) for index in range(SCRIBBLE_BINS) if (slices == index).any()]
    return [(float(x), float(y)) for x, y in middles] * (2 if len(middles) == 1 else 1)


def report(scores: dict[str, defaultdict[str, list[float]]]) -> None:
    counts = {name: len(next(iter(scores.values()))[name]) for name in FILES}
    table = Table(title="Mean IoU with the masks of GAR-Bench")
    table.add_column("shape")
    for name, count in {"all": sum(counts.values()), **counts}.items():
        table.add_column(f"{name}\nn={count}", justify="right")
    group = ""
    for shape, by_file in scores.items():
        if group not in ("", shape.partition(":")[0]):
            table.add_section()
        group = shape.partition(":")[0]
        everything = [value for values in by_file.values() for value in values]
        table.add_row(shape, *(f"{np.mean(values):.4f}" for values in (everything, *by_file.values())))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
