import copy

import pytest
import torch
import torch.nn.functional as F

from gar import CheckpointError, GARForConditionalGeneration, GARProcessor, Region
from gar.model.base_model import VISION_INPUTS
from gar.model.replay import box_waves, locate_pictures, mask_outlines, mask_weights, pool_moments
from gar.processing import Message

BOXES = [Region.box(2, 3, 20, 18, whole=True), Region.box(22, 4, 31, 28, whole=True), Region.box(5, 20, 12, 30)]


@pytest.fixture
def ask(tiny_tokenizer, tiny_config, make_picture):
    """Makes inputs for a batch of (picture's size, regions, prompt numbers, question)."""

    def make(*samples, config=tiny_config, **options):
        processor = GARProcessor(tiny_tokenizer, config, max_num_tiles=4)
        texts = [processor.question_text(question, prompts) for _, _, prompts, question in samples]
        pictures = [make_picture(*size, seed=sum(size)) for size, *_ in samples]
        return processor(pictures, texts, [s[1] for s in samples], [s[2] for s in samples], **options)

    return make


MIXED = [
    ((32, 32), BOXES[:1], [0], "What is this?"),
    ((40, 90), BOXES[:2], [0, 1], "Is <Prompt0> left of <Prompt1>?"),
    ((120, 33), BOXES, [2, 4, 0], "What is above the dotted star?"),
]


