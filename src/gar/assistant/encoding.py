"""Pictures and regions to what the decoder is shown of them, each thing computed once.

* A picture is cut into tiles once, and goes through the stem (which sees no mask) once.
* The tower looks at tiles one by one, told by each tile's part of the mask where to look. So a tile that a region does
  not touch gives the same cells for every region of the picture: it is looked at once, and so is a tile that two
  questions show with the same mask. Nothing is approximated.
* The tiles that are left, of all pictures and regions of a batch, go through the tower packed, some at a time.

Shapes: T tiles, S tile side, n cells of a tile, m image tokens of a tile, D width, R regions, K prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakValueDictionary

import numpy as np
import torch
from numpy.typing import NDArray

from gar.model.base_model import RegionFeatures
from gar.model.projector import pool_cells
from gar.processing.processor import normalised_box
from gar.processing.tiling import choose_grid, picture_tiles
from gar.regions import Region

if TYPE_CHECKING:
    from PIL import Image

    from gar.assistant.caches import Slots
    from gar.model.modeling import GARForConditionalGeneration
    from gar.processing import GARProcessor

__all__ = ["Features", "Picture", "Prefix", "Shown", "embed", "encode", "look", "read_picture", "show", "tiles_at_once"]

_TILES_AT_ONCE = 16
"""Most tiles that go through stem or tower together: enough to fill any device, few enough to bound the memory."""

_SHOWN_AT_ONCE = 8
"""What is read off the tiles of so many at once: that takes memory for each region times all tiles."""

_ACTIVATIONS_ON_CPU = 1 << 21
"""Numbers between two layers that a CPU's caches hold; with more, it waits for memory (a quarter of the time)."""

_Cells: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""Of one tile: cells (n, D) and image tokens (m, D)."""


@dataclass(eq=False)
class Picture:
    """A picture that was read, and what was made of it so far, none of which depends on regions."""

    size: tuple[int, int]
    """(H, W) in pixels."""
    grid: tuple[int, int]
    """Columns and rows of tiles."""
    tiles: torch.Tensor | None
    """(T, 3, S, S) uint8, where the processor left them; None once there are patch features."""
    pixels: NDArray[np.uint8] | None
    """(H, W, 3), kept for a model that enlarges each region."""
    patch_features: torch.Tensor | None = None
    """(T, N, C) of the stem, on the model's device."""
    untouched: dict[int, _Cells] = field(default_factory=dict[int, _Cells])
    """By tile: what the tower makes of it without a mask."""
    shown: WeakValueDictionary[tuple[tuple[Region, ...], tuple[int, ...]], Shown] = field(
        default_factory=WeakValueDictionary
    )
    """By regions and prompt numbers: how they are shown, as long as somebody asks about it."""

    @property
    def bytes(self) -> int:
        """How much memory it takes, but for what the tower has made of it."""
        parts = (self.tiles, self.pixels, self.patch_features)
        return sum(part.nbytes for part in parts if part is not None)


@dataclass(frozen=True)
class Features:
    """What the decoder is shown of some regions of a picture."""

    image: tuple[torch.Tensor, ...]
    """(m, D) of each tile."""
    replay: torch.Tensor
    """(R, replay tokens, D)."""
    prompts: torch.Tensor | None
    """(K, D), see `gar.model.base_model.RegionFeatures`."""


@dataclass(frozen=True, eq=False)
class Prefix:
    """The beginning of a text that was read."""

    ids: tuple[int, ...]
    slots: Slots
    """Of one row, filled with these tokens."""


