"""Scenes in rows: where things stand, and which one of its row something is said to be."""

import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from gar.graspworld import choose_prompts, render_scene, write_turns

ORDINALS = {
    word: number
    for words in (
        "first second third fourth fifth sixth seventh eighth ninth tenth",
        "1st 2nd 3rd 4th 5th 6th 7th 8th 9th 10th",
    )
    for number, word in enumerate(words.split())
}


@pytest.fixture(scope="module")
def scenes():
    return [render_scene(seed, staging="rows", size=(192, 240)) for seed in range(90)]


@pytest.fixture(scope="module")
def turns(scenes):
    found = []
    for seed, scene in enumerate(scenes):
        rng = np.random.default_rng(seed)
        prompts = choose_prompts(scene, rng)
        kinds = ["choice-position", "in-full"]
        found += [(scene, prompts, turn) for turn in write_turns(scene, prompts, rng, kinds=kinds)]
    return found


def test_rows_hold_every_object_once_from_left_to_right_and_from_top_to_bottom(scenes):
    shapes = Counter()
    for scene in scenes:
        assert sorted(index for row in scene.rows for index in row) == list(range(len(scene.objects)))
        assert len({len(row) for row in scene.rows}) == 1
        for row in scene.rows:
            across = [scene.objects[index].centroid[0] for index in row]
            assert all(a < b for a, b in pairwise(across))
        for column in zip(*scene.rows, strict=True):
            down = [scene.objects[index].centroid[1] for index in column]
            assert all(a < b for a, b in pairwise(down))
        shapes["row" if len(scene.rows) == 1 else "column" if len(scene.rows[0]) == 1 else "grid"] += 1
    assert min(shapes[form] for form in ("row", "column", "grid")) > 5


def test_the_same_seed_gives_the_same_rows_and_no_other_staging_shares_it():
    one, same, other = (render_scene(3, staging=staging) for staging in ("rows", "rows", "free"))
    assert np.array_equal(one.image, same.image)
    assert one.rows == same.rows
    assert one.image.shape != other.image.shape or not np.array_equal(one.image, other.image)
    assert (one.staging, other.staging) == ("rows", "free")


def standing_there(scene, said):
    """The object that stands where a text says, read by other rules than it was written."""
    rows, text = [list(row) for row in scene.rows], said.lower().rstrip(".")
    if re.search(r"\bcolumn\b", text) or (len(rows) > 1 and len(rows[0]) == 1):
        lines, ends, sides = [list(column) for column in zip(*rows, strict=True)], ("top", "bottom"), ("left", "right")
    else:
        lines, ends, sides = rows, ("left", "right"), ("top", "bottom")
    line = lines[0]
    number = rf"({'|'.join(ORDINALS)})"
    if found := re.search(rf"\b({sides[0]}|{sides[1]}|middle) (?:row|column)", text):
        line = lines[{sides[0]: 0, "middle": len(lines) // 2, sides[1]: -1}[found[1]]]
        text = text.replace(found[0], "")
    elif found := re.search(rf"\b{number} (?:row|column)(?: (?:counting )?from the ({sides[0]}|{sides[1]}))?", text):
        counted = lines[::-1] if f"from the {sides[1]}" in text else lines
        line = counted[ORDINALS[found[1]]]
        text = text.replace(found[0], "")
    which = re.findall(rf"\b{number}\b", text)
    assert len(which) == 1, said
    backwards = f"from the {ends[1]}" in text
    line = line[::-1] if backwards else line
    return line[ORDINALS[which[0]]] if ORDINALS[which[0]] < len(line) else None


def test_the_right_position_is_true_and_all_others_are_not(turns):
    asked = Counter()
    for scene, prompts, turn in turns:
        own = prompts[turn.prompts[0]]
        if turn.kind == "in-full":
            assert standing_there(scene, turn.answer) == own, turn
            asked["in full"] += 1
            continue
        true = [choice for choice in turn.choices if standing_there(scene, choice) == own]
        assert true == [turn.right_choice], turn
        assert len(turn.choices) == 4
        asked["column" if "column" in turn.choices[0] else "row" if "row" in turn.choices[0] else "line"] += 1
    assert min(asked[form] for form in ("in full", "row", "line")) > 15
    assert asked["column"] > 3


def test_wrong_positions_are_near_misses(turns):
    """Each says the same as the right one but for at most two of its words: a number, an end, a row."""
    for _, _, turn in turns:
        for choice in turn.choices:
            own, said = turn.right_choice.lower().split(), choice.lower().split()
            differing = sum(a != b for a, b in zip(own, said, strict=False)) + abs(len(own) - len(said))
            assert differing <= 4, (turn.right_choice, choice)
