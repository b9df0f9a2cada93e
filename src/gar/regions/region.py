"""A region: what a user points at in a picture.

A `Region` is made from a mask, box, points, scribble, polygon or COCO run-length code and becomes a mask
and a box once the picture's size is known. Geometry only: no picture is read here and nothing is learned.

Choices of this file:

* Coordinates are pixels of the original picture: x to the right, y down, (0, 0) the top-left corner of the
  top-left pixel, so pixel (i, j) covers [i, i + 1) x [j, j + 1). Boxes are (x1, y1, x2, y2) with x2 and y2
  exclusive.
* Sizes are (H, W), as an array's shape; Pillow's `image.size` is (width, height), so write
  `image.size[::-1]`.
* A region is a value: immutable, hashable, equal when it was made from the same numbers, and without a
  reference to the caller's array.
* What is wrong in itself is refused by the constructor, what does not fit the picture by the methods that
  take a size, both with `RegionError` and the numbers. What lies partly outside is cut, and `note` says so.
* Without a segmenter a box stands for its ellipse, a point for a disc, a scribble for a stroke. Sizes were
  chosen by measured IoU, see docs/decisions/0001-regions-without-a-segmenter.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gar.errors import RegionError
from gar.regions.checks import (
    MAX_POINTS,
    MAX_SCRIBBLE,
    array_of,
    coordinates,
    length,
    mapping_of,
    pairs,
    polygon_of,
    ring_list,
    runs_shape,
)
from gar.regions.rle import parse_counts, parse_size, runs_of_mask, short, to_coco
from gar.regions.shapes import Box, Points, Scribble, Shape

__all__ = ["Kind", "Region"]

Kind: TypeAlias = Literal["mask", "box", "points", "scribble", "polygon", "rle"]
"""The constructors of a region, by name."""


class _Detections(Protocol):
    """What `Region.from_supervision` reads of `supervision.Detections`."""

    xyxy: Any
    mask: Any


@dataclass(frozen=True, repr=False)
class Region:
    """Something in a picture, pointed at by its user. Use the constructors named after the ways of pointing.

    Examples:
        >>> region = Region.box(1, 1, 3, 3)
        >>> region.to_mask((4, 4)).astype(int).tolist()
        [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
        >>> region.to_box((4, 4))
        (1, 1, 3, 3)
    """

    kind: Kind
    """How the region was given."""
    shape: Shape
    """Its numbers; made by the constructors, not by hand."""

    @classmethod
    def mask(cls, array: ArrayLike) -> Region:
        """A region from a mask of the picture's size.

        Args:
            array: (H, W); bool, integers or floats, nonzero = inside. So 0/1, 0/255 and bool mean the same.

        Raises:
            RegionError: not (H, W) numbers, NaN or infinite, negative (threshold a map of scores first), or
                empty.

        Examples:
            >>> Region.mask([[0, 255], [0, 255]]).to_box((2, 2))
            (1, 0, 2, 2)
        """
        values = array_of(array, "the mask")
        if values.ndim != 2 or values.dtype.kind not in "biuf":
            raise RegionError(
                f"the mask has shape {values.shape} and type {values.dtype}; "
                "allowed: (height, width) of bool, integers or floats"
            )
        height, width = parse_size(values.shape, "the mask's size")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise RegionError(f"the mask of {height} x {width} holds NaN or infinite values")
        if values.dtype.kind in "if" and (lowest := values.min()) < 0:
            raise RegionError(f"the mask holds negative values (lowest {lowest:g}); threshold it first, 0 is outside")
        return cls("mask", runs_shape(runs_of_mask(values != 0), (height, width), "mask"))

    @classmethod
    def box(cls, x1: float, y1: float, x2: float, y2: float, *, whole: bool = False) -> Region:
        """A region from a box.

        Args:
            x1: left edge in pixels.
            y1: top edge.
            x2: right edge, above x1.
            y2: bottom edge, above y1.
            whole: stand for all of the box, as suits a page or a screen. By default the box stands for the
                ellipse that touches its four sides, which objects fill better (docs/decisions/0001).

        Raises:
            RegionError: a corner is not finite, or x2 <= x1, or y2 <= y1.

        Examples:
            >>> Region.box(0, 0, 8, 8, whole=True).area((8, 8)), Region.box(0, 0, 8, 8).area((8, 8))
            (64, 60)
        """
        (left, top), (right, bottom) = coordinates([(x1, y1), (x2, y2)], "the box", most=2)
        if right <= left or bottom <= top:
            raise RegionError(f"the box is ({left:g}, {top:g}, {right:g}, {bottom:g}); needed is x1 < x2 and y1 < y2")
        return cls("box", Box(left, top, right, bottom, bool(whole)))

    @classmethod
    def points(cls, points: ArrayLike, labels: ArrayLike | None = None, radius: float | None = None) -> Region:
        """A region from points on it and, if wanted, points beside it.

        A pixel belongs to the region when its centre is at most `radius` away from a foreground point and
        no nearer to a background point. Points outside the picture are left out, and `note` names them.

        Args:
            points: (N, 2), x and y in pixels, N from 1 to 1,000.
            labels: (N,), 1 for foreground and 0 for background; all are foreground when left out.
            radius: in pixels; 7 % of the picture's diagonal when left out.

        Raises:
            RegionError: wrong shapes, not finite, labels other than 0 and 1, no foreground point, the same
                place marked as both, or a radius that is not above 0.

        Examples:
            >>> Region.points([(2, 2), (6, 2)], labels=[1, 0], radius=3).to_box((4, 8))
            (0, 0, 4, 4)
        """
        places = coordinates(points, "the points", most=MAX_POINTS)
        marks = np.ones(len(places)) if labels is None else array_of(labels, "the labels")
        if marks.shape != (len(places),) or marks.dtype.kind not in "biuf" or not np.isin(marks, (0, 1)).all():
            raise RegionError(
                f"the labels are {short(labels)}; needed is one for each of the {len(places)} points, "
                "1 (foreground) or 0 (background)"
            )
        inside = tuple(place for place, mark in zip(places, marks, strict=True) if mark == 1)
        outside = tuple(place for place, mark in zip(places, marks, strict=True) if mark == 0)
        if not inside:
            raise RegionError(f"all {len(places)} points are background; at least one must be foreground (label 1)")
        if both := set(inside) & set(outside):
            x, y = min(both)
            raise RegionError(f"point ({x:g}, {y:g}) is marked both foreground and background")
        return cls("points", Points(inside, outside, length(radius, "the radius")))

    @classmethod
    def scribble(cls, points: ArrayLike, width: float | None = None) -> Region:
        """A region from a line drawn over it with a round pen.

        Args:
            points: (N, 2), x and y in pixels, N from 2 to 10,000; joined in order.
            width: of the pen in pixels; 45 % of the diagonal of the box around the points when left out. The
                stroke always takes in the pixels that the line passes through.

        Raises:
            RegionError: wrong shape, not finite, fewer than two points, or a width that is not above 0.

        Examples:
            >>> Region.scribble([(1, 2), (7, 2)], width=2).to_box((4, 8))
            (0, 1, 8, 3)
        """
        places = coordinates(points, "the scribble", least=2, most=MAX_SCRIBBLE)
        return cls("scribble", Scribble(places, length(width, "the width")))

    @classmethod
    def polygon(cls, rings: ArrayLike | Sequence[ArrayLike]) -> Region:
        """A region from an outline, with holes and separate parts if wanted.

        Filled by COCO's rule, then even-odd: what lies in an odd number of rings is inside, so a ring inside
        another is a hole.

        Args:
            rings: one ring (N, 2), or a sequence of rings (N, 2), x and y in pixels, N at least 3; each is
                closed from its last point to its first.

        Raises:
            RegionError: no ring, a ring with fewer than 3 points, not finite, more than 100,000 points or
                2,000,000 pixels of outline in all.

        Examples:
            >>> square, hole = [(0, 0), (4, 0), (4, 4), (0, 4)], [(1, 1), (3, 1), (3, 3), (1, 3)]
            >>> Region.polygon(square).area((4, 4)), Region.polygon([square, hole]).area((4, 4))
            (16, 12)
        """
        return cls("polygon", polygon_of(ring_list(rings), union=False))

    @classmethod
    def rle(cls, rle: Mapping[str, Any]) -> Region:
        """A region from a COCO run-length dictionary.

        Args:
            rle: `{"size": [H, W], "counts": ...}`, where counts is COCO's compressed string (str or bytes)
                or the uncompressed list of run lengths, column by column, outside first.

        Raises:
            RegionError: not such a dictionary, a size over 268 megapixels, counts that are malformed,
                negative or do not add up to H x W, or an empty mask.

        Examples:
            >>> Region.rle({"size": [2, 2], "counts": [2, 2]}).to_box((2, 2))
            (1, 0, 2, 2)
        """
        rle = mapping_of(rle, "the RLE")
        if "size" not in rle or "counts" not in rle:
            raise RegionError(f'the RLE has the keys {short(list(rle))}; needed are "size" and "counts"')
        size = parse_size(rle["size"], "the RLE's size")
        return cls("rle", runs_shape(parse_counts(rle["counts"], size), size, "RLE"))

    @classmethod
    def from_coco(cls, annotation: Mapping[str, Any], size: tuple[int, int] | None = None) -> Region:
        """A region from an annotation of a COCO file.

        Its `segmentation` is taken when there is one: flat polygons, which are united as COCO does, or a
        run-length dictionary. Otherwise its `bbox` (x, y, width, height).

        Args:
            annotation: the annotation's dictionary.
            size: (H, W) of its picture, if it shall be checked at once that the region fits.

        Raises:
            RegionError: neither is there, either is malformed, or the region does not fit `size`.

        Examples:
            >>> Region.from_coco({"segmentation": [[0, 0, 4, 0, 4, 2, 0, 2]]}).to_box((4, 4))
            (0, 0, 4, 2)
            >>> Region.from_coco({"bbox": [1, 1, 2, 3]}).to_box((4, 4))
            (1, 1, 3, 4)
        """
        annotation = mapping_of(annotation, "the annotation")
        segmentation, bbox = annotation.get("segmentation"), annotation.get("bbox")
        if isinstance(segmentation, np.ndarray):
            segmentation = segmentation.tolist()
        if isinstance(segmentation, Mapping):
            region = cls.rle(cast("Mapping[str, Any]", segmentation))
        elif isinstance(segmentation, (list, tuple)) and segmentation:
            flat = cast("Sequence[Any]", segmentation)
            parts: Sequence[Any] = [flat] if np.isscalar(flat[0]) else flat
            region = cls("polygon", polygon_of([pairs(part) for part in parts], union=True))
        elif segmentation is not None and not isinstance(segmentation, (list, tuple)):
            kind = type(segmentation).__name__
            raise RegionError(f"the annotation's segmentation is a {kind}; it must be polygons or run-lengths")
        elif bbox is not None:
            numbers = array_of(bbox, "the annotation's bbox")
            if numbers.shape != (4,) or numbers.dtype.kind not in "iuf":
                raise RegionError(f"the annotation's bbox is {short(bbox)}; it must be (x, y, width, height)")
            x, y, width, height = numbers.tolist()
            region = cls.box(x, y, x + width, y + height)
        else:
            raise RegionError(f"the annotation has no segmentation and no bbox; its keys are {short(list(annotation))}")
        if size is not None:
            region.to_mask(size)
        return region

    @classmethod
    def from_supervision(cls, detections: _Detections) -> list[Region]:
        """Regions of a `supervision.Detections`: one from each mask or, where there are none, from each box.

        Raises:
            RegionError: a mask or box is not a region; the message says which.

        Examples:
            >>> from types import SimpleNamespace
            >>> found = SimpleNamespace(xyxy=np.array([[1, 1, 3, 3], [0, 0, 2, 4]]), mask=None)
            >>> [region.to_box((4, 4)) for region in Region.from_supervision(found)]
            [(1, 1, 3, 3), (0, 0, 2, 4)]
        """
        boxes = array_of(getattr(detections, "xyxy", None), "detections.xyxy")
        if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.kind not in "iuf":
            raise RegionError(f"detections.xyxy has shape {boxes.shape} and type {boxes.dtype}; it must be (N, 4)")
        masks = getattr(detections, "mask", None)
        try:  # one mask at a time, since supervision may hold them packed
            rows = boxes.tolist() if masks is None else [masks[index] for index in range(len(masks))]
        except (TypeError, LookupError) as error:
            raise RegionError(f"detections.mask is {short(masks)}; it must be (N, H, W)") from error
        if len(rows) != len(boxes):
            raise RegionError(f"detections have {len(rows)} masks and {len(boxes)} boxes; needed are as many")
        regions: list[Region] = []
        for index, row in enumerate(rows):
            try:
                regions.append(cls.box(*row) if masks is None else cls.mask(row))
            except RegionError as error:
                raise RegionError(f"detection {index} of {len(boxes)}: {error}") from error
        return regions

    def to_mask(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """The region's pixels in a picture of `size`: a new bool array (H, W), True inside, never empty.

        Raises:
            RegionError: the region is a mask of another size, or has no pixel in the picture.
        """
        height, width = parse_size(size, "the picture's size")
        mask = self.shape.fill((height, width))
        if not mask.any():
            raise RegionError(f"{self.shape} has no pixel inside the picture of {height} x {width} (height x width)")
        return mask

    def to_box(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """The smallest box (x1, y1, x2, y2) around the mask, in whole pixels, x2 and y2 exclusive.

        Raises:
            RegionError: as `to_mask`.
        """
        mask = self.to_mask(size)
        columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    def to_rle(self, size: tuple[int, int]) -> dict[str, Any]:
        """The mask as COCO's compressed run-length code: `{"size": [H, W], "counts": str}`, ready for JSON.

        Raises:
            RegionError: as `to_mask`.

        Examples:
            >>> Region.box(1, 0, 2, 2).to_rle((2, 2))
            {'size': [2, 2], 'counts': '22'}
        """
        return to_coco(self.to_mask(size))

    def area(self, size: tuple[int, int]) -> int:
        """How many pixels of a picture of `size` (H, W) lie inside, at least 1.

        Raises:
            RegionError: as `to_mask`.
        """
        return int(np.count_nonzero(self.to_mask(size)))

    def iou(self, other: Region, size: tuple[int, int]) -> float:
        """Intersection over union with another region in a picture of `size` (H, W), from 0 to 1.

        Raises:
            RegionError: as `to_mask`, for either.

        Examples:
            >>> Region.box(0, 0, 2, 2).iou(Region.box(1, 0, 3, 2), (2, 4))
            0.3333333333333333
        """
        mine, others = self.to_mask(size), other.to_mask(size)
        return int(np.count_nonzero(mine & others)) / int(np.count_nonzero(mine | others))

    def note(self, size: tuple[int, int]) -> str | None:
        """What of the region lies outside a picture of `size` (H, W), with numbers; None if nothing does.

        It speaks of what was given: box, vertices, points, line. That a disc or stroke is cut where it
        meets the edge is not noted.

        Examples:
            >>> Region.box(-2, 0, 3, 3).note((4, 4))
            'cut at the picture of 4 x 4 (height x width): box (-2, 0, 3, 3), 2 px beyond the left edge'
        """
        height, width = parse_size(size, "the picture's size")
        return self.shape.note((height, width))

    def __repr__(self) -> str:
        return f"<Region {self.shape}>"
