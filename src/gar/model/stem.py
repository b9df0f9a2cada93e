"""From pixels to patch features: the first step of the vision tower.

Two stems, chosen by `GARVisionConfig.stem`:

* `PatchStem`: one convolution with kernel and stride of a patch, as in the published models;
* `EfficientNetLiteStem`: EfficientNet-Lite0 without its classifier, for small models. Features of strides 8, 16
  and 32 are brought to stride 16, standardised per channel and projected. Batch normalisation is folded into the
  convolutions (`fold_efficientnet_lite`), so the stem computes the same in training and in evaluation.

Neither sees the mask: what a stem returns for a picture can be kept and used for any regions of that picture.

Shapes: T tiles, S tile side, N patches of a tile, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import nn

from gar.model.configuration import GARVisionConfig

__all__ = ["EfficientNetLiteStem", "PatchStem", "build_stem", "fold_efficientnet_lite"]

_STAGES = (
    # kernel, stride, expansion, channels out, repeats (EfficientNet-Lite0, arXiv 1905.11946, without squeeze-excite)
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_HEAD_CHANNELS = 1280
_BATCH_NORM_EPS = 1e-3


class PatchStem(nn.Module):
    """One convolution a patch."""

    def __init__(self, config: GARVisionConfig):
        super().__init__()
        self.proj = nn.Conv2d(3, config.hidden_size, config.patch_size, config.patch_size, bias=False)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(T, 3, S, S) → (T, N, C)."""
        return self.proj(pixel_values).flatten(2).transpose(1, 2)

    def project(self, features: torch.Tensor) -> torch.Tensor:
        """Nothing is left to do after `forward`."""
        return features


class _Convolution(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding, which is lopsided at stride 2."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        before, lopsided = divmod(kernel - stride, 2)
        super().__init__(inputs, outputs, kernel, stride, padding=0 if lopsided else before, groups=groups)
        self.lopsided_padding = (before, before + 1) * 2 if lopsided else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x if self.lopsided_padding is None else F.pad(x, self.lopsided_padding))


class _InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        width = inputs * expansion
        self.expand = _Convolution(inputs, width, 1) if expansion > 1 else None
        self.depthwise = _Convolution(width, width, kernel, stride, groups=width)
        self.project = _Convolution(width, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y = self.project(F.relu6(self.depthwise(y), inplace=True))
        return x + y if self.residual else y


class EfficientNetLiteStem(nn.Module):
    """EfficientNet-Lite0 as a feature pyramid of stride 16.

    `forward` gives the standardised features, which do not depend on any trained part of this library and may be
    cached; `project` brings them to the tower's width.
    """

    channels = 40 + 112 + 320

    def __init__(self, config: GARVisionConfig):
        super().__init__()
        self.convolution = _Convolution(3, 32, 3, stride=2)
        blocks, inputs = [], 32
        for kernel, stride, expansion, outputs, repeats in _STAGES:
            for repeat in range(repeats):
                blocks.append(_InvertedResidual(inputs, outputs, kernel, stride if repeat == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.taps = (4, 10, 15)  # the last blocks of strides 8, 16 and 32
        self.register_buffer("feature_mean", torch.zeros(self.channels))
        self.register_buffer("feature_std", torch.ones(self.channels))
        self.proj = nn.Linear(self.channels, config.hidden_size)
        if config.stem_classes:
            self.head = nn.Linear(_STAGES[-1][3], _HEAD_CHANNELS)
            self.classifier = nn.Linear(_HEAD_CHANNELS, config.stem_classes)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(T, 3, S, S) in [-1, 1] → (T, (S/16)², 472), standardised per channel."""
        x = pixel_values * (127.5 / 128) + 0.5 / 128  # the network was trained on (value − 127) / 128
        x = F.relu6(self.convolution(x.contiguous(memory_format=torch.channels_last)), inplace=True)
        taps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.taps:
                taps.append(x)
        fine, middle, coarse = taps
        size = middle.shape[-2:]
        pyramid = torch.cat(
            [
                F.avg_pool2d(fine, 2),
                middle,
                F.interpolate(coarse, size, mode="bilinear", align_corners=False),
            ],
            dim=1,
        )
        features = pyramid.flatten(2).transpose(1, 2)  # (T, N, 472)
        return (features - self.feature_mean) / self.feature_std

    def project(self, features: torch.Tensor) -> torch.Tensor:
        """(T, N, 472) → (T, N, C)."""
        return self.proj(features)

    def classify(self, features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """What the network's own classifier sees in regions, its last pooling taken over each region alone.

        Args:
            features: (T, N, 472) from `forward`.
            weight: (R, T·N) weight of each cell for each region, summing to 1.

        Returns:
            (R, classes) probabilities.
        """
        coarse = slice(-self.head.in_features, None)
        x = features[..., coarse] * self.feature_std[coarse] + self.feature_mean[coarse]
        x = F.relu6(self.head(x.flatten(0, 1)))  # (T·N, 1280)
        return self.classifier(weight.to(x.dtype) @ x).softmax(-1)


def build_stem(config: GARVisionConfig) -> PatchStem | EfficientNetLiteStem:
    """The stem that the configuration names."""
    return PatchStem(config) if config.stem == "patch" else EfficientNetLiteStem(config)


def fold_efficientnet_lite(published: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Folds the batch normalisation of a published EfficientNet-Lite0 into its convolutions.

    Args:
        published: State dict with names such as `_blocks.3._expand_conv.weight` and `_blocks.3._bn0.running_mean`.

    Returns:
        Weights and biases named as in `EfficientNetLiteStem`, those of the classifier too.
    """
    folded: dict[str, torch.Tensor] = {}

    def fold(target: str, convolution: str, norm: str) -> None:
        scale = published[f"{norm}.weight"] / (published[f"{norm}.running_var"] + _BATCH_NORM_EPS).sqrt()
        folded[f"{target}.weight"] = published[f"{convolution}.weight"] * scale[:, None, None, None]
        folded[f"{target}.bias"] = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * scale

    fold("convolution", "_conv_stem", "_bn0")
    for index in range(sum(stage[-1] for stage in _STAGES)):
        source, target = f"_blocks.{index}", f"blocks.{index}"
        if f"{source}._expand_conv.weight" in published:
            fold(f"{target}.expand", f"{source}._expand_conv", f"{source}._bn0")
        fold(f"{target}.depthwise", f"{source}._depthwise_conv", f"{source}._bn1")
        fold(f"{target}.project", f"{source}._project_conv", f"{source}._bn2")
    fold("head", "_conv_head", "_bn1")
    folded["head.weight"] = folded["head.weight"].flatten(1)
    folded["classifier.weight"], folded["classifier.bias"] = published["_fc.weight"], published["_fc.bias"]
    return folded
