import json
import tracemalloc

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from gar.processing.tiling import (
    choose_grid,
    crop_mask_tiles,
    crop_tiles,
    crop_window,
    mask_tiles,
    nearest_index,
    picture_tiles,
    region_bits,
    resize_bicubic,
    split_canvas,
)

sides = st.integers(1, 3000)


@given(columns=st.integers(1, 5), rows=st.integers(1, 5), side=st.integers(1, 4))
def test_tiles_cover_every_pixel_once_row_by_row(columns, rows, side):
    canvas = torch.arange(rows * side * columns * side).reshape(1, rows * side, columns * side)
    tiles = split_canvas(canvas, columns, rows)
    assert tiles.shape == (rows * columns, 1, side, side)
    assert sorted(tiles.flatten().tolist()) == canvas.flatten().tolist()
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        there = canvas[:, row * side : (row + 1) * side, column * side : (column + 1) * side]
        assert torch.equal(tile, there)


@given(height=sides, width=sides, most=st.integers(1, 36))
def test_a_grid_never_has_more_tiles_than_allowed(height, width, most):
    columns, rows = choose_grid(height, width, tile_size=448, max_num_tiles=most)
    assert columns >= 1
    assert rows >= 1
    assert columns * rows <= most


@given(height=sides, width=sides, most=st.integers(2, 16))
def test_a_canvas_is_smaller_than_the_picture_only_if_every_canvas_is(height, width, most):
    columns, rows = choose_grid(height, width, tile_size=448, max_num_tiles=most)
    if columns * 448 < width or rows * 448 < height:
        assert not any(
            c * 448 >= width and r * 448 >= height for c in range(1, most + 1) for r in range(1, most // c + 1)
        )


@pytest.mark.parametrize(
    ("height", "width", "most", "grid"),
    [
        (500, 700, 1, (1, 1)),
        (227, 500, 4, (3, 1)),
        (448, 448, 4, (2, 2)),
        (5000, 5000, 4, (2, 2)),  # larger than every canvas: the largest square one
        (5000, 100, 4, (1, 4)),
        (100, 5000, 4, (4, 1)),
    ],
)
def test_grids_worked_out_by_hand(height, width, most, grid):
    assert choose_grid(height, width, tile_size=448, max_num_tiles=most) == grid


def test_grids_are_those_of_the_published_processor(shared):
    seen = 0
    for file in (shared / "golden").glob("*/samples/*.json"):
        facts = json.loads(file.read_text())
        width, height = facts["image_size_wh"]
        grid = choose_grid(height, width, tile_size=448, max_num_tiles=facts["max_num_tiles"])
        assert list(grid) == facts["aspect_ratio_tiles_wh"], file.stem
        seen += 1
    assert seen


@given(size=st.integers(1, 4000), resized=st.integers(1, 2000))
def test_nearest_index_is_torchs_legacy_rule(size, resized):
    positions = torch.arange(size, dtype=torch.float32)[None, None]
    assert nearest_index(size, resized).tolist() == F.interpolate(positions, resized, mode="nearest")[0, 0].tolist()


def test_resizing_to_the_same_size_changes_nothing(make_picture):
    pixels = torch.from_numpy(make_picture(5, 7).transpose(2, 0, 1).copy())
    assert resize_bicubic(pixels, 5, 7) is pixels


def test_resizing_a_plain_picture_keeps_its_color():
    plain = torch.full((3, 5, 7), 200, dtype=torch.uint8)
    assert torch.equal(resize_bicubic(plain, 9, 4), torch.full((3, 9, 4), 200, dtype=torch.uint8))


@given(height=st.integers(1, 40), width=st.integers(1, 40), thumbnail=st.booleans())
def test_a_picture_and_its_mask_are_cut_alike(height, width, thumbnail):
    grid = choose_grid(height, width, tile_size=8, max_num_tiles=6)
    number = grid[0] * grid[1] + thumbnail
    picture = picture_tiles(np.zeros((height, width, 3), np.uint8), grid, tile_size=8, thumbnail=thumbnail)
    mask = mask_tiles(np.ones((height, width), np.uint8), grid, tile_size=8, thumbnail=thumbnail)
    assert picture.shape == (number, 3, 8, 8)
    assert mask.shape == (number, 1, 8, 8)
    assert mask.all()


def test_a_picture_of_canvas_size_is_cut_without_change(make_picture):
    picture = make_picture(8, 16)
    tiles = picture_tiles(picture, (2, 1), tile_size=8)
    assert np.array_equal(tiles[1].permute(1, 2, 0), picture[:, :8])
    assert np.array_equal(tiles[2].permute(1, 2, 0), picture[:, 8:])


def test_a_mask_lies_in_the_tile_where_the_region_is():
    mask = np.zeros((4, 8), bool)
    mask[1, 6] = True
    thumbnail, left, right = mask_tiles(mask, (2, 1), tile_size=4)
    assert not left.any()
    assert right[0].nonzero().tolist() == [[1, 2]]
    assert thumbnail[0].nonzero().tolist() == [[1, 3]]


def test_each_region_can_be_read_out_of_the_bits_also_where_they_overlap():
    masks = [np.zeros((3, 4), bool) for _ in range(3)]
    masks[0][:2], masks[1][1:, :2], masks[2][0, 3] = True, True, True
    bits = region_bits(masks, [4, 0, 1])
    assert bits.dtype == np.uint8
    for mask, prompt in zip(masks, [4, 0, 1], strict=True):
        assert np.array_equal(bits >> prompt & 1, mask)
    assert np.array_equal(bits != 0, np.logical_or.reduce(masks))


# ---- regions in tiles of their own -------------------------------------------------------------------------------


def boxed(height, width, x1, y1, x2, y2):
    mask = np.zeros((height, width), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def test_a_regions_own_tile_shows_it_in_its_middle_half_as_it_is():
    picture = np.zeros((100, 200, 3), np.uint8)
    mask = boxed(100, 200, 80, 30, 120, 70)
    picture[mask] = 200
    tile, region = crop_tiles(picture, [mask], tile_size=80)[0], crop_mask_tiles([mask], [3], tile_size=80)[0, 0]
    assert crop_window(mask) == (60, 10, 80)
    assert np.array_equal(region, 8 * boxed(80, 80, 20, 20, 60, 60))
    assert np.array_equal(tile, np.repeat(200 * boxed(80, 80, 20, 20, 60, 60)[None], 3, 0))


@pytest.mark.parametrize("box", [(0, 0, 10, 40), (195, 97, 200, 100), (0, 0, 200, 100), (7, 9, 8, 10)])
def test_a_regions_own_tile_is_gray_beyond_the_picture(make_picture, box):
    mask = boxed(100, 200, *box)
    picture = make_picture(100, 200)
    left, top, side = crop_window(mask)
    tile, region = crop_tiles(picture, [mask], tile_size=side)[0], crop_mask_tiles([mask], [0], tile_size=side)[0, 0]
    assert side == max(32, 2 * (box[2] - box[0]), 2 * (box[3] - box[1]))
    for row in (0, side // 2, side - 1):
        for column in (0, side // 2, side - 1):
            y, x = top + row, left + column
            inside = 0 <= y < 100 and 0 <= x < 200
            assert tile[:, row, column].tolist() == (picture[y, x].tolist() if inside else [127] * 3)
    assert region.sum() == mask.sum()
    quarter = side // 4
    assert region[quarter : side - quarter, quarter : side - quarter].sum() == mask.sum()


@pytest.mark.parametrize("shape", [(20, 9000), (9000, 20), (5000, 4000)])
def test_a_large_region_is_made_smaller_before_it_fills_a_square(shape):
    picture = np.full((*shape, 3), 60, np.uint8)
    mask = np.ones(shape, bool)
    tracemalloc.start()
    tile, region = crop_tiles(picture, [mask], tile_size=64)[0], crop_mask_tiles([mask], [0], tile_size=64)[0, 0]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100_000_000
    if min(shape) > 1000:  # else it is too narrow to be seen
        assert tile[:, 32, 32].tolist() == [60] * 3
    assert tile[:, 0, 0].tolist() == [127] * 3
    share = mask.size / crop_window(mask)[2] ** 2
    assert region.float().mean() == pytest.approx(share, abs=0.02)


def test_other_regions_are_not_marked_in_a_regions_own_tile():
    masks = [boxed(40, 40, 4, 4, 20, 20), boxed(40, 40, 10, 10, 30, 30)]
    tiles = crop_mask_tiles(masks, [2, 0], tile_size=16)
    assert tiles.shape == (2, 1, 16, 16)
    assert [sorted(set(tile.flatten().tolist())) for tile in tiles] == [[0, 4], [0, 1]]
