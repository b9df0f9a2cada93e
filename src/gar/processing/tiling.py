"""How a picture becomes tiles, and masks become mask tiles.

Every function here is pure and small enough to check by hand; the rules are those of the published
GAR code (PerceptionLM's image processor plus GAR's mask handling), reproduced to the pixel:

* the grid of tiles is chosen by `choose_grid`, with the published order of candidates and double arithmetic;
* a picture is *stretched* to the whole canvas (no padding), in float32, bicubic with antialiasing (a = -0.5),
  clamped and rounded half-to-even back to uint8. PIL's and torch's native uint8 resize differ from this;
* masks are resized by nearest neighbour with torch's legacy index rule in **float32**;
* the thumbnail (the whole picture in one tile) comes first, then the tiles row by row.

What is not published is at the end: a tile or a close-up of its own for each region, which a model may ask for
(`region_crops`, `closeup_size`).

Shapes: H, W picture; S tile side; T tiles in all (thumbnail included); rows, columns of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

__all__ = [
    "choose_grid",
    "crop_mask_tiles",
    "crop_tiles",
    "crop_window",
    "mask_tiles",
    "nearest_index",
    "picture_tiles",
    "region_bits",
    "resize_bicubic",
    "split_canvas",
]


@lru_cache(maxsize=64)
def _grids_by_ratio(max_num_tiles: int) -> tuple[tuple[float, tuple[tuple[int, int], ...]], ...]:
    """All (columns, rows) of at most `max_num_tiles` tiles, grouped by ratio in order of first appearance."""
    groups: dict[float, list[tuple[int, int]]] = {}
    for count in range(max_num_tiles, 0, -1):
        for columns in range(1, count + 1):
            if count % columns == 0:
                rows = count // columns
                groups.setdefault(columns / rows, []).append((columns, rows))
    return tuple((ratio, tuple(grids)) for ratio, grids in groups.items())


def choose_grid(height: int, width: int, *, tile_size: int, max_num_tiles: int) -> tuple[int, int]:
    """Chooses how many tiles a picture is cut into.

    Among the canvases at least as large as the picture in both directions, the one on which the picture,
    fitted with its aspect ratio kept, is largest; a later candidate wins a tie. If none is large enough,
    the nearest supported aspect ratio that does not enlarge the longer side, at its largest size.

    Args:
        height: Pixels of the picture.
        width: Pixels of the picture.
        tile_size: Side of a tile in pixels.
        max_num_tiles: Most tiles allowed, the thumbnail not counted; at least 1.

    Returns:
        (columns, rows).

    Example:
        >>> choose_grid(227, 500, tile_size=448, max_num_tiles=4)
        (3, 1)
    """
    if max_num_tiles == 1:
        return 1, 1
    ratio = width / height
    best: tuple[int, int] | None = None
    best_score = -math.inf
    groups = _grids_by_ratio(max_num_tiles)
    for _, grids in groups:
        for columns, rows in grids:
            canvas_width, canvas_height = columns * tile_size, rows * tile_size
            if canvas_width < width or canvas_height < height:
                continue
            scale = min(canvas_width / width, canvas_height / height)
            if ratio > 1:
                fitted_width = scale * width
                fitted_height = float(math.floor(fitted_width / ratio))
            else:
                fitted_height = scale * height
                fitted_width = float(math.floor(fitted_height * ratio))
            score = fitted_width if ratio < 1 else fitted_height
            if score >= best_score:
                best, best_score = (columns, rows), score
    if best is not None:
        return best
    if ratio >= 1:
        _, grids = min((g for g in groups if g[0] <= ratio), key=lambda g: abs(g[0] - ratio))
        return max(grids, key=lambda grid: grid[0])
    _, grids = min((g for g in groups if g[0] >= ratio), key=lambda g: abs(1 / g[0] - 1 / ratio))
    return max(grids, key=lambda grid: grid[1])


def resize_bicubic(pixels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resizes uint8 pixels as the published processor does.

    Args:
        pixels: (3, H, W) uint8, or the same numbers as float32 (a picture that is resized twice is converted once).
        height: Rows wanted.
        width: Columns wanted.

    Returns:
        (3, height, width) uint8; the same tensor where size and type already match.
    """
    if tuple(pixels.shape[1:]) == (height, width):
        return pixels.to(torch.uint8)
    resized = F.interpolate(pixels[None].float(), (height, width), mode="bicubic", align_corners=False, antialias=True)
    return resized[0].clamp_(0, 255).round_().to(torch.uint8)


