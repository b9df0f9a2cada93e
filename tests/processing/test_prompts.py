import pytest

from gar import PromptError
from gar.processing.prompts import (
    SYSTEM_PROMPT,
    Message,
    caption_turns,
    check_question,
    multiple_choice,
    one_region,
    prompt_name,
    prompts_in,
    render_chat,
    several_regions,
)

CROPS = [f"(crop{number})" for number in range(5)]


def nothing_reserved(text):
    return None


def test_several_regions_are_listed_with_a_blank_before_the_break_and_an_empty_line_before_the_question():
    assert several_regions("Which?", [0, 2], CROPS) == (
        "There are some objects I am curious about: <Prompt0>; <Prompt2>; \n"
        "<Prompt0>: (crop0)\n"
        "<Prompt2>: (crop2)\n"
        "\n"
        "Which?"
    )


def test_one_region_has_no_such_blank_and_no_break_before_the_question():
    assert one_region("Describe this masked region in detail.", 1, CROPS) == (
        "There are some objects I am curious about: <Prompt1>;\n"
        "<Prompt1>: (crop1)Describe this masked region in detail."
    )


def test_captions_in_turns_list_all_regions_first_and_then_name_one_a_turn():
    turns = caption_turns({3: "A cat.", 1: "A dog."}, CROPS)
    assert [turn.role for turn in turns] == ["user", "assistant", "user", "assistant"]
    assert turns[0].text == (
        "There are some objects I am curious about: <Prompt3>; <Prompt1>; \n"
        "<Prompt3>: (crop3)Describe this masked region in detail."
    )
    assert [turn.text for turn in turns[1:]] == [
        "A cat.",
        "<Prompt1>: (crop1)Describe this masked region in detail.",
        "A dog.",
    ]


def test_a_multiple_choice_question_is_worded_as_in_gar_bench():
    assert multiple_choice("What is <Prompt0>?", ["a cat", "a dog"]) == (
        "Question: What is <Prompt0>?\nOptions:\nA. a cat\nB. a dog\nAnswer with the correct option's letter directly."
    )


@pytest.mark.parametrize("number", [0, 1, 27])
def test_fewer_than_two_or_more_than_26_choices_are_refused_with_their_number(number):
    with pytest.raises(PromptError, match=f"{number} choices given; allowed: 2 to 26"):
        multiple_choice("Which?", ["choice"] * number)


def test_a_chat_is_rendered_turn_by_turn_with_the_picture_in_the_first():
    messages = [Message("user", " What? "), Message("assistant", "This."), Message("user", "And?")]
    assert render_chat(messages) == (
        "<|begin_of_text|>"
        f"<|start_header_id|>system<|end_header_id|>\n\n{SYSTEM_PROMPT}<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n<|image|>What?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nThis.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nAnd?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_a_chat_may_have_no_system_sentence_and_no_answer_to_come():
    text = render_chat([Message("user", "What?")], system_prompt="", add_generation_prompt=False)
    assert text == "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n<|image|>What?<|eot_id|>"


def test_prompts_are_found_once_each_in_rising_order():
    text = "<Prompt10> <Prompt2> <Prompt2> <Prompt> <prompt3> <Prompt-1> <Prompt\u0661>"
    assert prompts_in(text) == [2, 10]
    assert prompts_in(prompt_name(4)) == [4]


def test_a_question_loses_only_its_outer_white_space():
    assert check_question("  Is <Prompt0>\nred? ", [0], nothing_reserved) == "Is <Prompt0>\nred?"


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (" \n", "the question is empty"),
        ("Is it \ud800?", "the question is no valid text: surrogates not allowed at character 6"),
        ("Is <Prompt3> red?", "the question names <Prompt3>; regions given: <Prompt0>, <Prompt1>"),
    ],
)
def test_a_question_that_cannot_be_asked_says_why(question, message):
    with pytest.raises(PromptError, match=message):
        check_question(question, [1, 0], nothing_reserved)


def test_a_question_with_a_reserved_token_is_refused():
    with pytest.raises(PromptError, match="reserved token '<secret>'"):
        check_question("Say <secret>", [0], lambda text: "<secret>")
