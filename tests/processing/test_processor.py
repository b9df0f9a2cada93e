import copy
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import AutoProcessor, PreTrainedTokenizerFast

from gar import CheckpointError, GARProcessor, MediaError, PromptError, Region, RegionError
from gar.processing import Message
from gar.processing.processor import normalised_box

BOX = Region.box(2, 3, 20, 18, whole=True)
SMALL = Region.box(25, 20, 30, 28, whole=True)


@pytest.fixture
def batch(tiny_processor, make_picture):
    """Three samples that differ in size, grid, question and number of regions."""
    regions = [[BOX], [SMALL, BOX], [BOX, SMALL, Region.box(0, 0, 5, 5)]]
    prompts = [[1], [0, 1], [4, 0, 2]]
    images = [make_picture(30, 40, 0), make_picture(120, 33, 1), make_picture(32, 90, 2)]
    texts = [
        tiny_processor.describe_text(),
        tiny_processor.question_text("Is <Prompt0> left of <Prompt1>?", prompts[1]),
        tiny_processor.question_text("What is above?", prompts[2]),
    ]
    return images, texts, regions, prompts


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_gives_each_sample_what_it_gets_alone(tiny_processor, batch, side):
    together = tiny_processor(*batch, padding_side=side)
    assert len(set(map(tuple, together["tile_grid"].tolist()))) == 3
    tile = region = 0
    for sample, parts in enumerate(zip(*batch, strict=True)):
        alone = tiny_processor(*([part] for part in parts), padding_side=side)
        length, tiles, regions = alone["input_ids"].shape[1], len(alone["pixel_values"]), len(alone["region_boxes"])
        used = together["attention_mask"][sample].bool()
        assert torch.equal(together["input_ids"][sample][used], alone["input_ids"][0])
        assert used[-length:].all() if side == "left" else used[:length].all()
        assert used.sum() == length
        assert (together["input_ids"][sample][~used] == tiny_processor.tokenizer.pad_token_id).all()
        assert torch.equal(together["pixel_values"][tile : tile + tiles], alone["pixel_values"])
        assert torch.equal(together["mask_values"][tile : tile + tiles], alone["mask_values"])
        assert together["tiles_per_sample"][sample] == tiles
        assert torch.equal(together["tile_grid"][sample], alone["tile_grid"][0])
        assert torch.equal(together["region_boxes"][region : region + regions], alone["region_boxes"])
        assert together["region_index"][region : region + regions].tolist() == [[sample, n] for n in parts[3]]
        tile, region = tile + tiles, region + regions
    assert tile == len(together["pixel_values"])
    assert region == len(together["region_boxes"])


def test_pixels_and_masks_lie_in_their_ranges(tiny_processor, batch):
    inputs = tiny_processor(*batch)
    assert inputs["pixel_values"].min() >= -1
    assert inputs["pixel_values"].max() <= 1
    assert inputs["mask_values"].min() == 0
    assert inputs["mask_values"].max() < 2**tiny_processor.config.max_regions
    assert inputs["pixel_values"].dtype == torch.float32
    assert inputs["mask_values"].dtype == torch.uint8


def test_placeholders_are_expanded_to_as_many_tokens_as_the_model_needs(tiny_processor, batch):
    inputs, config = tiny_processor(*batch), tiny_processor.config
    images = (inputs["input_ids"] == config.image_token_id).sum(1)
    assert images.tolist() == (inputs["tiles_per_sample"] * config.tokens_per_tile).tolist()
    for sample, number in inputs["region_index"].tolist():
        crops = (inputs["input_ids"][sample] == config.crop_token_ids[number]).sum()
        assert crops == config.replay_tokens


