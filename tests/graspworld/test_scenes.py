"""The world: the same scene in every process, exact masks, true words, answers that no prior can guess."""

import colorsys
import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from gar.errors import InputError, MediaError, PromptError
from gar.graspworld import (
    ATTRIBUTES,
    COLORS,
    KINDS,
    PATTERNS,
    RELATIONS,
    SHAPES,
    attribute_words,
    choose_prompts,
    read_caption,
    read_relation,
    render_scene,
    write_turns,
)
from gar.graspworld.backgrounds import find_photographs
from gar.graspworld.captions import write_caption
from gar.graspworld.relations import false_relations, relation
from gar.graspworld.shapes import coverage, outline
from gar.graspworld.sheet import contact_sheet
from gar.graspworld.vocabulary import is_held_out, opposite, place_of, size_of


@pytest.fixture(scope="module")
def scenes():
    return [render_scene(seed) for seed in range(60)]


def ask(count):
    """Asks about `count` scenes, with two draws of prompts each: (scene, prompts, turn)."""
    found = []
    for seed in range(count):
        scene, rng = render_scene(seed, size=(192, 208)), np.random.default_rng(seed)
        for _ in range(2):
            prompts = choose_prompts(scene, rng)
            found.extend((scene, prompts, turn) for turn in write_turns(scene, prompts, rng))
    return found


@pytest.fixture(scope="module")
def turns():
    return ask(500)


def fingerprint(scene):
    pixels = hashlib.sha256(scene.image.tobytes())
    for item in scene.objects:
        pixels.update(item.mask.tobytes())
    return pixels.hexdigest()


# Scenes