# ---- one forward pass for every batch ----------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_mixed_batch_gives_each_sample_the_logits_it_gets_alone(tiny_model, ask, side):
    inputs = ask(*MIXED, padding_side=side)
    positions = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
    together = tiny_model(**inputs, position_ids=positions).logits
    for number, sample in enumerate(MIXED):
        alone = tiny_model(**ask(sample)).logits[0]
        used = inputs["attention_mask"][number].bool()
        torch.testing.assert_close(together[number][used], alone, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(
    "settings",
    [
        {"use_thumbnail": False},
        {"mask_token": True},
        {"vision": {"use_cls_token": False}},
        {"image_pooling_ratio": 2},
        {"replay_spatial_scale": 1 / 28, "replay_size": 3},
        {"projector_pooling_ratio": 1},
    ],
    ids=str,
)
def test_every_setting_takes_a_mixed_batch(make_config, make_model, ask, settings):
    config = make_config(**settings)
    model = make_model(config)
    together = model.generate(**ask(*MIXED, config=config), max_new_tokens=5, eos_token_id=None)[:, -5:]
    for number, sample in enumerate(MIXED):
        alone = model.generate(**ask(sample, config=config), max_new_tokens=5, eos_token_id=None)[:, -5:]
        assert together[number].tolist() == alone[0].tolist()


@torch.no_grad()
def test_masks_and_boxes_both_matter(tiny_model, ask):
    inputs = ask(MIXED[1])
    logits = tiny_model(**inputs).logits
    for name in ("mask_values", "region_boxes"):
        changed = {**inputs, name: torch.zeros_like(inputs[name])}
        assert (tiny_model(**changed).logits - logits).abs().max() > 1e-3, name


@torch.no_grad()
def test_cached_patch_features_may_stand_for_pixels(tiny_model, ask):
    inputs = ask(*MIXED)
    logits = tiny_model(**inputs).logits
    inputs["patch_features"] = tiny_model.model.vision_tower.patch_embed(inputs.pop("pixel_values"))
    torch.testing.assert_close(tiny_model(**inputs).logits, logits)


@torch.no_grad()
def test_text_alone_is_read_as_any_llama_reads_it(tiny_model):
    ids = torch.tensor([[0, 20, 21, 22]])
    logits = tiny_model(input_ids=ids).logits
    hidden = tiny_model.model.language_model(input_ids=ids).last_hidden_state
    torch.testing.assert_close(logits, tiny_model.lm_head(hidden))


# ---- mentions that carry their region ----------------------------------------------------------------------------


@pytest.fixture
def named_config(make_config, tiny_tokenizer):
    tokens = [tiny_tokenizer.convert_tokens_to_ids(f"<Prompt{number}>") for number in range(5)]
    return make_config(mask_token=True, prompt_token_ids=tokens)


@torch.no_grad()
@pytest.mark.parametrize("mask_token", [True, False])
def test_each_mention_of_a_prompt_carries_what_speaks_for_its_region(make_model, named_config, ask, mask_token):
    config = copy.deepcopy(named_config)
    config.mask_token = mask_token
    model = make_model(config).model
    inputs = ask(*MIXED[1:], config=config)
    features = model.get_region_features(**{name: inputs[name] for name in VISION_INPUTS if name in inputs})
    embeds = model.embed(inputs["input_ids"], features, inputs["region_index"])
    words = model.get_input_embeddings()(inputs["input_ids"])
    for region, (sample, prompt) in zip(features.replay, inputs["region_index"].tolist(), strict=True):
        mentions = inputs["input_ids"][sample] == config.prompt_token_ids[prompt]
        assert mentions.sum() >= 2
        word = words[sample][mentions][0]
        spoken = F.normalize(region[-1] if mask_token else region.mean(0), dim=0) * word.norm()
        torch.testing.assert_close((embeds - words)[sample][mentions], spoken.expand(int(mentions.sum()), -1))
    special = [*config.prompt_token_ids, *config.crop_token_ids, config.image_token_id]
    other = ~torch.isin(inputs["input_ids"], torch.tensor(special))
    assert torch.equal(embeds[other], words[other])


@torch.no_grad()
def test_mentions_that_are_generated_carry_their_region_too(make_model, named_config, ask):
    model = make_model(named_config)
    inputs = ask(MIXED[1], config=named_config)
    said = torch.tensor([[*named_config.prompt_token_ids[1::-1], 40, named_config.prompt_token_ids[1]]])
    whole = {**inputs, "input_ids": torch.cat([inputs["input_ids"], said], 1)}
    whole["attention_mask"] = torch.ones_like(whole["input_ids"])
    expected = model(**whole).logits[:, -said.shape[1] :]
    first = model(**inputs, use_cache=True)
    rest = model(
        input_ids=said,
        attention_mask=whole["attention_mask"],
        past_key_values=first.past_key_values,
        prompt_features=first.prompt_features,
    )
    torch.testing.assert_close(rest.logits, expected, rtol=1e-4, atol=1e-4)

    # and `generate` does the same, for several sequences a sample: greedy decoding one token at a time from scratch
    new = model.generate(**inputs, max_new_tokens=8, do_sample=False, num_beams=2, num_return_sequences=2)
    assert new.shape[0] == 2
    model.lm_head.weight.data[named_config.prompt_token_ids[1]] *= 40  # so that mentions are generated
    written = model.generate(**inputs, max_new_tokens=8, do_sample=False)[0].tolist()
    ids = inputs["input_ids"]
    for _ in range(8):
        whole = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
        ids = torch.cat([ids, model(**whole).logits[:, -1:].argmax(-1)], 1)
    assert ids[0].tolist()[-8:] == written[-8:]
    assert named_config.prompt_token_ids[1] in written[-8:-1]


@torch.no_grad()
def test_the_classes_that_the_stem_sees_in_a_region_enter_its_mask_token_as_words(make_model, make_config, ask):
    vision = {"stem": "efficientnet-lite0", "stem_classes": 3, "patch_size": 16}
    plain = make_config(vision={**vision, "stem_classes": 0}, mask_token=True, projector_pooling_ratio=1)
    config = make_config(vision=vision, mask_token=True, projector_pooling_ratio=1, class_token_ids=[50, -1, 50])
    model = make_model(config).model
    model.vision_tower.patch_embed.classifier.weight.data *= 0.02  # so that no class is certain
    inputs = ask(*MIXED, config=config)
    vision_inputs = {name: inputs[name] for name in VISION_INPUTS if name in inputs}
    with_words = model.get_region_features(**vision_inputs).replay
    without = make_model(plain).model
    without.load_state_dict(model.state_dict(), strict=False)
    difference = with_words - without.get_region_features(**vision_inputs).replay
    assert not difference[:, :-1].any()
    word = model.get_input_embeddings().weight[50]
    share = (difference[:, -1] @ word) / (word @ word)  # the root of the likelihood of the first and third class
    torch.testing.assert_close(difference[:, -1], share[:, None] * word, rtol=1e-2, atol=1e-3)
    assert 0 < share.min() < share.max() < 1


@torch.no_grad()
def test_the_box_enters_the_mask_token_alone(make_model, make_config, ask):
    config = make_config(mask_token=True, box_embedding=True)
    model = make_model(config).model
    inputs = ask(*MIXED, config=config)
    vision_inputs = {name: inputs[name] for name in VISION_INPUTS if name in inputs}
    given = model.get_region_features(**vision_inputs).replay
    expected = model.box_embed(box_waves(inputs["region_boxes"]))
    model.box_embed = None
    difference = given - model.get_region_features(**vision_inputs).replay
    assert not difference[:, :-1].any()
    torch.testing.assert_close(difference[:, -1], expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(CheckpointError, match="box_embedding is true and mask_token false"):
        make_config(box_embedding=True)


@torch.no_grad()
def test_the_outline_enters_the_mask_token_alone(make_model, make_config, ask):
    config = make_config(mask_token=True, outline_size=3)
    model = make_model(config).model
    inputs = ask(*MIXED, config=config)
    vision_inputs = {name: inputs[name] for name in VISION_INPUTS if name in inputs}
    given = model.get_region_features(**vision_inputs).replay
    index = inputs["region_index"]
    grids, first = locate_pictures(inputs["tile_grid"], index, thumbnail=config.use_thumbnail)
    expected = model.outline_embed(
        mask_outlines(inputs["mask_values"], inputs["region_boxes"], index[:, 1], grids, first, size=3)
    )
    model.outline_embed = None
    difference = given - model.get_region_features(**vision_inputs).replay
    assert not difference[:, :-1].any()
    torch.testing.assert_close(difference[:, -1], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("settings", [{"outline_size": 3}, {"outline_size": 65, "mask_token": True}])
def test_an_outline_needs_a_bounded_size_and_a_token_to_enter(make_config, settings):
    with pytest.raises(CheckpointError, match=f"outline_size is {settings['outline_size']} with mask_token"):
        make_config(**settings)


@torch.no_grad()
def test_what_the_stem_sees_in_a_region_enters_the_mask_token_alone(make_model, make_config, ask):
    vision = {"stem": "efficientnet-lite0", "patch_size": 16}
    config = make_config(vision=vision, mask_token=True, stem_embedding=True, projector_pooling_ratio=1)
    model = make_model(config).model
    inputs = ask(*MIXED, config=config)
    vision_inputs = {name: inputs[name] for name in VISION_INPUTS if name in inputs}
    given = model.get_region_features(**vision_inputs).replay
    patches = model.vision_tower.patch_embed(inputs["pixel_values"])
    # the third sample's first region
    first, box = 1 + inputs["tiles_per_sample"][:2].sum(), inputs["region_boxes"][3:4]
    sample = {"prompts": torch.tensor([2]), "grids": inputs["tile_grid"][2:], "first_tile": first[None]}
    weight = mask_weights(inputs["mask_values"], box, **sample, side=config.vision_config.grid_size)
    expected = model.stem_embed(pool_moments(patches, weight))[0]
    model.stem_embed = None
    difference = given - model.get_region_features(**vision_inputs).replay
    assert not difference[:, :-1].any()
    torch.testing.assert_close(difference[3, -1], expected, rtol=1e-2, atol=1e-4)  # a spread is a difference of squares
    with pytest.raises(CheckpointError, match="stem_dropout is 1"):
        make_config(stem_dropout=1.0)
    with pytest.raises(CheckpointError, match="stem_embedding is true with mask_token False and stem 'patch'"):
        make_config(stem_embedding=True)


def test_as_many_words_as_classes_of_the_stem_are_needed(make_config):
    with pytest.raises(CheckpointError, match="2 class_token_ids with stem_classes 0"):
        make_config(mask_token=True, class_token_ids=[1, 2])


def test_a_model_with_everything_learns_in_bfloat16_autocast(make_model, make_config, named_config, ask):
    vision = {"stem": "efficientnet-lite0", "stem_classes": 2, "patch_size": 16}
    tokens = {"prompt_token_ids": named_config.prompt_token_ids, "class_token_ids": [50, 51]}
    config = make_config(vision=vision, mask_token=True, box_embedding=True, projector_pooling_ratio=1, **tokens)
    model = make_model(config).train()
    inputs = ask(*MIXED, config=config, padding_side="right")
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(**inputs, labels=inputs["input_ids"]).loss
    loss.backward()
    assert model.model.box_embed.weight.grad.abs().sum() > 0


def test_the_words_of_the_stems_classes_are_as_loud_as_asked(make_model, make_config):
    vision = {"stem": "efficientnet-lite0", "stem_classes": 2, "patch_size": 16}
    model = make_model(make_config(vision=vision, mask_token=True, class_token_ids=[50, 51], class_scale=3.0)).model
    sights, boxes = torch.tensor([[0.25, 0.75]]), torch.tensor([[0.1, 0.1, 0.5, 0.5]])
    words = model.get_input_embeddings().weight
    expected = 3 * (0.25**0.5 * words[50] + 0.75**0.5 * words[51])
    torch.testing.assert_close(model.speak(sights, boxes)[0], expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(CheckpointError, match="class_scale is 0"):
        make_config(class_scale=0.0)


def test_the_word_of_each_group_that_a_region_points_at_is_said_again(make_model, make_config):
    groups = [[[50], [51, 52], [53]], [[60], [61]]]
    model = make_model(make_config(mask_token=True, echo_token_ids=groups, echo_scale=2.0)).model
    words = model.get_input_embeddings().weight
    said = (words[51] + words[52]) / 2 + words[60]
    spoken = 5 * said[None]
    torch.testing.assert_close(model.echo(spoken), spoken + 2 * said)


def test_the_decoder_hears_the_echo_and_what_points_does_not(make_model, make_config, named_config, ask):
    prompts = {"mask_token": True, "prompt_token_ids": named_config.prompt_token_ids}
    config = make_config(**prompts, echo_token_ids=[[[50], [51]]], echo_scale=2.0)
    model = make_model(config)
    inputs = {name: value for name, value in ask(*MIXED, config=config).items() if name in VISION_INPUTS}
    told = model.model.get_region_features(**inputs)
    torch.testing.assert_close(told.replay[:, -1], model.model.echo(told.spoken))
    assert not torch.allclose(told.replay[:, -1], told.spoken)
    model.model.config.echo_token_ids = []
    plain = model.model.get_region_features(**inputs)
    assert torch.equal(plain.spoken, told.spoken)
    assert torch.equal(plain.replay[:, :-1], told.replay[:, :-1])
    assert torch.equal(plain.replay[:, -1], plain.spoken)
    assert not torch.allclose(plain.prompts, told.prompts)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"mask_token": False, "echo_token_ids": [[[1]]]}, "mask_token is false: only a mask-weighted token points"),
        ({"echo_token_ids": [[[1]], []]}, "an empty group or word"),
        ({"echo_token_ids": [[[1], []]]}, "an empty group or word"),
        ({"echo_token_ids": [[[1]], [[-1]]]}, "none of the"),
        ({"echo_scale": 0.0}, "echo_scale is 0.0"),
    ],
)
def test_an_echo_of_no_known_words_is_refused(make_config, settings, reason):
    with pytest.raises(CheckpointError, match=reason):
        make_config(**{"mask_token": True, **settings})