@dataclass(eq=False)
class Shown:
    """Some regions of a picture, shown at once."""

    picture: Picture
    regions: tuple[Region, ...]
    prompts: tuple[int, ...]
    """The prompt number of each region."""
    boxes: list[tuple[float, float, float, float]]
    """Normalised xyxy, one a region."""
    masks: dict[int, torch.Tensor]
    """(1, S, S) uint8 of each tile that a region touches; the regions' own tiles, if there are any, come last."""
    crops: torch.Tensor | None
    """(R, 3, S, S) in [-1, 1], the regions' own tiles."""
    closeups: dict[str, torch.Tensor]
    """What the stem is shown of each region alone, see `GARProcessor.closeup_inputs`."""
    features: Features | None = None
    prefixes: list[Prefix] = field(default_factory=list[Prefix])
    """Beginnings of texts about these regions that were read and are kept."""

    @property
    def name(self) -> tuple[tuple[Region, ...], tuple[int, ...]]:
        """By what it is found again among all that is shown of its picture."""
        return self.regions, self.prompts


def read_picture(image: Image.Image, processor: GARProcessor) -> Picture:
    """Cuts a picture into tiles, as `GARProcessor.picture_inputs` does."""
    config = processor.config
    pixels = np.array(image, dtype=np.uint8)
    size = config.vision_config.image_size
    grid = choose_grid(*pixels.shape[:2], tile_size=size, max_num_tiles=processor.max_num_tiles)
    tiles = picture_tiles(pixels, grid, tile_size=size, thumbnail=config.use_thumbnail)
    kept = pixels if config.region_crops or config.closeup_size else None
    return Picture((pixels.shape[0], pixels.shape[1]), grid, tiles, kept)


def show(picture: Picture, regions: tuple[Region, ...], prompts: tuple[int, ...], processor: GARProcessor) -> Shown:
    """Draws regions into a picture's tiles; once, however many ask about them at the same time.

    Raises:
        RegionError: A region does not fit the picture.
    """
    shown = picture.shown.get((regions, prompts))
    if shown is None:
        masks = [region.to_mask(picture.size) for region in regions]
        tiles = processor.mask_inputs(masks, prompts, picture.grid)
        pixels, config = picture.pixels, processor.config
        crops = None if pixels is None or not config.region_crops else processor.crop_inputs(pixels, masks)
        touched = np.flatnonzero(tiles.flatten(1).any(1).numpy())
        shown = Shown(
            picture,
            regions,
            prompts,
            [normalised_box(mask) for mask in masks],
            {int(tile): tiles[tile].clone() for tile in touched},
            crops,
            {} if pixels is None else processor.closeup_inputs(pixels, masks),
        )
        picture.shown[shown.name] = shown
    return shown