def test_a_scene_is_the_same_in_another_process():
    code = (
        "from gar.graspworld import render_scene; import hashlib\n"
        "scene = render_scene(7, split='held-out'); pixels = hashlib.sha256(scene.image.tobytes())\n"
        "[pixels.update(item.mask.tobytes()) for item in scene.objects]; print(pixels.hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert other.stdout.strip() == fingerprint(render_scene(7, split="held-out"))


def test_seeds_and_splits_give_different_scenes():
    prints = {fingerprint(render_scene(seed, split=split)) for seed in range(5) for split in ("train", "held-out")}
    assert len(prints) == 10


def test_global_randomness_is_neither_used_nor_changed():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    first = fingerprint(render_scene(3))
    assert (np.random.get_state()[1] == before).all()
    np.random.seed(1)
    assert fingerprint(render_scene(3)) == first


def test_pictures_have_the_promised_sizes(scenes):
    for scene in scenes:
        height, width, channels = scene.image.shape
        assert scene.image.dtype == np.uint8
        assert channels == 3
        assert 256 <= max(height, width) <= 320
        assert 0.74 < height / width < 1.35
        assert 1 <= len(scene.objects) <= 6
    assert render_scene(0, size=(224, 336)).image.shape == (224, 336, 3)


def test_masks_are_disjoint_and_boxes_fit_them(scenes):
    for scene in scenes:
        assert np.sum([item.mask for item in scene.objects], axis=0).max() == 1
        for item in scene.objects:
            x1, y1, x2, y2 = item.box
            assert item.mask.shape == scene.image.shape[:2]
            assert item.mask[y1:y2, x1:x2].sum() == item.mask.sum()
            assert item.mask[y1:y2, x1].any()
            assert item.mask[y1, x1:x2].any()
            assert item.mask[y1:y2, x2 - 1].any()
            assert item.mask[y2 - 1, x1:x2].any()


def test_what_is_hidden_lies_behind_what_is_nearer(scenes):
    for scene in scenes:
        for item in scene.objects:
            assert 0 <= item.hidden < 0.4
            nearer = [other.full_mask for other in scene.objects if other.depth < item.depth]
            cover = np.logical_or.reduce(nearer) if nearer else np.zeros_like(item.mask)
            differing = (item.mask != (item.full_mask & ~cover)).sum()
            assert differing <= 0.03 * item.full_mask.sum() + 4  # pixels along the edge that both only share


def test_edges_of_a_shape_are_shared_by_area():
    disc, (x, y) = coverage(outline("circle", np.random.default_rng(0)), 40.0)
    rows, columns = np.indices(disc.shape) + 0.5
    distance = np.hypot(columns - x, rows - y)
    radius = 40 / np.sqrt(np.pi)
    assert disc.sum() == pytest.approx(1600, rel=0.01)
    assert (disc[distance < radius - 1] == 1).all()
    assert (disc[distance > radius + 1] == 0).all()
    clear = abs(distance - radius) > 0.25  # one cell of the finer grid
    assert ((disc > 0.5) == (distance < radius))[clear].all()


@pytest.mark.parametrize("shape", SHAPES)
def test_an_outline_has_area_one_and_its_centroid_at_the_origin(shape):
    patch, (x, y) = coverage(outline(shape, np.random.default_rng(1)), 60.0)
    rows, columns = np.indices(patch.shape) + 0.5
    assert patch.sum() == pytest.approx(3600, rel=0.01)
    assert (columns * patch).sum() / patch.sum() == pytest.approx(x, abs=0.1)
    assert (rows * patch).sum() / patch.sum() == pytest.approx(y, abs=0.1)


# Words


def color_name(pixels):
    """Names a color (3,) by rules apart from those that the world draws with."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(pixels / 255))
    if value < 0.22:
        return "black"
    if saturation < 0.12:
        return "white" if value > 0.8 else "gray"
    hue *= 360
    if hue < 12 or hue > 350:
        return "red"
    if hue < 42:
        return "brown" if value < 0.6 else "orange"
    for name, end in (("yellow", 75), ("green", 170), ("blue", 248), ("purple", 300), ("pink", 350)):
        if hue <= end:
            return name
    raise AssertionError(hue)


def test_the_size_and_place_words_follow_from_the_mask(scenes):
    for scene in scenes:
        for item in scene.objects:
            rows, columns = np.nonzero(item.mask)
            share = item.mask.mean()
            height, width = item.mask.shape
            assert {
                0.4 < share / 0.01 < 1.7: "small",
                2.4 < share / 0.01 < 4.8: "medium",
                share > 0.07: "large",
            }[True] == item.size
            assert item.place == place_of((columns.mean() + 0.5) / width, (rows.mean() + 0.5) / height)


def test_the_color_word_is_that_of_most_of_the_object(scenes):
    for scene in scenes:
        for item in scene.objects:
            names = Counter(color_name(pixel) for pixel in scene.image[item.mask][::3].astype(float))
            if item.pattern == "plain":
                mean = scene.image[item.mask].mean(axis=0)
                assert color_name(mean) == item.color
                assert item.second_color is None
            else:
                assert names.most_common(1)[0][0] == item.color
                assert names[item.second_color] > 0.1 * names.total()


def test_sizes_and_places_have_gaps_where_no_word_is_said():
    assert [size_of(share) for share in (0.01, 0.02, 0.04, 0.06, 0.1, 0.2)] == [
        "small", None, "medium", None, "large", None,
    ]  # fmt: skip
    assert place_of(0.5, 0.5) == "center"
    assert place_of(0.9, 0.1) == "top right"
    assert place_of(0.9, 0.35) is None


def test_training_never_shows_a_held_out_combination_and_held_out_scenes_often_do(scenes):
    def shown(scene):
        return [is_held_out(item.shape, item.color, item.pattern) for item in scene.objects]

    assert not any(any(shown(scene)) for scene in scenes)
    held_out = [new for seed in range(40) for new in shown(render_scene(seed, split="held-out"))]
    assert 0.35 < np.mean(held_out) < 0.65


def test_each_word_of_a_held_out_combination_is_in_training():
    kept = [(s, c, p) for s in SHAPES for c in COLORS for p in PATTERNS if not is_held_out(s, c, p)]
    assert len(SHAPES) * len(COLORS) * len(PATTERNS) * 5 // 6 == len(kept)
    for position, words in enumerate((SHAPES, COLORS, PATTERNS)):
        assert {combination[position] for combination in kept} == set(words)


def test_look_alikes_that_differ_in_one_attribute_are_frequent(scenes):
    names = ("size", "color", "pattern", "shape")

    def has_look_alikes(scene):
        words = [[getattr(item, name) for name in names] for item in scene.objects]
        return any(sum(x != y for x, y in zip(a, b, strict=True)) == 1 for a, b in combinations(words, 2))

    several = [scene for scene in scenes if len(scene.objects) > 1]
    assert np.mean([has_look_alikes(scene) for scene in several]) > 0.4


def test_relations_follow_from_the_masks(scenes):
    for scene in scenes:
        for a, b in combinations(scene.objects, 2):
            found, false = relation(a, b), false_relations(a, b)
            assert found not in false
            assert relation(b, a) == (opposite(found) if found else None)
            if found is None:
                continue
            assert opposite(found) in false
            (ya, xa), (yb, xb) = np.argwhere(a.mask).mean(axis=0), np.argwhere(b.mask).mean(axis=0)
            across, down = xb - xa, yb - ya
            apart = {
                "to the left of": across > 2 * abs(down),
                "to the right of": -across > 2 * abs(down),
                "above": down > 2 * abs(across),
                "below": -down > 2 * abs(across),
                "in front of": (a.mask & b.full_mask).sum() > 20,
                "behind": (b.mask & a.full_mask).sum() > 20,
            }
            assert apart[found]


# Language


def test_a_caption_says_only_what_is_true_and_all_of_it(scenes):
    rng = np.random.default_rng(0)
    for scene in scenes:
        for item in scene.objects:
            text = write_caption(item, rng)
            assert read_caption(text) == attribute_words(item)
            assert ("hidden" in text) == (item.hidden >= 0.1)
            assert "  " not in text
            assert text[0].isupper()
            assert text.endswith(".")


def test_reading_a_caption_stops_at_the_other_prompt():
    text = "A big grey ring with white stripes in the top-left. It is behind <Prompt3>, a small red star."
    read = {"size": "large", "color": "gray", "pattern": "striped", "shape": "ring", "place": "top left"}
    assert read_caption(text) == read
    assert read_relation(text) == "behind"
    assert read_caption("Nothing to see") == {}
    assert read_relation("It is behind the wall.") is None


def test_every_kind_is_asked_and_names_its_prompts(turns):
    assert {turn.kind for _, _, turn in turns} == set(KINDS)
    for _, prompts, turn in turns:
        assert set(turn.prompts) <= set(prompts)
        named = {number for number in range(5) if f"<Prompt{number}>" in turn.question + turn.answer}
        assert named <= set(turn.prompts)


def test_answers_are_true(turns):
    for scene, prompts, turn in turns:
        items = {number: scene.objects[index] for number, index in prompts.items()}
        first = items[turn.prompts[0]]
        kind = turn.kind.removeprefix("choice-")
        answer = turn.choices["ABCD".index(turn.answer)] if turn.choices else turn.answer
        if kind in ATTRIBUTES:
            said = read_caption(answer)
            assert said == {kind: attribute_words(first)[kind]}
        elif kind == "relation":
            assert relation(first, items[turn.prompts[1]]) == read_relation(answer)
        elif kind == "relation-caption":
            assert relation(first, items[turn.prompts[1]]) == read_relation(answer)
            assert read_caption(answer) == attribute_words(first)
        elif kind == "which":
            said = read_caption(turn.question.split(" is the ")[1])
            fitting = [
                f"<Prompt{number}>" for number, item in items.items() if said.items() <= attribute_words(item).items()
            ]
            assert fitting == [answer]
        elif kind == "same":
            attribute = next(name for name in ATTRIBUTES if name in turn.question)
            a, b = (getattr(items[number], attribute) for number in turn.prompts)
            assert (a == b) == (answer == "yes")
        elif kind == "yes-no":
            claim = read_caption(turn.question)
            assert len(claim) == 1
            assert (claim.items() <= attribute_words(first).items()) == (answer == "yes")
        elif kind == "yes-no-relation":
            a, b = (items[number] for number in turn.prompts)
            claim = read_relation(turn.question)
            assert (relation(a, b) == claim) == (answer == "yes")
            assert (claim in false_relations(a, b)) == (answer == "no")


def test_wrong_options_are_wrong_and_differ(turns):
    for scene, prompts, turn in turns:
        if not turn.choices:
            continue
        assert len(set(turn.choices)) == len(turn.choices)
        if turn.kind == "choice-relation":
            a, b = (scene.objects[prompts[number]] for number in turn.prompts)
            claims = [read_relation(choice) for choice in turn.choices]
            right = claims.pop("ABCD".index(turn.answer))
            assert right == relation(a, b)
            assert set(claims) <= set(false_relations(a, b))


def test_multiple_choice_has_the_form_of_gar_bench(turns):
    turn = next(turn for _, _, turn in turns if turn.kind == "choice-color")
    question, heading, *options, instruction = turn.question.split("\n")
    assert question.startswith("Question: ")
    assert heading == "Options:"
    assert options == [f"{letter}. {choice}" for letter, choice in zip("ABCD", turn.choices, strict=True)]
    assert instruction == "Answer with the correct option's letter directly."
    assert turn.answer in "ABCD"


def test_no_constant_answer_beats_chance(turns):
    for kind, counts, chance in constant_answers(turns):
        ((_, best),) = counts.most_common(1)
        spread = 2 * np.sqrt(chance * (1 - chance) / (counts.total() / 2))  # both draws of a scene are alike
        assert best / counts.total() <= chance + 0.03 + spread, (kind, counts)


@pytest.mark.slow
def test_no_constant_answer_beats_chance_by_three_points():
    for kind, counts, chance in constant_answers(ask(4000)):
        ((_, best),) = counts.most_common(1)
        assert best / counts.total() <= chance + 0.03, (kind, counts)


def constant_answers(turns):
    """Yields each balanced kind with how often each answer is right, and chance."""
    words = {"relation": len(RELATIONS), "same": 2, "yes-no": 2, "yes-no-relation": 2}
    words |= {name: len(vocabulary) for name, vocabulary in ATTRIBUTES.items()}
    answers, chances = defaultdict(Counter), defaultdict(list)
    for _, prompts, turn in turns:
        if turn.kind in ("caption", "relation-caption"):
            continue
        answer = read_relation(turn.answer) if turn.kind == "relation" else turn.answer
        answers[turn.kind][answer] += 1
        possible = len(prompts) if turn.kind == "which" else len(turn.choices) or words[turn.kind]
        chances[turn.kind].append(1 / possible)
    for kind, counts in answers.items():
        assert counts.total() > 300
        yield kind, counts, np.mean(chances[kind])


def test_no_constant_answer_to_same_or_different_is_right_for_one_attribute(turns):
    answers = defaultdict(Counter)
    for _, _, turn in turns:
        if turn.kind == "same":
            answers[next(name for name in ATTRIBUTES if name in turn.question)][turn.answer] += 1
    for attribute, counts in answers.items():
        assert abs(counts["yes"] / counts.total() - 0.5) < 0.15, (attribute, counts)  # some 100 each


def test_one_prompt_is_described_in_the_published_words():
    scene = render_scene(0)
    rng = np.random.default_rng(0)
    (alone,) = write_turns(scene, {3: 0}, rng, kinds=["caption"])
    assert alone.question == "Describe this masked region in detail."
    (among,) = write_turns(scene, {3: 0, 1: 1}, rng, kinds=["caption"])
    assert among.question in ("Describe <Prompt3> in detail.", "Describe <Prompt1> in detail.")


def test_the_number_of_turns_is_as_asked_and_no_question_comes_twice():
    scene = next(scene for scene in map(render_scene, range(100)) if len(scene.objects) == 5)
    found = write_turns(scene, dict(enumerate(range(5))), np.random.default_rng(0), n=40)
    assert len(found) == 40
    assert len({turn.question for turn in found}) == 40


# What callers get wrong


def test_a_wrong_seed_split_or_size_is_refused_with_its_value():
    with pytest.raises(InputError, match="seed=-1"):
        render_scene(-1)
    with pytest.raises(InputError, match="split='test'"):
        render_scene(0, split="test")
    with pytest.raises(InputError, match=r"\(32, 256\).*192"):
        render_scene(0, size=(32, 256))
    with pytest.raises(InputError, match=r"\(200, 600\).*2 times"):
        render_scene(0, size=(200, 600))


def test_a_wrong_prompt_or_kind_is_refused_with_its_value():
    scene, rng = render_scene(0), np.random.default_rng(0)
    with pytest.raises(PromptError, match="prompt number 5"):
        write_turns(scene, {5: 0}, rng)
    with pytest.raises(PromptError, match="object 99"):
        write_turns(scene, {0: 99}, rng)
    with pytest.raises(PromptError, match="another object"):
        write_turns(scene, {0: 0, 1: 0}, rng)
    with pytest.raises(PromptError, match="no prompt"):
        write_turns(scene, {}, rng)
    with pytest.raises(PromptError, match="'mirror'"):
        write_turns(scene, {0: 0}, rng, kinds=["mirror"])


def test_photographs_of_a_folder_are_added_to_those_of_the_package(tmp_path):
    with pytest.raises(MediaError, match="holds no picture"):
        find_photographs(tmp_path)
    with pytest.raises(MediaError, match="not a folder"):
        find_photographs(tmp_path / "none")
    Image.new("RGB", (500, 300), "teal").save(tmp_path / "teal.png")
    render_scene(0, photographs=tmp_path / "")
    assert len(find_photographs(None)) >= 8


def test_a_contact_sheet_holds_every_scene(scenes):
    sheet = contact_sheet(scenes[:5], columns=2, side=160, text_width=200)
    assert sheet.size[0] == 2 * (160 + 200 + 24) + 12
    assert sheet.size[1] >= 3 * 160
    with pytest.raises(InputError, match="at least one"):
        contact_sheet([])
