"""Scenes as training data: which kinds of questions are asked of them, and what photographs are taken around."""

import json
from itertools import permutations

import numpy as np
import pytest
from PIL import Image

from gar.errors import InputError
from gar.graspworld import read_relation, render_scene
from gar.graspworld.relations import relation
from gar.training.world import WORDS, WorldSource, choose_turns, object_words


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


def test_shares_of_the_scenes_are_staged_and_asked_what_suits_them():
    source = WorldSource(60, rows=0.3, together=0.3, turns=6)
    drawn = [source.draw(index, 0) for index in range(len(source))]
    kinds = [set(sample.kinds) for sample in drawn]
    assert 6 < sum("choice-position" in each for each in kinds) < 30
    assert 6 < sum(bool(each & {"tie", "tied", "choice-tie", "choice-on", "choice-chain"}) for each in kinds) < 30
    assert sum("which" in each or "size" in each or "relation" in each for each in kinds) > 6
    plain = WorldSource(60, turns=6)
    same = [index for index, sample in enumerate(drawn) if np.array_equal(sample.picture, plain.draw(index, 0).picture)]
    assert 12 < len(same) < 36  # what is not staged is the scene that it is without


def test_shares_of_more_than_all_scenes_are_refused():
    with pytest.raises(InputError, match=r"rows=0\.7, together=0\.4; shares of all scenes, not more than 1 together"):
        WorldSource(5, rows=0.7, together=0.4)


def test_where_no_kind_that_is_named_can_be_asked_one_region_is_described():
    source = WorldSource(20, kinds=["choice-mirror"])
    drawn = [source.draw(index, 0) for index in range(len(source))]
    assert all(sample.turns for sample in drawn)
    assert {kind for sample in drawn for kind in sample.kinds} == {"caption", "choice-mirror"}


def test_a_kind_that_is_not_there_is_named():
    with pytest.raises(InputError, match="there is no 'colour'; there are caption"):
        WorldSource(1, kinds=["noun", "colour"])


def test_what_covers_a_part_of_another_is_in_front_and_that_one_behind():
    told = 0
    for seed in range(80):
        scene = render_scene(seed, size=(192, 208))
        words = [object_words(scene, index) for index in range(len(scene.objects))]
        assert all(word in WORDS[name] for own in words for name, word in own.items() if name in WORDS)
        for a, b in permutations(range(len(words)), 2):
            if relation(scene, a, b) == "in front of":
                assert words[a].get("depth") != "behind"  # it may be behind a third
                assert words[b].get("depth") != "front"
                told += {words[a].get("depth"), words[b].get("depth")} == {"front", "behind"}
    assert told > 10


def test_what_has_a_color_is_described_alone_five_times_as_often():
    with_color = without = 0.0  # over what each scene would have with even odds
    rng = np.random.default_rng(0)
    for seed in range(40):
        scene = render_scene(seed, size=(192, 208))
        colored = [item.main_color is not None for item in scene.objects]
        share = np.mean(colored)
        for _ in range(60):
            prompts, alone, _ = choose_turns(scene, rng, turns=1, kinds=["noun"])
            if alone and colored[next(iter(prompts.values()))]:
                with_color += 1 - share
            elif alone:
                without += share
    assert 4 < with_color / without < 6


@pytest.fixture
def crowded(tmp_path):
    """Photographs of 16 persons each, far from one another, and in one of them a cat."""
    objects = []
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 255, (400, 400, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
        boxes = [[x, y, x + 20, y + 20] for x in range(5, 400, 100) for y in range(5, 300, 75)]
        objects += [{"file_name": f"{number}.png", "words": "person", "box_xyxy": box} for box in boxes]
    objects.append({"file_name": "2.png", "words": "cat", "box_xyxy": [190, 360, 220, 390]})
    (tmp_path / "boxes.json").write_text(json.dumps(objects))
    return tmp_path


def test_what_is_rare_in_photographs_is_shown_more_often_than_it_is_there(crowded):
    source = WorldSource(150, kinds=["noun"], photographs=[crowded])
    samples = (source.draw(index, 0) for index in range(150))
    shown = sum("cat" in {words.get("noun") for words in sample.words} for sample in samples)
    # one part in nine is around the cat, of about fifty; it would be one in 65
    assert shown > 3