def test_as_many_prompt_tokens_as_crop_tokens_are_needed(make_config):
    with pytest.raises(CheckpointError, match="2 prompt_token_ids and 5 crop_token_ids"):
        make_config(prompt_token_ids=[1, 2])


# ---- which region is which ---------------------------------------------------------------------------------------


@torch.no_grad()
def test_swapping_regions_together_with_their_prompts_changes_nothing(tiny_model, ask):
    question = "Is <Prompt0> left of <Prompt3>?"
    one = ask(((40, 90), BOXES[:2], [0, 3], question))
    two = ask(((40, 90), BOXES[1::-1], [3, 0], question))
    # the regions are also listed the other way round in the text: take the text of the first
    two = {**two, "input_ids": one["input_ids"], "attention_mask": one["attention_mask"]}
    assert not torch.equal(one["region_boxes"], two["region_boxes"])
    torch.testing.assert_close(tiny_model(**one).logits, tiny_model(**two).logits, rtol=0, atol=0)


@torch.no_grad()
def test_swapping_regions_alone_changes_what_the_model_is_told(tiny_model, ask):
    question = "Is <Prompt0> left of <Prompt1>?"
    one = ask(((40, 90), BOXES[:2], [0, 1], question))
    two = ask(((40, 90), BOXES[1::-1], [0, 1], question))
    assert torch.equal(one["input_ids"], two["input_ids"])
    assert torch.equal(one["mask_values"] != 0, two["mask_values"] != 0)  # the union stays as it was
    assert not torch.equal(one["mask_values"], two["mask_values"])
    assert (tiny_model(**one).logits - tiny_model(**two).logits).abs().max() > 1e-3


