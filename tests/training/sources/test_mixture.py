"""Several sources as one, and sources as settings."""

from collections import Counter

import pytest

from gar.errors import InputError
from gar.training.samples import Sample, Skipped
from gar.training.sources import open_mixture, open_source
from gar.training.sources.published import PublishedSource
from gar.training.sources.source import Mixture, Source


class Numbers(Source):
    """Items whose name is their number and epoch."""

    def __init__(self, label, count):
        super().__init__()
        self.label, self.count = label, count
        self.skipped = [Skipped(label, "broken")]

    def __len__(self):
        return self.count

    def draw(self, index, epoch):
        return Sample(f"{self.label}{index} in {epoch}", (), (), ())


def test_each_item_comes_as_often_as_its_source_weighs():
    mixture = Mixture([Numbers("a", 3), Numbers("none", 0), Numbers("b", 2)], [1, 5, 4])
    assert len(mixture) == 3 + 0 + 8
    names = Counter(mixture[index].name.split()[0] for index in range(len(mixture)))
    assert names == {"a0": 1, "a1": 1, "a2": 1, "b0": 4, "b1": 4}


def test_repeats_are_drawn_as_if_from_further_epochs():
    mixture = Mixture([Numbers("a", 2)], [3])
    drawn = [mixture.draw(index, epoch).name for epoch in range(2) for index in range(len(mixture))]
    assert len(set(drawn)) == 12
    assert drawn[-1] == "a1 in 5"


def test_a_mixture_may_be_in_a_mixture():
    mixture = Mixture([Numbers("a", 1), Mixture([Numbers("b", 1)], [2])], [1, 2])
    assert {mixture[index].name for index in range(len(mixture))} == {"a0 in 0", *(f"b0 in {n}" for n in range(4))}


def test_what_was_left_out_is_gathered():
    mixture = Mixture([Numbers("a", 1), Numbers("b", 1)])
    assert mixture.skipped == [Skipped("a", "broken"), Skipped("b", "broken")]


@pytest.mark.parametrize(("sources", "weights"), [(0, None), (1, []), (1, [0]), (2, [1, -1])])
def test_weights_that_do_not_fit_are_refused(sources, weights):
    with pytest.raises(InputError, match="whole number from 1 up"):
        Mixture([Numbers("a", 1)] * sources, weights)


# --- settings


def test_a_source_is_opened_from_its_settings(write, record):
    path = write(record(), record())
    source = open_source({"kind": "published", "path": str(path), "augment": False}, seed=4)
    expected = PublishedSource(path, seed=4, augment=False)
    assert source[1].prompts == expected[1].prompts
    assert source[1].turns == expected[1].turns


def test_weights_stand_in_the_settings(write, record):
    spec = {"kind": "published", "path": str(write(record(), record()))}
    assert len(open_mixture([spec, {**spec, "weight": 3}])) == 8


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"path": "x"}, "kind"),
        ({"kind": "pascal", "path": "x"}, "pascal"),
        ({"kind": "coco", "path": "x"}, "coco.images: Field required"),
        ({"kind": "folder", "path": 3}, r"folder.path: .*given: 3"),
        ({"kind": "folder", "path": "x", "augmented": True}, r"folder.augmented: Extra inputs .*given: True"),
        ({"kind": "folder", "path": "x", "weight": 0}, r"folder.weight: .*greater than or equal to 1 \(given: 0\)"),
        ({"kind": "panoptic", "path": "x", "images": "x", "masks": "x", "split": "val"}, "'train' or 'test'"),
        ({"kind": "folder", "path": "/nowhere"}, "no folder /nowhere"),
    ],
)
def test_settings_that_make_no_sense_are_named(spec, message):
    with pytest.raises(InputError, match=message):
        open_source(spec)


def test_every_setting_is_described():
    from gar.training.sources import specs

    for model in (specs.PublishedData, specs.CocoData, specs.PanopticData, specs.FolderData):
        assert all(field.description for field in model.model_fields.values())
