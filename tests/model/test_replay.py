import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gar.model.replay import (
    BOX_WAVES,
    axis_samples,
    box_waves,
    mask_outlines,
    mask_weights,
    pool_moments,
    replay_slots,
    roi_align,
)
from gar.processing.tiling import split_canvas

SIDE = 4
fractions = st.floats(0, 1, width=32)
grids = st.tuples(st.integers(1, 3), st.integers(1, 3))


def tiles_of(canvas):
    """(D, rows·g, columns·g) to packed tiles (T, g², D)."""
    columns, rows = canvas.shape[2] // SIDE, canvas.shape[1] // SIDE
    return split_canvas(canvas, columns, rows).flatten(2).transpose(1, 2)


def random_map(columns, rows, width=3, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(width, rows * SIDE, columns * SIDE, generator=generator, dtype=dtype)


def plain_roi_align(canvas, box, size):
    """RoIAlign of one map (D, H, W) as its paper says it, point by point; the box is in cells."""
    _, height, width = canvas.shape

    def value_at(y, x):
        if not (-1 <= y <= height and -1 <= x <= width):
            return torch.zeros(canvas.shape[0], dtype=canvas.dtype)
        y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
        top, left = math.floor(y), math.floor(x)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        down, across = y - top, x - left
        upper = canvas[:, top, left] * (1 - across) + canvas[:, top, right] * across
        lower = canvas[:, bottom, left] * (1 - across) + canvas[:, bottom, right] * across
        return upper * (1 - down) + lower * down

    x1, y1, x2, y2 = (float(edge) - 0.5 for edge in box)
    cell_height, cell_width = (y2 - y1) / size, (x2 - x1) / size
    rows = []
    for row in range(size):
        for column in range(size):
            points = [
                value_at(y1 + (row + dy) * cell_height, x1 + (column + dx) * cell_width)
                for dy in (0.25, 0.75)
                for dx in (0.25, 0.75)
            ]
            rows.append(sum(points) / 4)
    return torch.stack(rows)


@settings(max_examples=40)
@given(
    grid=grids,
    box=st.tuples(fractions, fractions, fractions, fractions),
    scale=st.sampled_from([1.0, 0.5, 1 / 28, 1.5]),
)
def test_roi_align_is_what_its_paper_says_point_by_point(grid, box, scale):
    columns, rows = grid
    canvas = random_map(columns, rows)
    boxes = torch.tensor([box])
    ours = roi_align(tiles_of(canvas), boxes, torch.tensor([grid]), torch.tensor([0]), size=3, spatial_scale=scale)[0]
    cells = boxes[0] * torch.tensor([columns, rows, columns, rows]) * SIDE * scale
    # a point within rounding of the far limits may lie inside for one and outside for the other
    limits = torch.tensor([columns, rows]) * SIDE
    points = cells.view(2, 2) - 0.5
    if ((points - limits).abs() > 1e-3).all() and ((points + 1).abs() > 1e-3).all():
        spread = torch.linspace(0.5 / 6, 5.5 / 6, 6)[:, None] * (points[1] - points[0]) + points[0]
        if ((spread - limits).abs() > 1e-3).all():
            torch.testing.assert_close(ours, plain_roi_align(canvas, cells, 3), atol=1e-5, rtol=1e-5)


@settings(max_examples=50)
@given(grid=grids, edges=st.tuples(fractions, fractions, fractions, fractions), size=st.integers(1, 5))
def test_roi_align_of_a_constant_map_is_that_constant_inside(grid, edges, size):
    x1, x2, y1, y2 = *sorted(edges[:2]), *sorted(edges[2:])
    constant = torch.full((grid[0] * grid[1], SIDE**2, 2), 7.0)
    replayed = roi_align(constant, torch.tensor([[x1, y1, x2, y2]]), torch.tensor([grid]), torch.tensor([0]), size=size)
    torch.testing.assert_close(replayed, torch.full((1, size**2, 2), 7.0))


@settings(max_examples=30)
@given(order=st.permutations(range(5)), boxes=st.lists(st.tuples(*[fractions] * 4), min_size=5, max_size=5))
def test_replay_commutes_with_the_order_of_regions(order, boxes):
    tiles, order = tiles_of(random_map(2, 1)), list(order)
    boxes, grid, first = torch.tensor(boxes), torch.tensor([[2, 1]] * 5), torch.zeros(5, dtype=torch.long)
    replayed = roi_align(tiles, boxes, grid, first, size=2)
    assert torch.equal(roi_align(tiles, boxes[order], grid, first, size=2), replayed[order])


def test_mixed_grids_in_one_batch_give_what_each_picture_gives_alone():
    layouts = [(1, 1), (3, 1), (2, 2)]
    maps = [tiles_of(random_map(*layout, seed=seed)) for seed, layout in enumerate(layouts)]
    boxes = torch.tensor([[0.1, 0.2, 0.9, 0.8], [0.5, 0.0, 0.6, 1.0], [0.3, 0.3, 0.3, 0.3]])
    starts = torch.tensor([0, 1, 4])
    together = roi_align(torch.cat(maps), boxes, torch.tensor(layouts), starts, size=4)
    for number, (tiles, layout) in enumerate(zip(maps, layouts, strict=True)):
        alone = roi_align(tiles, boxes[number : number + 1], torch.tensor([layout]), torch.tensor([0]), size=4)
        torch.testing.assert_close(together[number], alone[0])


def test_the_features_of_a_region_are_those_under_it():
    canvas = torch.zeros(1, SIDE, 2 * SIDE)
    canvas[0, 2, 6] = 1.0  # in the second tile
    on = torch.tensor([[6 / 8, 2 / 4, 7 / 8, 3 / 4]])
    off = torch.tensor([[1 / 8, 2 / 4, 2 / 8, 3 / 4]])
    grid, first = torch.tensor([[2, 1]] * 2), torch.tensor([0, 0])
    on_it, off_it = roi_align(tiles_of(canvas), torch.cat([on, off]), grid, first, size=1)
    assert on_it.item() == pytest.approx(0.75**2)
    assert off_it.item() == 0


def test_gradients_of_the_features_are_right():
    tiles = tiles_of(random_map(2, 1, dtype=torch.float32))
    boxes = torch.tensor([[0.1, 0.2, 0.7, 0.9], [0.4, 0.4, 0.4, 0.4]])
    grid, first = torch.tensor([[2, 1]] * 2), torch.tensor([0, 0])

    def replay(features):
        return roi_align(features, boxes, grid, first, size=2)

    # RoIAlign is linear in the features, so its gradient is exact: <replay(v), u> = <v, gradient>
    features = torch.zeros_like(tiles, requires_grad=True)
    upstream = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(1))
    replay(features).backward(upstream)
    assert (replay(tiles) * upstream).sum().item() == pytest.approx((tiles * features.grad).sum().item(), rel=1e-5)


