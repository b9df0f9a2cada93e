"""Options are scored as whole answers: checked against a slow computation without cache, one option at a time."""

import math

import pytest
import torch

from gar import PromptError, Request

QUESTION = "What color is <Prompt0>?"
CHOICES = ["red", "a small blue square", "yes", "Describe this masked region in detail.", "é☃"]


def _slowly(assistant, picture, regions, choices):
    """Each option's probability from one full forward pass over prompt, option and end of turn."""
    processor, model = assistant.processor, assistant.model
    text = processor.question_text(QUESTION, range(len(regions)))
    scores = []
    for choice in choices:
        inputs = processor([picture], [text], [regions])
        read = inputs["input_ids"].shape[1]
        answer = processor.tokenizer(choice + "<|eot_id|>", add_special_tokens=False)["input_ids"]
        inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([answer])], 1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        with torch.no_grad():
            logits = model(**inputs, use_cache=False).logits[0, read - 1 : -1].double()
        scores.append(logits.log_softmax(-1)[range(len(answer)), answer].sum().item())
    highest = max(scores)
    weights = [math.exp(score - highest) for score in scores]
    return [weight / sum(weights) for weight in weights]


def test_probabilities_are_those_of_a_slow_computation(assistant, pictures, left):
    for picture in pictures:
        answer = assistant.ask(picture, QUESTION, [left], choices=CHOICES)
        expected = _slowly(assistant, picture, [left], CHOICES)
        assert list(answer.probabilities.values()) == pytest.approx(expected, rel=1e-3, abs=1e-9)
    logs = assistant.ask(pictures[0], QUESTION, [left], choices=CHOICES[:2]).probabilities
    assert list(logs.values()) == pytest.approx(_slowly(assistant, pictures[0], [left], CHOICES[:2]), rel=1e-3)


def test_the_likeliest_option_is_the_answer_and_probabilities_sum_to_one(assistant, wide, left):
    answer = assistant.ask(wide, QUESTION, left, choices=CHOICES)
    assert sum(answer.probabilities.values()) == pytest.approx(1.0)
    assert answer.choice == answer.text == max(answer.probabilities, key=answer.probabilities.get)
    assert list(answer.probabilities) == CHOICES
    assert (answer.finish_reason, answer.new_tokens, answer.seed) == ("choice", 0, None)


def test_the_order_of_options_does_not_matter(assistant, wide, left):
    forward = assistant.ask(wide, QUESTION, left, choices=CHOICES)
    backward = assistant.ask(wide, QUESTION, left, choices=CHOICES[::-1])
    assert backward.choice == forward.choice
    assert backward.probabilities == pytest.approx(forward.probabilities, rel=1e-4)


def test_options_of_equal_beginning_are_told_apart_by_their_ends(assistant, wide, left):
    nested = ["red", "red red", "red red red"]
    answer = assistant.ask(wide, QUESTION, left, choices=nested)
    expected = _slowly(assistant, wide, [left], nested)
    assert list(answer.probabilities.values()) == pytest.approx(expected, rel=1e-3)


def test_outer_blanks_of_an_option_do_not_count(assistant, wide, left):
    given = assistant.ask(wide, QUESTION, left, choices=[" red ", "blue\n"])
    assert given.probabilities == assistant.ask(wide, QUESTION, left, choices=["red", "blue"]).probabilities


def test_an_option_may_name_a_region(assistant, wide, left, right):
    answer = assistant.ask(wide, "Which is red?", [left, right], choices=["<Prompt0>", "<Prompt1>"])
    assert set(answer.probabilities) == {"<Prompt0>", "<Prompt1>"}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ([], "give at least 2"),
        (["red"], "give at least 2"),
        (["red", "red"], "all different"),
        (["red", " red"], "all different"),
        (["red", "  "], "none empty"),
        ("red", "choices is 'red'; needed is a list of strings"),
        ([1, 2], r"choices is \[1, 2\]; needed is a list of strings"),
        (3, "choices is 3; needed is a list of strings"),
        (["red", "blue<|eot_id|>"], r"reserved token '<\|eot_id\|>'"),
        (["<|crop_0|>", "blue"], r"reserved token '<\|crop_0\|>'"),
        (["red", "\ud800"], "a choice is no valid text"),
        ([f"red {number}" for number in range(257)], "257 choices; at most 256"),
        ([f"{number} {'red ' * 100}" for number in range(30)], "tokens together; at most 2048"),
    ],
)
def test_options_that_cannot_be_scored_are_refused(assistant, wide, left, choices, message):
    with pytest.raises(PromptError, match=message):
        assistant.ask(wide, QUESTION, left, choices=choices)


def test_a_region_can_be_described_by_options(assistant, wide, left):
    answer = assistant.batch([Request(wide, None, [left], choices=["a red circle", "a blue star"])])[0]
    assert answer.choice in ("a red circle", "a blue star")


def test_options_longer_than_the_context_are_refused(make_assistant, wide, left):
    small = make_assistant(text={"max_position_embeddings": 300})
    with pytest.raises(PromptError, match="more than the 300"):
        small.ask(wide, QUESTION, left, choices=["red", "blue " * 300])
