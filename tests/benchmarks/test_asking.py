"""The ways of asking, and what multiple choice makes of the replies."""

import numpy as np
import pytest

from gar.benchmarks.asking import (
    average_over_orders,
    exact_match,
    letter_of,
    option_probabilities,
    probabilities,
    ways_of_asking,
)
from gar.benchmarks.items import Record
from gar.processing import multiple_choice

OPTIONS = ("red", "blue", "green")


def record(replies):
    plain = {way: {"text": "A", "error": None, "probabilities": shares} for way, shares in replies.items()}
    return Record("0", "", {"answer": "A"}, OPTIONS, "Which?", plain)


def test_an_open_question_is_asked_once():
    (asked,) = ways_of_asking("What is it?", ())
    assert (asked.way, asked.text, asked.choices) == ("written", "What is it?", None)


def test_multiple_choice_is_worded_as_our_models_learnt_it():
    written, *_ = ways_of_asking("What color is <Prompt0>?", OPTIONS)
    assert written.text == multiple_choice("What color is <Prompt0>?", OPTIONS)


def test_a_system_without_probabilities_is_not_asked_for_them():
    assert [asked.way for asked in ways_of_asking("?", OPTIONS, scores_choices=False, cyclic=True)] == ["written"]


def test_in_the_cyclic_orders_each_option_stands_under_each_letter_once():
    orders = [asked.text.splitlines()[2:5] for asked in ways_of_asking("?", OPTIONS, cyclic=True)[1:-1]]
    seen = {tuple(line.split(". ")) for order in orders for line in order}
    assert seen == {(letter, option) for letter in "ABC" for option in OPTIONS}


def test_options_are_also_answers_to_the_question_alone():
    asked = ways_of_asking("What color is <Prompt0>?", OPTIONS)[-1]
    assert (asked.way, asked.text, asked.choices) == ("options", "What color is <Prompt0>?", OPTIONS)
    answered = record({"options": [0.1, 0.7, 0.2]})
    assert letter_of(option_probabilities(answered)) == "B"
    assert option_probabilities(record({"letters": [0.1, 0.7, 0.2]})) is None


def test_options_that_are_alike_are_not_scored_as_answers():
    assert [asked.way for asked in ways_of_asking("?", ("red", "red ", "blue"))] == ["written", "letters"]


def test_averaging_over_orders_undoes_a_bias_to_a_letter():
    bias = np.array([0.3, 0.0, 0.0])  # A is likelier whatever it says
    true = np.array([0.15, 0.4, 0.15])  # it is blue
    replies = {}
    for shift in range(3):
        shown = np.roll(true, -shift) + bias
        replies["letters" if shift == 0 else f"letters/{shift}"] = (shown / shown.sum()).tolist()
    answered = record(replies)
    averaged = average_over_orders(answered)
    assert letter_of(probabilities(answered)) == "A"
    assert averaged == pytest.approx(true + 0.1)
    assert letter_of(averaged) == "B"


@pytest.mark.parametrize("shares", [[0.157, 0.408, 0.435], [0.048, 0.763, 0.19], [0.331, 0.303, 0.365]])
def test_options_that_only_a_letter_tells_apart_are_equal_to_the_last_bit(shares):
    averaged = average_over_orders(record(dict.fromkeys(("letters", "letters/1", "letters/2"), shares)))
    assert len(set(averaged.tolist())) == 1
    assert letter_of(averaged) == "A"


def test_moved_options_get_their_own_probabilities_back():
    answered = record({"letters/1": [0.7, 0.2, 0.1]})  # blue, green and red stood under A, B and C
    assert probabilities(answered, 1) == pytest.approx([0.1, 0.7, 0.2])


def test_an_order_that_failed_leaves_no_average():
    assert average_over_orders(record({"letters": [0.5, 0.3, 0.2], "letters/1": [0.5, 0.3, 0.2]})) is None


@pytest.mark.parametrize(
    ("output", "right"),
    [
        ("B", True),
        (" b\n", True),
        ("B<|eot_id|>", True),
        ("B.", False),
        ("B. blue", False),
        ("", False),
        ("blue", False),
    ],
)
def test_only_the_letter_itself_is_an_exact_match(output, right):
    assert exact_match(output, "B") is right
