"""What the stem alone sees of regions, before the tower has looked.

A sight is a row of numbers: the mean and the deviation of each channel of the stem's features over the region
(`GARConfig.stem_embedding`), then the probabilities of the stem's own classes (`GARConfig.class_token_ids`). The stem
sees no mask; so, while it is frozen, a sight may be kept.

Shapes: R regions, T tiles, S side of a close-up, N patches of a tile or close-up, C channels of the stem.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from gar.model.replay import pool_moments

if TYPE_CHECKING:
    from gar.model.configuration import GARConfig

__all__ = ["look", "look_closer", "split_sights"]

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
        As `look`.
    """
    several = 1 if values.device.type == "cpu" else _AT_ONCE
    patch_features = torch.cat([stem(part) for part in values.split(several)])
    own = F.avg_pool2d((masks != 0).float(), config.vision_config.patch_size).flatten(1)  # (R, N)
    own = torch.where(own.any(1, keepdim=True), own, torch.ones_like(own))
    own = own / own.sum(1, keepdim=True)
    alone = torch.eye(len(own), device=own.device)[..., None]  # (R, R, 1): each region sees its own close-up
    return look(stem, config, patch_features, (alone * own).flatten(1))


def split_sights(config: GARConfig, sights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Takes sights apart: moments (R, 2·C) and classes (R, classes), of width 0 where they are not asked for."""
    classes = config.vision_config.stem_classes if config.class_token_ids else 0
    return sights[:, : sights.shape[1] - classes], sights[:, sights.shape[1] - classes :]
