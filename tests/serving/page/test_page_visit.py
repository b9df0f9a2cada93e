"""What the server knows of a visitor, without a browser."""

import io

import numpy as np
import pytest
from PIL import Image

from gar import Region
from gar.errors import MediaError, PromptError, RegionError
from gar.serving.limits import Limits
from gar.serving.page.conversation import parts_of
from gar.serving.page.examples import list_examples
from gar.serving.page.marks import region_of_stroke
from gar.serving.page.picture import LIMITS, mask_png, open_picture, page_limits, read_mask
from gar.serving.page.visit import Visit

STROKES = {
    "point": ([[40, 30]], Region.points([(40, 30)])),
    "box": ([[50, 40], [10, 20]], Region.box(10, 20, 50, 40)),
    "scribble": ([[10, 10], [20, 30], [60, 30]], Region.scribble([(10, 10), (20, 30), (60, 30)])),
    "polygon": ([[10, 10], [60, 10], [30, 50]], Region.polygon([(10, 10), (60, 10), (30, 50)])),
}


@pytest.mark.parametrize("kind", STROKES)
def test_a_stroke_becomes_the_region_of_its_kind_and_the_browser_is_shown_its_very_mask(visit, mask_of_png, kind):
    points, region = STROKES[kind]
    mark = visit.add(region_of_stroke({"kind": kind, "points": points}))
    assert mark.region == region
    assert np.array_equal(mask_of_png(mark.png), region.to_mask((60, 80)))
    assert mark.box == region.to_box((60, 80))
    assert mark.share == pytest.approx(region.area((60, 80)) / (60 * 80))


@pytest.mark.parametrize(
    ("stroke", "words"),
    [
        ({}, "nothing was drawn"),
        ({"kind": "box", "points": []}, "nothing was drawn"),
        ({"kind": "box", "points": [[3, 3], [3, 9]]}, "no extent"),
        ({"kind": "box", "points": [3, 9]}, "no two corners"),
        ({"kind": "box", "points": [["a", 1], ["b", 2]]}, "box"),
        ({"kind": "scribble", "points": [[3, 3]]}, "single place"),
        ({"kind": "polygon", "points": [[3, 3], [4, 4]]}, "3"),
        ({"kind": "star", "points": [[3, 3]]}, "'star'"),
        ({"kind": "point", "points": [[float("nan"), 3]]}, "finite"),
        ({"kind": "point", "points": ["there"]}, "points"),
    ],
)
def test_a_stroke_that_is_none_is_refused_in_words(stroke, words):
    with pytest.raises(RegionError, match=words):
        region_of_stroke(stroke)


def test_a_mask_file_is_a_region_where_it_is_not_black(visit, picture_file):
    mask = np.zeros((60, 80), np.uint8)
    mask[5:9, 10:30] = 200
    encoded = io.BytesIO()
    Image.fromarray(mask).save(encoded, "PNG")
    assert np.array_equal(read_mask(encoded.getvalue(), (60, 80)).to_mask((60, 80)), mask > 0)
    with pytest.raises(RegionError, match="80 x 60 pixels; needed are those of the picture, 70 x 50"):
        read_mask(encoded.getvalue(), (50, 70))
    with pytest.raises(MediaError, match="not a picture"):
        read_mask(b"words", (60, 80))
    encoded = io.BytesIO()
    Image.fromarray(np.indices((1500, 1500)).sum(0) % 2 > 0).save(encoded, "PNG")
    with pytest.raises(RegionError, match="2248500 times; allowed are 1000000"):
        read_mask(encoded.getvalue(), (1500, 1500))