def split_canvas(canvas: torch.Tensor, columns: int, rows: int) -> torch.Tensor:
    """Cuts (C, rows·S, columns·S) into (rows·columns, C, S, S), row by row."""
    channels, height, width = canvas.shape
    tiles = canvas.reshape(channels, rows, height // rows, columns, width // columns)
    return tiles.permute(1, 3, 0, 2, 4).reshape(rows * columns, channels, height // rows, width // columns)


def picture_tiles(
    picture: NDArray[np.uint8], grid: tuple[int, int], *, tile_size: int, thumbnail: bool = True
) -> torch.Tensor:
    """Cuts a picture into tiles.

    Args:
        picture: (H, W, 3) uint8, RGB.
        grid: (columns, rows), see `choose_grid`.
        tile_size: Side S of a tile in pixels.
        thumbnail: Whether the whole picture in one tile comes first.

    Returns:
        (T, 3, S, S) uint8 with T = rows·columns, plus 1 with the thumbnail.
    """
    columns, rows = grid
    pixels = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float()
    tiles = split_canvas(resize_bicubic(pixels, rows * tile_size, columns * tile_size), columns, rows)
    if not thumbnail:
        return tiles
    whole = tiles if grid == (1, 1) else resize_bicubic(pixels, tile_size, tile_size)[None]
    return torch.cat([whole, tiles])


def nearest_index(size: int, resized: int) -> NDArray[np.int64]:
    """The source index of each of `resized` cells: floor(i · size / resized) in float32.

    This is torch's legacy "nearest" rule. The arithmetic must be float32: float64 picks other pixels for
    some sizes.
    """
    scale = np.float32(size) / np.float32(resized)
    index = np.floor(np.arange(resized, dtype=np.float32) * scale).astype(np.int64)
    return np.minimum(index, size - 1)


def region_bits(masks: Sequence[NDArray[np.bool_]], prompts: Sequence[int]) -> NDArray[np.uint8]:
    """Lays the masks of all prompted regions into one: bit k of a pixel says whether it lies in region `<PromptK>`.

    Where a value is not 0, the pixel lies in the union of the regions; and each region can be read out again, also
    where regions overlap.

    Args:
        masks: (H, W) bool each, at least one.
        prompts: The prompt number of each mask, each from 0 to 7.

    Returns:
        (H, W) uint8.

    Example:
        >>> region_bits([np.array([[True, True]]), np.array([[False, True]])], [0, 2])
        array([[1, 5]], dtype=uint8)
    """
    bits = np.zeros(masks[0].shape, np.uint8)
    for mask, prompt in zip(masks, prompts, strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if len(rows) else slice(0)
        bits[box] |= mask[box].view(np.uint8) << np.uint8(prompt)
    return bits


def mask_tiles(
    mask: NDArray[np.uint8], grid: tuple[int, int], *, tile_size: int, thumbnail: bool = True
) -> torch.Tensor:
    """Cuts the prompted regions into the same tiles as the picture.

    Args:
        mask: (H, W) uint8 in pixels of the original picture, from `region_bits`.
        grid: (columns, rows) of the picture.
        tile_size: Side S of a tile in pixels.
        thumbnail: Whether the whole mask in one tile comes first.

    Returns:
        (T, 1, S, S) uint8.
    """
    columns, rows = grid
    height, width = mask.shape

    def resize(h: int, w: int) -> torch.Tensor:
        resized = mask[np.ix_(nearest_index(height, h), nearest_index(width, w))]
        return torch.from_numpy(np.ascontiguousarray(resized))[None]

    tiles = split_canvas(resize(rows * tile_size, columns * tile_size), columns, rows)
    if not thumbnail:
        return tiles
    whole = tiles if grid == (1, 1) else resize(tile_size, tile_size)[None]
    return torch.cat([whole, tiles])


_LEAST_CROP = 32
"""Pixels of a crop's side, at least: less is not worth being enlarged."""

_MOST_CROP = 2048
"""Pixels of a crop's side, at most, before it is made as small as a tile."""

_OUTSIDE = 127
"""What a crop shows beyond the picture: gray, nearly 0 once normalised."""


def crop_window(mask: NDArray[np.bool_]) -> tuple[int, int, int]:
    """The part of a picture that a region's own tile shows: a square, twice as wide as the longer side of its box.

    So the middle half of the tile holds the region, and the rest what is around it.

    Args:
        mask: (H, W) bool, not empty.

    Returns:
        Column and row where the square begins, and its side, in pixels; it may reach beyond the picture.

    Example:
        >>> mask = np.zeros((100, 200), bool); mask[30:70, 100:110] = True
        >>> crop_window(mask)
        (65, 10, 80)
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x1, y1, x2, y2 = (int(at) for at in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    side = max(2 * (x2 - x1), 2 * (y2 - y1), _LEAST_CROP)
    return (x1 + x2 - side) // 2, (y1 + y2 - side) // 2, side


def crop_tiles(picture: NDArray[np.uint8], masks: Sequence[NDArray[np.bool_]], *, tile_size: int) -> torch.Tensor:
    """Enlarges regions, each with what is around it (`crop_window`), to tiles of their own.

    Args:
        picture: (H, W, 3) uint8, RGB.
        masks: (H, W) bool each, not empty.
        tile_size: Side S of a tile in pixels.

    Returns:
        (R, 3, S, S) uint8, gray beyond the picture.
    """
    tiles: list[torch.Tensor] = []
    for mask in masks:
        cut = np.ascontiguousarray(_cut(picture, crop_window(mask)).transpose(2, 0, 1))
        tiles.append(resize_bicubic(torch.from_numpy(cut), tile_size, tile_size))
    return torch.stack(tiles)


def crop_mask_tiles(masks: Sequence[NDArray[np.bool_]], prompts: Sequence[int], *, tile_size: int) -> torch.Tensor:
    """The masks of regions in tiles of their own.

    Args:
        masks: (H, W) bool each, not empty.
        prompts: The prompt number of each.
        tile_size: Side S of a tile in pixels.

    Returns:
        (R, 1, S, S) uint8: in the tile of `<PromptK>` bit k is set inside the region; other regions are not marked.
    """
    tiles: list[torch.Tensor] = []
    for mask, prompt in zip(masks, prompts, strict=True):
        left, top, side = crop_window(mask)
        index = nearest_index(side, tile_size)
        rows, columns = index + top, index + left
        inside = [(at >= 0) & (at < length) for at, length in zip((rows, columns), mask.shape, strict=True)]
        part = np.zeros((tile_size, tile_size), np.uint8)
        part[np.ix_(*inside)] = region_bits([mask[np.ix_(rows[inside[0]], columns[inside[1]])]], [prompt])
        tiles.append(torch.from_numpy(part)[None])
    return torch.stack(tiles)


def _cut(picture: NDArray[np.uint8], window: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A square part of a picture (H, W, 3), gray where it reaches beyond.

    Of one that is larger than any tile needs only every n-th pixel is taken, for a narrow picture of few pixels may ask
    for a square of very many.
    """
    left, top, side = window
    step = -(-side // _MOST_CROP)
    count = -(-side // step)
    cut = np.full((count, count, 3), _OUTSIDE, np.uint8)
    (to_rows, rows), (to_columns, columns) = (
        _overlap(at, step, count, length) for at, length in zip((top, left), picture.shape, strict=False)
    )
    cut[to_rows, to_columns] = picture[rows, columns]
    return cut


def _overlap(start: int, step: int, count: int, length: int) -> tuple[slice, slice]:
    """Which of `count` places, every `step`-th from `start` on, lie within a length: their numbers, and the places."""
    first, end = max(0, -(start // step)), min(count, -((start - length) // step))
    return slice(first, end), slice(start + first * step, start + (end - 1) * step + 1, step)
