"""How regions are shown to systems that have none."""

import numpy as np
import pytest
from PIL import Image

from gar.drawing import draw_regions
from gar.errors import PromptError, RegionError
from gar.regions import Region
from gar.systems import Question
from gar.systems.visual_prompts import STYLES, show, unnamed

RELATE = "What is <Prompt1> to <Prompt0>, and <Prompt0> to <Prompt1>?"


def pictures(parts):
    return [part for part in parts if isinstance(part, Image.Image)]


def same(one, other):
    return one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    ("style", "names"),
    [
        ("marks", ("object 0 (red mask)", "object 1 (green mask)")),
        ("contour", ("object 0 (red outline)", "object 1 (green outline)")),
        ("box", ("object 0 (red box)", "object 1 (green box)")),
        ("crop", ("object 0 (red outline)", "object 1 (green outline)")),
        ("box-text", ("object 0 (box [40, 60, 200, 220])", "object 1 (box [250, 100, 400, 300])")),
        ("box-text-1000", ("object 0 (box [83, 188, 417, 688])", "object 1 (box [521, 312, 833, 938])")),
    ],
)
def test_each_style_calls_regions_by_how_they_are_shown(picture, regions, style, names):
    text = show(Question(picture, regions, RELATE), style)[-1]
    about, _, asked = text.partition("\n\n")
    assert asked == f"What is {names[1]} to {names[0]}, and {names[0]} to {names[1]}?"
    assert all(name in about for name in names)
    assert "<Prompt" not in text


@pytest.mark.parametrize("style", STYLES)
def test_the_only_region_is_described_without_a_question(picture, regions, style):
    text = show(Question(picture, regions[:1]), style)[-1]
    assert text.partition("\n\n")[2].startswith("Describe object 0 (")


def test_marks_and_contours_are_those_that_people_see(picture, regions):
    (marks,) = pictures(show(Question(picture, regions, RELATE), "marks"))
    (contour,) = pictures(show(Question(picture, regions, RELATE), "contour"))
    assert same(marks, draw_regions(picture, regions))
    assert same(contour, draw_regions(picture, regions, opacity=0))


def test_a_box_is_drawn_around_the_mask_and_not_filled(picture):
    ellipse = Region.box(100, 100, 200, 200)
    (box,) = pictures(show(Question(picture, [ellipse]), "box"))
    changed = np.any(np.asarray(box) != np.asarray(picture), axis=2)
    assert changed[100, 120:180].all()
    assert changed[120:180, 199].all()
    assert not changed[110:190, 110:190].any()


@pytest.mark.parametrize("style", ["box-text", "box-text-1000"])
def test_boxes_in_words_leave_the_picture_as_it_is(picture, regions, style):
    (shown,) = pictures(show(Question(picture, regions, RELATE), style))
    assert same(shown, picture)


def test_crops_are_three_boxes_wide_and_cut_at_the_edge(picture):
    region = Region.box(200, 100, 300, 180, whole=True)
    corner = Region.box(0, 0, 10, 10, whole=True)  # counts as 48 px
    whole, middle, small = pictures(show(Question(picture, [region, corner], RELATE), "crop"))
    drawn = draw_regions(picture, [region, corner], opacity=0)
    assert same(whole, drawn)
    assert same(middle, drawn.crop((100, 20, 400, 260)).resize((512, 410), Image.Resampling.BICUBIC))
    assert small.size == (512, 512)
    assert same(small, drawn.crop((0, 0, 77, 77)).resize((512, 512), Image.Resampling.BICUBIC))


def test_large_crops_are_not_enlarged(picture):
    region = Region.box(0, 0, 900, 600, whole=True)
    _, crop = pictures(show(Question(picture.resize((1000, 700)), [region]), "crop"))
    assert crop.size == (1000, 700)


def test_nine_regions_have_nine_names(picture):
    many = [Region.box(50 * n, 10, 50 * n + 40, 60) for n in range(9)]
    text = show(Question(picture, many, "Is <Prompt8> before <Prompt0>?"), "marks")[-1]
    assert text.endswith("Is object 8 (red mask) before object 0 (red mask)?")


def test_frames_are_announced_and_drawn_on_where_all_regions_are_seen(picture, regions):
    a, b = regions
    question = Question([picture] * 3, [[a, a, None], [None, b, b]], RELATE)
    parts = show(question, "marks")
    assert parts[:6:2] == ["Frame 0:", "Frame 1:", "Frame 2:"]
    assert [same(frame, picture) for frame in pictures(parts)] == [True, False, True]
    assert same(pictures(parts)[1], draw_regions(picture, regions))
    assert parts[-1].endswith("What is object 1 (green mask) to object 0 (red mask), and object 0 (red mask) to "
                              "object 1 (green mask)?")  # fmt: skip


def test_boxes_in_words_say_in_which_frame_a_region_is(picture, regions):
    a, b = regions
    parts = show(Question((picture, picture), [[a, None], [None, b]], RELATE), "box-text")
    assert all(same(frame, picture) for frame in pictures(parts))
    lines = parts[-1].splitlines()
    assert lines[1:3] == ["object 0: [40, 60, 200, 220] in frame 0", "object 1: [250, 100, 400, 300] in frame 1"]
    assert lines[-1] == "What is object 1 to object 0, and object 0 to object 1?"


@pytest.mark.parametrize("style", STYLES)
def test_names_in_answers_become_prompts_again(picture, regions, style):
    asked = show(Question(picture, regions, "<Prompt1> is left of <Prompt0>."), style)[-1].partition("\n\n")[2]
    assert unnamed(asked, 2) == "<Prompt1> is left of <Prompt0>."


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("Object 1 holds Object 0.", "<Prompt1> holds <Prompt0>."),
        ("object 12 and object 2", "object 12 and object 2"),
        ("object 0 (the dog) runs", "<Prompt0> (the dog) runs"),
        ("B", "B"),
        ("the object 1000000000", "the object 1000000000"),
    ],
)
def test_only_names_that_were_given_become_prompts(answer, told):
    assert unnamed(answer, 2) == told


def test_mistakes_are_said_with_their_numbers(picture, regions):
    a, b = regions
    for question, style, said in [
        (Question(picture, []), "marks", "no region"),
        (Question(picture, regions), "marks", "2 regions without a question"),
        (Question(picture, [a], "Is <Prompt1> red?"), "box", "<Prompt1>; there are 1 regions"),
        (Question([], [[]]), "marks", "no frames"),
        (Question([picture], [[a, a]]), "marks", "2 places for 1 frames"),
        (Question([picture], [[None]]), "marks", "seen in no frame"),
        (Question([picture], [[a]]), "crop", "shows pictures only"),
        (Question([picture] * 2, [[a, None], [None, b]], RELATE), "marks", "no frame shows all 2"),
    ]:
        with pytest.raises(PromptError, match=said):
            show(question, style)
    with pytest.raises(RegionError):
        show(Question(picture, [Region.box(5000, 0, 5010, 10)]), "marks")
