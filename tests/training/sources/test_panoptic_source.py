"""Panoptic annotations, of COCO and of PSG."""

import json

import numpy as np
import pytest
from PIL import Image

from gar.errors import InputError
from gar.training.samples import Skipped
from gar.training.sources.panoptic import PanopticSource

NUMBERS = (3, 256 * 7 + 1, 65536 * 9 + 256 * 2 + 5, 44)
"""Of the four quarters of the picture; each needs another channel."""


@pytest.fixture
def folder(tmp_path, picture):
    """A picture `images/a.png` whose quarters are segments in `masks/a.png`."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    Image.fromarray(picture).save(tmp_path / "images/a.png")
    numbers = np.zeros((24, 32), dtype=int)
    for place, number in enumerate(NUMBERS):
        numbers[12 * (place // 2) :, 16 * (place % 2) :][:12, :16] = number
    colors = np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], axis=2)
    Image.fromarray(colors.astype(np.uint8)).save(tmp_path / "masks/a.png")
    return tmp_path


@pytest.fixture
def coco(folder):
    def make(**changed):
        segments = [{"id": n, "category_id": 1 + place % 2, "iscrowd": 0} for place, n in enumerate(NUMBERS)]
        table = {
            "images": [{"id": 7, "file_name": "a.png"}],
            "annotations": [{"image_id": 7, "file_name": "a.png", "segments_info": segments}],
            "categories": [{"id": 1, "name": "person", "isthing": 1}, {"id": 2, "name": "wall-brick", "isthing": 0}],
            **changed,
        }
        (folder / "panoptic.json").write_text(json.dumps(table))
        return folder / "panoptic.json"

    return make


@pytest.fixture
def psg(folder):
    def make(record=(), **changed):
        segments = [{"id": n, "category_id": place % 3, "isthing": 1} for place, n in enumerate(NUMBERS)]
        data = {
            "image_id": "7",
            "file_name": "a.png",
            "pan_seg_file_name": "a.png",
            "segments_info": segments,
            "relations": [[0, 1, 0], [0, 1, 1], [3, 2, 1]],
            **dict(record),
        }
        table = {
            "data": [data, {**data, "image_id": "8"}],
            "thing_classes": ["person", "horse"],
            "stuff_classes": ["sky-other-merged"],
            "predicate_classes": ["riding", "in front of"],
            "test_image_ids": ["8"],
            **changed,
        }
        (folder / "psg.json").write_text(json.dumps(table))
        return folder / "psg.json"

    return make


def open_at(path, **settings):
    return PanopticSource(path, path.parent / "images", path.parent / "masks", **settings)


def quarter(mask):
    """Which quarter a mask is, and nothing but."""
    rows, columns = mask.nonzero()
    assert mask.sum() == 12 * 16
    return 2 * int(rows[0] >= 12) + int(columns[0] >= 16)


def test_colors_are_read_as_segments_of_things_and_stuff(coco):
    source = open_at(coco())
    for epoch in range(8):
        sample = source.draw(0, epoch)
        found = {number: quarter(mask) for number, mask in zip(sample.prompts, sample.masks, strict=True)}
        assert sorted(found.values()) == [0, 1, 2, 3]
        if sample.wording == "captions":
            answers = dict(zip(sample.prompts, [answer for _, answer in sample.turns], strict=True))
            assert answers == {number: ("A person.", "Brick wall.")[place % 2] for number, place in found.items()}


def test_relations_are_between_the_right_regions(psg):
    source = open_at(psg())
    expected = {(0, 1): "is riding and in front of", (3, 2): "is in front of"}
    seen = set()
    for epoch in range(40):
        sample = source.draw(0, epoch)
        found = {f"<Prompt{n}>": quarter(mask) for n, mask in zip(sample.prompts, sample.masks, strict=True)}
        for _, answer in sample.turns:
            subject, _, rest = answer.partition(" is ")
            if subject in found and rest:
                verb, _, other = rest[:-1].rpartition(" ")
                assert expected[found[subject], found[other]] == f"is {verb}"
                seen.add((found[subject], found[other]))
    assert seen == set(expected)


def test_related_regions_are_dealt_together(psg):
    source = open_at(psg(), max_regions=2)
    assert len(source) == 2
    for epoch in range(10):
        pairs = [{quarter(mask) for mask in source.draw(index, epoch).masks} for index in range(2)]
        assert sorted(map(sorted, pairs)) == [[0, 1], [2, 3]]


def test_the_test_pictures_of_psg_are_kept_apart(psg):
    path = psg()
    assert open_at(path)[0].name == f"{path}: picture '7'"
    assert open_at(path, split="test")[0].name == f"{path}: picture '8'"


def test_coco_has_no_test_pictures_in_its_file(coco):
    with pytest.raises(InputError, match="no PSG file"):
        open_at(coco(), split="test")


def test_bad_segments_and_relations_are_named(psg):
    segments = [
        {"id": NUMBERS[0], "category_id": 0},
        {"id": NUMBERS[1], "category_id": 9},
        {"id": NUMBERS[2], "category_id": 0, "iscrowd": 1},
        {"id": NUMBERS[3], "category_id": 1},
    ]
    relations = [[0, 3, 0], [0, 4, 0], [0, 0, 0], [0, 3, 7], [0, 1, 0], "x"]
    source = open_at(psg({"segments_info": segments, "relations": relations}))
    own = [skipped for skipped in source.skipped if "record at 0" in skipped.name]
    assert [skipped.name.partition(", ")[2] for skipped in own] == [
        "segment at 1",
        "segment at 2",
        "relation at 1",
        "relation at 2",
        "relation at 3",
        "relation at 5",
    ]
    assert sorted(quarter(mask) for mask in source[0].masks) == [0, 3]


@pytest.mark.parametrize(
    "record", [{"file_name": "b.png"}, {"pan_seg_file_name": "../a.png"}, {"segments_info": 3}, {"relations": None}]
)
def test_a_record_without_what_it_needs_is_named(psg, record):
    with pytest.raises(InputError, match=r"nothing to learn from; 1 items .*psg.json: record at 0: "):
        open_at(psg(record))


def test_segments_that_do_not_fit_the_picture_are_skipped_when_they_are_read(psg, folder):
    path = psg({"segments_info": [{"id": 99, "category_id": 0}], "relations": []})
    source = open_at(path)
    assert source[0] == Skipped(f"{path}: picture '7'", "segment 99 has no pixel in a.png")
    Image.new("RGB", (16, 24)).save(folder / "masks/a.png")
    assert "are 24 x 16, the picture is 24 x 32" in source[0].reason
    (folder / "masks/a.png").write_bytes(b"torn")
    assert "is not a picture" in source[0].reason


@pytest.mark.parametrize("changed", [{"data": 3}, {"predicate_classes": [1]}, {"test_image_ids": None}])
def test_a_file_in_another_format_is_refused(psg, changed):
    with pytest.raises(InputError, match="it must be a list"):
        open_at(psg(**changed))