def test_a_question_begins_twice_and_a_conversation_once(tiny_processor, make_picture):
    bos = tiny_processor.tokenizer.bos_token_id
    asked = tiny_processor([make_picture(9, 9)], [tiny_processor.describe_text()], [[BOX]], [[1]])
    assert asked["input_ids"][0, :3].tolist().count(bos) == 2
    messages = [Message("user", f"{tiny_processor.crop_tokens[0]}What?"), Message("assistant", "A star.")]
    text = tiny_processor.chat_text(messages, add_generation_prompt=False)
    learnt = tiny_processor([make_picture(9, 9)], [text], [[BOX]], labels=True)
    assert learnt["input_ids"][0].tolist().count(bos) == 1


def test_labels_are_the_answers_with_their_ends_and_nothing_else(tiny_processor, make_picture):
    crop = tiny_processor.crop_tokens[0]
    messages = [
        Message("user", f"{crop}What?"),
        Message("assistant", "A star."),
        Message("user", "And?"),
        Message("assistant", "Red."),
    ]
    text = tiny_processor.chat_text(messages, add_generation_prompt=False)
    inputs = tiny_processor([make_picture(9, 9)], [text], [[BOX]], padding_side="right", labels=True)
    labels = inputs["labels"][0]
    assert tiny_processor.tokenizer.decode(labels[labels != -100]) == "A star.<|eot_id|>Red.<|eot_id|>"
    assert torch.equal(inputs["input_ids"][0][labels != -100], labels[labels != -100])


def test_pil_pictures_and_arrays_give_the_same(tiny_processor, make_picture):
    array, text = make_picture(30, 40), tiny_processor.describe_text()
    one = tiny_processor([array], [text], [[BOX]], [[1]])
    other = tiny_processor([Image.fromarray(array)], [text], [[BOX]], [[1]])
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_box_of_a_mask_ends_at_its_last_pixel(tiny_processor):
    mask = np.zeros((10, 20), bool)
    mask[2:5, 4:16] = True
    assert normalised_box(mask) == (4 / 20, 2 / 10, 15 / 20, 4 / 10)


# ---- what is refused ---------------------------------------------------------------------------------------------


def test_more_regions_than_prompt_tokens_are_refused_with_the_limit(tiny_processor, make_picture):
    with pytest.raises(PromptError, match=r"6 regions were given; this model can name at most 5 at once"):
        tiny_processor.question_text("What?", range(6))
    with pytest.raises(PromptError, match=r"6 regions were given; this model can name at most 5 at once"):
        tiny_processor([make_picture(40, 40)], ["any"], [[BOX] * 6])


@pytest.mark.parametrize("prompts", [[0, 0], [5], [-1, 0]])
def test_prompt_numbers_taken_twice_or_out_of_range_are_refused(tiny_processor, prompts):
    with pytest.raises(PromptError, match="each must be used once, from 0 to 4"):
        tiny_processor.question_text("What?", prompts)


def test_no_region_at_all_is_refused(tiny_processor, make_picture):
    with pytest.raises(PromptError, match="no region was given"):
        tiny_processor([make_picture(9, 9)], ["any"], [[]])


def test_a_question_about_a_region_that_was_not_given_is_refused(tiny_processor):
    with pytest.raises(PromptError, match="names <Prompt2>; regions given: <Prompt0>"):
        tiny_processor.question_text("Is <Prompt2> red?", [0])


@pytest.mark.parametrize("token", ["<|image|>", "<|crop_3|>", "<|eot_id|>", "<|begin_of_text|>"])
def test_reserved_tokens_in_a_question_are_refused_by_name(tiny_processor, token):
    for ask in (lambda text: tiny_processor.question_text(text, [0]), tiny_processor.describe_text):
        with pytest.raises(PromptError) as refusal:
            ask(f"What is {token}?")
        assert token in str(refusal.value)


def test_lists_of_different_lengths_are_refused_with_their_lengths(tiny_processor, make_picture):
    with pytest.raises(PromptError, match="1 pictures, 2 texts, 1 lists of regions, 1 lists of prompt numbers"):
        tiny_processor([make_picture(9, 9)], ["a", "b"], [[BOX]])