@torch.no_grad()
def test_each_crop_token_takes_the_features_of_its_own_region(tiny_model, ask):
    inputs = ask(*MIXED)
    features = tiny_model.model.get_region_features(**{n: inputs[n] for n in VISION_INPUTS if n in inputs})
    embeds = tiny_model.model.embed(inputs["input_ids"], features, inputs["region_index"])
    for (sample, prompt), replayed in zip(inputs["region_index"].tolist(), features.replay, strict=True):
        places = inputs["input_ids"][sample] == tiny_model.config.crop_token_ids[prompt]
        assert torch.equal(embeds[sample][places], replayed)


# ---- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "numbers"), [("image_token_id", r"has \d+ image and"), ("crop", r"and \d+ crop tokens; .* need")]
)
def test_too_few_or_too_many_places_for_the_features_are_refused_with_the_numbers(tiny_model, ask, token, numbers):
    inputs = ask(MIXED[0])
    config = tiny_model.config
    wanted = config.image_token_id if token == "image_token_id" else config.crop_token_ids[0]
    place = int((inputs["input_ids"][0] == wanted).nonzero()[0])
    for other in (20, config.image_token_id, config.crop_token_ids[0]):
        if other != wanted:
            ids = inputs["input_ids"].clone()
            ids[0, place] = other
            with pytest.raises(ValueError, match=numbers):
                tiny_model(**{**inputs, "input_ids": ids})


