"""A folder of pictures, masks and texts."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gar.errors import InputError
from gar.processing.prompts import DESCRIBE
from gar.training.samples import Skipped
from gar.training.sources.folder import FolderSource


@pytest.fixture
def put(tmp_path, picture, boxes):
    """Puts a picture, masks and texts into the folder."""

    def make(name, masks=("",), captions=None, conversation=None):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
        for number, mask in zip(masks, boxes(len(masks)), strict=True):
            Image.fromarray(mask).save(tmp_path / f"{name}.mask{number}.png")
        if captions is not None:
            (tmp_path / f"{name}.txt").write_text("\n".join(captions), encoding="utf-8")
        if conversation is not None:
            said = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(conversation)]
            (tmp_path / f"{name}.json").write_text(json.dumps(said))
        return tmp_path

    return make


def test_one_mask_and_its_caption(put, picture, boxes):
    folder = put("cat", captions=["A cat."])
    sample = FolderSource(folder, augment=False)[0]
    assert (sample.name, sample.turns, sample.wording) == (str(folder / "cat.png"), ((DESCRIBE, "A cat."),), "captions")
    assert np.array_equal(sample.picture, picture)
    assert np.array_equal(sample.masks[0], boxes(1)[0])


def test_several_masks_and_a_line_for_each(put, boxes):
    sample = FolderSource(put("cat", ["0", "1", "2"], ["One.", "", "Two.", "Three.", ""]), augment=False)[0]
    assert [answer for _, answer in sample.turns if "not in" not in answer] == ["One.", "Two.", "Three."]
    assert all(np.array_equal(mask, own) for mask, own in zip(sample.masks, boxes(3), strict=True))


def test_a_conversation_names_masks_by_their_number(put, boxes):
    sample = FolderSource(put("cat", ["0", "1"], conversation=["What is <Prompt1>?", "A cat."]))[0]
    assert (sample.prompts, sample.turns) == ((1,), (("What is <Prompt1>?", "A cat."),))
    assert np.array_equal(sample.masks[0], boxes(2)[1])


def test_what_does_not_belong_together_is_named(put, tmp_path, picture):
    put("good", captions=["A cat."])
    put("gap", ["0", "2"], ["One.", "Two."])
    put("twice", ["", "0"], ["One.", "Two."])
    put("lines", ["0", "1"], ["One."])
    put("no mask", [], ["One."])
    put("no text")
    put("unnamed", conversation=["What is <Prompt1>?", "A cat."])
    put("no json").joinpath("no json.json").write_text("{")
    put("latin").joinpath("latin.txt").write_bytes("Kätzchen".encode("latin-1"))
    Image.fromarray(picture).save(tmp_path / "lone.mask.png")
    (tmp_path / "notes.md").write_text("not data")
    (tmp_path / "folder.png").mkdir()
    source = FolderSource(tmp_path)
    assert len(source) == 1
    reasons = {Path(skipped.name).name: skipped.reason for skipped in source.skipped}
    expected = {
        "gap.png": "numbers [0, 2]",
        "twice.png": "numbers [0, 0]",
        "lines.png": "2 masks and 1 answers",
        "no mask.png": "no mask beside it",
        "no text.png": "neither no text.txt nor no text.json",
        "unnamed.png": "names <Prompt1>",
        "no json.png": "no json.json is not JSON",
        "latin.png": "not UTF-8",
        "lone.mask.png": "no picture for this mask",
    }
    assert reasons.keys() == expected.keys()
    assert all(part in reasons[name] for name, part in expected.items())


def test_masks_that_do_not_fit_are_skipped_when_they_are_read(put):
    source = FolderSource(put("cat", captions=["A cat."]))
    Image.new("L", (32, 24)).save(put("cat") / "cat.mask.png")
    assert source[0] == Skipped(
        str(put("cat") / "cat.png"), "cat.mask.png: the mask of 24 x 32 (height x width) is empty: no pixel is inside"
    )
    Image.new("L", (10, 10), 255).save(put("cat") / "cat.mask.png")
    assert "cat.mask.png: " in source[0].reason
    assert "10 x 10" in source[0].reason


def test_a_mask_with_an_alpha_channel_is_skipped_as_its_colors_may_show_another_region(put):
    source = FolderSource(put("cat", captions=["A cat."]))
    Image.new("RGBA", (32, 24), (255, 0, 0, 0)).save(put("cat") / "cat.mask.png")
    assert source[0].reason.startswith("cat.mask.png: the picture has an alpha channel")


def test_of_a_label_map_in_sixteen_bits_every_label_is_inside(put, boxes):
    source = FolderSource(put("cat", captions=["A cat."]))
    Image.fromarray(boxes(1)[0].astype(np.uint16)).save(put("cat") / "cat.mask.png")
    assert np.array_equal(source[0].masks[0], boxes(1)[0])


def test_a_folder_without_anything_to_learn_is_refused(tmp_path):
    with pytest.raises(InputError, match="nothing to learn from"):
        FolderSource(tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        FolderSource(tmp_path / "none")