def tiles_at_once(model: GARForConditionalGeneration) -> int:
    """Tiles that go through the tower together."""
    vision = model.config.vision_config
    if model.device.type != "cpu":
        return _TILES_AT_ONCE
    return max(1, min(_TILES_AT_ONCE, _ACTIVATIONS_ON_CPU // (vision.grid_size**2 * vision.intermediate_size)))


@torch.inference_mode()
def encode(model: GARForConditionalGeneration, several: Sequence[Shown]) -> None:
    """Fills in the features of what is shown, where they are not there yet."""
    new = list({id(shown): shown for shown in several if shown.features is None}.values())
    if not new:
        return
    look(model, [shown.picture for shown in new])
    tiles = _tiles(model, new)
    for start in range(0, len(new), _SHOWN_AT_ONCE):
        part = slice(start, start + _SHOWN_AT_ONCE)
        _read_off(model, new[part], tiles[part])


def _read_off(model: GARForConditionalGeneration, new: Sequence[Shown], tiles: Sequence[list[_Cells]]) -> None:
    """Fills in features from what the tower made of the tiles."""
    config, device = model.config, model.device
    packed = [tile for own in tiles for tile in own]
    masks = _packed_masks(model, new, [len(own) for own in tiles])
    told = model.model.get_region_features(
        cells=torch.stack([cells for cells, _ in packed]),
        mask_values=masks,
        patch_features=_packed_features(model, new, len(packed)),
        tiles_per_sample=torch.tensor([len(own) for own in tiles], device=device),
        tile_grid=torch.tensor([shown.picture.grid for shown in new], device=device),
        region_boxes=torch.tensor([box for shown in new for box in shown.boxes], device=device),
        region_index=torch.tensor([(i, k) for i, shown in enumerate(new) for k in shown.prompts], device=device),
        **{name: torch.cat([shown.closeups[name] for shown in new]).to(device) for name in new[0].closeups},
    )
    replay = torch.split(told.replay, [len(shown.prompts) for shown in new])
    for index, (shown, own) in enumerate(zip(new, tiles, strict=True)):
        count = _picture_tiles(shown, config)
        shown.features = Features(
            tuple(image for _, image in own[:count]),
            replay[index],
            None if told.prompts is None else told.prompts[index],
        )


@torch.inference_mode()
def embed(model: GARForConditionalGeneration, rows: Sequence[tuple[Shown, Sequence[int]]]) -> torch.Tensor:
    """Writes features into texts, or parts of texts, of equal length.

    Args:
        model: The model.
        rows: What is shown, with its features, and token ids. A part has all image tokens or none, and all crop tokens
            of a region or none.

    Returns:
        (B, L, D).
    """
    config, device = model.config, model.device
    images: list[torch.Tensor] = []
    replays: list[torch.Tensor] = []
    index: list[tuple[int, int]] = []
    prompts: list[torch.Tensor] = []
    for row, (shown, ids) in enumerate(rows):
        features = _features(shown)
        present = set(ids)
        if config.image_token_id in present:
            images += features.image
        for region, number in enumerate(shown.prompts):
            if config.crop_token_ids[number] in present:
                replays.append(features.replay[region])
                index.append((row, number))
        if features.prompts is not None:
            prompts.append(features.prompts)

    def stacked(parts: list[torch.Tensor], tokens: int) -> torch.Tensor:
        shape = (0, tokens, config.text_config.hidden_size)
        return torch.stack(parts) if parts else torch.empty(shape, dtype=model.dtype, device=device)

    image = stacked(images, config.tokens_per_tile)
    told = RegionFeatures(
        cells=image,
        image=image,
        replay=stacked(replays, config.replay_tokens),
        spoken=None,
        prompts=torch.stack(prompts) if prompts else None,
    )
    ids = torch.tensor([list(ids) for _, ids in rows])  # on the host: where features go is known without waiting
    return model.model.embed(ids, told, torch.tensor(index, dtype=torch.long).reshape(-1, 2))


def _features(shown: Shown) -> Features:
    assert shown.features is not None, "encode comes first"
    return shown.features


def _picture_tiles(shown: Shown, config: Any) -> int:
    columns, rows = shown.picture.grid
    return columns * rows + int(config.use_thumbnail)


def _on_device(tiles: torch.Tensor, model: GARForConditionalGeneration) -> torch.Tensor:
    """Tiles as the stem wants them; bytes travel, and become numbers in [-1, 1] over there."""
    moved = tiles.to(model.device)
    return ((moved.float() - 127.5) / 127.5 if moved.dtype == torch.uint8 else moved).to(model.dtype)


def _stem(model: GARForConditionalGeneration, tiles: torch.Tensor) -> torch.Tensor:
    stem = model.model.vision_tower.patch_embed
    # of a convolutional stem, even the activations of two tiles leave a CPU's caches
    several = 1 if model.device.type == "cpu" else _TILES_AT_ONCE
    return torch.cat([stem(_on_device(part, model)) for part in torch.split(tiles, several)])


@torch.inference_mode()
def look(model: GARForConditionalGeneration, pictures: Sequence[Picture]) -> None:
    """Runs the stem over pictures that have not been looked at."""
    new = list({id(picture): picture for picture in pictures if picture.patch_features is None}.values())
    waiting = [picture.tiles for picture in new if picture.tiles is not None]
    if not waiting:
        return
    features = torch.split(_stem(model, torch.cat(waiting)), [len(tiles) for tiles in waiting])
    for picture, own in zip(new, features, strict=True):
        picture.patch_features, picture.tiles = own.clone(), None  # a copy, so that each can be freed alone


def _tiles(model: GARForConditionalGeneration, several: Sequence[Shown]) -> list[list[_Cells]]:
    """What the tower makes of each tile of each picture, and of the regions' own tiles; equal ones are made once."""
    known: dict[Any, _Cells] = {}
    wanted: dict[Any, tuple[torch.Tensor, torch.Tensor | None]] = {}  # patch features and mask of what is not known
    names: list[list[Any]] = []
    for shown in several:
        picture, own = shown.picture, list[Any]()
        features = picture.patch_features
        assert features is not None
        if shown.crops is not None:
            features = torch.cat([features, _stem(model, shown.crops)])
        count = _picture_tiles(shown, model.config)
        for tile in range(len(features)):
            mask = shown.masks.get(tile)
            if mask is None and tile < count:
                name = (id(picture), tile)
                if tile in picture.untouched:
                    known[name] = picture.untouched[tile]
            elif mask is not None and tile < count:
                name = (id(picture), tile, np.packbits(mask.numpy() != 0).tobytes())
            else:
                name = (id(shown), tile)
            if name not in known:
                wanted[name] = (features[tile], mask)
            own.append(name)
        names.append(own)
    known.update(_tower(model, wanted))
    for shown, own in zip(several, names, strict=True):
        for tile, name in enumerate(own):
            if name == (id(shown.picture), tile) and tile not in shown.picture.untouched:
                cells, image = known[name]
                shown.picture.untouched[tile] = known[name] = (cells.clone(), image.clone())
    return [[known[name] for name in own] for own in names]


def _tower(
    model: GARForConditionalGeneration, wanted: dict[Any, tuple[torch.Tensor, torch.Tensor | None]]
) -> dict[Any, _Cells]:
    """Runs the tower over tiles, some at a time."""
    config, side = model.config, model.config.vision_config.image_size
    blank = torch.zeros(1, side, side, dtype=torch.uint8)
    made: dict[Any, _Cells] = {}
    several = tiles_at_once(model)
    for start in range(0, len(wanted), several):
        names = list(wanted)[start : start + several]
        features = torch.stack([wanted[name][0] for name in names])
        masks = [wanted[name][1] for name in names]
        mask_values = torch.stack([blank if mask is None else mask for mask in masks]).to(model.device)
        cells = model.model.encode_tiles(features, mask_values)
        image = pool_cells(cells, config.image_pooling_ratio)
        made.update(zip(names, zip(cells, image, strict=True), strict=True))
    return made


def _packed_masks(model: GARForConditionalGeneration, several: Sequence[Shown], counts: Sequence[int]) -> torch.Tensor:
    """(T, 1, S, S) of all tiles; without memory for a model that reads nothing more off the masks."""
    side = model.config.vision_config.image_size
    blank = torch.zeros((), dtype=torch.uint8, device=model.device).expand(sum(counts), 1, side, side)
    if not model.config.mask_token:
        return blank
    masks, start = blank.contiguous(), 0
    for shown, count in zip(several, counts, strict=True):
        places = [start + tile for tile in shown.masks]
        if places:
            masks[places] = torch.stack([*shown.masks.values()]).to(model.device)
        start += count
    return masks


def _packed_features(model: GARForConditionalGeneration, several: Sequence[Shown], tiles: int) -> torch.Tensor:
    """(T, N, C) of all tiles; without memory for a model whose stem speaks for no region, or sees it in a close-up."""
    config = model.config
    if config.closeup_size or not (config.stem_embedding or config.class_token_ids):
        return torch.zeros((), dtype=model.dtype, device=model.device).expand(tiles, 1, 1)
    parts: list[torch.Tensor] = []
    for shown in several:
        assert shown.picture.patch_features is not None
        parts.append(shown.picture.patch_features)
        if shown.crops is not None:  # dropped again by the model, which hears the stem on the picture's own tiles
            parts.append(shown.picture.patch_features.new_zeros(len(shown.crops), *parts[-1].shape[1:]))
    return torch.cat(parts)
