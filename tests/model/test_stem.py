import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gar.model.configuration import GARVisionConfig
from gar.model.stem import EfficientNetLiteStem, PatchStem, build_stem, fold_efficientnet_lite

CONFIG = GARVisionConfig(
    image_size=64, patch_size=16, stem="efficientnet-lite0", stem_classes=7, hidden_size=16, num_attention_heads=2
)


@pytest.fixture(scope="module")
def published():
    """Random numbers under the published names of EfficientNet-Lite0, batch normalisation apart."""
    generator = torch.Generator().manual_seed(0)
    numbers = {}

    def convolution(name, norm, like):
        numbers[f"{name}.weight"] = torch.randn(like.weight.shape, generator=generator) * like.weight[0].numel() ** -0.5
        for part, offset in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            numbers[f"{norm}.{part}"] = torch.rand(like.out_channels, generator=generator) * 0.5 + offset
        return numbers

    stem = EfficientNetLiteStem(CONFIG)
    convolution("_conv_stem", "_bn0", stem.convolution)
    for index, block in enumerate(stem.blocks):
        name = f"_blocks.{index}"
        if block.expand is not None:
            convolution(f"{name}._expand_conv", f"{name}._bn0", block.expand)
        convolution(f"{name}._depthwise_conv", f"{name}._bn1", block.depthwise)
        convolution(f"{name}._project_conv", f"{name}._bn2", block.project)
    convolution("_conv_head", "_bn1", nn.Conv2d(320, 1280, 1))
    numbers["_fc.weight"] = torch.randn(7, 1280, generator=generator) * 1280**-0.5
    numbers["_fc.bias"] = torch.randn(7, generator=generator)
    return numbers


def unfolded(x, numbers, convolution, norm, *, stride=1, groups=1):
    """Convolution with TensorFlow's padding, then batch normalisation in evaluation, as two steps."""
    weight = numbers[f"{convolution}.weight"]
    kernel, size = weight.shape[-1], x.shape[-1]
    padding = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    x = F.pad(x, (padding // 2, padding - padding // 2) * 2)
    x = F.conv2d(x, weight, stride=stride, groups=groups)
    layer = nn.BatchNorm2d(x.shape[1], eps=1e-3).eval()
    layer.load_state_dict(
        {k.removeprefix(f"{norm}."): v for k, v in numbers.items() if k.startswith(f"{norm}.")}, strict=False
    )
    return layer(x)


@torch.no_grad()
def test_folded_weights_compute_what_convolution_and_batch_normalisation_compute(published):
    stem = EfficientNetLiteStem(CONFIG)
    missing, unexpected = stem.load_state_dict(fold_efficientnet_lite(published), strict=False)
    assert not unexpected
    assert set(missing) == {"feature_mean", "feature_std", "proj.weight", "proj.bias"}
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)
    y = F.relu6(unfolded((x * 127.5 + 127.5 - 127) / 128, published, "_conv_stem", "_bn0", stride=2))
    taps = []
    for index, block in enumerate(stem.blocks):
        name, before = f"_blocks.{index}", y
        if block.expand is not None:
            y = F.relu6(unfolded(y, published, f"{name}._expand_conv", f"{name}._bn0"))
        stride, width = block.depthwise.stride[0], block.depthwise.groups
        y = F.relu6(unfolded(y, published, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, groups=width))
        y = unfolded(y, published, f"{name}._project_conv", f"{name}._bn2")
        y = before + y if block.residual else y
        if index in stem.taps:
            taps.append(y)
    fine, middle, coarse = taps
    assert (fine.shape[-1], middle.shape[-1], coarse.shape[-1]) == (8, 4, 2)  # strides 8, 16 and 32
    expected = torch.cat([F.avg_pool2d(fine, 2), middle, F.interpolate(coarse, (4, 4), mode="bilinear")], 1)
    torch.testing.assert_close(stem(x), expected.flatten(2).transpose(1, 2), rtol=1e-3, atol=1e-4)

    # the classifier, its average pooling taken over the left half of the first picture and the whole second
    stem.feature_mean.normal_(generator=torch.Generator().manual_seed(2))
    stem.feature_std.fill_(3.0)
    head = F.relu6(unfolded(expected[:, -320:], published, "_conv_head", "_bn1"))
    pooled = torch.stack([head[0, :, :, :2].mean((1, 2)), head[1].mean((1, 2))])
    classes = F.linear(pooled, published["_fc.weight"], published["_fc.bias"]).softmax(-1)
    weight = torch.zeros(2, 2, 4, 4)
    weight[0, 0, :, :2], weight[1, 1] = 1 / 8, 1 / 16
    torch.testing.assert_close(stem.classify(stem(x), weight.flatten(1)), classes, rtol=1e-3, atol=1e-4)


def test_features_are_standardised_by_the_stored_mean_and_deviation():
    stem, pixels = EfficientNetLiteStem(CONFIG).eval(), torch.zeros(1, 3, 64, 64)
    with torch.no_grad():
        plain = stem(pixels)
        stem.feature_mean.fill_(2.0)
        stem.feature_std.fill_(4.0)
        torch.testing.assert_close(stem(pixels), (plain - 2) / 4)
    assert plain.shape == (1, 16, 472)
    assert stem.project(plain).shape == (1, 16, 16)


def test_the_patch_stem_is_one_convolution_and_nothing_after():
    stem = build_stem(GARVisionConfig(image_size=28, patch_size=14, hidden_size=8, num_attention_heads=1))
    assert type(stem) is PatchStem
    pixels = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    patches = stem(pixels)
    assert patches.shape == (2, 4, 8)
    second = (stem.proj.weight * pixels[0, :, :14, 14:]).sum((1, 2, 3))
    torch.testing.assert_close(patches[0, 1], second)
    assert stem.project(patches) is patches
