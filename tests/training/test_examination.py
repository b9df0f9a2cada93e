"""What a model is asked while it trains, what counts, and the page that shows it."""

from dataclasses import replace
from itertools import count

import pytest

from gar.training.examination import Examination
from gar.training.samples import Skipped


@pytest.fixture(scope="module")
def samples(world):
    return [world.draw(index, 0) for index in range(10)]


def test_short_answers_count_and_captions_are_shown_only(samples, processor, model, tmp_path):
    examination = Examination(samples, processor, answers=5, page=3, folder=tmp_path)
    counted = [question for question in examination.questions if question.counted]
    assert len(counted) == 5
    assert all(len(question.answer.split()) <= 3 for question in counted)
    shown = {question.sample for question in examination.questions}
    assert {0, 1, 2} <= shown
    on_page = [question for question in examination.questions if question.sample < 3]
    assert len(on_page) == sum(len(sample.turns) for sample in samples[:3])
    measured = examination(model, 7)
    assert measured["answers"] == 5
    assert 0 <= measured["exact_match"] <= 1
    assert [path.name for path in tmp_path.iterdir()] == ["step-000007.html"]


class Parrot:
    """A model that gives the true answers."""

    device = "cpu"

    def __init__(self, examination, wrong=()):
        self.examination = examination
        self.wrong = wrong
        self.asked = 0

    def generate(self, input_ids, **options):
        import torch

        tokenizer = self.examination.processor.tokenizer
        rows = []
        for row in input_ids:
            number = self.asked
            self.asked += 1
            answer = "no idea" if number in self.wrong else self.examination.questions[number].answer
            rows.append([*row.tolist(), *tokenizer(answer, add_special_tokens=False)["input_ids"]])
        length = max(map(len, rows))
        return torch.tensor([row + [tokenizer.eos_token_id] * (length - len(row)) for row in rows])


def test_true_answers_are_exactly_right_and_others_are_not(samples, processor, tmp_path):
    examination = Examination(samples, processor, answers=8, page=2, folder=tmp_path)
    assert examination(Parrot(examination), 1) == {"exact_match": 1.0, "answers": 8.0}
    counted = [n for n, question in enumerate(examination.questions) if question.counted]
    measured = examination(Parrot(examination, wrong=counted[:2]), 2)
    assert measured == {"exact_match": 0.75, "answers": 8.0}
    right, wrong = ((tmp_path / f"step-00000{step}.html").read_text() for step in (1, 2))
    assert 'class="wrong"' not in right
    assert 'class="right"' in right
    assert right.count("<article>") == 2
    assert "no idea" in wrong or counted[0] >= sum(len(sample.turns) for sample in samples[:2])


def test_a_question_of_a_dialogue_is_asked_after_the_true_answers_before_it(samples, processor, model):
    several = next(sample for sample in samples if sample.wording == "several" and len(sample.turns) > 2)
    dialogue = replace(several, dialogue=True)
    examination = Examination([dialogue], processor, answers=9, page=1, folder=None)
    for number, question in enumerate(examination.questions):
        told = "".join(message.text for message in question.messages)
        assert all(answer in told for _, answer in dialogue.turns[:number])
        assert len(question.messages) == 2 * number + 1
    captions = replace(dialogue, wording="captions", turns=tuple(("What?", f"It {n}.") for n in dialogue.prompts))
    assert Examination([captions], processor, answers=9, page=1, folder=None)(model, 0)["answers"] == len(
        captions.turns
    )


def test_what_cannot_be_used_is_not_asked(samples, processor):
    examination = Examination([Skipped("a.png", "torn"), samples[0]], processor, answers=0, page=1, folder=None)
    assert [sample.name for sample in examination.samples] == [samples[0].name]


def test_what_the_collator_would_leave_out_is_not_asked(samples, processor):
    several = next(sample for sample in samples if len(sample.turns) > 1)
    unfit = [replace(several, turns=(("What?", ""),)), replace(several, masks=several.masks[1:])]
    examination = Examination([*unfit, several], processor, answers=3, page=1, folder=None)
    assert examination.samples == [several]


def test_pictures_of_which_nothing_is_asked_are_not_kept_and_not_looked_for_without_end(samples, processor):
    several = next(sample for sample in samples if len(sample.turns) > 1)
    caption = replace(several, turns=(("Describe it.", "A thing in many words."),), wording="several")
    looked = []
    endless = (looked.append(number) or caption for number in count())
    examination = Examination(endless, processor, answers=3, page=2, folder=None)
    assert (len(examination.samples), len(looked)) == (2, 50)
    asked = Examination([caption] * 3 + [several], processor, answers=1, page=1, folder=None)
    assert asked.samples == [caption, several]
    assert {question.sample for question in asked.questions} == {0, 1}


def test_without_short_answers_nothing_is_measured(samples, processor, model):
    captions = [sample for sample in samples if sample.wording == "one"]
    assert Examination(captions, processor, answers=5, page=1, folder=None)(model, 0) == {}
