"""Scenes as training data: which kinds of questions are asked of them."""

import pytest

from gar.errors import InputError
from gar.graspworld import read_relation
from gar.training.world import WorldSource


def questions(source):
    drawn = (source.draw(index, 0) for index in range(len(source)))
    return [turn for sample in drawn if sample.wording == "several" for turn in sample.turns]


def test_only_the_kinds_that_are_named_are_asked():
    asked = questions(WorldSource(20, kinds=["relation", "match-letter"]))
    letters = [answer for question, answer in asked if question.startswith("Question: The answer is: ")]
    relations = [answer for question, answer in asked if not question.startswith("Question: ")]
    assert set(letters) <= set("ABCD")
    assert all(read_relation(answer) for answer in relations)
    assert len(letters) > 10
    assert len(relations) > 10


def test_a_kind_that_is_not_there_is_named():
    with pytest.raises(InputError, match="there is no 'colour'; there are caption"):
        WorldSource(1, kinds=["noun", "colour"])