def test_the_samples_of_a_box_across_the_border_are_clamped_then_dropped():
    index, weight = axis_samples(torch.tensor([-2.0]), torch.tensor([2.0]), torch.tensor([4]), 2)
    # four sample points at -2, -1, 0 and 1 of cell centres: the first is out, the second is clamped to cell 0
    assert weight[0].tolist() == [[0.0, 0.0, 0.5, 0.0], [0.5, 0.0, 0.5, 0.0]]
    assert index[0].tolist() == [[0, 1, 0, 1], [0, 1, 1, 2]]


# ---- boxes in numbers ---------------------------------------------------------------------------------------------


def test_a_linear_layer_can_read_each_edge_and_center_of_a_box():
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(500, 2, 2, generator=generator).sort(1).values  # (boxes, least and most, x and y)
    boxes = corners.flatten(1)
    waves = box_waves(boxes)
    assert waves.shape == (500, BOX_WAVES)
    assert waves.abs().max() <= 1
    wanted = torch.cat([boxes, (boxes[:, :2] + boxes[:, 2:]) / 2], 1)
    read = torch.linalg.lstsq(waves[:400], wanted[:400]).solution
    assert (waves[400:] @ read - wanted[400:]).abs().mean() < 0.01


# ---- the mean under the mask -------------------------------------------------------------------------------------


