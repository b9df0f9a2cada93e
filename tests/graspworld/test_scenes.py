"""Scenes: the same in every process, exact masks, words that follow from what can be seen."""

import colorsys
import hashlib
import os
import subprocess
import sys
from collections import Counter
from itertools import combinations, permutations

import numpy as np
import pytest
from PIL import Image

from gar.errors import InputError, MediaError
from gar.graspworld import COLORS, FRAMES, MATERIALS, PATTERNS, SHAPES, SPLITS, render_scene, world_nouns
from gar.graspworld.backgrounds import find_photographs
from gar.graspworld.color_names import color_of
from gar.graspworld.naming import category_of
from gar.graspworld.relations import false_relations, relation, true_relations
from gar.graspworld.shapes import coverage, outline
from gar.graspworld.sheet import contact_sheet
from gar.graspworld.vocabulary import is_held_out, opposite, place_of, size_of


@pytest.fixture(scope="module")
def scenes():
    return [render_scene(seed) for seed in range(60)]


def fingerprint(scene):
    pixels = hashlib.sha256(scene.image.tobytes())
    for item in scene.objects:
        pixels.update(item.mask.tobytes() + repr((item.noun, item.color, item.reflection_of)).encode())
    return pixels.hexdigest()


def test_a_scene_is_the_same_in_another_process():
    code = (
        "from gar.graspworld import render_scene; import hashlib\n"
        "scene = render_scene(7, split='held-out'); pixels = hashlib.sha256(scene.image.tobytes())\n"
        "for item in scene.objects:\n"
        "    pixels.update(item.mask.tobytes() + repr((item.noun, item.color, item.reflection_of)).encode())\n"
        "print(pixels.hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert other.stdout.strip() == fingerprint(render_scene(7, split="held-out"))


def test_seeds_and_splits_give_different_scenes():
    assert len({fingerprint(render_scene(seed, split=split)) for seed in range(4) for split in SPLITS}) == 16


def test_global_randomness_is_neither_used_nor_changed():
    np.random.seed(0)
    first = fingerprint(render_scene(3))
    state = np.random.get_state()[1].tolist()
    np.random.seed(1)
    assert fingerprint(render_scene(3)) == first
    np.random.seed(0)
    assert np.random.get_state()[1].tolist() == state


def test_the_picture_is_as_large_as_asked_and_holds_one_to_six_objects(scenes):
    assert render_scene(0, size=(240, 300)).image.shape == (240, 300, 3)
    for scene in scenes:
        assert scene.image.dtype == np.uint8
        assert 256 <= max(scene.image.shape[:2]) <= 448
        assert 1 <= len(scene.objects) <= 6


def test_masks_are_exact_and_never_overlap(scenes):
    for scene in scenes:
        assert np.sum([item.mask for item in scene.objects], axis=0).max() == 1
        for item in scene.objects:
            x1, y1, x2, y2 = item.box
            assert item.mask.shape == scene.image.shape[:2]
            assert item.mask[y1:y2, x1:x2].sum() == item.mask.sum() == item.area
            assert item.mask[y1:y2, x1].any()
            assert item.mask[y1, x1:x2].any()
            assert item.mask[y1:y2, x2 - 1].any()
            assert item.mask[y2 - 1, x1:x2].any()


def test_what_is_hidden_lies_behind_what_is_nearer(scenes):
    for scene in scenes:
        for item in scene.objects:
            if item.style != "frame":  # what is seen in it hides more of it
                assert 0 <= item.hidden < 0.45
            nearer = [other.full_mask for other in scene.objects if other.depth < item.depth]
            cover = np.logical_or.reduce(nearer) if nearer else np.zeros_like(item.mask)
            differing = (item.mask != (item.full_mask & ~cover)).sum()
            assert differing <= 0.04 * item.full_mask.sum() + 8  # pixels along the edge that both only share


def test_most_scenes_with_several_objects_show_one_in_front_of_another(scenes):
    several = [scene for scene in scenes if len(scene.objects) > 1]
    share = np.mean(
        [
            any(relation(scene, a, b) == "behind" for a, b in permutations(range(len(scene.objects)), 2))
            for scene in several
        ]
    )
    assert share > 1 / 3


def test_about_two_objects_of_three_are_sprites(scenes):
    styles = Counter(item.style for scene in scenes for item in scene.objects if item.style != "frame")
    assert 0.5 < 1 - styles["shape"] / styles.total() < 0.8
    assert set(styles) == {"shape", "fluent", "noto"}


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
    if value < 0.25:
        return "black"
    if saturation < 0.14:
        return "white" if value > 0.78 else "gray"
    hue *= 360
    if hue < 14 or hue > 350:
        return "red"
    if hue < 43:
        return "brown" if value < 0.62 else "orange"
    for name, end in (("yellow", 75), ("green", 170), ("blue", 248), ("purple", 300), ("pink", 350)):
        if hue <= end:
            return name
    raise AssertionError(hue)


def test_the_size_and_place_words_follow_from_the_mask(scenes):
    for scene in scenes:
        for item in scene.objects:
            rows, columns = np.nonzero(item.mask)
            percent = 100 * item.mask.mean()
            bounds = {"tiny": (0.1, 0.41), "small": (0.59, 1.7), "medium": (2.5, 4.7), "large": (7, 40)}
            if item.size is not None:
                assert bounds[item.size][0] < percent < bounds[item.size][1]
            height, width = item.mask.shape
            assert item.place == place_of((columns.mean() + 0.5) / width, (rows.mean() + 0.5) / height)


def test_nearly_every_object_has_a_size(scenes):
    missing = [item.size is None for scene in scenes for item in scene.objects if item.style != "frame"]
    assert np.mean(missing) < 0.12


def test_the_color_word_of_a_shape_is_that_of_most_of_it(scenes):
    wrong = []
    for scene in scenes:
        for item in scene.objects:
            if item.shape is None or item.size == "tiny" or item.color is None:
                continue
            pixels = scene.image[item.mask].astype(float)
            names = Counter(color_name(pixel) for pixel in pixels[:: max(1, len(pixels) // 400)])
            wrong.append((names.most_common(1)[0][0] != item.color, item.color, item.material))
            if item.second_color is not None:
                assert item.pattern not in (None, "plain")
            else:
                assert item.pattern in (None, "plain")
    assert np.mean([w[0] for w in wrong]) < 0.04, [w for w in wrong if w[0]]


def test_the_color_word_of_a_sprite_is_that_of_the_written_rule(scenes):
    sprites = [(s, o) for s in scenes for o in s.objects if o.style in ("fluent", "noto")]
    assert all(
        item.color == (None if category_of(item.noun) == "person" else color_of(scene.image, item.mask))
        for scene, item in sprites
    )
    assert all(item.main_color == item.color for _, item in sprites if item.color is not None)
    assert any(item.main_color != item.color for _, item in sprites)
    assert 0.15 < np.mean([item.color is not None for _, item in sprites]) < 0.8


def test_patterns_and_materials_are_said_only_where_they_can_be_seen(scenes):
    for scene in scenes:
        for item in scene.objects:
            assert (item.pattern is not None) == (item.shape is not None and item.size not in ("tiny", None))
            assert item.material is None or item.size in ("medium", "large")
    shapes = [item for scene in scenes for item in scene.objects if item.material]
    assert {item.material for item in shapes} == set(MATERIALS)


def test_sizes_and_places_have_gaps_where_no_word_is_said():
    assert [size_of(share) for share in (0.002, 0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.5)] == [
        "tiny", None, "small", None, "medium", None, "large", "large",
    ]  # fmt: skip
    assert place_of(0.5, 0.5) == "center"
    assert place_of(0.9, 0.1) == "top right"
    assert place_of(0.9, 0.35) is None


# Splits


def test_training_never_shows_a_held_out_combination_and_held_out_scenes_often_do(scenes):
    def shown(scene):
        shapes = (item for item in scene.objects if item.shape and item.size and item.reflection_of is None)
        return [is_held_out(item.shape, item.color, item.pattern or "plain") for item in shapes]

    assert not any(any(shown(scene)) for scene in scenes)
    held_out = [new for seed in range(40) for new in shown(render_scene(seed, split="held-out", size=(192, 192)))]
    assert 0.25 < np.mean(held_out) < 0.7


def test_each_word_of_a_held_out_combination_is_in_training():
    kept = [(s, c, p) for s in SHAPES for c in COLORS for p in PATTERNS if not is_held_out(s, c, p)]
    assert len(SHAPES) * len(COLORS) * len(PATTERNS) * 5 // 6 == len(kept)
    for position, words in enumerate((SHAPES, COLORS, PATTERNS)):
        assert {combination[position] for combination in kept} == set(words)


def test_held_out_nouns_and_styles_are_never_trained(scenes):
    def nouns_and_styles(group):
        sprites = [item for scene in group for item in scene.objects if item.style not in ("shape", "frame")]
        return {item.noun for item in sprites}, {item.style for item in sprites}

    nouns, styles = nouns_and_styles(scenes)
    new_nouns, known_styles = nouns_and_styles([render_scene(n, split="held-out-nouns") for n in range(15)])
    known_nouns, new_styles = nouns_and_styles([render_scene(n, split="held-out-style") for n in range(15)])
    assert nouns <= set(world_nouns("train")) == set(world_nouns("held-out")) >= known_nouns
    assert new_nouns <= set(world_nouns("held-out-nouns"))
    assert not set(world_nouns("held-out-nouns")) & set(world_nouns("train"))
    assert known_styles <= {"fluent", "noto"} == styles
    assert new_styles == {"twemoji"}


def test_no_noun_is_a_shape_or_a_frame_as_well():
    assert not set(world_nouns("train")) & {*SHAPES, *FRAMES}


# What is special


def test_look_alikes_that_differ_in_one_attribute_are_frequent(scenes):
    names = ("size", "color", "pattern", "noun")

    def has_look_alikes(scene):
        words = [[getattr(item, name) for name in names] for item in scene.objects]
        return any(sum(x != y for x, y in zip(a, b, strict=True)) == 1 for a, b in combinations(words, 2))

    several = [scene for scene in scenes if len(scene.objects) > 1]
    assert np.mean([has_look_alikes(scene) for scene in several]) > 0.3


def test_a_reflection_is_the_mirrored_picture_of_its_object():
    found = 0
    for seed in range(70):
        scene = render_scene(seed, size=(192, 208))
        for item in scene.objects:
            if item.reflection_of is None:
                continue
            found += 1
            thing = scene.objects[item.reflection_of]
            assert (item.noun, item.style, thing.reflection_of) == (thing.noun, thing.style, None)
            in_mirror = item.inside is not None
            turned = thing.full_mask[:, ::-1] if in_mirror else thing.full_mask[::-1]
            assert shape_overlap(item.full_mask, turned) > (0.8 if in_mirror else 0.55)  # water has ripples
    assert found > 7


def shape_overlap(a, b):
    """IoU of two masks (H, W), each cut to its box and brought to one size."""

    def cut(mask):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return np.asarray(Image.fromarray(part).resize((48, 48)))

    a, b = cut(a), cut(b)
    return (a & b).sum() / (a | b).sum()


def test_what_is_inside_a_frame_lies_within_its_outline():
    kinds = Counter()
    for seed in range(60):
        scene = render_scene(seed, size=(192, 208))
        for item in scene.objects:
            if item.inside is not None:
                frame = scene.objects[item.inside]
                kinds[frame.noun] += 1
                assert frame.noun in FRAMES
                assert not (item.full_mask & ~frame.full_mask).any()
                assert (frame.noun == "mirror") == (item.reflection_of is not None)
    assert set(kinds) == set(FRAMES)


def test_relations_follow_from_the_masks(scenes):
    for scene in scenes:
        for i, j in permutations(range(len(scene.objects)), 2):
            a, b = scene.objects[i], scene.objects[j]
            found, false, true = relation(scene, i, j), false_relations(scene, i, j), true_relations(scene, i, j)
            assert not set(true) & set(false)
            assert found is None or found in true
            if found is None:
                continue
            turned = opposite(found)
            assert relation(scene, j, i) == turned
            assert turned is None or turned in false
            (ya, xa), (yb, xb) = np.argwhere(a.mask).mean(axis=0), np.argwhere(b.mask).mean(axis=0)
            across, down = xb - xa, yb - ya
            holds = {
                "to the left of": across > 2 * abs(down),
                "to the right of": -across > 2 * abs(down),
                "above": down > 2 * abs(across),
                "below": -down > 2 * abs(across),
                "in front of": (a.mask & b.full_mask).sum() > 10,
                "behind": (b.mask & a.full_mask).sum() > 10,
                "inside": a.inside == j and a.reflection_of is None,
                "a reflection of": a.reflection_of == j,
            }
            assert holds[found]


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


def test_photographs_of_a_folder_are_added_to_those_of_the_package(tmp_path):
    with pytest.raises(MediaError, match="holds no picture"):
        find_photographs(tmp_path)
    with pytest.raises(MediaError, match="not a folder"):
        find_photographs(tmp_path / "none")
    Image.new("RGB", (500, 300), "teal").save(tmp_path / "teal.png")
    render_scene(0, photographs=tmp_path / "")
    assert len(find_photographs(None)) == 7
    assert sorted({*find_photographs(tmp_path)} - {*find_photographs(None)}) == [str(tmp_path / "teal.png")]


def test_a_contact_sheet_holds_every_scene(scenes):
    sheet = contact_sheet(scenes[:5], columns=2, side=160, text_width=200)
    assert sheet.size[0] == 2 * (160 + 200 + 24) + 12
    assert sheet.size[1] >= 3 * 160
    with pytest.raises(InputError, match="at least one"):
        contact_sheet([])