def test_regions_and_prompt_numbers_of_one_sample_must_be_as_many(tiny_processor, make_picture):
    text = tiny_processor.question_text("What?", [0, 1])
    with pytest.raises(PromptError, match="2 regions but 1 prompt numbers"):
        tiny_processor([make_picture(40, 40)], [text], [[BOX, SMALL]], [[0]])


def test_an_empty_batch_is_refused(tiny_processor):
    with pytest.raises(PromptError, match="no picture was given"):
        tiny_processor([], [], [])


def test_a_region_outside_its_picture_is_refused(tiny_processor, make_picture):
    with pytest.raises(RegionError):
        tiny_processor([make_picture(9, 9)], [tiny_processor.describe_text()], [[SMALL]], [[1]])


def test_fewer_than_one_tile_is_refused(tiny_tokenizer, tiny_config):
    with pytest.raises(PromptError, match="max_num_tiles is 0"):
        GARProcessor(tiny_tokenizer, tiny_config, max_num_tiles=0)


def test_a_tokenizer_without_the_tokens_of_the_configuration_is_refused(tiny_tokenizer, make_config):
    with pytest.raises(CheckpointError, match="99999"):
        GARProcessor(tiny_tokenizer, make_config(image_token_id=99999))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"max_num_tiles": 100_000}, "max_num_tiles is 100000; allowed are 1 to 1024"),
        ({"max_num_tiles": 1.5}, "max_num_tiles is 1.5"),
        ({"bos_tokens": 0}, "bos_tokens is 0; allowed are 1 and 2"),
        ({"bos_tokens": 10**9}, "bos_tokens is 1000000000"),
        ({"system_prompt": "Look at <|image|>."}, "system_prompt is 'Look at <|image|>.'; needed is a string without"),
        ({"system_prompt": None}, "system_prompt is None"),
        ({"answer_prefix": "<|eot_id|>"}, "answer_prefix is '<|eot_id|>'"),
    ],
    ids=str,
)
def test_settings_of_a_processor_that_make_no_sense_are_refused(tiny_tokenizer, tiny_config, settings, reason):
    with pytest.raises(PromptError, match=re.escape(reason)):
        GARProcessor(tiny_tokenizer, tiny_config, **settings)


@pytest.mark.parametrize("role", ["bos_token", "eos_token", "pad_token"])
def test_a_tokenizer_without_a_token_that_every_text_needs_is_refused(tiny_tokenizer, tiny_config, role):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    setattr(tokenizer, role, None)
    with pytest.raises(CheckpointError, match=f"the tokenizer has no {role}"):
        GARProcessor(tokenizer, tiny_config)


def test_a_tokenizer_that_cannot_write_turns_is_refused(tiny_tokenizer, tiny_config):
    plain = tiny_tokenizer.backend_tokenizer.to_str().replace("<|eot_id|>", "<|other|>")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(plain),
        bos_token="<|begin_of_text|>",
        eos_token="<|other|>",
        pad_token="<|other|>",
    )
    with pytest.raises(CheckpointError, match=r"the tokenizer has no token '<\|eot_id\|>'"):
        GARProcessor(tokenizer, tiny_config)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tiny_tokenizer, tiny_config):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.add_tokens(["zebra"])
    with pytest.raises(CheckpointError, match=f"has {len(tokenizer)} tokens; the model knows {len(tokenizer) - 1}"):
        GARProcessor(tokenizer, tiny_config)


@pytest.mark.parametrize("token", ["<|begin_of_text|>", "<|eot_id|>", "<Prompt1>", "e"])
def test_a_configuration_that_takes_words_for_placeholders_is_refused(tiny_tokenizer, make_config, token):
    for settings in ({"image_token_id": 1}, {"crop_token_ids": [1]}):
        name, value = next(iter(settings.items()))
        number = tiny_tokenizer.convert_tokens_to_ids(token)
        config = make_config(**{name: [number] if isinstance(value, list) else number})
        with pytest.raises(CheckpointError, match=f"names {re.escape(repr(token))} to stand for"):
            GARProcessor(tiny_tokenizer, config)


