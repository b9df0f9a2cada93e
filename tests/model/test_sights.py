"""What the stem alone sees of regions: in the picture, or in close-ups of their own."""

import pytest
import torch

from gar import GARProcessor, Region
from gar.errors import CheckpointError
from gar.model.base_model import VISION_INPUTS
from gar.model.replay import pool_moments
from gar.model.sights import color_histogram, look_closer, split_sights

SETTINGS = {
    "vision": {"stem": "efficientnet-lite0", "stem_classes": 3, "patch_size": 16},
    "mask_token": True,
    "projector_pooling_ratio": 1,
    "stem_embedding": True,
    "class_token_ids": [50, -1, 51],
    "closeup_size": 64,
    "color_levels": 2,
}


@pytest.fixture
def inputs(close, tiny_tokenizer, make_picture):
    """The vision inputs of two samples, of two regions and one."""
    processor = GARProcessor(tiny_tokenizer, close.config, max_num_tiles=4)
    regions = [[Region.box(2, 3, 20, 18), Region.box(22, 4, 31, 28)], [Region.box(5, 5, 30, 25)]]
    texts = [processor.question_text("What?", [3, 1]), processor.question_text("What?", [2])]
    made = processor([make_picture(40, 90), make_picture(64, 48)], texts, regions, [[3, 1], [2]])
    return {name: made[name] for name in VISION_INPUTS if name in made}


@pytest.fixture
def close(make_config, make_model):
    model = make_model(make_config(**SETTINGS))
    model.model.vision_tower.patch_embed.classifier.weight.data *= 0.02  # so that no class is certain
    return model.eval()


@torch.no_grad()
def test_each_region_is_seen_in_its_own_closeup_alone(close):
    torch.manual_seed(0)
    stem, config = close.model.vision_tower.patch_embed.double(), close.config  # a spread is a difference of squares
    values, masks = torch.rand(3, 3, 64, 64).double() * 2 - 1, torch.zeros(3, 1, 64, 64, dtype=torch.uint8)
    masks[0, :, :32, :32] = 1
    masks[1, :, 40:, 5:50] = 4
    sights = look_closer(stem, config, values, masks)  # the third has no pixel of its region left: all of it counts
    alone = torch.cat([look_closer(stem, config, values[i : i + 1], masks[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(sights, alone, rtol=1e-4, atol=1e-4)
    moments, classes, colors = split_sights(config, sights)
    assert (moments.shape, classes.shape, colors.shape) == ((3, 2 * stem.channels), (3, 3), (3, 8))
    torch.testing.assert_close(classes.sum(1), torch.ones(3).double())
    patches = stem(values).unflatten(1, (4, 4))
    torch.testing.assert_close(moments[0, : stem.channels], patches[0, :2, :2].mean((0, 1)), rtol=1e-4, atol=1e-4)
    whole = pool_moments(stem(values[2:]), torch.full((1, 16), 1 / 16).double())
    torch.testing.assert_close(moments[2:], whole, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(colors, color_histogram(values, masks, levels=2).double())


def test_colors_are_counted_inside_the_region_alone():
    values, masks = torch.full((3, 3, 4, 4), -1.0), torch.zeros(3, 1, 4, 4, dtype=torch.uint8)
    values[:, 0, :, 2:] = 1.0  # black on the left, red on the right
    values[:, :, 3, 3] = 1.0  # and one white pixel
    masks[0, :, :, :2] = 4
    masks[1, :, :, 2:] = 1
    shares = color_histogram(values, masks, levels=2).square() / 8
    black, red, white = 0, 4, 7
    torch.testing.assert_close(shares[0, black].item(), 1.0)
    torch.testing.assert_close(shares[1, [black, red, white]], torch.tensor([0.0, 7 / 8, 1 / 8]))
    torch.testing.assert_close(shares[2, [black, red, white]], torch.tensor([8, 7, 1]) / 16)  # an empty mask: all of it
    torch.testing.assert_close(shares.sum(1), torch.ones(3))


@pytest.mark.parametrize("levels", [1, 3, 8])
def test_every_brightness_has_a_level(levels):
    gray = torch.arange(256).view(-1, 1, 1, 1).expand(-1, 3, 1, 1) / 127.5 - 1  # each a region of one pixel
    place = color_histogram(gray, torch.ones(256, 1, 1, 1), levels=levels).argmax(1)
    level = torch.arange(256) * levels // 255
    assert torch.equal(place, level.clamp(max=levels - 1) * (levels**2 + levels + 1))


@torch.no_grad()
def test_what_is_seen_in_a_closeup_may_be_kept_and_changes_nothing_but_what_speaks(
    close, inputs, make_config, make_model
):
    features = close.model.get_region_features(**inputs)
    kept = dict(inputs)
    kept["region_sights"] = close.model.look_closer(kept.pop("closeup_values"), kept.pop("closeup_masks"))
    again = close.model.get_region_features(**kept)
    assert torch.equal(again.spoken, features.spoken)

    far = make_model(make_config(**{**SETTINGS, "closeup_size": 0, "color_levels": 0})).eval()
    far.load_state_dict(close.state_dict(), strict=False)  # without what reads colors
    del kept["region_sights"]
    from_afar = far.model.get_region_features(**kept)
    assert torch.equal(from_afar.replay[:, :-1], features.replay[:, :-1])
    assert torch.equal(from_afar.image, features.image)
    assert not torch.allclose(from_afar.spoken, features.spoken)

    with pytest.raises(ValueError, match="give closeup_values and closeup_masks, or region_sights"):
        close.model.get_region_features(**kept)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"closeup_size": 40}, "closeup_size is 40; needed is a multiple of 32"),
        ({"closeup_size": 1 << 20}, "needed is a multiple of 32 up to 1024"),
        ({"closeup_size": -32}, "closeup_size is -32"),
        ({"color_levels": 17}, "color_levels is 17 with closeup_size 64; needed is a number up to 16"),
        ({"color_levels": -1}, "color_levels is -1"),
        ({"color_levels": 4, "closeup_size": 0}, "color_levels is 4 with closeup_size 0"),
        ({"stem_embedding": False, "class_token_ids": []}, "what the stem sees of a region is not asked for"),
    ],
)
def test_closeups_that_cannot_be_are_refused(make_config, changed, named):
    with pytest.raises(CheckpointError, match=named):
        make_config(**{**SETTINGS, **changed})
