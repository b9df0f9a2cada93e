import copy

import pytest
import torch

from gar.model.configuration import GARVisionConfig
from gar.model.vision import GARVisionTower, axial_rope


@pytest.fixture
def make_tower():
    def make(**settings):
        torch.manual_seed(0)
        config = GARVisionConfig(
            image_size=32,
            patch_size=8,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            **settings,
        )
        return GARVisionTower(config)

    return make


@pytest.fixture
def tiles():
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def masks():
    masks = torch.zeros(3, 1, 32, 32)
    masks[:, :, :16, 8:] = 1
    return masks


@pytest.mark.parametrize("use_cls_token", [True, False])
def test_tiles_become_one_feature_a_patch_with_or_without_class_token(make_tower, tiles, masks, use_cls_token):
    tower = make_tower(use_cls_token=use_cls_token)
    assert tower(tiles, masks).shape == (3, 16, 16)
    assert tower.pos_embed.shape == (1, 16 + use_cls_token, 16)


def test_a_fresh_mask_embedding_is_zero_so_masks_have_no_effect_yet(make_tower, tiles, masks):
    tower = make_tower()
    assert not tower.mask_embed.weight.any()
    assert torch.equal(tower(tiles, masks), tower(tiles, torch.zeros_like(masks)))


@torch.no_grad()
def test_a_learnt_mask_embedding_is_added_to_the_patches_under_the_mask_only(make_tower, tiles, masks):
    tower = make_tower(use_cls_token=False)
    seen = []
    tower.norm_pre.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    tower.mask_embed.weight.fill_(0.1)
    tower(tiles, masks)
    tower(tiles, torch.zeros_like(masks))
    changed = (seen[0] - seen[1]).abs().amax((0, 2)).view(4, 4) > 1e-4
    assert changed.int().tolist() == [[0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_cached_patch_features_give_what_pixels_give(make_tower, tiles, masks):
    tower = make_tower()
    assert torch.equal(tower(None, masks, tower.patch_embed(tiles)), tower(tiles, masks))


def test_each_tile_is_seen_alone(make_tower, tiles, masks):
    tower = make_tower()
    torch.testing.assert_close(tower(tiles, masks)[1:2], tower(tiles[1:2], masks[1:2]))


def test_eager_attention_and_sdpa_agree(make_tower, tiles, masks):
    tower = make_tower()
    assert tower.config._attn_implementation == "sdpa"
    sdpa = tower(tiles, masks)
    tower.set_attn_implementation("eager")
    torch.testing.assert_close(tower(tiles, masks), sdpa, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.gradient_checkpointing_enable:FutureWarning")
def test_gradient_checkpointing_gives_the_same_gradients(make_tower, tiles, masks):
    plain = make_tower().train()
    checkpointed = copy.deepcopy(plain)
    checkpointed.gradient_checkpointing_enable()
    calls = []
    for tower in (plain, checkpointed):
        tower.blocks[0].attn.register_forward_hook(lambda *_, tower=tower: calls.append(tower))
        tower(tiles, masks).square().sum().backward()
    assert calls == [plain, checkpointed, checkpointed]  # computed again for the backward pass
    for (name, one), other in zip(plain.named_parameters(), checkpointed.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, msg=lambda text, name=name: f"{name}: {text}")


def test_the_rotary_embedding_turns_columns_in_the_first_half_and_rows_in_the_second():
    sin, cos = axial_rope(3, 8, theta=100.0, offset=1.0)
    assert sin.shape == cos.shape == (9, 8)
    row, column = 2, 1
    angles = torch.tensor([column + 1.0, (column + 1.0) / 10, row + 1.0, (row + 1.0) / 10]).repeat_interleave(2)
    torch.testing.assert_close(sin[row * 3 + column], angles.sin())
    torch.testing.assert_close(cos[row * 3 + column], angles.cos())
