"""What is written in the published format is read back as it was."""

import importlib.util
import json
import re

import numpy as np
import pytest

from gar.errors import InputError
from gar.training.export import export_published, published_record, scene_samples
from gar.training.samples import Sample
from gar.training.sources.published import PublishedSource

FORMATS = [
    "json",
    pytest.param(
        "arrow",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("datasets") is None, reason="the package datasets is not installed"
        ),
    ),
]


def mask(*places):
    own = np.zeros((4, 6), dtype=bool)
    for row, column in places:
        own[row, column] = True
    return own


def sample(prompts=(3, 1), turns=(("Is <Prompt3> left of <Prompt1>?", "yes"),), **changed):
    masks = tuple(mask((1, place), (2, place)) for place in range(len(prompts)))
    return Sample("x", masks, prompts, turns, **{"picture": np.full((4, 6, 3), 7, np.uint8), **changed})


def read(folder, format, **settings):
    return PublishedSource(folder / "data.json" if format == "json" else folder, **settings)


@pytest.mark.parametrize("format", FORMATS)
def test_scenes_come_back_with_the_same_pictures_masks_and_turns(tmp_path, format):
    scenes = list(scene_samples(3, 4))
    assert export_published(scenes, tmp_path / "out", format) == 4
    source = read(tmp_path / "out", format)
    assert (len(source), source.skipped) == (4, [])
    for index, scene in enumerate(scenes):
        back = source[index]
        assert np.array_equal(back.picture, scene.picture)
        assert (back.wording, back.dialogue) == ("several", False)
        numbers = sorted(scene.prompts)  # the format numbers from 0, in their order
        assert back.prompts == tuple(range(len(numbers)))
        for number, own in zip(scene.prompts, scene.masks, strict=True):
            assert np.array_equal(back.masks[numbers.index(number)], own)

        def renamed(text, numbers=numbers):
            return re.sub(r"<Prompt(\d)>", lambda name: f"<Prompt{numbers.index(int(name[1]))}>", text)

        assert back.turns == tuple((renamed(question), renamed(answer)) for question, answer in scene.turns)


def test_scenes_are_the_same_for_the_same_seed():
    first, again = ([scene.turns for scene in scene_samples(5, 2)] for _ in range(2))
    assert first == again
    assert first[1] == next(iter(scene_samples(6, 1))).turns


@pytest.mark.parametrize("format", FORMATS)
def test_captions_come_back_as_captions(tmp_path, format):
    turns = (
        ("Describe it.", "A cat."),
        ("<Prompt0>: Describe it.", "<Prompt0> is not in the image."),
        ("And?", "A dog."),
    )
    export_published([sample((4, 2), turns, wording="captions")], tmp_path / "out", format)
    back = read(tmp_path / "out", format, augment=False)[0]
    assert [answer for _, answer in back.turns if "not in" not in answer] == ["A cat.", "A dog."]
    assert all(np.array_equal(one, other) for one, other in zip(back.masks, sample().masks, strict=True))


def test_prompts_are_renumbered_all_at_once():
    record = published_record(sample((1, 0, 4), (("<Prompt4> <Prompt1> <Prompt0>?", "<Prompt4>"),)))
    assert [turn["value"] for turn in record["conversations"]] == [
        "<Prompt2> <Prompt1> <Prompt0>?",
        "<Prompt2>",
    ]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "no sample to write"),
        ([sample(turns=(("What is <Prompt3>?", "A cat."),))], "are <Prompt1>, <Prompt3>, its turns name <Prompt3>"),
        ([sample((3,), (("Is <Prompt3> left of <Prompt1>?", "yes"),))], "are <Prompt3>, its turns name <Prompt1>, <P"),
        ([sample(picture=None)], "x has no picture"),
    ],
)
def test_nothing_is_left_behind_when_it_cannot_be_written(tmp_path, samples, message):
    with pytest.raises(InputError, match=message):
        export_published(samples, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_not_touched(tmp_path):
    (tmp_path / "own.txt").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        export_published([sample()], tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["own.txt"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "out").mkdir()
    told = []
    assert export_published([sample(), sample()], tmp_path / "out", advance=lambda: told.append(1)) == 2
    assert len(told) == 2
    records = json.loads((tmp_path / "out/data.json").read_text())
    assert [record["image"] for record in records] == ["images/0000000.png", "images/0000001.png"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_kept_and_what_it_leads_to_is_filled(tmp_path, there):
    if there:
        (tmp_path / "far").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "far")
    assert export_published([sample()], tmp_path / "out") == 1
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "far/data.json").is_file()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["far", "out"]


def test_a_link_to_itself_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "out").symlink_to("out")
    with pytest.raises(InputError, match="exists already"):
        export_published(iter(lambda: pytest.fail("read"), None), tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(InputError, match="format 'csv'"):
        export_published([sample()], tmp_path / "out", "csv")


def test_what_somebody_has_put_into_the_folder_meanwhile_is_kept(tmp_path):
    folder = tmp_path / "world"

    def put():
        folder.mkdir(exist_ok=True)
        (folder / "mine.txt").write_text("mine")

    with pytest.raises(OSError, match="world"):
        export_published(scene_samples(0, 1, "train"), folder, advance=put)
    assert [path.name for path in tmp_path.iterdir()] == ["world"]
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
