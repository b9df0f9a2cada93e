"""Region replay: the features of each region, put where its crop tokens stand.

RoIAlign (arXiv 1703.06870) without torchvision, over the packed tiles of a whole batch at once. Bilinear sampling
is separable: along each axis an output cell is a weighted sum of few feature cells, and the weight of a feature cell
is the product of its two axes' weights. So RoIAlign is one sparse weighted sum (`embedding_bag`) over the flat list
of feature cells of all tiles of all samples; maps of different sizes need neither padding nor a loop.

Frames: boxes are normalised xyxy in [0, 1]; *cells* are the feature map of one picture, its tiles put together
(thumbnail left out), cell (0, 0) covering [0, 1) × [0, 1).

Shapes: B samples, T tiles in all, g cells along a tile's side (n = g² a tile), R regions in all, P = replay size,
D width, L text length.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

__all__ = [
    "BOX_WAVES",
    "axis_samples",
    "box_waves",
    "is_crop_tile",
    "locate_pictures",
    "mask_outlines",
    "mask_weights",
    "pool_crops",
    "pool_moments",
    "replay_slots",
    "roi_align",
]

BOX_WAVES = 48
"""Numbers by which `box_waves` tells a box."""

_SAMPLING_RATIO = 2
"""Sample points of one output cell along each axis, as published."""

_OUTLINE_MARGIN = 0.1
"""How much wider than the box an outline is to each side, in sides of the box."""


def box_waves(boxes: torch.Tensor) -> torch.Tensor:
    """Tells boxes in numbers from which a linear layer can read where they lie, however fine the difference.

    Sines and cosines, of 1, 2, 4 and 8 half waves a side of the picture, of the four edges and the two centers.

    Args:
        boxes: (R, 4) normalised xyxy.

    Returns:
        (R, 48) in float32.
    """
    boxes = boxes.float()
    places = torch.cat([boxes, (boxes[:, :2] + boxes[:, 2:]) / 2], dim=1)  # (R, 6)
    angles = places[..., None] * torch.pi * 2.0 ** torch.arange(4, device=boxes.device)  # (R, 6, 4)
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)


def axis_samples(
    start: torch.Tensor, stop: torch.Tensor, cells: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """RoIAlign along one axis: which cells each output cell reads, and how much of each.

    Sample points outside [-1, cells] weigh nothing; points between -1 and 0 or beyond the last cell's centre are
    clamped to it (the rule of torchvision's `roi_align` with `aligned=True`, sampling ratio 2).

    Args:
        start: (R,) where each box begins, in cells (not yet shifted by one half).
        stop: (R,) where it ends.
        cells: (R,) cells of the map along this axis.
        size: Output cells along this axis.

    Returns:
        Cell indices (R, size, 4), int64, and their weights (R, size, 4), which sum to 1 inside the map.
    """
    points = torch.arange(size * _SAMPLING_RATIO, device=start.device, dtype=start.dtype)
    step = (stop - start) / (size * _SAMPLING_RATIO)
    at = (start - 0.5)[:, None] + (points + 0.5) * step[:, None]  # (R, size · 2)
    limit = cells[:, None].to(at.dtype)
    inside = (at >= -1.0) & (at <= limit)
    at = torch.minimum(at.clamp(min=0.0), limit - 1.0)
    low = at.floor()
    fraction = at - low
    high = torch.minimum(low + 1.0, limit - 1.0)
    index = torch.stack([low, high], dim=-1).long()
    weight = torch.stack([1.0 - fraction, fraction], dim=-1) * (inside[..., None] / _SAMPLING_RATIO)
    return index.view(len(start), size, 4), weight.view(len(start), size, 4)


def roi_align(
    features: torch.Tensor,
    boxes: torch.Tensor,
    grids: torch.Tensor,
    first_tile: torch.Tensor,
    *,
    size: int,
    spatial_scale: float = 1.0,
) -> torch.Tensor:
    """RoIAlign over packed tiles.

    Args:
        features: (T, n, D), cells of each tile row by row.
        boxes: (R, 4) normalised xyxy.
        grids: (R, 2) columns and rows of tiles of the picture that each region lies in.
        first_tile: (R,) index of that picture's first tile (the thumbnail not counted).
        size: P.
        spatial_scale: Factor on the box after it is expressed in cells; 1.0 is where the region is.

    Returns:
        (R, P·P, D) in the features' dtype, row by row. The sum is taken in float32.

    Example:
        >>> constant = torch.full((1, 16, 2), 3.0)
        >>> box, grid = torch.tensor([[0.2, 0.2, 0.7, 0.9]]), torch.tensor([[1, 1]])
        >>> roi_align(constant, box, grid, torch.tensor([0]), size=2)[0].round()
        tensor([[3., 3.],
                [3., 3.],
                [3., 3.],
                [3., 3.]])
    """
    tiles, cells_of_tile, width = features.shape
    side = round(cells_of_tile**0.5)
    bags, weight = _roi_cells(boxes, grids, first_tile, side=side, size=size, spatial_scale=spatial_scale)
    table = features.reshape(tiles * cells_of_tile, width).float()
    pooled = F.embedding_bag(bags.view(-1, 16), table, per_sample_weights=weight.view(-1, 16), mode="sum")
    return pooled.view(len(boxes), size * size, width).to(features.dtype)


def _roi_cells(
    boxes: torch.Tensor,
    grids: torch.Tensor,
    first_tile: torch.Tensor,
    *,
    side: int,
    size: int,
    spatial_scale: float = 1.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which cells of all tiles, T · side² in a row, each output cell of RoIAlign reads: 4 × 4 of them.

    Returns:
        Places (R, P·P, 16), int64, and their weights (R, P·P, 16).
    """
    columns, rows = grids[:, 0], grids[:, 1]
    extent = torch.stack([columns, rows, columns, rows], dim=1) * side
    scaled = boxes.float() * extent * spatial_scale  # (R, 4) in cells
    x_index, x_weight = axis_samples(scaled[:, 0], scaled[:, 2], columns * side, size)
    y_index, y_weight = axis_samples(scaled[:, 1], scaled[:, 3], rows * side, size)

    # cell (y, x) of the map lies in tile (y // g, x // g), at row y % g and column x % g of it
    x_flat = (x_index // side) * side**2 + x_index % side  # (R, P, 4)
    y_flat = (y_index // side) * columns[:, None, None] * side**2 + (y_index % side) * side
    flat = y_flat[:, :, None, :, None] + x_flat[:, None, :, None, :]  # (R, P, P, 4, 4)
    flat = flat + (first_tile * side**2).view(-1, 1, 1, 1, 1)
    weight = y_weight[:, :, None, :, None] * x_weight[:, None, :, None, :]
    return flat.flatten(3).flatten(1, 2), weight.flatten(3).flatten(1, 2)


def mask_outlines(
    mask_values: torch.Tensor,
    boxes: torch.Tensor,
    prompts: torch.Tensor,
    grids: torch.Tensor,
    first_tile: torch.Tensor,
    *,
    size: int,
) -> torch.Tensor:
    """How each region lies in its box and among the others: what its mask covers there, and what theirs cover.

    The box is widened to each side by a tenth of its own. Where one thing is in front of another, the farther one's
    mask ends where the nearer one's begins, within the outline that it would have alone.

    Args:
        mask_values: (T, 1, S, S), bit k set inside region `<PromptK>` of the tile's picture.
        boxes: (R, 4) normalised xyxy.
        prompts: (R,) prompt number of each region.
        grids: (R, 2) columns and rows of tiles.
        first_tile: (R,) index of the picture's first tile (the thumbnail not counted).
        size: P.

    Returns:
        (R, 2·P·P) in float32, shares from 0 to 1: the region's own mask row by row, then those of other prompts.
    """
    boxes = boxes.float()
    margin = _OUTLINE_MARGIN * (boxes[:, 2:] - boxes[:, :2])
    wide = torch.cat([boxes[:, :2] - margin, boxes[:, 2:] + margin], dim=1)
    cells, weight = _roi_cells(wide, grids, first_tile, side=mask_values.shape[-1], size=size)
    bits = mask_values.to(torch.uint8).flatten()[cells]  # (R, P·P, 16)
    bit = (1 << prompts).to(torch.uint8).view(-1, 1, 1)
    covered = torch.stack([(bits & bit) != 0, (bits & ~bit) != 0], dim=1)  # (R, 2, P·P, 16)
    return (covered * weight[:, None]).sum(-1).flatten(1)


def is_crop_tile(tiles_per_sample: torch.Tensor, picture_tiles: torch.Tensor) -> torch.Tensor:
    """Which tiles show a region alone: in each sample those that follow on the picture's.

    Args:
        tiles_per_sample: (B,) tiles of each sample.
        picture_tiles: (B,) how many of them are the picture's.

    Returns:
        (T,) bool.

    Example:
        >>> is_crop_tile(torch.tensor([3, 2]), torch.tensor([1, 1])).tolist()
        [False, True, True, False, True]
    """
    first = tiles_per_sample.cumsum(0) - tiles_per_sample
    ends = (first + picture_tiles).repeat_interleave(tiles_per_sample)
    return torch.arange(len(ends), device=ends.device) >= ends


def pool_crops(features: torch.Tensor, size: int) -> torch.Tensor:
    """The features of regions that have a tile each: the middle half of its map, which holds the region, averaged.

    Args:
        features: (R, n, D), cells row by row.
        size: P.

    Returns:
        (R, P·P, D), row by row.
    """
    side = round(features.shape[1] ** 0.5)
    middle = slice(side // 4, side - side // 4)
    maps = features.transpose(1, 2).unflatten(2, (side, side))[:, :, middle, middle]
    return F.adaptive_avg_pool2d(maps, size).flatten(2).transpose(1, 2)


def pool_moments(features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The mean and the standard deviation of features over each region.

    Args:
        features: (T, n, D).
        weight: (R, T·n), each row summing to 1.

    Returns:
        (R, 2·D) in the features' dtype; the sums are taken in float32.
    """
    flat = features.flatten(0, 1).float()
    with torch.autocast(flat.device.type, enabled=False):
        mean, square = (weight.float() @ torch.cat([flat, flat * flat], dim=1)).chunk(2, dim=1)
    spread = (square - mean * mean).clamp(min=0.0).add(1e-6).sqrt()
    return torch.cat([mean, spread], dim=1).to(features.dtype)


def locate_pictures(
    tile_grid: torch.Tensor, region_index: torch.Tensor, *, thumbnail: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the picture of each region lies among the tiles of a batch.

    Args:
        tile_grid: (B, 2) columns and rows of tiles of each sample.
        region_index: (R, 2) sample and prompt number.
        thumbnail: Whether a thumbnail comes before the tiles of each picture.

    Returns:
        (R, 2) columns and rows; (R,) index of the picture's first tile, the thumbnail not counted.

    Example:
        >>> grid, first = locate_pictures(torch.tensor([[2, 1], [1, 1]]), torch.tensor([[1, 0]]), thumbnail=True)
        >>> grid.tolist(), first.tolist()
        ([[1, 1]], [4])
    """
    tiles = tile_grid.prod(1) + int(thumbnail)
    sample = region_index[:, 0]
    return tile_grid[sample], (tiles.cumsum(0) - tiles)[sample] + int(thumbnail)


def mask_weights(
    mask_values: torch.Tensor,
    boxes: torch.Tensor,
    prompts: torch.Tensor,
    grids: torch.Tensor,
    first_tile: torch.Tensor,
    *,
    side: int,
) -> torch.Tensor:
    """How much each feature cell counts in the mean over a region: the share of it that the region's own mask covers.

    A region so small that its mask tiles left no cell covered weighs all cells of its box alike.

    Args:
        mask_values: (T, 1, S, S), bit k set inside region `<PromptK>` of the tile's picture.
        boxes: (R, 4) normalised xyxy.
        prompts: (R,) prompt number of each region.
        grids: (R, 2) columns and rows of tiles.
        first_tile: (R,) index of the picture's first tile (the thumbnail not counted).
        side: g, feature cells along a tile's side.

    Returns:
        (R, T·n) in float32; each row sums to 1.
    """
    tiles = len(mask_values)
    numbers, plane = prompts.unique(return_inverse=True)
    planes = (mask_values.to(torch.uint8) >> numbers.to(torch.uint8).view(-1, 1, 1)) & 1  # (T, K, S, S)
    coverage = F.adaptive_avg_pool2d(planes.float(), side).flatten(2)  # (T, K, n)
    coverage = coverage.transpose(0, 1).flatten(1)[plane]  # (R, T·n)
    columns, rows = grids[:, :1], grids[:, 1:]
    tile = torch.arange(tiles, device=boxes.device)[None] - first_tile[:, None]  # (R, T), negative: another picture
    cell = torch.arange(side, device=boxes.device)
    left = ((tile % columns) * side)[:, :, None] + cell  # (R, T, g): left edge of each column of cells
    top = ((tile // columns) * side)[:, :, None] + cell
    x1, y1, x2, y2 = (boxes.float() * torch.cat([columns, rows, columns, rows], 1) * side).unbind(1)
    in_x = (left + 1 > x1[:, None, None]) & (left <= x2[:, None, None])
    in_y = (top + 1 > y1[:, None, None]) & (top <= y2[:, None, None])
    own = ((tile >= 0) & (tile < columns * rows))[:, :, None, None]
    touched = (own & in_y[:, :, :, None] & in_x[:, :, None, :]).flatten(1)  # (R, T·n)
    weight = touched * (coverage + 1e-4)
    return weight / weight.sum(1, keepdim=True).clamp(min=1e-6)


def replay_slots(
    input_ids: torch.Tensor, crop_token_ids: torch.Tensor, region_index: torch.Tensor, replay_tokens: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Where in the text each replay token goes.

    Args:
        input_ids: (B, L).
        crop_token_ids: (K,) one token id a prompt.
        region_index: (R, 2) sample and prompt number of each region.
        replay_tokens: Replay tokens of one region.

    Returns:
        (mask (B, L) of the crop tokens, region of each of them, place within that region), the last two in the
        row-major order of the mask. A crop token whose prompt has no region gets region -1.
    """
    prompts = len(crop_token_ids)
    is_prompt = input_ids[:, :, None] == crop_token_ids  # (B, L, K)
    mask = is_prompt.any(-1)
    place = is_prompt.cumsum(1)[is_prompt] - 1
    sample, _, prompt = is_prompt.nonzero(as_tuple=True)
    region_of = torch.full((len(input_ids) * prompts,), -1, device=input_ids.device)
    region_of[region_index[:, 0] * prompts + region_index[:, 1]] = torch.arange(
        len(region_index), device=input_ids.device
    )
    return mask, region_of[sample * prompts + prompt], place
