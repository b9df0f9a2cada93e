"""Other ways for a region to reach the decoder: none but the mask embedding, and a tile of the region's own."""

import pytest
import torch

from gar import CheckpointError, GARProcessor, Region
from gar.model.base_model import VISION_INPUTS
from gar.model.published import published_config
from gar.model.replay import is_crop_tile, pool_crops

BOXES = [Region.box(2, 3, 20, 18, whole=True), Region.box(22, 4, 31, 28, whole=True), Region.box(5, 20, 12, 30)]
MIXED = [
    ((32, 32), BOXES[:1], [0], "What is this?"),
    ((40, 90), BOXES[:2], [0, 1], "Is <Prompt0> left of <Prompt1>?"),
    ((120, 33), BOXES, [2, 4, 0], "What is above the dotted star?"),
]
NOTHING = {"replay_size": 0}
CROPS = {"region_crops": True}
VARIANTS = [NOTHING, CROPS, {"replay_size": 0, "mask_token": True}, {"region_crops": True, "mask_token": True}]


@pytest.fixture
def ask(tiny_tokenizer, make_picture):
    """Makes inputs for a batch of (picture's size, regions, prompt numbers, question)."""

    def make(*samples, config, **options):
        processor = GARProcessor(tiny_tokenizer, config, max_num_tiles=4)
        texts = [processor.question_text(question, prompts) for _, _, prompts, question in samples]
        pictures = [make_picture(*size, seed=sum(size)) for size, *_ in samples]
        return processor(pictures, texts, [s[1] for s in samples], [s[2] for s in samples], **options)

    return make


def features_of(model, inputs):
    return model.model.get_region_features(**{name: inputs[name] for name in VISION_INPUTS if name in inputs})


