"""Regions: what each constructor fills and refuses, and the laws between masks, boxes and codes."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import itertools
import json
import math
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from pycocotools import mask as coco

from gar.errors import RegionError
from gar.regions import Region

# pycocotools 2.0.11 decodes with what numpy 2 calls deprecated; only the tests use it so.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = (40, 60)
"""(H, W)"""
GUIDE = Path(__file__).parents[1] / "docs" / "regions.md"

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=24)).filter(np.any)
inside_x, inside_y = st.floats(0, SIZE[1]), st.floats(0, SIZE[0])
places = st.tuples(inside_x, inside_y)


def lines(mask: np.ndarray) -> list[str]:
    return ["".join(".#"[int(value)] for value in row) for row in mask]


@st.composite
def regions(draw: st.DrawFn) -> Region:
    """Any region that has a pixel in a picture of SIZE."""
    kind = draw(st.sampled_from(["mask", "box", "points", "scribble"]))
    if kind == "mask":
        return Region.mask(draw(arrays(np.bool_, SIZE).filter(np.any)))
    if kind == "box":
        (xa, ya), (xb, yb) = draw(places), draw(places)
        whole = draw(st.booleans())
        if xa == xb or ya == yb:
            xa, ya, xb, yb = 0, 0, 1, 1
        return Region.box(min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb), whole=whole)
    points = draw(st.lists(places, min_size=2, max_size=5))
    return Region.points(points) if kind == "points" else Region.scribble(points)


# --- masks


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int32, np.float32, np.float64])
def test_any_nonzero_number_of_a_mask_is_inside(kind: type):
    values = np.array([[0, 1, 0], [0, 0, 1]])
    region = Region.mask(values.astype(kind))
    assert region.kind == "mask"
    assert np.array_equal(region.to_mask((2, 3)), values == 1)
    assert region == Region.mask(values * 255)
    assert region == Region.mask(Image.fromarray(values.astype(np.uint8)))


def test_a_region_keeps_no_reference_to_the_callers_array():
    array = np.ones((3, 3), bool)
    region = Region.mask(array)
    array[:] = False
    region.to_mask((3, 3))[:] = False
    assert region.area((3, 3)) == 9


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 4)), r"mask of 3 x 4 .* is empty"),
        (np.ones((3, 4, 4)), r"shape \(3, 4, 4\)"),
        (np.ones(5), r"shape \(5,\)"),
        (np.ones((0, 4)), "it must be"),
        (np.full((2, 2), np.nan), "NaN or infinite"),
        (np.full((2, 2), np.inf), "NaN or infinite"),
        (np.array([[1.0, -3.5]]), r"negative values \(lowest -3.5\)"),
        (np.array([["a", "b"]]), "type <U1"),
        (np.array([[1j]]), "complex"),
        ([[1, 2], [3]], "cannot be read"),
        (None, "shape"),
        (np.broadcast_to(np.True_, (20_000, 20_000)), "more than 268435456 pixels"),
    ],
)
def test_what_is_no_mask_is_refused_with_its_numbers(array: object, words: str):
    with pytest.raises(RegionError, match=words):
        Region.mask(array)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("region", [Region.mask(np.ones((3, 4))), Region.rle({"size": [3, 4], "counts": [0, 12]})])
def test_a_mask_of_another_size_than_the_picture_is_refused_with_both_sizes(region: Region):
    with pytest.raises(RegionError, match=r"3 x 4 .* does not fit the picture of 4 x 3"):
        region.to_mask((4, 3))
    assert region.note((3, 4)) is None


# --- boxes


def test_a_box_stands_for_the_ellipse_that_it_encloses():
    assert lines(Region.box(1, 0, 9, 6).to_mask((6, 10))) == [
        "..######..",
        ".########.",
        ".########.",
        ".########.",
        ".########.",
        "..######..",
    ]


def test_a_whole_box_stands_for_all_of_its_pixels():
    assert lines(Region.box(1, 0.5, 3, 2, whole=True).to_mask((3, 4))) == [".##.", ".##.", "...."]


@given(inside_x, inside_y, st.floats(1e-300, 100), st.floats(1e-300, 100), st.booleans())
def test_the_box_of_a_box_is_itself_rounded_outwards_and_cut(
    x: float, y: float, width: float, height: float, whole: bool
):
    x2, y2 = x + width, y + height
    if x2 <= x or y2 <= y or x >= SIZE[1] or y >= SIZE[0]:
        return
    expected = (math.floor(x), math.floor(y), min(math.ceil(x2), SIZE[1]), min(math.ceil(y2), SIZE[0]))
    region = Region.box(x, y, x2, y2, whole=whole)
    assert region.to_box(SIZE) == expected
    assert (region.note(SIZE) is not None) == (x2 > SIZE[1] or y2 > SIZE[0])


def test_a_box_thinner_than_a_pixel_has_the_pixels_that_it_lies_in():
    assert Region.box(10.2, 5.3, 10.4, 5.4).to_box(SIZE) == (10, 5, 11, 6)
    assert Region.box(10.2, 5, 10.4, 25).area(SIZE) == 20
    assert Region.box(5e-324, 5e-324, 1e-323, 1e-323).area(SIZE) == 1


@pytest.mark.parametrize(
    ("corners", "words"),
    [
        ((30, 10, 20, 20), r"\(30, 10, 20, 20\); needed is x1 < x2"),
        ((10, 10, 20, 10), "y1 < y2"),
        ((np.nan, 0, 1, 1), r"\(nan, 0\)"),
        ((0, 0, np.inf, 1), r"\(inf, 1\) at index 1"),
        ((0, 0, 1e300, 1), "within 1e"),
        (("0", "0", "1", "1"), "type <U1"),
        ((0, 0, None, 1), "object"),
        ((0, 0, [1, 2], 1), "cannot be read"),
        ((0, 0, 10**400, 1), "the box"),
    ],
)
def test_what_is_no_box_is_refused_with_its_numbers(corners: tuple[float, float, float, float], words: str):
    with pytest.raises(RegionError, match=words):
        Region.box(*corners)


@pytest.mark.parametrize("corners", [(60, 0, 70, 10), (-9, 0, 0, 10), (0, 40, 10, 50), (500.5, 600, 510, 610)])
def test_a_box_outside_the_picture_is_refused_with_its_numbers(corners: tuple[float, ...]):
    with pytest.raises(RegionError, match=rf"box \({corners[0]:g}, .* no pixel inside the picture of 40 x 60"):
        Region.box(*corners).to_box(SIZE)


def test_what_was_cut_is_noted_with_numbers():
    assert Region.box(0, 0, 60, 40).note(SIZE) is None
    note = Region.box(-12.5, 3, 10, 44).note(SIZE)
    assert note == (
        "cut at the picture of 40 x 60 (height x width): box (-12.5, 3, 10, 44), "
        "12.5 px beyond the left edge and 4 px beyond the bottom edge"
    )
    assert "3 px beyond the right edge" in str(Region.polygon([(0, 0), (63, 0), (0, 9)]).note(SIZE))
    assert "1 px beyond the top edge" in str(Region.scribble([(0, -1), (6, 9)]).note(SIZE))
    note = Region.points([(1, 1), (99, 1), (-1, 2)], [1, 1, 0]).note(SIZE)
    assert note == "2 of 3 points left out, outside the picture of 40 x 60 (height x width): (99, 1), (-1, 2)"


# --- points


def test_a_point_stands_for_a_disc_and_a_background_point_cuts_it_half_way():
    one = Region.points([(4, 3)], radius=3).to_mask((6, 10))
    cut = Region.points([(4, 3), (8, 3)], [1, 0], radius=3).to_mask((6, 10))
    assert lines(one) == ["..####....", ".######...", ".######...", ".######...", ".######...", "..####...."]
    assert np.array_equal(cut, one & (np.arange(10) < 6))


def test_the_radius_of_a_point_is_a_part_of_the_pictures_diagonal():
    x1, y1, x2, y2 = Region.points([(400, 300)]).to_box((600, 800))
    assert (x2 - x1, y2 - y1) == (140, 140)  # 2 x 0.07 x 1000


@given(st.lists(st.tuples(places, st.booleans()), min_size=1, max_size=6), st.floats(0.01, 30))
@example([((2.2250738585e-313, 1.0), True), ((0.0, 0.0), False)], 1.0)  # too little apart to divide by
def test_a_pixel_near_points_belongs_to_the_nearest(marked: list[tuple[tuple[float, float], bool]], radius: float):
    points = dict(marked)
    if not any(points.values()):
        return
    region = Region.points(list(points), list(points.values()), radius)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    near = {label: np.full(SIZE, np.inf) for label in (True, False)}
    for (px, py), label in points.items():
        near[label] = np.minimum(near[label], np.hypot(x - px, y - py))
    reach = max(radius, 0.7072)
    sure = (near[True] < reach - 1e-6) & (near[True] < near[False] - 1e-6)
    possible = (near[True] < reach + 1e-6) & (near[True] < near[False] + 1e-6)
    try:
        mask = region.to_mask(SIZE)
    except RegionError:
        mask = np.zeros(SIZE, bool)
    assert not (sure & ~mask).any()
    assert not (mask & ~possible).any()


@given(places)
def test_a_point_in_the_picture_always_has_its_own_pixel(place: tuple[float, float]):
    column, row = min(int(place[0]), SIZE[1] - 1), min(int(place[1]), SIZE[0] - 1)
    assert Region.points([place], radius=1e-3).to_mask(SIZE)[row, column]
    assert Region.scribble([place, place], width=1e-3).to_mask(SIZE)[row, column]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([],), "shape"),
        (([1, 2],), r"shape \(2,\)"),
        (([(1, 2, 3)],), r"shape \(1, 3\)"),
        (([(1, np.nan)],), "nan"),
        (([(1, 2)], [2]), r"labels are \[2\]"),
        (([(1, 2)], [1, 0]), "each of the 1 points"),
        (([(1, 2)], ["1"]), "labels"),
        (([(1, 2)], [np.nan]), "labels"),
        (([(1, 2), (3, 4)], [0, 0]), "all 2 points are background"),
        (([(1, 2), (1, 2)], [1, 0]), r"\(1, 2\) is marked both"),
        (([(1, 2)], None, 0), "radius is 0"),
        (([(1, 2)], None, -3), "radius is -3"),
        (([(1, 2)], None, np.nan), "radius is nan"),
        (([(1, 2)], None, "3"), "radius"),
        ((np.zeros((1001, 2)),), "1001 points; allowed are 1 to 1000"),
    ],
)
def test_what_are_no_points_is_refused_with_its_numbers(arguments: tuple[object, ...], words: str):
    with pytest.raises(RegionError, match=words):
        Region.points(*arguments)  # pyright: ignore[reportArgumentType]


def test_points_all_outside_the_picture_are_refused():
    with pytest.raises(RegionError, match=r"point \(61, 3\) has no pixel"):
        Region.points([(61, 3)], radius=30).to_mask(SIZE)


# --- scribbles


@pytest.mark.parametrize("lean", [5e-324, 1e-310, 1e-300, 1e-12])
def test_a_scribble_that_hardly_leans_is_an_upright_one(lean):
    upright, leaning = (Region.scribble([(0, 0), (x, 6)], width=3).to_mask((10, 8)) for x in (0, lean))
    assert np.array_equal(leaning, upright)


def test_a_scribble_is_drawn_with_a_round_pen():
    assert lines(Region.scribble([(2, 2), (8, 2)], width=3).to_mask((4, 10))) == [
        "..######..",
        ".########.",
        ".########.",
        "..######..",
    ]


@given(st.lists(places, min_size=2, max_size=5), st.floats(0.01, 20))
def test_a_scribble_holds_what_is_near_its_line(points: list[tuple[float, float]], width: float):
    mask = Region.scribble(points, width).to_mask(SIZE)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    near = np.full(SIZE, np.inf)
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        square = (bx - ax) ** 2 + (by - ay) ** 2
        along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / square if square > 1e-12 else 0.0
        along = np.clip(along, 0, 1)
        near = np.minimum(near, np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay)))
    reach = max(width / 2, 0.7072)
    assert not ((near < reach - 1e-5) & ~mask).any()
    assert not (mask & (near > reach + 1e-5)).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([(1, 2)],), "1 points; allowed are 2 to 10000"),
        (([(1, 2), (3, np.inf)],), "inf"),
        (([(1, 2), (3, 4)], 0), "width is 0"),
        (([(1, 2), (3, 4)], [1]), "width"),
        (("scribble",), "shape"),
    ],
)
def test_what_is_no_scribble_is_refused_with_its_numbers(arguments: tuple[object, ...], words: str):
    with pytest.raises(RegionError, match=words):
        Region.scribble(*arguments)  # pyright: ignore[reportArgumentType]


def test_a_scribble_outside_the_picture_is_refused():
    with pytest.raises(RegionError, match=r"scribble of 2 points in \(100, 100, 110, 110\) has no pixel"):
        Region.scribble([(100, 100), (110, 110)]).to_mask(SIZE)


# --- polygons


def test_a_ring_inside_another_is_a_hole_and_one_beside_it_a_part():
    outer, hole = [(0, 0), (5, 0), (5, 5), (0, 5)], [(1, 1), (4, 1), (4, 4), (1, 4)]
    island, part = [(2, 2), (3, 2), (3, 3), (2, 3)], [(6, 0), (7, 0), (7, 5), (6, 5)]
    mask = Region.polygon([outer, hole, island, part]).to_mask((5, 8))
    assert lines(mask) == ["#####.#.", "#...#.#.", "#.#.#.#.", "#...#.#.", "#####.#."]


def test_one_ring_may_be_given_alone_and_in_any_container():
    ring = [(1, 1), (5, 1), (5, 4)]
    wanted = Region.polygon([ring])
    assert wanted.kind == "polygon"
    for same in (ring, tuple(ring), np.array(ring), [np.array(ring)], np.array([ring]), [tuple(ring)]):
        assert Region.polygon(same) == wanted


coordinates = st.floats(-20, 80).map(lambda number: round(number, 2))
rings = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8)


@given(st.lists(rings, min_size=1, max_size=4))
def test_polygons_are_filled_as_pycocotools_fills_them(several: list[list[tuple[float, float]]]):
    codes = [coco.frPyObjects([np.ravel(ring).tolist()], *SIZE)[0] for ring in several]
    each = [coco.decode(code).astype(bool) for code in codes]
    flat = [np.ravel(ring).tolist() for ring in several]
    for region, wanted in (
        (Region.polygon(several), np.logical_xor.reduce(each)),
        (Region.from_coco({"segmentation": flat}), np.logical_or.reduce(each)),
    ):
        if wanted.any():
            assert np.array_equal(region.to_mask(SIZE), wanted)
        else:
            with pytest.raises(RegionError, match="has no pixel"):
                region.to_mask(SIZE)


@pytest.mark.parametrize(
    ("given_rings", "words"),
    [
        ([], "no ring"),
        ([[]], "ring 0"),
        ([(0, 0), (1, 1)], "2 points; allowed are 3"),
        ([[(0, 0), (9, 0), (9, 9)], [(1, 1), (2, 2)]], "ring 1 of the polygon has 2 points"),
        ([(0, 0), (1, 1), (np.nan, 2)], "nan"),
        ([(0, 0), (1, 1), (1e9, 2)], "1e"),
        ([(0, 0), (9e6, 0), (0, 9)], "18000009 pixels of outline"),
        ("polygon", "polygon"),
        (None, "polygon"),
        (np.zeros((2, 2, 2, 2)), "shape"),
        ([[(0, 0), (1, 1), (2, "a")]], "type"),
        (np.zeros((100_001, 2)), "100001 points"),
    ],
)
def test_what_is_no_polygon_is_refused_with_its_numbers(given_rings: object, words: str):
    with pytest.raises(RegionError, match=words):
        Region.polygon(given_rings)  # pyright: ignore[reportArgumentType]


# --- run-length codes


@given(masks)
def test_masks_and_run_length_codes_go_round_as_in_pycocotools(mask: np.ndarray):
    size = mask.shape
    code = coco.encode(np.asfortranarray(mask, np.uint8))
    runs = [0] if mask[0, 0] else []
    flat = mask.ravel(order="F")
    runs += [len(part) for part in np.split(flat, np.flatnonzero(np.diff(flat)) + 1)]
    assert Region.mask(mask).to_rle(size) == {"size": list(size), "counts": code["counts"].decode()}
    for counts in (code["counts"], code["counts"].decode(), runs, tuple(runs), np.array(runs)):
        region = Region.rle({"size": size, "counts": counts})
        assert region.kind == "rle"
        assert np.array_equal(region.to_mask(size), mask)
        assert np.array_equal(coco.decode({"size": size, **region.to_rle(size)}), mask)


def test_a_large_mask_goes_through_compressed_strings_of_many_groups():
    mask = np.zeros((3000, 4000), bool)
    mask[10:20, 5], mask[:, 3000:3500] = True, True
    code = json.loads(json.dumps(Region.mask(mask).to_rle(mask.shape)))
    assert np.array_equal(Region.rle(code).to_mask(mask.shape), mask)


@pytest.mark.parametrize(
    ("rle", "words"),
    [
        (None, "must be a dictionary"),
        ({}, "needed are"),
        ({"size": [2, 2]}, "needed are"),
        ({"size": [2], "counts": [4]}, "size is"),
        ({"size": [2, -2], "counts": [4]}, "size is"),
        ({"size": [2.0, 2.0], "counts": [4]}, "size is"),
        ({"size": [2, 2, 2], "counts": [4]}, "size is"),
        ({"size": "22", "counts": [4]}, "size is"),
        ({"size": [10**30, 2], "counts": [4]}, "size is"),
        ({"size": [60_000, 60_000], "counts": [0, 3_600_000_000]}, "60000 x 60000"),
        ({"size": [2, 2], "counts": [1, 2]}, "covers 3 pixels; its size 2 x 2 .* needs 4"),
        ({"size": [2, 2], "counts": [1, 2, 2]}, "covers 5 pixels or more"),
        ({"size": [2, 2], "counts": [-1, 5]}, "negative run"),
        ({"size": [2, 2], "counts": [2**62, 2**62, 2**62, 2**62, 4]}, "pixels or more"),
        ({"size": [2, 2], "counts": [2**63]}, "a run of"),
        ({"size": [2, 2], "counts": [2**70]}, "type object"),
        ({"size": [2, 2], "counts": [0.5, 3.5]}, "float64"),
        ({"size": [2, 2], "counts": [[1, 3]]}, "shape"),
        ({"size": [2, 2], "counts": [[1], 3]}, "not one row"),
        ({"size": [2, 2], "counts": []}, "shape"),
        ({"size": [2, 2], "counts": [4]}, "is empty"),
        ({"size": [2, 2], "counts": [4, 0]}, "is empty"),
        ({"size": [2, 2], "counts": None}, "counts are None"),
        ({"size": [2, 2], "counts": 4}, "counts are 4"),
        ({"size": [2, 2], "counts": ""}, "0 characters"),
        ({"size": [2, 2], "counts": "é"}, "not ASCII"),
        ({"size": [2, 2], "counts": "1~1"}, "outside"),
        ({"size": [2, 2], "counts": "1 1"}, "outside"),
        ({"size": [2, 2], "counts": "22P"}, "middle of a number"),
        ({"size": [2, 2], "counts": "oooooooooooooo0"}, "15 groups"),
        ({"size": [2, 2], "counts": "ooooo?"}, "pixels or more|needs 4"),
        ({"size": [2, 2], "counts": "O5"}, "negative run"),
        ({"size": [2, 2], "counts": b"\xff\xfe"}, "outside"),
    ],
)
def test_a_hostile_run_length_code_is_refused_before_anything_is_made_of_it(rle: object, words: str):
    with pytest.raises(RegionError, match=words):
        Region.rle(rle)  # pyright: ignore[reportArgumentType]


# --- annotations and detections


def test_an_annotation_gives_its_segmentation_before_its_box():
    mask = np.zeros(SIZE, bool)
    mask[5:9, 7:20] = True
    code = Region.mask(mask).to_rle(SIZE)
    for annotation, kind in (
        ({"segmentation": code, "bbox": [0, 0, 1, 1]}, "rle"),
        ({"segmentation": [[7, 5, 20, 5, 20, 9, 7, 9]]}, "polygon"),
        ({"segmentation": [7, 5, 20, 5, 20, 9, 7, 9]}, "polygon"),
        ({"segmentation": [], "bbox": [7, 5, 13, 4]}, "box"),
        ({"bbox": np.array([7, 5, 13, 4.0])}, "box"),
    ):
        region = Region.from_coco(annotation, SIZE)
        assert region.kind == kind
        assert region.to_box(SIZE) == (7, 5, 20, 9)


def test_parts_of_an_annotation_are_united_even_where_they_overlap():
    region = Region.from_coco({"segmentation": [[0, 0, 4, 0, 4, 2, 0, 2], [2, 0, 6, 0, 6, 2, 2, 2]]})
    assert region.area((2, 8)) == 12


def test_polygons_may_be_an_array():
    polygon = [[0, 0, 4, 0, 4, 2, 0, 2]]
    region = Region.from_coco({"segmentation": np.array(polygon), "bbox": [0, 0, 1, 1]})
    assert np.array_equal(region.to_mask(SIZE), Region.from_coco({"segmentation": polygon}).to_mask(SIZE))


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (7, "must be a dictionary"),
        ({"id": 3}, r"keys are \['id'\]"),
        ({"segmentation": None}, "no segmentation"),
        ({"segmentation": [[1, 2, 3]]}, "flat"),
        ({"segmentation": 5, "bbox": [1, 2, 3, 4]}, "segmentation is a int; it must be polygons or run-lengths"),
        ({"segmentation": [[1, 2, 3, 4]]}, "2 points"),
        ({"segmentation": [[[1, 2], [3, 4], [5, 6]]]}, "flat"),
        ({"segmentation": [["a"] * 6]}, "type"),
        ({"segmentation": ["a"]}, "flat"),
        ({"segmentation": {"size": [4, 4], "counts": [0, 16]}}, "does not fit the picture of 40 x 60"),
        ({"bbox": [1, 2, 3]}, "bbox is"),
        ({"bbox": [1, 2, 0, 4]}, "x1 < x2"),
        ({"bbox": [1, 2, np.nan, 4]}, "nan"),
        ({"bbox": [100, 2, 5, 4]}, "no pixel inside"),
    ],
)
def test_an_annotation_without_a_region_is_refused(annotation: object, words: str):
    with pytest.raises(RegionError, match=words):
        Region.from_coco(annotation, SIZE)  # pyright: ignore[reportArgumentType]


def test_detections_of_supervision_become_regions():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # supervision says when it runs without OpenCV
        supervision = pytest.importorskip("supervision")
    boxes = np.array([[1, 2, 11, 12], [-5, 0, 5, 9]], np.float32)
    found = Region.from_supervision(supervision.Detections(xyxy=boxes))
    assert [region.kind for region in found] == ["box", "box"]
    assert [region.to_box(SIZE) for region in found] == [(1, 2, 11, 12), (0, 0, 5, 9)]
    assert "5 px beyond the left edge" in str(found[1].note(SIZE))
    shapes = np.zeros((2, *SIZE), bool)
    shapes[0, 3:5, 4:9], shapes[1, 30:, 50:] = True, True
    found = Region.from_supervision(supervision.Detections(xyxy=boxes, mask=shapes))
    assert [region.kind for region in found] == ["mask", "mask"]
    assert all(np.array_equal(region.to_mask(SIZE), shape) for region, shape in zip(found, shapes, strict=True))
    assert Region.from_supervision(supervision.Detections.empty()) == []
    if compact := getattr(supervision, "CompactMask", None):
        packed = compact.from_dense(shapes, np.array([[0, 0, 59, 39]] * 2), image_shape=SIZE)
        assert Region.from_supervision(supervision.Detections(xyxy=boxes, mask=packed)) == found


def test_a_detection_that_is_no_region_is_named():
    class Found:
        xyxy = np.array([[0, 0, 1, 1], [3, 3, 2, 2]])
        mask = None

    with pytest.raises(RegionError, match="detection 1 of 2: the box is"):
        Region.from_supervision(Found())
    Found.mask = np.ones((1, 4, 4))
    with pytest.raises(RegionError, match="1 masks and 2 boxes"):
        Region.from_supervision(Found())
    Found.mask = 7
    with pytest.raises(RegionError, match=r"detections\.mask is 7"):
        Region.from_supervision(Found())
    with pytest.raises(RegionError, match=r"detections\.xyxy"):
        Region.from_supervision(object())  # pyright: ignore[reportArgumentType]


# --- laws


@given(regions())
def test_the_box_of_a_region_is_tight(region: Region):
    mask = region.to_mask(SIZE)
    x1, y1, x2, y2 = region.to_box(SIZE)
    assert mask.dtype == bool
    assert mask.shape == SIZE
    assert mask[y1:y2, x1:x2].sum() == mask.sum() == region.area(SIZE) > 0
    assert mask[y1].any()
    assert mask[y2 - 1].any()
    assert mask[:, x1].any()
    assert mask[:, x2 - 1].any()


@given(regions(), regions())
def test_iou_is_symmetric_between_0_and_1_and_1_with_itself(one: Region, other: Region):
    value = one.iou(other, SIZE)
    assert 0 <= value <= 1
    assert value == other.iou(one, SIZE)
    assert one.iou(one, SIZE) == 1
    a, b = coco.encode(np.asfortranarray(one.to_mask(SIZE), np.uint8)), other.to_rle(SIZE)
    assert value == pytest.approx(coco.iou([a], [{**b, "counts": b["counts"].encode()}], [0])[0, 0])


@given(regions())
def test_a_region_is_a_value(region: Region):
    twin = pickle.loads(pickle.dumps(region))
    assert twin == region
    assert hash(twin) == hash(region)
    assert region != Region.box(0, 0, 1e6, 1e6)
    assert len(repr(region)) < 120
    with pytest.raises(dataclasses.FrozenInstanceError):
        region.kind = "box"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("size", [(0, 5), (-1, 5), (5,), None, "ab", (2.5, 3), (True, True), (10**6, 10**6)])
def test_a_size_that_no_picture_has_is_refused(size: object):
    for ask in (Region.box(0, 0, 1, 1).to_mask, Region.box(0, 0, 1, 1).note):
        with pytest.raises(RegionError, match="picture's size is"):
            ask(size)  # pyright: ignore[reportArgumentType]


def test_importing_regions_needs_neither_torch_nor_pycocotools():
    code = "import sys, gar.regions; print([n for n in ('torch', 'pycocotools', 'PIL') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- the documentation


@pytest.mark.parametrize("name", ["gar.regions.region", "gar.regions.rle", "gar.media"])
def test_the_examples_of_the_docstrings_run(name: str):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_the_examples_of_the_guide_run():
    result = doctest.testfile(str(GUIDE), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0
