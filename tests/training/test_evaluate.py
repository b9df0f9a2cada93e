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
        ("noun", "circle", "circle", True),
        ("noun", "circle", "square", False),
        ("noun", "circle", "", False),
        ("color", "red", "red", True),
        ("color", "red", "Red.", False),
    ],
)
def test_a_noun_is_right_by_any_of_its_synonyms_and_all_else_word_by_word(kind, answer, text, right):
    assert is_right(Turn(kind, (0,), "What?", answer), text) is right