def test_pictures_are_read_as_everywhere_or_refused(tiny_processor, make_picture):
    text, array = tiny_processor.question_text("What?", [0]), make_picture(30, 40)
    expected = tiny_processor([array], [text], [[BOX]])["pixel_values"]
    image = Image.fromarray(array)
    for same in (array.astype(np.float32) / 255, image.convert("RGBA"), np.dstack([array, array[..., 0]])):
        assert torch.equal(tiny_processor([same], [text], [[BOX]])["pixel_values"], expected)
    gray = tiny_processor([image.convert("L")], [text], [[BOX]])["pixel_values"]
    assert torch.equal(gray[:, 0], gray[:, 2])
    for wrong in (array.astype(np.int16), array * 1.0, array.transpose(2, 0, 1), None):
        with pytest.raises(MediaError):
            tiny_processor([wrong], [text], [[BOX]])


def test_a_text_that_shows_a_picture_or_region_twice_or_not_at_all_is_refused(tiny_processor, make_picture):
    one, crop = make_picture(30, 40), tiny_processor.crop_tokens
    bare, image = "<|begin_of_text|>", tiny_processor.image_token
    for texts, token, sample in (
        ([f"{bare}{crop[0]}", f"{bare}{image}{image}{crop[0]}"], image, 0),  # as many as pictures in all
        ([f"{bare}{image}{crop[0]}", f"{bare}{image}{crop[0]}{crop[0]}"], crop[0], 1),
        ([f"{bare}{image}{crop[0]}{crop[3]}", f"{bare}{image}{crop[0]}"], crop[3], 0),
    ):
        with pytest.raises(PromptError, match=rf"sample {sample}: the text holds '{re.escape(token)}' \d times"):
            tiny_processor([one, one], texts, [[BOX], [BOX]])


def test_texts_are_padded_left_or_right_only(tiny_processor):
    with pytest.raises(PromptError, match="'middle'; allowed are 'left' and 'right'"):
        tiny_processor.pad([[1], [1, 2]], 0, "middle")


# ---- saving and loading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loader", [GARProcessor, AutoProcessor])
def test_a_saved_processor_is_loaded_with_its_settings(tiny_tokenizer, tiny_config, batch, tmp_path, loader):
    saved = GARProcessor(tiny_tokenizer, tiny_config, max_num_tiles=3, system_prompt="Look.", bos_tokens=1)
    saved.save_pretrained(tmp_path)
    loaded = loader.from_pretrained(tmp_path)
    assert type(loaded) is GARProcessor
    assert (loaded.max_num_tiles, loaded.system_prompt, loaded.bos_tokens) == (3, "Look.", 1)
    images, _, regions, prompts = batch
    text = saved.question_text("What is above the star?", prompts[1])
    ours, theirs = (p(images[1:2], [text], regions[1:2], prompts[1:2]) for p in (saved, loaded))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_settings_given_when_loading_come_before_saved_ones(tiny_processor, tmp_path):
    tiny_processor.save_pretrained(tmp_path)
    loaded = GARProcessor.from_pretrained(tmp_path, max_num_tiles=2, system_prompt="", bos_tokens=1)
    assert (loaded.max_num_tiles, loaded.system_prompt, loaded.bos_tokens) == (2, "", 1)


def test_saving_a_processor_beside_a_model_leaves_the_models_configuration_alone(tiny_model_folder, tiny_model):
    config = json.loads((tiny_model_folder / "config.json").read_text())
    assert config["architectures"] == [type(tiny_model).__name__]
    assert "vision_config" not in json.loads((tiny_model_folder / "processor_config.json").read_text())


