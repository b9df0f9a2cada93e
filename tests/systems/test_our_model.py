"""Our models as a system."""

import pytest

import gar
from gar.errors import InputError
from gar.regions import Region
from gar.systems import Question, make_system
from gar.systems.ours import OurModel


@pytest.fixture(scope="module")
def assistant(tiny_model_folder):
    return gar.load(str(tiny_model_folder), device="cpu")


@pytest.fixture(scope="module")
def questions(make_picture):
    box, other = Region.box(4, 4, 30, 30), Region.box(20, 10, 50, 40)
    ask = "Is <Prompt0> left of <Prompt1>?"
    return [
        Question(make_picture(48, 64), [box], None, max_new_tokens=5),
        Question(make_picture(64, 64, 1), [box, other], ask, max_new_tokens=5),
        Question(make_picture(64, 48, 2), [box, other], ask, ["yes", "no"], max_new_tokens=5),
        Question(make_picture(64, 64, 3), [other], "What is <Prompt0>?", max_new_tokens=3),
    ]


def said(replies):
    return [(reply.text, reply.probabilities, reply.error) for reply in replies]


def test_answers_are_those_of_the_assistant(assistant, questions):
    replies = list(OurModel(assistant, batch_size=4).answer(questions))
    described = assistant.describe(questions[0].picture, questions[0].regions[0], max_new_tokens=5)
    asked = assistant.ask(questions[1].picture, questions[1].text, questions[1].regions, max_new_tokens=5)
    scored = assistant.ask(questions[2].picture, questions[2].text, questions[2].regions, choices=["yes", "no"])
    assert [reply.text for reply in replies[:3]] == [described.text, asked.text, scored.choice]
    assert replies[2].probabilities == pytest.approx(tuple(scored.probabilities.values()), abs=1e-5)
    assert replies[0].new_tokens == described.new_tokens
    assert replies[3].new_tokens <= 3


def test_a_batch_answers_as_one_by_one(assistant, questions):
    assert [reply.text for reply in OurModel(assistant, 3).answer(questions)] == [
        reply.text for reply in OurModel(assistant, 1).answer(questions)
    ]


def test_a_bad_question_costs_the_others_nothing(assistant, questions, make_picture):
    bad = [
        Question(make_picture(64, 64), [Region.box(100, 100, 110, 110)], None, max_new_tokens=5),
        Question([make_picture(8, 8)], [[Region.box(1, 1, 3, 3)]], None, max_new_tokens=5),
        Question(make_picture(64, 64), [], "What is this?", max_new_tokens=5),
        Question(make_picture(64, 64), [Region.box(1, 1, 9, 9)], "Where is <Prompt3>?", max_new_tokens=5),
        Question(make_picture(64, 64), [Region.box(1, 1, 9, 9)], None, max_new_tokens=5000),
    ]
    mixed = [bad[0], questions[0], bad[1], questions[1], bad[2], bad[3], bad[4]]
    replies = list(OurModel(assistant, 7).answer(mixed))
    assert [reply.error is None for reply in replies] == [False, True, False, True, False, False, False]
    assert [reply.error.split(":")[0] for reply in replies if reply.error] == [
        "RegionError",
        "InputError",
        "PromptError",
        "PromptError",
        "PromptError",
    ]
    alone = [next(OurModel(assistant).answer([question])) for question in questions[:2]]
    assert said([replies[1], replies[3]]) == said(alone)


def test_regions_beyond_the_last_prompt_token_are_not_shown_and_the_reply_says_so(assistant, make_picture):
    many = [Region.box(5 * n, 5, 5 * n + 4, 20) for n in range(7)]
    picture = make_picture(64, 64)
    text = "Is <Prompt6> or <Prompt5> left of <Prompt4>?"
    (reply,) = OurModel(assistant).answer([Question(picture, many, text, max_new_tokens=5)])
    same = assistant.ask(picture, "Is Prompt6 or Prompt5 left of <Prompt4>?", many[:5], max_new_tokens=5)
    assert reply.text == same.text
    assert reply.notes == ("regions 5 to 6 were not shown: the model has 5 prompt tokens",)
    (reply,) = OurModel(assistant).answer([Question(picture, many[:6], "What is <Prompt5>?", max_new_tokens=1)])
    assert reply.notes == ("region 5 was not shown: the model has 5 prompt tokens",)
    (scored,) = OurModel(assistant).answer([Question(picture, many, text, ("<Prompt5>", "<Prompt4>"))])
    assert scored.text in ("Prompt5", "<Prompt4>")
    assert len(scored.probabilities) == 2
    (wrong,) = OurModel(assistant).answer([Question(picture, many, "Is <Prompt7> red?", max_new_tokens=5)])
    assert "<Prompt7>" in wrong.error


def test_it_is_made_by_name_and_tells_what_its_answers_depend_on(tiny_model_folder):
    system = make_system(str(tiny_model_folder), device="cpu", max_num_tiles=2, batch_size=3)
    assert system.name == str(tiny_model_folder)
    assert system.batch_size == 3
    assert system.scores_choices
    assert system.settings["max_num_tiles"] == 2
    assert system.settings["version"] == gar.__version__
    assert "batch_size" not in system.settings


def test_a_batch_of_none_is_refused(assistant):
    with pytest.raises(InputError, match="batch_size is 0"):
        OurModel(assistant, 0)
