"""What counts as right."""

from types import SimpleNamespace

import numpy as np
import pytest

from gar.graspworld import Turn, render_scene, write_turns
from gar.graspworld.captions import write_caption
from gar.training import evaluate as evaluate_module
from gar.training.evaluate import evaluate, is_right


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


class Scripted:
    """An assistant that knows the turns and the scene, and answers all right or all wrong."""

    def __init__(self, right, monkeypatch):
        self.right = right
        self.turns, self.scene = [], None

        def write(*args, **options):
            self.turns = write_turns(*args, **options)
            return self.turns

        def render(*args, **options):
            self.scene = render_scene(*args, **options)
            return self.scene

        monkeypatch.setattr(evaluate_module, "write_turns", write)
        monkeypatch.setattr(evaluate_module, "render_scene", render)

    def batch(self, requests, **options):
        scored = any(request.choices for request in requests)
        turns = [turn for turn in self.turns if turn.choices] if scored or not requests else self.turns
        asked = [turn.bare_question if scored else turn.question for turn in turns]
        assert [request.question for request in requests] == asked
        for turn in turns:
            wrong = next((choice for choice in turn.choices if choice != turn.right_choice), None)
            choice = turn.right_choice if self.right and turn.choices else wrong
            yield SimpleNamespace(text=turn.answer if self.right else "no idea", choice=choice)

    def describe(self, image, regions, **options):
        assert image is self.scene.image
        rng = np.random.default_rng(0)
        captions = [write_caption(self.scene, index, rng) for index in range(len(regions))]
        return [SimpleNamespace(text=caption if self.right else "no idea") for caption in captions]


@pytest.fixture
def scores(monkeypatch):
    def of(right):
        parts = evaluate(Scripted(right, monkeypatch), scenes=2)
        return {(part, score.name): score for part, own in parts.items() for score in own}

    return of


def test_who_answers_all_right_or_all_wrong_has_every_share_at_one_or_none(scores):
    right, wrong = scores(True), scores(False)
    said = [name for _, name in right if name.startswith("caption, ")]  # a true caption may leave something out
    assert {score.share for (_, name), score in right.items() if name not in said} == {1.0}
    assert right["held-out scenes", "caption, noun"].share == 1.0
    silent = "caption, no color where there is none"
    assert {score.share for (_, name), score in wrong.items() if name != silent} == {0.0}
    assert {part for part, _ in right} == {"held-out scenes", "held-out staged scenes", "held-out style"}
    assert {name for _, name in right} >= {"noun", "color", "choice-noun, letter written", "choice-noun, option scored"}
    assert all(right[place].n == wrong[place].n for place in right.keys() & wrong.keys())