def test_the_mask_weighted_mean_of_a_4_by_4_map_by_hand():
    features = torch.arange(16.0).reshape(1, 16, 1)
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    mask[..., 2:4, 2:4] = 0b010  # all of cell (1, 1)
    mask[..., 2:4, 4] = 0b110  # half of cell (1, 2)
    box = torch.tensor([[2 / 8, 2 / 8, 4 / 8, 3 / 8]])
    weight = mask_weights(mask, box, torch.tensor([1]), torch.tensor([[1, 1]]), torch.tensor([0]), side=4)
    assert weight.shape == (1, 16)
    mean = weight @ features[0]
    assert mean.item() == pytest.approx((5 * 1 + 6 * 0.5) / 1.5, abs=1e-2)


def test_the_mean_of_a_region_takes_nothing_of_another_region_in_its_box():
    features = torch.arange(16.0).reshape(1, 16, 1)
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    mask[..., :4, :4] = 0b01
    mask[..., 2:4, 2:4] = 0b11  # cell (1, 1) lies in both
    mask[..., 2:4, 4:6] = 0b10  # cell (1, 2) in the second alone
    box = torch.tensor([[0.0, 0.0, 3 / 8, 3 / 8], [2 / 8, 2 / 8, 5 / 8, 3 / 8]])
    prompts, grids = torch.tensor([0, 1]), torch.tensor([[1, 1], [1, 1]])
    means = mask_weights(mask, box, prompts, grids, torch.tensor([0, 0]), side=4) @ features[0]
    assert means.flatten().tolist() == pytest.approx([(0 + 1 + 4 + 5) / 4, (5 + 6) / 2], abs=1e-2)


def test_the_mean_of_a_region_takes_nothing_from_outside_its_box_or_from_other_pictures():
    features = torch.stack([torch.full((16, 1), 1.0), torch.full((16, 1), 100.0)])  # two pictures of one tile
    features[0, :8] = 5.0  # upper half of the first
    mask = torch.ones(2, 1, 8, 8, dtype=torch.uint8)
    boxes = torch.tensor([[0.0, 0.0, 0.9, 0.4], [0.0, 0.0, 0.9, 0.9]])
    grid = torch.tensor([[1, 1], [1, 1]])
    weight = mask_weights(mask, boxes, torch.tensor([0, 0]), grid, torch.tensor([0, 1]), side=4)
    means = weight @ features.flatten(0, 1)
    assert means.flatten().tolist() == pytest.approx([5.0, 100.0])


def test_a_region_whose_mask_left_no_cell_covered_gets_the_mean_of_its_box():
    features = torch.arange(16.0).reshape(1, 16, 1)
    box = torch.tensor([[0.0, 0.0, 0.4, 0.2]])
    nothing, first = torch.zeros(1, 1, 8, 8, dtype=torch.uint8), torch.tensor([0])
    mean = mask_weights(nothing, box, torch.tensor([3]), torch.tensor([[1, 1]]), first, side=4) @ features[0]
    assert mean.item() == pytest.approx(0.5, abs=1e-3)


# ---- where it goes -----------------------------------------------------------------------------------------------


def outlines_of(masks, boxes, prompts, grid=(1, 1), size=6):
    """The outlines of regions of one picture, (R, 2, P, P)."""
    columns, rows = grid
    tiles = split_canvas(masks[None], columns, rows)  # (T, 1, S, S)
    count = len(prompts)
    grids, first = torch.tensor([grid] * count), torch.zeros(count, dtype=torch.long)
    told = mask_outlines(tiles, torch.tensor(boxes), torch.tensor(prompts), grids, first, size=size)
    return told.view(count, 2, size, size)


