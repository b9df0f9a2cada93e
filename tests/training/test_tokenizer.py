"""The small tokenizer: any text comes back, and what stands before an answer does not depend on the answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gar.processing import Message, prompt_name
from gar.training.tokenizer import MAX_PROMPTS, build_tokenizer, crop_token

TOKENIZER = build_tokenizer(["A red circle is left of a blue star.\n\n1 23, 456!"] * 4, vocab_size=340)
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


def _ids(text):
    return TOKENIZER(text, add_special_tokens=False)["input_ids"]


@given(ANYTHING)
def test_any_text_comes_back_as_it_was(text):
    assert TOKENIZER.decode(_ids(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "<Prompt0> is left of <Prompt1>.",
        " a , b .",
        "don't  do n't",
        "<|eot_id|>",
        "é☃\U0001f600",
        "\r\n\t \n",
        "A\x00B",
    ],
)
def test_odd_texts_come_back_too(text):
    assert TOKENIZER.decode(_ids(text)) == text


@given(ANYTHING.map(str.strip).filter(bool))
def test_the_answer_does_not_change_the_tokens_before_it(answer):
    before = "<|start_header_id|>assistant<|end_header_id|>\n\n"
    assert _ids(before + answer)[: len(_ids(before))] == _ids(before)
    assert _ids(before + answer) == _ids(before) + _ids(answer)


def test_a_conversation_begins_with_the_tokens_of_its_generation_prompt(world_processor):
    asked = Message("user", "What color is <Prompt0>?")
    for answer in ("red", "1", "\n red", "<Prompt0> is red.", "(no)", "☃"):
        prompt = world_processor.token_ids(world_processor.chat_text([asked]), 1)
        turns = [asked, Message("assistant", answer)]
        whole = world_processor.token_ids(world_processor.chat_text(turns, add_generation_prompt=False), 1)
        assert whole[: len(prompt)] == prompt
        assert whole[len(prompt) :] == world_processor.answer_ids(answer)


def test_every_special_token_is_one_token():
    names = [prompt_name(number) for number in range(MAX_PROMPTS)]
    crops = [crop_token(number) for number in range(MAX_PROMPTS)]
    for token in [*names, *crops, "<|image|>", "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]:
        assert len(_ids(token)) == 1
        assert len(_ids(f"a {token}?")) == len(_ids("a ")) + 2
    assert len({*_ids("".join(names)), *_ids("".join(crops))}) == 2 * MAX_PROMPTS


def test_no_word_is_added_at_the_ends_of_a_text():
    assert TOKENIZER("red")["input_ids"] == _ids("red")
    assert (TOKENIZER.bos_token, TOKENIZER.eos_token, TOKENIZER.pad_token) == (
        "<|begin_of_text|>",
        "<|eot_id|>",
        "<|end_of_text|>",
    )


def test_the_same_texts_give_the_same_tokenizer():
    again = build_tokenizer(["A red circle is left of a blue star.\n\n1 23, 456!"] * 4, vocab_size=340)
    assert again.get_vocab() == TOKENIZER.get_vocab()
