"""Instance annotations in COCO's format."""

import json
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from gar.errors import InputError
from gar.training.samples import Sample, Skipped
from gar.training.sources.coco import CocoSource


def square(number):
    x, y = 4 * (number % 8), 4 * (number // 8)
    return [[x, y, x + 3, y, x + 3, y + 3, x, y + 3]]


@pytest.fixture
def coco(tmp_path, picture):
    """Writes annotations of `objects` cats and dogs in turns; anything may be changed."""
    Image.fromarray(picture).save(tmp_path / "a.png")

    def make(objects=3, **changed):
        table = {
            "images": [{"id": 7, "file_name": "a.png", "height": 24, "width": 32}],
            "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
            "annotations": [
                {"id": n, "image_id": 7, "category_id": 17 + n % 2, "segmentation": square(n), "iscrowd": 0}
                for n in range(objects)
            ],
            **changed,
        }
        path = tmp_path / "instances.json"
        path.write_text(json.dumps(table))
        return path

    return make


def open_at(path, **settings):
    return CocoSource(path, path.parent, **settings)


def test_each_region_is_called_what_it_is(coco):
    source = open_at(coco(3))
    for epoch in range(20):
        sample = source.draw(0, epoch)
        said = {}
        if sample.wording == "captions":
            said = dict(zip(sample.prompts, [answer for _, answer in sample.turns], strict=True))
        else:
            assert not sample.dialogue
            said = {int(q.partition("<Prompt")[2][0]): a for q, a in sample.turns if a in ("A cat.", "A dog.")}
        assert set(said) == set(sample.prompts)
        for number, mask in zip(sample.prompts, sample.masks, strict=True):
            place = int(np.flatnonzero(mask.any(axis=0))[0]) // 4
            assert said[number] == ("A cat.", "A dog.", "A cat.")[place]


def test_every_region_is_seen_once_an_epoch_in_another_deal_each_time(coco):
    source = open_at(coco(13))
    assert len(source) == 3
    deals = []
    for epoch in range(2):
        items = [source.draw(index, epoch) for index in range(3)]
        assert sorted(len(item.masks) for item in items) == [4, 4, 5]
        union = np.sum([mask for item in items for mask in item.masks], axis=0)
        assert (union.max(), union.sum()) == (1, 13 * 9)
        deals.append([np.logical_or.reduce(item.masks).tobytes() for item in items])
    assert set(deals[0]) != set(deals[1])


def test_prompt_numbers_do_not_follow_the_deal(coco):
    source = open_at(coco(2))
    seen = Counter()
    for epoch in range(400):
        sample = source.draw(0, epoch)
        first = min(range(2), key=lambda place: np.flatnonzero(sample.masks[place].any(axis=0))[0])
        seen[(first, sample.prompts)] += 1
    assert len(seen) == 40
    assert max(seen.values()) < 30


def test_what_is_wrong_with_an_annotation_is_named(coco):
    good = {"id": 1, "image_id": 7, "category_id": 17, "segmentation": square(0), "iscrowd": 0}
    bad = {
        "a crowd": {**good, "iscrowd": 1},
        "category_id is 3;": {**good, "category_id": 3},
        "category_id is [17];": {**good, "category_id": [17]},
        "image_id is 8;": {**good, "image_id": 8},
        "image_id is {};": {**good, "image_id": {}},
        "no segmentation": {**good, "segmentation": []},
        "it is 'x'": "x",
    }
    path = coco(annotations=[good, *bad.values()])
    source = open_at(path)
    assert len(source) == 1
    assert [skipped.name for skipped in source.skipped] == [f"{path}: annotation at {n}" for n in range(1, 8)]
    assert all(reason in skipped.reason for skipped, reason in zip(source.skipped, bad, strict=True))


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([[100, 100, 103, 100, 103, 103]], "annotation 5: .*no pixel inside"),
        ([[1, 2, 3]], "annotation 5: .*must be flat"),
        ([["a", "b"]], "annotation 5: "),
        ({"size": [3, 3], "counts": [0, 9]}, "annotation 5: .*3 x 3"),
        ("x", "annotation 5: "),
        (7, "annotation 5: "),
    ],
)
def test_an_outline_that_is_none_is_skipped_when_it_is_read(coco, segmentation, reason):
    path = coco(annotations=[{"id": 5, "image_id": 7, "category_id": 17, "segmentation": segmentation}])
    item = open_at(path)[0]
    assert isinstance(item, Skipped)
    assert item.name == f"{path}: picture 7"
    assert re.search(reason, item.reason)


def test_pictures_that_are_not_there_are_named_and_so_are_their_annotations(coco):
    images = [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "../b.png"}, {"id": None}, 3]
    annotations = [{"image_id": number, "category_id": 17, "segmentation": square(0)} for number in (7, 8)]
    source = open_at(coco(images=images, annotations=annotations))
    assert len(source) == 1
    assert [skipped.name.partition(": ")[2] for skipped in source.skipped] == [
        "picture at 1",
        "picture at 2",
        "picture at 3",
        "annotation at 1",
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"annotations": None}, "None under 'annotations'"),
        ({"images": {}}, "{} under 'images'"),
        ({"categories": [{"id": 1}]}, "lacks an id or a name"),
        ({"annotations": []}, "nothing to learn from"),
    ],
)
def test_a_file_in_another_format_is_refused(coco, changed, message):
    with pytest.raises(InputError, match=message):
        open_at(coco(**changed))


def test_real_photographs_can_all_be_learnt_from(shared):
    folder = shared / "worlds/coco128"
    source = CocoSource(folder / "instances_val2017.json", folder, seed=1)
    assert source.skipped == []
    items = [source[index] for index in range(0, len(source), 8)]
    assert all(isinstance(item, Sample) for item in items)
    assert {item.wording for item in items} == {"captions", "several"}