def test_crop_tokens_of_another_prompt_than_the_regions_are_refused(tiny_model, ask):
    inputs = ask(MIXED[1])
    inputs["region_index"] = torch.tensor([[0, 0], [0, 2]])
    with pytest.raises(ValueError, match="crop tokens"):
        tiny_model(**inputs)


def test_token_ids_and_embeddings_together_or_neither_are_refused(tiny_model):
    with pytest.raises(ValueError, match="either input_ids or inputs_embeds"):
        tiny_model()
    with pytest.raises(ValueError, match="either input_ids or inputs_embeds"):
        tiny_model(input_ids=torch.tensor([[1]]), inputs_embeds=torch.zeros(1, 1, 32))


@torch.no_grad()
def test_pictures_that_would_be_left_out_are_refused(tiny_model, ask):
    inputs = ask(MIXED[0])
    ids, embeds = inputs["input_ids"], torch.zeros(1, 3, 32)
    pictures = {name: inputs[name] for name in VISION_INPUTS if name in inputs}
    for run in (tiny_model, tiny_model.model, tiny_model.generate):
        with pytest.raises(ValueError, match="pixel_values are given without mask_values, tiles_per_sample, tile_grid"):
            run(input_ids=ids, pixel_values=inputs["pixel_values"])
        with pytest.raises(ValueError, match="are given without pixel_values or patch_features"):
            run(input_ids=ids, **{**pictures, "pixel_values": None})
        with pytest.raises(ValueError, match="pictures are written into input_ids"):
            run(inputs_embeds=embeds, **pictures)
    with pytest.raises(ValueError, match="pictures are written into input_ids"):
        tiny_model.generate(**pictures)


# ---- generating --------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_generating_is_taking_the_best_token_again_and_again(tiny_model, ask):
    inputs = ask(MIXED[1])
    generated = tiny_model.generate(**inputs, max_new_tokens=6, do_sample=False, eos_token_id=None)
    length = inputs["input_ids"].shape[1]
    assert torch.equal(generated[:, :length], inputs["input_ids"])
    ids, attention = inputs["input_ids"], inputs["attention_mask"]
    for _ in range(6):
        best = tiny_model(**{**inputs, "input_ids": ids, "attention_mask": attention}).logits[:, -1:].argmax(-1)
        ids = torch.cat([ids, best], 1)
        attention = torch.cat([attention, torch.ones_like(best)], 1)
    assert generated.tolist() == ids.tolist()


@torch.no_grad()
@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({"num_beams": 2}, 3),
        ({"num_beams": 3, "num_return_sequences": 2}, 6),
        ({"do_sample": True, "num_return_sequences": 3}, 9),
        ({"cache_implementation": "static"}, 3),
        ({"use_cache": False}, 3),
    ],
    ids=str,
)
def test_every_way_of_generating_works_on_a_mixed_batch(tiny_model, ask, options, rows):
    inputs = ask(*MIXED)
    generated = tiny_model.generate(**inputs, max_new_tokens=4, eos_token_id=None, **options)
    assert generated.shape == (rows, inputs["input_ids"].shape[1] + 4)


