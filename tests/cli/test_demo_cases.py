import json
from importlib.resources import files

import numpy as np
import pytest

from gar.cli.demo_cases import photographs, world_scenes

WORLDS = world_scenes(6, seed=0, max_regions=5)
PHOTOGRAPHS = photographs()


def test_there_are_as_many_world_scenes_as_asked_for_each_with_two_regions_or_more():
    assert len(WORLDS) == 6
    assert all(2 <= len(case.regions) <= 5 for case in WORLDS)
    assert len({case.name for case in WORLDS}) == 6


def test_a_scene_has_no_more_regions_than_the_model_has_prompts():
    assert max(len(case.regions) for case in world_scenes(6, seed=0, max_regions=2)) == 2


def test_the_same_seed_gives_the_same_cases():
    again = world_scenes(6, seed=0, max_regions=5)
    assert [(case.known, case.questions) for case in again] == [(case.known, case.questions) for case in WORLDS]


@pytest.mark.parametrize("case", [*WORLDS, *PHOTOGRAPHS], ids=lambda case: case.name)
def test_everything_known_of_a_region_is_there_and_every_region_fits(case):
    size = (case.image.height, case.image.width)
    assert len(case.known) == len(case.regions) >= 2
    for region in case.regions:
        assert region.note(size) is None
        assert 0 < region.area(size) < np.prod(size)


@pytest.mark.parametrize("case", WORLDS, ids=lambda case: case.name)
def test_a_question_names_only_prompts_that_go_with_it_and_its_truth_is_a_choice(case):
    assert any(question.regions >= 2 for question in case.questions)
    for question in case.questions:
        text = " ".join((question.text, *question.choices))
        named = {number for number in range(9) if f"<Prompt{number}>" in text}
        assert named == set(range(question.regions))
        assert "Options" not in question.text
        assert question.truth in question.choices


def test_the_photographs_are_small_files_of_free_licences_with_mixed_regions():
    folder = files("gar") / "examples"
    sources = (folder / "SOURCES.md").read_text("utf-8")
    pictures = [path for path in folder.iterdir() if path.name.endswith(".jpg")]
    assert len(pictures) == len(PHOTOGRAPHS) >= 3
    for picture in pictures:
        assert picture.name in sources
        assert len(picture.read_bytes()) <= 100_000
    assert {region.kind for case in PHOTOGRAPHS for region in case.regions} == {"box", "points", "polygon", "scribble"}


def test_the_example_regions_are_plain_json_with_a_note_each():
    entries = json.loads((files("gar") / "examples" / "regions.json").read_text("utf-8"))
    assert all(region["is"] for entry in entries for region in entry["regions"])