def test_a_model_that_looks_at_regions_alone_gets_a_tile_for_each_after_those_of_the_picture(
    tiny_tokenizer, make_config, make_picture
):
    regions, prompts = [Region.box(2, 3, 20, 18), Region.box(22, 4, 31, 28)], [3, 1]
    made = []
    for crops in (False, True):
        processor = GARProcessor(tiny_tokenizer, make_config(region_crops=crops), max_num_tiles=4)
        texts = [processor.question_text("What?", prompts)]
        made.append(processor([make_picture(40, 90)], texts, [regions], [prompts]))
    plain, more = made
    tiles = int(plain["tiles_per_sample"])
    assert int(more["tiles_per_sample"]) == tiles + 2
    for name in ("pixel_values", "mask_values"):
        assert torch.equal(more[name][:tiles], plain[name])
    assert [int(tile.max()) for tile in more["mask_values"][tiles:]] == [8, 2]
    for name in ("input_ids", "tile_grid", "region_boxes", "region_index"):
        assert torch.equal(more[name], plain[name])


def test_a_model_that_wants_closeups_gets_one_of_each_region(tiny_tokenizer, make_config, make_picture):
    vision = {"stem": "efficientnet-lite0", "patch_size": 16}
    settings = {"vision": vision, "mask_token": True, "stem_embedding": True, "projector_pooling_ratio": 1}
    regions = [Region.box(2, 3, 20, 18, whole=True), Region.box(22, 4, 31, 28, whole=True)]
    wide, tall = make_picture(40, 90), make_picture(90, 60)
    made = []
    for size in (0, 96):
        processor = GARProcessor(tiny_tokenizer, make_config(**settings, closeup_size=size), max_num_tiles=4)
        texts = [processor.question_text("What?", [3, 1]), processor.question_text("What?", [2])]
        made.append(processor([wide, tall], texts, [regions, regions[:1]], [[3, 1], [2]]))
    plain, more = made
    values, masks = more.pop("closeup_values"), more.pop("closeup_masks")
    assert plain.keys() == more.keys()
    assert values.shape == (3, 3, 96, 96)
    assert (values.min() >= -1, values.max() <= 1) == (True, True)
    assert masks.shape == (3, 1, 96, 96)
    for mask, (width, height) in zip(masks, [(18, 15), (9, 24), (18, 15)], strict=True):
        side = 2 * max(width, height)
        assert mask.float().mean().item() == pytest.approx(width * height / side**2, rel=0.1)


def test_what_comes_before_answers_is_read_in_conversations_and_options_alike_and_is_saved(
    tiny_tokenizer, tiny_config, tmp_path
):
    plain = GARProcessor(tiny_tokenizer, tiny_config)
    spaced = GARProcessor(tiny_tokenizer, tiny_config, answer_prefix=" ")
    turns = [Message("user", "What is it?"), Message("assistant", "a red star")]
    text = spaced.chat_text(turns, add_generation_prompt=False)
    assert text == plain.chat_text(turns, add_generation_prompt=False).replace("\n\na red", "\n\n a red")
    ids = spaced.token_ids(text, 1)
    own = spaced.answer_ids("a red star")
    assert ids[-len(own) :] == own != plain.answer_ids("a red star")
    assert [label for label in spaced.answer_labels(ids) if label >= 0] == own
    spaced.save_pretrained(tmp_path)
    assert GARProcessor.from_pretrained(tmp_path).answer_prefix == " "


def test_code_that_a_tokenizer_names_is_neither_run_nor_asked_about(tiny_processor, tmp_path, monkeypatch):
    tiny_processor.save_pretrained(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    settings = {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}, "tokenizer_class": "Evil"}
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))
    (tmp_path / "evil.py").write_text("open('sprung', 'w')")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it was asked whether to run it"))
    with pytest.raises(ValueError, match="trust_remote_code"):
        GARProcessor.from_pretrained(tmp_path)
