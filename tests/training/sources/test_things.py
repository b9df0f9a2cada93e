"""Short truths about regions."""

import numpy as np
import pytest

from gar.training.sources.things import Kind, kind_named, write_captions, write_turns

CAT, DOG, SKY = Kind("cat"), Kind("dog"), Kind("sky", countable=False)


@pytest.mark.parametrize(
    ("name", "thing", "phrase"),
    [
        ("cat", True, "a cat"),
        ("umbrella", True, "an umbrella"),
        ("unicycle", True, "a unicycle"),
        ("scissors", True, "scissors"),
        ("sky-other-merged", False, "sky"),
        ("wall-brick", False, "brick wall"),
        ("tree-merged", False, "tree"),
        ("other", False, "other"),
    ],
)
def test_names_are_said_as_people_say_them(name, thing, phrase):
    assert kind_named(name, thing=thing).phrase == phrase


def test_captions_are_short_sentences():
    captions = write_captions([CAT, SKY], np.random.default_rng(0))
    assert [answer for _, answer in captions] == ["A cat.", "Sky."]


def drawn(kinds, relations=None, others=None, count=300):
    """All turns of many draws."""
    turns = set()
    for seed in range(count):
        others = others or list(kinds.values())
        turns.update(write_turns(kinds, relations or {}, others, np.random.default_rng(seed)))
    return turns


def test_everything_said_is_true():
    for question, answer in drawn({1: CAT, 4: DOG, 0: CAT}, others=[DOG, CAT, SKY]):
        if answer in ("yes", "no"):
            asked = {"1": CAT, "4": DOG, "0": CAT}[question.partition("<Prompt")[2][0]]
            assert (answer == "yes") == (asked.phrase in question)
        elif answer.startswith("<Prompt"):
            assert (answer, "a dog" in question) == ("<Prompt4>", True)
        else:
            assert answer == ("A dog." if "<Prompt4>" in question else "A cat.")


def test_which_is_not_asked_where_two_regions_could_be_meant_or_there_is_only_one():
    assert not any("Which" in question for question, _ in drawn({0: CAT, 1: CAT}))
    assert not any("Which" in question for question, _ in drawn({3: CAT}))
    assert any("Which" in question for question, _ in drawn({0: CAT, 1: DOG}))


def test_the_kind_asked_about_does_not_give_the_answer_away():
    kinds, rng = [CAT] * 8 + [DOG] * 2, np.random.default_rng(0)
    answers = {"a cat": [], "a dog": []}
    for _ in range(4000):
        own, other = (kinds[place] for place in rng.integers(10, size=2))
        for question, answer in write_turns({0: own}, {}, [other], rng):
            if answer in ("yes", "no"):
                answers["a cat" if "a cat" in question else "a dog"].append(answer)
    for given in answers.values():
        assert 0.42 < given.count("yes") / len(given) < 0.58


def test_relations_are_said_in_their_direction():
    relations = {(2, 0): ("riding", "on", "riding"), (0, 2): ("under",)}
    answers = {answer for _, answer in drawn({0: DOG, 2: CAT}, relations)}
    assert "<Prompt2> is riding and on <Prompt0>." in answers
    assert "A cat riding and on <Prompt0>." in answers
    assert "<Prompt0> is under <Prompt2>." in answers
    assert not any("<Prompt0> is riding" in answer for answer in answers)