def test_a_picture_that_is_none_or_too_large_is_refused_with_numbers(picture_file):
    with pytest.raises(MediaError, match="not a picture"):
        open_picture(b"words", "words.png")
    encoded = io.BytesIO()
    Image.new("1", (6000, 5000)).save(encoded, "PNG")
    with pytest.raises(MediaError, match=f"30000000 pixels.*{LIMITS.max_pixels}"):
        open_picture(encoded.getvalue(), "large.png")
    low = page_limits(Limits(max_pixels=50, max_body_bytes=10**9))
    assert low.max_body_bytes == LIMITS.max_body_bytes
    with pytest.raises(MediaError, match=r"80 .*50"):
        open_picture(picture_file(8, 10), "small.png", low)
    with pytest.raises(MediaError, match=r"80 .*50"):
        read_mask(picture_file(8, 10), (8, 10), low)


def test_a_large_picture_is_shown_smaller_but_keeps_its_pixels(picture_file):
    picture = open_picture(picture_file(40, 2000), "wide.png")
    assert picture.size == (40, 2000)
    assert Image.open(io.BytesIO(picture.shown)).size == (1600, 32)


def test_regions_are_numbered_by_their_places_and_keep_their_ids(visit):
    a, b, c = (visit.add(Region.box(5 * n, 5, 5 * n + 20, 30)) for n in range(3))
    visit.delete(a.id)
    assert [visit.number_of(mark.id) for mark in (a, b, c)] == [None, 0, 1]


def test_every_change_can_be_undone_in_turn(visit):
    a = visit.add(Region.box(5, 5, 30, 30))
    visit.rename(a.id, "  the   cup ")
    visit.hide(a.id, True)
    visit.delete(a.id)
    assert not visit.marks
    visit.undo()
    assert (visit.marks[0].name, visit.marks[0].hidden) == ("the cup", True)
    visit.undo()
    assert not visit.marks[0].hidden
    visit.undo()
    assert visit.marks == (a,)
    visit.undo()
    assert not visit.marks
    assert not visit.can_undo
    visit.undo()


def test_a_change_that_changes_nothing_is_no_step_to_undo(visit):
    a = visit.add(Region.box(5, 5, 30, 30))
    visit.rename(a.id, "")
    visit.delete(99)
    visit.undo()
    assert not visit.can_undo


def test_there_are_no_more_regions_than_the_model_tells_apart(visit):
    for n in range(5):
        visit.add(Region.box(5 * n, 5, 5 * n + 20, 30))
    with pytest.raises(PromptError, match="5 regions are marked, and the model tells 5 apart"):
        visit.add(Region.box(1, 1, 9, 9))


def test_a_region_needs_a_picture_and_must_fit_it(visit):
    with pytest.raises(RegionError, match="no picture"):
        Visit(5).add(Region.box(1, 1, 9, 9))
    with pytest.raises(RegionError, match="no pixel inside"):
        visit.add(Region.box(100, 100, 120, 120))
    assert not visit.marks


def test_the_smallest_region_that_is_shown_is_found_at_a_place(visit):
    large = visit.add(Region.box(0, 0, 80, 60, whole=True))
    small = visit.add(Region.box(10, 10, 20, 20, whole=True))
    assert visit.mark_at(15, 15) == small
    assert visit.mark_at(79.9, 59.9) == large
    assert visit.mark_at(80, 60) == large
    visit.hide(small.id, True)
    assert visit.mark_at(15, 15) == large
    assert Visit(5).mark_at(1, 1) is None


def test_another_picture_forgets_the_one_before(visit, picture_file):
    before = visit.add(Region.box(5, 5, 30, 30))
    visit.open(open_picture(picture_file(seed=1), "other.png"))
    assert not visit.marks
    assert not visit.can_undo
    assert visit.add(Region.box(5, 5, 30, 30)).id != before.id  # or the browser would show the mask it has


def test_a_text_is_cut_at_the_prompts_that_it_names():
    assert parts_of("<Prompt1> is on <Prompt0>.<PromptX>") == [1, " is on ", 0, ".<PromptX>"]
    assert parts_of("") == []


def test_all_examples_open_with_their_regions():
    for example in list_examples():
        picture = open_picture(example.data, example.file_name)
        assert 2 <= len(example.regions) <= 5
        assert all(mask_png(region, picture.size) for region in example.regions)
