"""Scenes of things that have to do with each other: what is staged can be seen, and only what is so is said to be."""

import re
from collections import Counter

import numpy as np
import pytest

from gar.graspworld import Turn, choose_prompts, relation_is_true, render_scene, write_turns
from gar.graspworld.captions import write_caption
from gar.graspworld.relations import relation
from gar.graspworld.ties import TIES, Tie, false_claims, meaning, pose_of, true_claims
from gar.graspworld.together import GROUNDS
from gar.training.evaluate import is_right

KINDS = ["tie", "tied", "choice-tie", "choice-on", "choice-chain"]


@pytest.fixture(scope="module")
def scenes():
    return [render_scene(seed, staging="together", size=(208, 240)) for seed in range(120)]


@pytest.fixture(scope="module")
def turns(scenes):
    found = []
    for seed, scene in enumerate(scenes):
        rng = np.random.default_rng(seed)
        for _ in range(2):
            prompts = choose_prompts(scene, rng)
            found += [(scene, prompts, turn) for turn in write_turns(scene, prompts, rng, kinds=KINDS)]
    return found


def test_ties_can_be_seen(scenes):
    seen = Counter()
    for scene in scenes:
        assert 1 <= len(scene.objects) <= 6
        assert scene.ties
        assert scene.staging == "together"
        for tie in scene.ties:
            a, b = scene.objects[tie.a], scene.objects[tie.b]
            (left, top, right, bottom), (x1, y1, x2, y2) = a.box, b.box
            overlap = bool((a.full_mask & b.full_mask).any())
            if tie.verb == "holding":
                assert overlap
                assert b.depth < a.depth
                assert b.area < a.area
            elif tie.verb == "wearing":
                assert b.centroid[1] < a.centroid[1]
                assert b.depth < a.depth
            elif tie.verb in ("riding", "sitting on"):
                assert overlap
                assert a.depth < b.depth
                assert a.centroid[1] < b.centroid[1]
            elif tie.verb == "on" and b.noun in GROUNDS:
                assert y1 < bottom <= y2
                assert x1 <= left < right <= x2
            elif tie.verb == "on":
                assert a.centroid[1] < b.centroid[1]
                assert bottom >= y1 - 2
            elif tie.verb == "over":
                assert bottom < y1
                assert min(right, x2) > max(left, x1)
            else:
                assert tie.verb == "beside"
                assert max(left, x1) >= min(right, x2)
                assert min(bottom, y2) > max(top, y1)
            seen[tie.verb] += 1
    assert set(seen) == set(TIES)


def test_grounds_are_objects_with_a_word_of_their_own(scenes):
    grounds = [item for scene in scenes for item in scene.objects if item.style == "ground"]
    assert {item.noun for item in grounds} == set(GROUNDS)
    assert all(item.depth is not None and item.area > 0.05 * item.mask.size for item in grounds)


def test_what_is_tied_has_no_other_relation_and_captions_say_none(scenes):
    for seed, scene in enumerate(scenes):
        for tie in scene.ties:
            assert relation(scene, tie.a, tie.b) is relation(scene, tie.b, tie.a) is None
        for index in range(len(scene.objects)):
            text = write_caption(scene, index, np.random.default_rng(seed))
            assert relation_is_true(scene, index, text) in (True, None)
            assert not any(ground in text for ground in GROUNDS if ground != scene.objects[index].noun)


def claims(scene, prompts, text):
    """The parts of a sentence as (a, words, b), numbers of objects."""
    prompt = r"<Prompt(\d)>"
    parts = re.sub(r", which is | (?:and is|and|while) ", " & ", text.rstrip(".")).split(" & ")
    first = re.fullmatch(rf"{prompt} is (.+) {prompt}", parts[0])
    found = [(prompts[int(first[1])], first[2], prompts[int(first[3])])]
    for part in parts[1:]:
        words, number = re.fullmatch(rf"(.+) {prompt}", part).groups()
        begin = found[0][2] if ", which is" in text else found[0][0]
        found.append((begin, words, prompts[int(number)]))
    return found


def is_true(scene, a, words, b):
    return any(
        (not turned and (tie.a, tie.b) == (a, b)) or (turned and (tie.b, tie.a) == (a, b))
        for tie in scene.ties
        for turned, said in true_claims(tie)
        if said == words
    )


