"""What the stem alone sees of regions, before the tower has looked.

A sight is a row of numbers: the mean and the deviation of each channel of the stem's features over the region
(`GARConfig.stem_embedding`), then the probabilities of the stem's own classes (`GARConfig.class_token_ids`), then, in
a close-up, the region's colors (`GARConfig.color_levels`), of which the stem's features keep little. The stem sees no
mask; so, while it is frozen, a sight may be kept.

Shapes: R regions, T tiles, S side of a close-up, N patches of a tile or close-up, C channels of the stem, L levels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from gar.model.replay import pool_moments

if TYPE_CHECKING:
    from gar.model.configuration import GARConfig

__all__ = ["color_histogram", "look", "look_closer", "split_sights"]

_AT_ONCE = 64
"""Close-ups that go through the stem together on a GPU. On a CPU each goes alone: of 16 each takes twice as long."""


def look(stem: Any, config: GARConfig, patch_features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The sights of regions in tiles.

    Args:
        stem: The model's.
        config: What of it is asked for.
        patch_features: (T, N, C) what the stem made of the tiles.
        weight: (R, T·N) how much each patch counts for each region, see `gar.model.replay.mask_weights`.

    Returns:
        (R, 2·C + classes); without what the configuration does not ask for.
    """
    nothing = patch_features.new_zeros(len(weight), 0)
    moments = pool_moments(patch_features, weight) if config.stem_embedding else nothing
    classes = stem.classify(patch_features, weight) if config.class_token_ids else nothing
    return torch.cat([moments, classes.to(moments.dtype)], dim=1)


def look_closer(stem: Any, config: GARConfig, values: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """The sights of regions in close-ups of their own.

    Args:
        stem: The model's.
        config: What of it is asked for.
        values: (R, 3, S, S) in [-1, 1].
        masks: (R, 1, S, S), not 0 inside the region; one that has no pixel left stands for all of its close-up.

    Returns:
        (R, 2·C + classes + L³); without what the configuration does not ask for.
    """
    several = 1 if values.device.type == "cpu" else _AT_ONCE
    patch_features = torch.cat([stem(part) for part in values.split(several)])
    own = _or_all(F.avg_pool2d((masks != 0).float(), config.vision_config.patch_size).flatten(1))  # (R, N)
    own = own / own.sum(1, keepdim=True)
    alone = torch.eye(len(own), device=own.device)[..., None]  # (R, R, 1): each region sees its own close-up
    seen = look(stem, config, patch_features, (alone * own).flatten(1))
    if not config.color_levels:
        return seen
    return torch.cat([seen, color_histogram(values, masks, levels=config.color_levels).to(seen.dtype)], dim=1)


def color_histogram(values: torch.Tensor, masks: torch.Tensor, *, levels: int) -> torch.Tensor:
    """How much of each region has each color, 1 where it has as much of all.

    It is the square root of a density, so that a second color is heard beside the first.

    Args:
        values: (R, 3, S, S) in [-1, 1].
        masks: (R, 1, S, S), not 0 inside the region; one that has no pixel left stands for all of its close-up.
        levels: L of each channel, of equal width.

    Returns:
        (R, L³) in float32, red slowest; the mean of the squares of a row is 1.

    Example:
        >>> red_and_white = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [-1.0, 1.0]]).view(1, 3, 1, 2)
        >>> color_histogram(red_and_white, torch.ones(1, 1, 1, 2), levels=2).square().round()
        tensor([[0., 0., 0., 0., 4., 0., 0., 4.]])
    """
    level = ((values.float() + 1) / 2 * levels).floor().clamp(0, levels - 1).long()
    color = ((level[:, 0] * levels + level[:, 1]) * levels + level[:, 2]).flatten(1)  # (R, S·S)
    inside = _or_all((masks != 0).float().flatten(1))
    counts = inside.new_zeros(len(inside), levels**3).scatter_add(1, color, inside)
    return (counts * levels**3 / inside.sum(1, keepdim=True)).sqrt()


def _or_all(weight: torch.Tensor) -> torch.Tensor:
    """Weights (R, ·) as they are; of a region that has none, all alike."""
    return torch.where(weight.any(1, keepdim=True), weight, torch.ones_like(weight))


def split_sights(config: GARConfig, sights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Takes sights apart: moments (R, 2·C), classes (R, classes), colors (R, L³); of width 0 what is not asked for."""
    classes = config.vision_config.stem_classes if config.class_token_ids else 0
    colors = config.color_levels**3
    moments = sights.shape[1] - classes - colors
    first, second, third = sights.split([moments, classes, colors], dim=1)
    return first, second, third
