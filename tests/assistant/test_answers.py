"""Describing and asking: what an answer holds, and what is refused."""

import re

import numpy as np
import pytest
import torch

from gar import InputError, MediaError, PromptError, Region, RegionError, Request


def test_one_region_described_gives_one_answer_and_several_give_one_each(assistant, wide, left, right):
    one = assistant.describe(wide, left, max_new_tokens=12)
    both = assistant.describe(wide, [left, right], max_new_tokens=12)
    assert [answer.text for answer in both] == [
        one.text,
        assistant.describe(wide, right, max_new_tokens=12).text,
    ]
    assert both[0].text != both[1].text
    assert [answer.regions for answer in both] == [(left,), (right,)]
    assert assistant.describe(wide, []) == []


def test_more_regions_than_prompts_can_be_described_but_not_asked_about(assistant, wide):
    regions = [Region.box(x, 5, x + 12, 30) for x in range(0, 72, 12)]
    assert len(assistant.describe(wide, regions, max_new_tokens=2)) == 6
    with pytest.raises(PromptError, match=r"6 regions were given.*at most 5"):
        assistant.ask(wide, "What is <Prompt0>?", regions)


def test_a_description_is_asked_for_in_the_published_wording(with_thumbnail, wide, left):
    asked = with_thumbnail.processor.describe_text()
    assert asked.endswith(
        "curious about: <Prompt1>;\n<Prompt1>: <|crop_1|>Describe this masked region in detail.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    inputs = with_thumbnail.processor([wide], [asked], [[left]], [[1]])
    assert with_thumbnail.describe(wide, left, max_new_tokens=1).prompt_tokens == inputs["input_ids"].shape[1]


def test_prompt_tokens_count_tiles_and_replay_tokens(with_thumbnail, wide, pictures, left, right):
    processor = with_thumbnail.processor
    question = "What is <Prompt0>?"

    def read(picture, regions):
        return with_thumbnail.ask(picture, question, regions, max_new_tokens=1).prompt_tokens

    tiles = processor.picture_inputs(wide, [left.to_mask((50, 120))])[0].shape[0]
    plain = len(processor.tokenizer(processor.question_text(question, [0]), add_special_tokens=False)["input_ids"])
    replaced = tiles * with_thumbnail.model.config.tokens_per_tile + with_thumbnail.model.config.replay_tokens - 2
    assert read(wide, [left]) == plain + replaced + processor.bos_tokens - 1
    assert read(wide, [left, right]) > read(wide, [left])
    assert read(pictures[2], [left]) != read(wide, [left])


@pytest.fixture
def stopping(make_assistant, left, wide):
    """A model that ends its turn at its third token, made so by moving its language head."""

    def make():
        made = make_assistant(seed=3)
        inputs = made.processor([wide], [made.processor.describe_text()], [[left]], [[1]])
        free = made.model.generate(**inputs, max_new_tokens=3, do_sample=False, eos_token_id=-1, pad_token_id=0)[0, -3:]
        third, end = int(free[2]), made.processor.tokenizer.eos_token_id
        assert third not in free[:2].tolist()
        head = made.model.lm_head.weight.data
        head[[third, end]] = head[[end, third]]
        return made

    return make()


def test_an_answer_stops_where_the_model_ends_its_turn(stopping, wide, left):
    answer = stopping.describe(wide, left, max_new_tokens=20)
    assert answer.finish_reason == "stop"
    assert answer.new_tokens == 3
    assert "<|eot_id|>" not in answer.text
    assert answer.seconds > 0
    assert "".join(stopping.stream(wide, None, left, max_new_tokens=20)).rstrip() == answer.text


def test_an_answer_cut_at_max_new_tokens_says_so(stopping, wide, left):
    answer = stopping.describe(wide, left, max_new_tokens=2)
    assert (answer.finish_reason, answer.new_tokens) == ("length", 2)


def test_a_region_cut_at_the_edge_is_noted(assistant, wide, left):
    cut = Region.box(100, 10, 130, 40)
    (note,) = assistant.describe(wide, cut, max_new_tokens=1).notes
    assert note == cut.note((50, 120))
    assert "10 px beyond the right edge" in note
    (named,) = assistant.ask(wide, "Is it?", [left, cut], max_new_tokens=1).notes
    assert named == f"<Prompt1>: {note}"
    assert assistant.describe(wide, left, max_new_tokens=1).notes == ()


def test_a_picture_may_be_given_in_any_way(assistant, wide, left, tmp_path):
    wide.save(tmp_path / "picture.png")
    expected = assistant.describe(wide, left, max_new_tokens=8).text
    content = (tmp_path / "picture.png").read_bytes()
    for picture in (tmp_path / "picture.png", str(tmp_path / "picture.png"), content, np.asarray(wide)):
        assert assistant.describe(picture, left, max_new_tokens=8).text == expected


def test_an_answer_does_not_depend_on_what_was_asked_before(assistant, wide, left, right):
    first = assistant.ask(wide, "What is <Prompt0>?", left, max_new_tokens=8)
    assistant.ask(wide, "And <Prompt1>?", [right, left], max_new_tokens=8, temperature=1.0)
    assert assistant.ask(wide, "What is <Prompt0>?", left, max_new_tokens=8).text == first.text


def test_a_text_longer_than_the_model_can_hold_is_refused_with_the_numbers(make_assistant, wide, left):
    small = make_assistant(text={"max_position_embeddings": 300})
    assert small.describe(wide, left, max_new_tokens=1).text
    read = small.describe(wide, left, max_new_tokens=1).prompt_tokens
    small.describe(wide, left, max_new_tokens=300 - read)
    for ask in (small.describe, lambda *given, **options: small.stream(given[0], None, given[1], **options)):
        with pytest.raises(PromptError, match=rf"{read} tokens to read and max_new_tokens {301 - read} .* the 300"):
            ask(wide, left, max_new_tokens=301 - read)
    with pytest.raises(PromptError, match="fewer new tokens, or load it with a smaller max_num_tiles"):
        small.describe(wide, left, max_new_tokens=300)
    one = make_assistant(text={"max_position_embeddings": 300}, max_num_tiles=1)
    with pytest.raises(PromptError, match=r"ask for fewer new tokens$"):
        one.describe(wide, left, max_new_tokens=300)


@pytest.mark.parametrize(
    ("question", "regions", "message"),
    [
        ("What is <Prompt1>?", 1, "names <Prompt1>; regions given: <Prompt0>"),
        ("  ", 1, "question is empty"),
        (5, 1, "question is 5; needed is a string"),
        ("Is <|image|> red?", 1, r"reserved token '<\|image\|>'"),
        ("Is it?", 0, "no region was given"),
        (None, 2, "2 regions without a question; give exactly 1"),
        (None, 0, "0 regions without a question; give exactly 1"),
    ],
)
def test_a_question_that_does_not_fit_its_regions_is_refused(assistant, wide, left, question, regions, message):
    with pytest.raises(PromptError, match=message):
        assistant.ask(wide, question, [left] * regions)


@pytest.mark.parametrize("given", [(0, 0, 9, 9), 5, "box", [None]])
def test_what_is_no_region_is_refused_with_what_was_given(assistant, wide, given):
    for verb in (assistant.describe, assistant.encode, lambda *about: assistant.ask(about[0], "What?", about[1])):
        with pytest.raises(RegionError, match=re.escape(f"{given!r} is neither a region nor a list of regions")):
            verb(wide, given)


def test_what_is_no_request_is_refused_with_what_was_given(assistant, left):
    with pytest.raises(InputError, match=r"^\('cat.jpg', 'What\?', .* is no gar.Request"):
        assistant.batch([("cat.jpg", "What?", [left])])
    with pytest.raises(InputError, match=r"^request 0: 5 is no gar.Request"):
        list(assistant.answers(iter([5])))


@pytest.mark.parametrize("given", [5, None])
def test_what_is_no_list_of_requests_is_refused_at_once(assistant, given):
    for verb in (assistant.batch, assistant.answers):
        with pytest.raises(InputError, match=rf"requests is {given}; needed is a list, or an iterator, of gar.Request"):
            verb(given)


def test_a_single_request_in_place_of_a_list_is_refused(assistant, left):
    with pytest.raises(InputError, match=r"requests is Request\(picture='cat.jpg', .*; needed is a list"):
        assistant.batch(Request("cat.jpg", "What?", [left]))


def test_a_batch_may_be_made_as_it_is_drawn(assistant, wide, left, right):
    requests = [Request(wide, "What is <Prompt0>?", [region]) for region in (left, right, left)]
    drawn = assistant.batch((request for request in requests), max_new_tokens=4)
    assert [answer.text for answer in drawn] == [a.text for a in assistant.batch(requests, max_new_tokens=4)]
    assert [answer.regions for answer in drawn] == [(left,), (right,), (left,)]
    assert assistant.batch(iter([])) == []


@pytest.mark.parametrize("name", ["batch_size", "max_batch_tokens"])
@pytest.mark.parametrize("value", [1.5, "4", [1]])
def test_a_limit_that_is_no_whole_number_is_refused(assistant, wide, left, name, value):
    with pytest.raises(InputError, match=re.escape(f"{name} is {value!r}; needed is a whole number")):
        assistant.describe(wide, left, **{name: value})
    assert assistant.describe(wide, left, max_new_tokens=np.int64(1), **{name: np.int64(2)}).new_tokens == 1


def test_a_region_outside_the_picture_is_refused(assistant, wide):
    with pytest.raises(RegionError, match="120"):
        assistant.describe(wide, Region.box(200, 10, 220, 20))


def test_a_region_of_another_picture_is_refused(assistant, wide):
    with pytest.raises(RegionError, match="60"):
        assistant.describe(wide, Region.mask(np.ones((60, 60), bool)))


@pytest.mark.parametrize(
    "options",
    [{"max_new_tokens": 0}, {"temperature": -1.0}, {"temperature": float("nan")}, {"top_p": 0.0}, {"top_p": 1.1}],
)
def test_options_out_of_range_are_refused_by_name(assistant, wide, left, options):
    (name,) = options
    for verb in (assistant.describe, lambda *given, **o: assistant.stream(given[0], "What?", given[1], **o)):
        with pytest.raises(InputError, match=name):
            verb(wide, left, **options)


def test_an_unknown_option_is_refused_with_the_nearest_known_one(assistant, wide, left):
    with pytest.raises(InputError, match=r"^temprature is no option; did you mean temperature\?$"):
        assistant.describe(wide, left, max_new_tokens=1, temprature=3)
    with pytest.raises(InputError, match="beams is no option; allowed: max_new_tokens, temperature, top_p, seed"):
        assistant.ask(wide, "What?", left, beams=4)


def test_a_mistake_in_a_batch_names_its_request(assistant, wide, left):
    good = Request(wide, "What is <Prompt0>?", [left])
    with pytest.raises(PromptError, match=r"^request 2: the question names <Prompt3>"):
        assistant.batch([good, good, Request(wide, "And <Prompt3>?", [left])])
    with pytest.raises(MediaError, match=r"^request 1: "):
        assistant.batch([good, Request(b"no picture", "What?", [left])])
    with pytest.raises(PromptError, match=r"^request 0: choices"):
        assistant.batch([Request(wide, "What?", [left], choices=["one"]), good])
    with pytest.raises(PromptError, match=r"^no region|^the question"):
        assistant.batch([Request(wide, "And <Prompt3>?", [left])])
    with pytest.raises(InputError, match="batch_size is 0"):
        assistant.batch([good], batch_size=0)
    assert assistant.batch([]) == []


def test_info_counts_one_block_in_the_singular(make_assistant):
    assert "1 block of width" in make_assistant(vision={"num_hidden_layers": 1}).info()["vision"]


def test_what_the_model_is_stands_in_info(without_thumbnail):
    info = without_thumbnail.info()
    model = without_thumbnail.model
    assert info["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert (info["max_regions"], info["replay_tokens"], info["max_num_tiles"], info["tile_size"]) == (5, 5, 4, 32)
    assert (info["dtype"], info["device"], info["replay_spatial_scale"]) == ("float32", "cpu", 1.0)
    assert all(type(value) in (str, int, float) for value in info.values())


# swapping


def _embedded(assistant, picture, question, regions, prompts):
    """What the decoder is shown: the tokens' embeddings with pictures and regions written in."""
    processor, model = assistant.processor, assistant.model
    text = processor.question_text(question, (0, 1))  # the same text whichever way the regions are passed
    inputs = processor([picture], [text], [regions], [prompts])
    vision = {name: inputs[name] for name in inputs if name not in ("input_ids", "attention_mask")}
    with torch.no_grad():
        features = model.model.get_region_features(**vision)
        return model.model.embed(inputs["input_ids"], features, inputs["region_index"])


@pytest.mark.parametrize("question", ["Is <Prompt0> left of <Prompt1>?", "What is it?"])
def test_swapping_regions_and_their_prompt_tokens_together_changes_nothing(assistant, wide, left, right, question):
    given = _embedded(assistant, wide, question, [left, right], (0, 1))
    swapped = _embedded(assistant, wide, question, [right, left], (1, 0))
    assert torch.equal(given, swapped)


def test_swapping_only_the_regions_changes_what_is_replayed_and_nothing_else(assistant, wide, left, right):
    question = "Is <Prompt0> left of <Prompt1>?"
    given = _embedded(assistant, wide, question, [left, right], (0, 1))
    swapped = _embedded(assistant, wide, question, [right, left], (0, 1))
    processor, config = assistant.processor, assistant.model.config
    ids = processor([wide], [processor.question_text(question, (0, 1))], [[left, right]])["input_ids"][0]
    first, second = (torch.nonzero(ids == token).flatten() for token in config.crop_token_ids[:2])
    assert len(first) == len(second) == config.replay_tokens
    mentions = torch.isin(ids, torch.tensor(list(config.prompt_token_ids), dtype=ids.dtype))
    changed = (given != swapped).any(-1)[0].nonzero().flatten().tolist()
    assert changed == sorted([*first.tolist(), *second.tolist(), *mentions.nonzero().flatten().tolist()])
    assert torch.equal(given[0, first], swapped[0, second])
    assert torch.equal(given[0, second], swapped[0, first])
