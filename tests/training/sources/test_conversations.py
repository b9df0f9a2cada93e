"""The rules of the published data format, without files."""

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gar.errors import PromptError
from gar.processing.prompts import DESCRIBE
from gar.training.sources.conversations import length_request, read_turns, to_sample

PICTURE = np.zeros((24, 32, 3), dtype=np.uint8)


def said(*texts):
    return [{"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(texts)]


def draw(masks, *texts, seed=0, **changed):
    conversation = read_turns(said(*texts), len(masks), 5)
    settings = {"augment": False, "max_regions": 5, **changed}
    return to_sample("x", PICTURE, masks, conversation, np.random.default_rng(seed), **settings)


def captions(count):
    return [text for number in range(count) for text in ("Describe it.", f"Thing number {number}.")]


def test_questions_keep_their_numbers_and_only_named_masks_are_shown(boxes):
    masks = boxes(4)
    sample = draw(masks, "Is <Prompt3> left of <Prompt1>?", "yes", "Why?", "See <Prompt1>.")
    assert sample.prompts == (1, 3)
    assert [mask is masks[number] for mask, number in zip(sample.masks, sample.prompts, strict=True)] == [True, True]
    assert sample.turns == (("Is <Prompt3> left of <Prompt1>?", "yes"), ("Why?", "See <Prompt1>."))
    assert (sample.wording, sample.dialogue) == ("several", True)


def test_a_region_that_only_an_answer_names_is_shown(boxes):
    assert draw(boxes(2), "Which one is red?", "<Prompt1>").prompts == (1,)


def test_captions_have_random_numbers_and_the_default_question(boxes):
    masks = boxes(3)
    samples = [draw(masks, *captions(3), seed=seed) for seed in range(60)]
    assert len({sample.prompts for sample in samples}) > 25
    assert {number for sample in samples for number in sample.prompts} == {0, 1, 2, 3, 4}
    for sample in samples:
        assert sample.wording == "captions"
        assert len(set(sample.prompts)) == 3
        assert all(mask is own for mask, own in zip(sample.masks, masks, strict=True))
        present = [turn for turn in sample.turns if not turn[0].startswith("<Prompt")]
        assert present == [(DESCRIBE, f"Thing number {number}.") for number in range(3)]


def test_a_region_that_is_not_there_is_asked_about_before_one_turn_in_twenty_but_never_the_first(boxes):
    samples = [draw(boxes(2), *captions(2), seed=seed) for seed in range(2000)]
    absent = [sample for sample in samples if len(sample.turns) == 3]
    assert 0.035 < len(absent) / len(samples) < 0.065
    for sample in absent:
        question, answer = sample.turns[1]
        name = re.match(r"<Prompt(\d)>: ", question)
        assert int(name[1]) not in sample.prompts
        assert question == f"<Prompt{name[1]}>: {DESCRIBE}"
        assert answer == f"<Prompt{name[1]}> is not in the image."


def test_of_more_captions_than_fit_four_others_are_drawn_each_time(boxes):
    samples = [draw(boxes(7), *captions(7), seed=seed) for seed in range(30)]
    shown = [{answer for _, answer in sample.turns if "not in" not in answer} for sample in samples]
    assert {len(answers) for answers in shown} == {4}
    assert len(set.union(*shown)) == 7


def test_every_caption_stays_with_its_mask(boxes):
    masks = boxes(7)
    for seed in range(20):
        sample = draw(masks, *captions(7), seed=seed)
        answers = [answer for _, answer in sample.turns if "not in" not in answer]
        for mask, answer in zip(sample.masks, answers, strict=True):
            assert mask is masks[int(answer.split()[-1][:-1])]


def test_a_conversation_without_masks_is_about_the_whole_picture():
    sample = draw([], "<image>\nWhere is this?", "At sea.")
    assert sample.turns == (("Where is this?", "At sea."),)
    assert [mask.all() for mask in sample.masks] == [True]
    assert sample.masks[0].shape == (24, 32)


def test_a_model_of_one_region_gets_one_region_a_time(boxes):
    conversation = read_turns(said(*captions(3)), 3, 1)
    sample = to_sample("x", PICTURE, boxes(3), conversation, np.random.default_rng(0), augment=True, max_regions=1)
    assert sample.prompts == (0,)
    assert len(sample.turns) == 1


@pytest.mark.parametrize(
    ("texts", "masks", "message"),
    [
        ([], 1, r"conversations is \[\]; it must be a list"),
        (["Describe it."], 1, "must be a list of questions and answers"),
        (["What is <Prompt1>?", "A cat."], 1, r"names <Prompt1>; there are 1 masks"),
        (["What is <Prompt5>?", "A cat."], 6, r"names <Prompt5>; the model can name <Prompt0> to <Prompt4>"),
        (["Describe it.", "A cat.", "And?", "A dog."], 1, "1 masks and 2 answers"),
        (["Describe it.", " "], 1, "message 1 is empty"),
        (["<image>", "A cat."], 0, "message 0 is empty"),
        (["Describe it.", "A cat.<|eot_id|>"], 1, r"reserved token '<\|eot_id\|>'"),
        (["What is <Prompt0><|image|>?", "A cat."], 1, r"reserved token '<\|image\|>'"),
        (["What is <Prompt0>?", "A cat.", "And <image>?", "No."], 1, "reserved token '<image>'"),
        (["Describe it.", 7], 1, "message 1 is .* must be a text from 'gpt'"),
    ],
)
def test_a_conversation_that_cannot_be_learnt_says_why(texts, masks, message):
    with pytest.raises(PromptError, match=message):
        read_turns(said(*texts), masks, 5)


def test_the_questions_of_captions_may_say_nothing():
    assert read_turns(said("<image>\n", "A cat."), 1, 5).form == "captions"


@pytest.mark.parametrize("broken", [None, "text", {"from": "human"}, [["human", "hi"]], [1, 2], said("a", "b")[::-1]])
def test_what_is_no_conversation_is_refused(broken):
    with pytest.raises(PromptError, match="it must be"):
        read_turns(broken, 1, 5)


def test_requests_fit_the_length_of_the_caption():
    rng = np.random.default_rng(0)
    short, long = "A red cup.", "It is a cup. " * 60
    for_short = {length_request(short, rng) for _ in range(400)}
    for_long = {length_request(long, rng) for _ in range(400)}
    assert any("in 3 words" in request for request in for_short)
    assert any("in one sentence" in request for request in for_short)
    assert any("in more than 200 words" in request for request in for_long)
    assert any("in 60 sentences" in request for request in for_long)
    assert not any("sentences" in request or "0 words" in request for request in for_short)


def test_three_requests_in_five_ask_for_detail():
    rng = np.random.default_rng(1)
    counted = [bool(re.search(r"words?|sentences?", length_request("A cup. " * 20, rng))) for _ in range(2000)]
    assert 0.36 < np.mean(counted) < 0.44


@example(" ", 542)
@given(st.text(min_size=1), st.integers(0, 1000))
def test_any_caption_can_be_asked_for(caption, seed):
    request = length_request(caption, np.random.default_rng(seed))
    assert "{" not in request
    assert " 0 " not in request
