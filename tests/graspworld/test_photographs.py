"""Real photographs as scenes: words by rule, parts that hold an object, folders that are read with care."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gar.errors import InputError, MediaError, RegionError
from gar.graspworld import (
    KINDS,
    choose_prompts,
    cut_out,
    open_photographs,
    photograph_scene,
    render_scene,
    write_turns,
)
from gar.graspworld.color_names import color_of
from gar.graspworld.relations import false_relations, relation, true_relations

WORLDS = Path(__file__).parents[3] / "shared" / "worlds"


def photograph():
    """A gray picture with a red disc on the left, a blue square on the right and a box that overlaps the disc."""
    image = np.full((200, 300, 3), 128, dtype=np.uint8)
    rows, columns = np.indices((200, 300))
    disc = np.hypot(rows - 100, columns - 70) < 40
    square = (abs(rows - 100) < 35) & (abs(columns - 230) < 35)
    over = (abs(rows - 60) < 40) & (abs(columns - 80) < 30)
    image[disc], image[square] = (220, 20, 20), (20, 40, 220)
    return image, [("sofa", disc), ("mouse trap", square), ("thing nobody knows", over)]


def test_a_photograph_becomes_a_scene_in_words():
    image, items = photograph()
    scene = photograph_scene(image, items)
    assert (scene.seed, scene.split) == (None, None)
    assert [item.noun for item in scene.objects] == ["couch", "mousetrap", "thing nobody knows"]
    assert [item.color for item in scene.objects][:2] == ["red", "blue"]
    assert scene.objects[0].place == "middle left"
    assert {item.size for item in scene.objects} <= {"medium", "large", None}
    assert all(item.style == "photo" and item.depth is None and item.shape is None for item in scene.objects)
    assert all(item.mask is item.full_mask for item in scene.objects)


def test_no_color_is_said_of_a_person():
    image = np.full((200, 200, 3), (150, 90, 50), dtype=np.uint8)
    mask = np.zeros((200, 200), dtype=bool)
    mask[40:160, 60:140] = True
    seen = [photograph_scene(image, [(noun, mask)]).objects[0] for noun in ("person", "chef", "couch")]
    assert [(item.color, item.main_color) for item in seen] == [(None, None), (None, None), ("brown", "brown")]


def test_nothing_is_known_of_what_is_nearer_in_a_photograph():
    scene = photograph_scene(*photograph())
    assert relation(scene, 0, 1) == "to the left of"
    assert relation(scene, 0, 2) is None
    assert not {"in front of", "behind"} & {*true_relations(scene, 0, 2), *false_relations(scene, 0, 2)}
    assert {"in front of", "behind"} <= set(false_relations(scene, 0, 1))


def test_a_random_part_holds_an_object_and_masks_follow_the_picture():
    image, items = photograph()
    kept = []
    for seed in range(40):
        scene = photograph_scene(image, items[:2], np.random.default_rng(seed))
        assert 256 <= max(scene.image.shape[:2]) <= 448
        assert scene.image.dtype == np.uint8
        for item in scene.objects:
            assert item.mask.shape == scene.image.shape[:2]
            assert color_of(scene.image, item.mask) == {"couch": "red", "mousetrap": "blue"}[item.noun]
        kept.append(len(scene.objects))
    assert set(kept) == {1, 2}


def test_a_part_around_a_noun_shows_it():
    for seed in range(20):
        scene = photograph_scene(*photograph(), np.random.default_rng(seed), around="mouse trap")
        assert "mousetrap" in [item.noun for item in scene.objects]
    scene = photograph_scene(*photograph(), np.random.default_rng(0), around="zebra")
    assert scene.objects


def test_the_same_generator_gives_the_same_part():
    a, b = (photograph_scene(*photograph(), np.random.default_rng(5)) for _ in range(2))
    assert (a.image == b.image).all()


def test_questions_about_photographs_are_of_the_same_kinds_but_never_of_what_is_absent():
    kinds = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        scene = photograph_scene(*photograph(), rng if seed % 2 else None)
        for turn in write_turns(scene, choose_prompts(scene, rng), rng):
            kinds.add(turn.kind)
            assert not turn.answer.startswith("None")
            assert "absent" not in turn.kind
    assert kinds < set(KINDS)
    assert {"caption", "noun", "relation", "which", "choice-noun", "yes-no-color"} <= kinds


def test_cutouts_are_put_into_scenes_as_sprites():
    image, items = photograph()
    cutouts = cut_out(image, items)
    assert [cutout.noun for cutout in cutouts] == ["couch"]  # the others have boxes as their masks
    assert cutouts[0].pixels.shape[2] == 4
    scenes = [render_scene(seed, size=(192, 192), cutouts=cutouts) for seed in range(20)]
    pasted = [item for scene in scenes for item in scene.objects if item.style == "photo"]
    assert pasted
    assert {item.noun for item in pasted} == {"couch"}


def test_a_wrong_picture_or_mask_is_refused_with_its_shape():
    image, items = photograph()
    with pytest.raises(InputError, match=r"float64 \(200, 300, 3\)"):
        photograph_scene(image.astype(float), items)
    with pytest.raises(RegionError, match=r"'sofa' is bool \(3, 3\)"):
        photograph_scene(image, [("sofa", np.ones((3, 3), dtype=bool))])
    with pytest.raises(RegionError, match="'sofa' is empty"):
        photograph_scene(image, [("sofa", np.zeros((200, 300), dtype=bool))])
    with pytest.raises(InputError, match="no object"):
        photograph_scene(image, [])
    speck = np.zeros((200, 300), dtype=bool)
    speck[5, 5] = True
    with pytest.raises(InputError, match="none of 1 objects covers"):
        photograph_scene(image, [("sofa", speck)])


# Folders


def coco(folder, annotations, name="mouse", size=(60, 40), **picture):
    Image.new("RGB", size, "teal").save(folder / "a.png")
    content = {
        "images": [{"id": 1, "file_name": "a.png", **picture}],
        "categories": [{"id": 7, "name": name}],
        "annotations": annotations,
    }
    (folder / "instances.json").write_text(json.dumps(content))


POLYGON = {"image_id": 1, "category_id": 7, "segmentation": [[5, 5, 30, 5, 30, 30, 5, 30]]}


def test_coco_annotations_are_read_with_our_nouns(tmp_path):
    crowd = {**POLYGON, "iscrowd": 1, "segmentation": {"size": [40, 60], "counts": [0, 2400]}}
    coco(tmp_path, [POLYGON, crowd, {"image_id": 2, "category_id": 7}])
    photographs = open_photographs(tmp_path)
    assert len(photographs) == 1
    assert len(photographs.skipped) == 1
    assert "entry 1" in photographs.skipped[0]
    image, items = photographs[0].read()
    assert image.shape == (40, 60, 3)
    assert [(noun, mask.sum()) for noun, mask in items] == [("computer mouse", 625)]


def test_boxes_are_read_as_rectangles(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    entries = [
        {"file_name": "a.png", "words": "zzz, Egyptian cat", "box_xyxy": [10, 10, 30, 40]},
        {"file_name": "a.png", "words": "zzz", "box_xyxy": [10, 10, 30, 40]},
        {"file_name": "a.png", "words": "cat", "box_xyxy": [30, 10, 30, 40]},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(entries))
    photographs = open_photographs(tmp_path)
    assert "entry 2" in photographs.skipped[0]
    _, items = photographs[0].read()
    assert [(noun, mask.sum()) for noun, mask in items] == [("cat", 600)]


def test_a_list_that_cannot_be_used_says_why(tmp_path):
    with pytest.raises(MediaError, match="not a folder"):
        open_photographs(tmp_path / "none")
    with pytest.raises(MediaError, match="found: none"):
        open_photographs(tmp_path)
    (tmp_path / "instances.json").write_text("{")
    with pytest.raises(MediaError, match="not JSON"):
        open_photographs(tmp_path)
    (tmp_path / "instances.json").write_text("[]")
    with pytest.raises(MediaError, match="not COCO"):
        open_photographs(tmp_path)
    coco(tmp_path, [{**POLYGON, "category_id": 8}])
    with pytest.raises(MediaError, match="could not be used: entry 0: KeyError 8"):
        open_photographs(tmp_path)
    coco(tmp_path, [POLYGON])
    (tmp_path / "a.png").unlink()
    with pytest.raises(MediaError, match=r"no picture 'a\.png'"):
        open_photographs(tmp_path)


def test_a_picture_outside_the_folder_is_refused(tmp_path):
    entries = [{"file_name": "../a.png", "words": "cat", "box_xyxy": [1, 1, 3, 4]}]
    (tmp_path / "boxes.json").write_text(json.dumps(entries))
    with pytest.raises(MediaError, match="leaves the folder"):
        open_photographs(tmp_path)


def test_a_picture_of_another_size_than_its_list_says_is_refused(tmp_path):
    coco(tmp_path, [POLYGON], width=60, height=40)
    assert open_photographs(tmp_path)[0].read()[0].shape == (40, 60, 3)
    for said in ({"width": 40, "height": 60}, {"width": 61}, {"height": "40"}):
        coco(tmp_path, [POLYGON], **said)
        with pytest.raises(MediaError, match=r"a\.png is 60 x 40 .*list says (40 x 60|61 x None|None x '40')"):
            open_photographs(tmp_path)[0].read()


def test_a_mask_of_another_size_is_refused_and_one_without_a_pixel_left_out(tmp_path):
    outside = {**POLYGON, "segmentation": [[105, 5, 130, 5, 130, 30, 105, 30]]}
    coco(tmp_path, [outside, POLYGON])
    assert len(open_photographs(tmp_path)[0].read()[1]) == 1
    coco(tmp_path, [outside])
    with pytest.raises(MediaError, match="none of 1 objects has a pixel"):
        open_photographs(tmp_path)[0].read()
    coco(tmp_path, [POLYGON, {**POLYGON, "segmentation": {"size": [60, 40], "counts": [0, 2400]}}])
    with pytest.raises(MediaError, match=r"a\.png: object 1, 'computer mouse': mask of 60 x 40 .* picture of 40 x 60"):
        open_photographs(tmp_path)[0].read()


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x07b", "<Prompt0>", "a>b", "y" * 61, None])
def test_a_category_that_cannot_be_said_is_refused(tmp_path, name):
    coco(tmp_path, [POLYGON], name)
    with pytest.raises(MediaError, match=r"instances\.json: the category name '.*' cannot be used") as refused:
        open_photographs(tmp_path)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("content", ["[" * 100_000, "1" * 5_000])
def test_json_beyond_what_python_reads_is_refused(tmp_path, content):
    (tmp_path / "boxes.json").write_text(content)
    with pytest.raises(MediaError, match=r"boxes\.json is not JSON"):
        open_photographs(tmp_path)


def test_a_file_name_that_none_can_be_is_refused_and_shortened(tmp_path):
    coco(tmp_path, [POLYGON], file_name="y" * 5_000)
    with pytest.raises(MediaError, match=r"'\.\.\.yyy.*cannot be read: File name too long") as refused:
        open_photographs(tmp_path)
    assert len(str(refused.value)) < 500


def test_what_many_objects_of_a_large_picture_take_is_bounded(tmp_path):
    whole = {**POLYGON, "segmentation": [[0, 0, 1500, 0, 1500, 500, 0, 500]]}
    coco(tmp_path, [whole] * 200, size=(1500, 1000))
    image, items = open_photographs(tmp_path)[0].read()
    assert image.shape == (945, 1418, 3)
    assert len(items) == 200
    assert sum(mask.nbytes for _, mask in items) <= 1 << 28
    assert all(mask.shape == (945, 1418) and abs(mask.mean() - 0.5) < 0.001 for _, mask in items)


@pytest.mark.skipif(not WORLDS.is_dir(), reason="../shared/worlds is absent")
def test_small_sets_of_real_photographs_are_read():
    photographs = open_photographs(WORLDS / "coco128" / "train2017")
    assert sum(len(photograph.items) for photograph in photographs) == 746
    for number, photograph in enumerate(photographs[:8]):
        scene = photograph_scene(*photograph.read(), np.random.default_rng(number))
        assert scene.objects
    boxes = open_photographs(WORLDS / "tiny-imagenet")
    assert len(boxes) > 600
    assert len(boxes.skipped) == 3


@pytest.mark.skipif(not WORLDS.is_dir(), reason="../shared/worlds is absent")
def test_no_color_is_right_of_photographs_because_it_is_offered():
    """Four fifths of the colors in them are black, brown and gray; of these that are offered much less is right."""
    photographs = open_photographs(WORLDS / "coco128" / "train2017")
    offered = Counter()
    for seed in range(250):
        rng = np.random.default_rng(seed)
        scene = photograph_scene(*photographs[seed % len(photographs)].read(), rng)
        for turn in write_turns(
            scene, choose_prompts(scene, rng), rng, n=6, kinds=["choice-color", "choice-colors", "choice-near-color"]
        ):
            for choice in turn.choices:
                said = re.sub("grey|silver", "gray", choice.lower())
                for word in ("black", "brown", "gray"):
                    offered[word, choice == turn.right_choice] += word in said
    for word in ("black", "brown", "gray"):
        right, wrong = offered[word, True], offered[word, False]
        assert right + wrong > 80
        assert right / (right + wrong) < 0.45


def test_a_list_is_found_where_coco_has_it(tmp_path):
    folder = tmp_path / "val2017"
    folder.mkdir()
    coco(folder, [POLYGON])
    (tmp_path / "annotations").mkdir()
    (folder / "instances.json").rename(tmp_path / "annotations" / "instances_val2017.json")
    assert [noun for noun, _ in open_photographs(folder)[0].read()[1]] == ["computer mouse"]