def test_the_farther_of_two_squares_has_a_corner_that_is_the_nearer_ones():
    masks = torch.zeros(120, 120, dtype=torch.uint8)
    masks[50:100, 50:100] = 1 << 3
    masks[20:70, 20:70] = 1 << 1  # in front
    near, far = outlines_of(masks, [[20 / 120] * 2 + [70 / 120] * 2, [50 / 120] * 2 + [100 / 120] * 2], [1, 3], size=12)
    inside = slice(1, 11)  # the margin is a twelfth of what is seen
    assert near[0, inside, inside].min() > 0.9
    assert near[0].mean() == pytest.approx((10 / 12) ** 2, abs=0.02)
    assert not near[1, :8, :8].any()
    assert near[1, 11, 11] > 0.9
    assert not far[0, 1:4, 1:4].any()
    assert far[0, 6:11, 6:11].min() > 0.9
    assert far[1, :4, :4].min() > 0.9
    assert not far[1, 6:, 6:].any()


@given(grid=grids, box=st.tuples(fractions, fractions, fractions, fractions))
def test_an_outline_does_not_depend_on_how_the_picture_is_cut_into_tiles(grid, box):
    columns, rows = grid
    picture = torch.randint(0, 8, (rows * SIDE, columns * SIDE), generator=torch.Generator().manual_seed(0))
    boxes = [[min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])]] * 3
    told = outlines_of(picture.to(torch.uint8), boxes, [0, 1, 5], grid=grid)
    assert told.min() >= 0
    assert told.max() <= 1 + 1e-6
    assert not told[2, 0].any()  # there is no <Prompt5>
    (x1, y1, x2, y2), size = boxes[0], 6
    wide = torch.tensor([x1 - (x2 - x1) / 10, y1 - (y2 - y1) / 10, x2 + (x2 - x1) / 10, y2 + (y2 - y1) / 10])
    in_cells = wide * torch.tensor([columns, rows, columns, rows]) * SIDE
    expected = plain_roi_align(((picture >> 1) & 1)[None].float(), in_cells.tolist(), size)
    torch.testing.assert_close(told[1, 0].flatten(), expected.flatten(), rtol=1e-4, atol=1e-3)


def test_crop_tokens_are_found_with_their_region_and_place():
    ids = torch.tensor([[9, 5, 5, 9, 4, 4], [4, 4, 9, 9, 9, 9]])
    index = torch.tensor([[0, 0], [0, 1], [1, 0]])  # tokens 4 and 5 are prompts 0 and 1
    mask, region, place = replay_slots(ids, torch.tensor([4, 5]), index, 2)
    assert mask.int().tolist() == [[0, 1, 1, 0, 1, 1], [1, 1, 0, 0, 0, 0]]
    assert region.tolist() == [1, 1, 0, 0, 2, 2]
    assert place.tolist() == [0, 1, 0, 1, 0, 1]


def test_a_crop_token_without_a_region_is_marked():
    _, region, _ = replay_slots(torch.tensor([[4, 5]]), torch.tensor([4, 5]), torch.tensor([[0, 1]]), 1)
    assert region.tolist() == [-1, 0]


def test_moments_are_the_mean_and_the_spread_over_the_region():
    torch.manual_seed(0)
    features = torch.randn(2, 9, 5)
    region = torch.zeros(1, 18)
    region[0, [1, 4, 5, 12]] = 0.25
    inside = features.flatten(0, 1)[[1, 4, 5, 12]]
    expected = torch.cat([inside.mean(0), inside.std(0, correction=0)])[None]
    torch.testing.assert_close(pool_moments(features, region), expected, rtol=1e-4, atol=1e-4)
    assert pool_moments(features.bfloat16(), region).dtype == torch.bfloat16


def test_moments_of_a_single_cell_have_no_spread_and_finite_gradients():
    features = torch.randn(1, 4, 3, requires_grad=True)
    weight = torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    pooled = pool_moments(features, weight)
    torch.testing.assert_close(pooled[:, :3], features[:, 1].detach())
    assert pooled[:, 3:].abs().max() < 2e-3
    pooled.sum().backward()
    assert features.grad.isfinite().all()
