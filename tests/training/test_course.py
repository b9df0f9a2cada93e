"""The order of a training: every item once an epoch, the same for the same seed, similar lengths together."""

import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gar.errors import InputError
from gar.training.course import Course
from gar.training.samples import Sample, Skipped
from gar.training.settings import Lesson
from gar.training.sources.source import Source


class Numbers(Source):
    """Items that say where they come from."""

    def __init__(self, length):
        super().__init__()
        self.length = length

    def __len__(self):
        return self.length

    def draw(self, index, epoch):
        return epoch, index


@given(length=st.integers(1, 40), steps=st.integers(1, 60), batch=st.integers(1, 5), grouped=st.booleans())
def test_every_item_comes_once_an_epoch(length, steps, batch, grouped):
    lengths = np.arange(length)[None] % 7 if grouped else None
    course = Course(Numbers(length), steps=steps, batch=batch, seed=0, lengths=lengths)
    assert len(course) == steps * batch
    met = Counter(course[position] for position in range(len(course)))
    assert set(met.values()) == {1}
    whole = len(course) // length
    assert {(epoch, index) for epoch in range(whole) for index in range(length)} <= met.keys()
    assert all(epoch <= whole for epoch, _ in met)
    assert course.epochs == len(course) / length


def test_the_order_follows_from_the_seed():
    def order(seed):
        return [Course(Numbers(30), steps=10, batch=3, seed=seed)[position] for position in range(30)]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_epochs_are_shuffled_anew():
    course = Course(Numbers(30), steps=20, batch=3, seed=0)
    first, second = ([course[30 * epoch + place][1] for place in range(30)] for epoch in range(2))
    assert first != second
    assert sorted(first) == sorted(second)


class Questions(Numbers):
    """Every third item is asked "which", all are asked "color"; every seventh cannot be used."""

    def draw(self, index, epoch):
        if index % 7 == 6:
            return Skipped(str(index), "broken")
        kinds = ("color", "which") if index % 3 == 0 else ("color",)
        return Sample(str(index), (), (), tuple((kind, "answer") for kind in kinds), kinds=kinds)


def test_a_lesson_asks_nothing_but_its_kinds_and_leaves_no_place_empty():
    lessons = [Lesson(kinds=("which",), steps=4), Lesson(kinds=("color",), steps=2)]
    course = Course(Questions(50), steps=10, batch=6, seed=3, lessons=lessons)
    items = [course[position] for position in range(len(course))]
    asked = [None if isinstance(item, Skipped) else item.kinds for item in items]
    assert set(asked[:24]) == {("which",), None}
    assert set(asked[24:36]) == {("color",), None}
    assert {("color",), ("color", "which")} <= set(asked[36:])
    # what cannot be used is named in a lesson, too
    broken = [isinstance(Questions(50).draw(course.place(position)[1], 0), Skipped) for position in range(60)]
    assert [kinds is None for kinds in asked] == broken
    again = Course(Questions(50), steps=10, batch=6, seed=3, lessons=lessons)
    assert [again[position].name for position in range(60)] == [item.name for item in items]


def test_a_lesson_of_what_nobody_asks_ends_with_a_message():
    course = Course(Questions(5), steps=1, batch=1, seed=0, lessons=[Lesson(kinds=("witch",), steps=1)])
    with pytest.raises(InputError, match="none has a question of the kinds witch"):
        course[0]


def test_the_samples_of_a_step_are_of_similar_length_and_steps_in_random_order():
    lengths = np.random.default_rng(0).integers(10, 1000, (2, 600))
    course = Course(Numbers(600), steps=100, batch=20, seed=0, lengths=lengths)
    drawn = [[course[20 * step + place] for place in range(20)] for step in range(100)]
    steps = [[lengths[epoch % 2, index] for epoch, index in step] for step in drawn]
    spread = np.mean([max(step) - min(step) for step in steps])
    assert spread < 50
    means = [np.mean(step) for step in steps]
    assert means != sorted(means)
    assert abs(np.corrcoef(np.arange(100), means)[0, 1]) < 0.3


def test_what_cannot_be_used_shares_steps_with_what_can():
    lengths = np.random.default_rng(0).integers(10, 1000, (1, 600))
    lengths[0, ::8] = 0
    course = Course(Numbers(600), steps=60, batch=10, seed=0, lengths=lengths)
    drawn = [course[position][1] for position in range(600)]
    assert sorted(drawn) == [*range(600)]
    unusable = [sum(lengths[0, item] == 0 for item in drawn[start : start + 10]) for start in range(0, 600, 10)]
    assert max(unusable) <= 5
    nothing = Course(Numbers(6), steps=3, batch=2, seed=0, lengths=np.zeros((1, 6), int))
    assert sorted(nothing[position][1] for position in range(6)) == [*range(6)]


def test_grouped_items_come_in_the_same_order_for_good():
    lengths = np.random.default_rng(0).integers(10, 1000, (1, 40))
    course = Course(Numbers(40), steps=4, batch=5, seed=0, lengths=lengths)
    assert [course[position][1] for position in range(20)] == [
        *(37, 4, 24, 38, 2, 22, 28, 30, 0, 11),
        *(17, 26, 18, 1, 10, 23, 34, 27, 3, 20),
    ]


def test_longer_training_begins_as_a_shorter_one():
    short, long = (Course(Numbers(30), steps=steps, batch=3, seed=0) for steps in (5, 50))
    assert [short[place] for place in range(15)] == [long[place] for place in range(15)]


def test_a_worker_process_has_the_same_order():
    course = Course(Numbers(30), steps=10, batch=3, seed=0, lengths=np.arange(30)[None])
    again = pickle.loads(pickle.dumps(course))
    assert [again[place] for place in range(30)] == [course[place] for place in range(30)]


def test_there_is_nothing_after_the_end():
    with pytest.raises(IndexError, match="position 30; there are 30"):
        Course(Numbers(30), steps=10, batch=3, seed=0)[30]