def test_the_right_option_is_true_and_no_other_is(turns):
    asked = Counter()
    for scene, prompts, turn in turns:
        if turn.kind not in ("choice-tie", "choice-chain"):
            continue
        for choice in turn.choices:
            true = all(is_true(scene, *claim) for claim in claims(scene, prompts, choice))
            assert true == (choice == turn.right_choice), (turn, choice)
        assert len(set(turn.choices)) == 4
        if turn.kind == "choice-tie":
            said = {
                meaning((prompts[turn.prompts[0]] != a, words))
                for c in turn.choices
                for a, words, _ in claims(scene, prompts, c)
            }
            assert len(said) == 4, turn
        asked[turn.kind] += 1
    assert min(asked.values()) > 20


def test_what_is_on_something_is_said_of_both_one_or_neither(turns):
    answers = Counter()
    for scene, prompts, turn in turns:
        if turn.kind != "choice-on":
            continue
        a, b, base = (prompts[number] for number in turn.prompts)
        on = tuple(any((t.a, t.verb, t.b) == (each, "on", base) for t in scene.ties) for each in (a, b))
        begins = {(True, True): "Both", (True, False): "<", (False, True): "Only", (False, False): "Neither"}[on]
        assert turn.right_choice.startswith(begins)
        answers[begins] += 1
    assert len(answers) >= 3


def test_nothing_is_said_to_stand_where_it_lies_or_is_ridden(scenes):
    ridden = {(id(scene), tie.b) for scene in scenes for tie in scene.ties if tie.verb == "riding"}
    poses = Counter()
    for scene in scenes:
        for tie in scene.ties:
            if (id(scene), tie.a) in ridden:
                assert tie.pose is None
            poses[tie.pose] += tie.verb == "on"
    assert {"standing", "parked", None} <= set(poses)
    nouns = {"cow": "standing", "bus": "parked", "ship": None, "squid": None, "log": None}
    assert {noun: pose_of(noun) for noun in nouns} == nouns


def test_what_lies_on_something_that_is_on_the_ground_is_not_asked_about(turns):
    for scene, prompts, turn in turns:
        if turn.kind == "choice-on":
            *others, base = (prompts[number] for number in turn.prompts)
            under = {each: {tie.b for tie in scene.ties if tie.verb == "on" and tie.a == each} for each in others}
            assert all(not on or base in on for on in under.values()), turn


def test_open_questions_are_answered_in_the_plainest_words_from_the_doer(turns):
    asked = Counter()
    for scene, prompts, turn in turns:
        if turn.kind == "tie":
            ((a, words, b),) = claims(scene, prompts, turn.answer)
            assert Tie(a, words, b) in [Tie(tie.a, tie.verb, tie.b) for tie in scene.ties]
            asked[words] += 1
        elif turn.kind == "tied":
            verb = re.search(r"\bis <Prompt\d> ([a-z ]+)[?:]", turn.question)[1]
            a, b = prompts[turn.prompts[0]], prompts[int(turn.answer[7])]
            assert any((tie.a, tie.verb, tie.b) == (a, verb, b) for tie in scene.ties), turn
            asked["tied"] += 1
    assert set(asked) == {*TIES, "tied"}


def test_no_claim_is_both_true_and_false():
    for verb in TIES:
        for pose in (None, "standing", "parked"):
            tie = Tie(0, verb, 1, pose)
            assert not set(true_claims(tie)) & set(false_claims(tie))
            assert not [words for _, words in false_claims(tie) if words in ("touching", "near", "with")]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("<Prompt0> is holding <Prompt2>.", True),
        ("<Prompt2> is being held by <Prompt0>.", True),
        ("<Prompt2> is holding <Prompt0>.", False),
        ("<Prompt0> is wearing <Prompt2>.", False),
        ("<Prompt0> is holding <Prompt1>.", False),
        ("", False),
    ],
)
def test_a_tie_is_right_in_any_of_its_ways(text, right):
    assert is_right(Turn("tie", (0, 2), "How?", "<Prompt0> is holding <Prompt2>."), text) is right