@torch.no_grad()
@pytest.mark.parametrize("settings", VARIANTS, ids=str)
@pytest.mark.parametrize("thumbnail", [True, False], ids=["thumbnail", "tiles alone"])
def test_each_sample_of_a_mixed_batch_gets_the_logits_it_gets_alone(make_config, make_model, ask, settings, thumbnail):
    config = make_config(**settings, use_thumbnail=thumbnail)
    model = make_model(config)
    inputs = ask(*MIXED, config=config)
    together = model(**inputs, position_ids=(inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)).logits
    for number, sample in enumerate(MIXED):
        used = inputs["attention_mask"][number].bool()
        alone = model(**ask(sample, config=config)).logits[0]
        torch.testing.assert_close(together[number][used], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_every_part_that_is_shown_learns(make_config, make_model, ask, settings):
    config = make_config(**settings)
    model = make_model(config).train()
    inputs = ask(*MIXED, config=config, padding_side="right")
    with torch.autocast("cpu", torch.bfloat16):
        model(**inputs, labels=inputs["input_ids"]).loss.backward()
    for name, parameter in model.named_parameters():
        if "cls_token" not in name:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


# ---- nothing replayed --------------------------------------------------------------------------------------------


@torch.no_grad()
def test_without_replay_the_prompts_are_listed_and_only_their_masks_are_shown(make_config, make_model, ask):
    config = make_config(**NOTHING)
    model, inputs = make_model(config), ask(*MIXED, config=config)
    assert config.replay_tokens == 0
    assert not torch.isin(inputs["input_ids"], torch.tensor(config.crop_token_ids)).any()
    assert features_of(model, inputs).replay.shape == (6, 0, 32)
    logits = model(**inputs).logits
    moved = {**inputs, "region_boxes": torch.rand(6, 4)}
    assert torch.equal(model(**moved).logits, logits)
    unmasked = {**inputs, "mask_values": torch.zeros_like(inputs["mask_values"])}
    assert (model(**unmasked).logits - logits).abs().max() > 1e-3


def test_a_mention_needs_something_that_speaks_for_its_region(make_config):
    with pytest.raises(CheckpointError, match="replay_size 0 and no mask_token"):
        make_config(**NOTHING, prompt_token_ids=[1, 2, 3, 4, 5])
    with pytest.raises(CheckpointError, match="replay_size of GAR is -1; allowed are 0 to 64"):
        make_config(replay_size=-1)


@torch.no_grad()
@pytest.mark.parametrize("settings", [{}, NOTHING, CROPS], ids=str)
def test_what_speaks_for_a_region_is_the_mask_weighted_token_wherever_it_is_not_shown(
    make_config, make_model, ask, settings
):
    """So that an auxiliary loss can be the same for all: it is there in training, and only then."""
    model, shown = make_model(make_config(**settings)), make_model(make_config(mask_token=True))
    inputs, expected = ask(*MIXED, config=model.config), ask(*MIXED, config=shown.config)
    assert model(**inputs).spoken_hidden_states is None
    spoken = model.train()(**inputs).spoken_hidden_states
    torch.testing.assert_close(spoken, shown(**expected).replay_hidden_states[:, -1])


# ---- a tile of the region's own ----------------------------------------------------------------------------------


@torch.no_grad()
def test_a_regions_own_tile_takes_the_place_of_what_roi_align_reads(make_config, make_model, ask):
    config = make_config(**CROPS)
    model, inputs = make_model(config), ask(*MIXED, config=config)
    features = features_of(model, inputs)
    pictures = inputs["tile_grid"].prod(1) + 1
    assert inputs["tiles_per_sample"].tolist() == (pictures + torch.tensor([1, 2, 3])).tolist()
    assert len(features.image) == pictures.sum()
    own = is_crop_tile(inputs["tiles_per_sample"], pictures)
    maps = model.model.projector(model.model.vision_tower(inputs["pixel_values"], inputs["mask_values"]))
    torch.testing.assert_close(features.replay, pool_crops(maps[own], 2))
    torch.testing.assert_close(features.cells, maps[~own])
    plain = make_model(make_config())
    rest = {name: inputs[name][~own] for name in ("pixel_values", "mask_values")} | {"tiles_per_sample": pictures}
    torch.testing.assert_close(features_of(plain, {**inputs, **rest}).image, features.image)


@torch.no_grad()
def test_each_crop_token_takes_the_features_of_its_own_tile(make_config, make_model, ask):
    config = make_config(**CROPS)
    model, inputs = make_model(config), ask(*MIXED, config=config)
    features = features_of(model, inputs)
    embeds = model.model.embed(inputs["input_ids"], features, inputs["region_index"])
    for (sample, prompt), own in zip(inputs["region_index"].tolist(), features.replay, strict=True):
        assert torch.equal(embeds[sample][inputs["input_ids"][sample] == config.crop_token_ids[prompt]], own)


@torch.no_grad()
def test_cached_features_of_pictures_and_regions_may_stand_for_pixels(make_config, make_model, ask):
    config = make_config(**CROPS)
    model, inputs = make_model(config), ask(*MIXED, config=config)
    logits = model(**inputs).logits
    inputs["patch_features"] = model.model.vision_tower.patch_embed(inputs.pop("pixel_values"))
    torch.testing.assert_close(model(**inputs).logits, logits)


@torch.no_grad()
def test_writing_reads_the_regions_own_tiles_too(make_config, make_model, ask):
    config = make_config(**CROPS)
    model, inputs = make_model(config), ask(*MIXED[1:2], config=config)
    first = model.generate(**inputs, max_new_tokens=1, eos_token_id=None)[0, -1]
    assert first == model(**inputs).logits[0, -1].argmax()


def test_the_middle_half_of_a_regions_own_map_is_averaged():
    cells = torch.arange(64.0).view(1, 64, 1)
    corners = cells.view(8, 8)[2:6, 2:6].unfold(0, 2, 2).unfold(1, 2, 2).mean((2, 3))
    assert torch.equal(pool_crops(cells, 2).view(2, 2), corners)
    assert pool_crops(cells, 1).item() == corners.mean()


def test_what_the_published_layout_has_no_room_for_is_not_written(make_config, make_model):
    config = make_config(vision={"patch_size": 14, "image_size": 28}, replay_size=16, replay_spatial_scale=1 / 28)
    config.region_crops = True
    with pytest.raises(CheckpointError, match="region_crops is True"):
        published_config(make_model(config))
    with pytest.raises(CheckpointError, match="replay_size is 0; at least 1 is needed with region_crops"):
        make_config(**CROPS, replay_size=0)
