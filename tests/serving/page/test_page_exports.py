"""What a visitor can take home."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from gar import Answer, Region
from gar.drawing import draw_regions
from gar.errors import InputError
from gar.serving.page.conversation import Turn
from gar.serving.page.exports import coco_file, conversation_file, export_name, overlay_file
from gar.serving.page.visit import Visit

REGIONS = (Region.box(10, 10, 40, 40), Region.scribble([(50, 10), (60, 50)]))


def marked(visit):
    """The visit with two regions, the first described."""
    first, _ = (visit.add(region) for region in REGIONS)
    visit.rename(first.id, "cup")
    answer = Answer("a red cup", (REGIONS[0],), "stop", prompt_tokens=50, new_tokens=4, seconds=0.5)
    turn = Turn(None, {0: first}, "nano", state="done", text=answer.text, answer=answer)
    visit.turns = [turn, Turn("Is it?", {0: first}, "nano", state="answering", text="ye")]
    return visit


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools' own annToMask
def test_the_coco_file_is_read_by_pycocotools_and_has_the_very_masks(visit, tmp_path):
    path = tmp_path / "regions.json"
    path.write_bytes(coco_file(marked(visit)))
    coco = COCO(str(path))
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    for annotation, region in zip(annotations, REGIONS, strict=True):
        assert np.array_equal(coco.annToMask(annotation), region.to_mask((60, 80)))
        assert annotation["area"] == region.area((60, 80))
        assert Region.from_coco(annotation).to_box((60, 80)) == region.to_box((60, 80))
    assert [(each["name"], each["caption"], each["prompt"]) for each in annotations] == [
        ("cup", "a red cup", "<Prompt0>"),
        ("", "", "<Prompt1>"),
    ]


def test_the_conversation_file_holds_what_was_asked_and_answered(visit):
    content = json.loads(conversation_file(marked(visit)))
    assert content["picture"] == {"name": "noise.png", "width": 80, "height": 60}
    assert [region["kind"] for region in content["regions"]] == ["box", "scribble"]
    (turn,) = content["turns"]  # the one that is still being answered is left out
    assert (turn["answer"], turn["new_tokens"], turn["finish_reason"]) == ("a red cup", 4, "stop")
    assert Region.rle(turn["regions"][0]["mask"]).area((60, 80)) == REGIONS[0].area((60, 80))


def test_the_picture_is_saved_in_all_its_pixels_with_its_regions_drawn(visit):
    saved = Image.open(io.BytesIO(overlay_file(marked(visit), 0.3)))
    assert np.array_equal(saved, draw_regions(visit.picture.image, REGIONS, opacity=0.3))


def test_files_are_named_after_the_picture(visit):
    assert export_name(visit, "-regions.json") == "noise-regions.json"


@pytest.mark.parametrize("make", [coco_file, conversation_file, lambda visit: overlay_file(visit, 0.5)])
def test_without_a_picture_there_is_nothing_to_save(make):
    with pytest.raises(InputError, match="open a picture first"):
        make(Visit(5))