@torch.no_grad()
@pytest.mark.parametrize("how", ["prompt", "assistant"])
def test_guessing_ahead_writes_the_same(make_model, named_config, ask, how):
    model = make_model(named_config)
    model.lm_head.weight.data[named_config.prompt_token_ids[1]] *= 40  # so that mentions are guessed
    inputs = ask(MIXED[1], config=named_config)
    options = {"max_new_tokens": 12, "do_sample": False, "eos_token_id": None}
    guess = {"prompt_lookup_num_tokens": 3} if how == "prompt" else {"assistant_model": copy.deepcopy(model)}
    assert torch.equal(model.generate(**inputs, **options, **guess), model.generate(**inputs, **options))


@torch.no_grad()
def test_token_ids_may_be_called_inputs_as_in_transformers(tiny_model, ask):
    inputs = ask(MIXED[1])
    expected = tiny_model.generate(**inputs, max_new_tokens=4, do_sample=False)
    ids = inputs.pop("input_ids")
    assert torch.equal(tiny_model.generate(ids, **inputs, max_new_tokens=4, do_sample=False), expected)
    assert torch.equal(tiny_model.generate(inputs=ids, **inputs, max_new_tokens=4, do_sample=False), expected)


# ---- numbers -----------------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_runs_on_a_cpu_and_stays_near_float32(tiny_model, ask, dtype):
    inputs = ask(*MIXED)
    half = copy.deepcopy(tiny_model).to(dtype)(**inputs).logits
    full = tiny_model(**inputs).logits
    used = inputs["attention_mask"].bool()
    assert half.dtype == dtype
    assert half.isfinite().all()
    assert (half[used].float() - full[used]).abs().mean() < 0.1 * full[used].std()


@pytest.mark.filterwarnings("ignore:.gradient_checkpointing_enable:FutureWarning")
def test_every_parameter_learns_and_gradient_checkpointing_changes_nothing(tiny_model, tiny_processor, make_picture):
    crop = tiny_processor.crop_tokens
    turns = [Message("user", f"{crop[0]}What?"), Message("assistant", "A red star.")]
    text = tiny_processor.chat_text(turns, add_generation_prompt=False)
    inputs = tiny_processor([make_picture(30, 60)], [text], [BOXES[:1]], padding_side="right", labels=True)
    plain = copy.deepcopy(tiny_model).train()
    saving = copy.deepcopy(tiny_model).train()
    saving.gradient_checkpointing_enable()
    for model in (plain, saving):
        model(**inputs, use_cache=False).loss.backward()
    for (name, one), other in zip(plain.named_parameters(), saving.parameters(), strict=True):
        assert one.grad is not None, name
        torch.testing.assert_close(one.grad, other.grad, msg=lambda text, name=name: f"{name}: {text}")
    assert plain.model.vision_tower.mask_embed.weight.grad.any()


def test_the_loss_is_the_mean_over_label_tokens_each_predicted_from_the_token_before(tiny_model, ask):
    inputs = ask(MIXED[0])
    labels = torch.full_like(inputs["input_ids"], -100)
    labels[0, -2:] = torch.tensor([20, 30])
    output = tiny_model(**inputs, labels=labels)
    logs = output.logits[0].float().log_softmax(-1)
    torch.testing.assert_close(output.loss, -(logs[-3, 20] + logs[-2, 30]) / 2)
    summed = tiny_model(**inputs, labels=labels, num_items_in_batch=torch.tensor(8)).loss
    torch.testing.assert_close(summed, output.loss / 4)


@torch.no_grad()
def test_only_the_logits_asked_for_are_computed(tiny_model, ask):
    inputs = ask(MIXED[0])
    torch.testing.assert_close(tiny_model(**inputs, logits_to_keep=1).logits, tiny_model(**inputs).logits[:, -1:])


@torch.no_grad()
@pytest.mark.parametrize("asked", ["call", "configuration"])
def test_a_tuple_is_given_where_one_is_asked_for(tiny_model, ask, asked):
    inputs = ask(MIXED[0])
    logits = tiny_model(**inputs).logits
    model = copy.deepcopy(tiny_model)
    if asked == "configuration":
        model.config.return_dict = False
    output = model(**inputs, **({"return_dict": False} if asked == "call" else {}))
    assert type(output) is tuple
    assert torch.equal(output[0], logits)


def test_a_fresh_model_does_not_see_masks(tiny_config, ask):
    assert not GARForConditionalGeneration(tiny_config).model.vision_tower.mask_embed.weight.any()
