"""What counts as right."""

import pytest

from gar.graspworld import Turn
from gar.training.evaluate import is_right


@pytest.mark.parametrize(
    ("kind", "answer", "text", "right"),
    [
        ("noun", "couch", "couch", True),
        ("noun", "couch", "a sofa.", True),
        ("noun", "couch", "chair", False),
        ("noun", "couch", "It is a couch.", True),
        ("noun", "couch", "It is a chair.", False),
        ("noun", "scissors", "They are scissors", True),
        ("noun", "circle", "circle", True),
        ("noun", "circle", "square", False),
        ("noun", "circle", "", False),
        ("color", "red", "red", True),
        ("color", "red", "Red.", False),
        ("color", "red", "It is red.", False),
    ],
)
def test_a_noun_is_right_by_any_of_its_synonyms_and_all_else_word_by_word(kind, answer, text, right):
    assert is_right(Turn(kind, (0,), "What?", answer), text) is right


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("<Prompt2> is below <Prompt0>.", True),
        ("<Prompt0> is above <Prompt2>.", True),
        ("<Prompt0> is below <Prompt2>.", False),
        ("<Prompt2> is above <Prompt0>.", False),
        ("<Prompt0> is above <Prompt1>.", False),
        ("<Prompt0> is in front of <Prompt2>.", False),
        ("", False),
    ],
)
def test_a_relation_is_right_from_either_side(text, right):
    assert is_right(Turn("relation", (2, 0), "How?", "<Prompt2> is below <Prompt0>."), text) is right


def test_a_relation_without_a_word_from_the_other_side_is_right_word_by_word():
    turn = Turn("relation", (1, 3), "How?", "<Prompt1> is a reflection of <Prompt3>.")
    assert is_right(turn, turn.answer)
    assert not is_right(turn, "<Prompt3> is a reflection of <Prompt1>.")
