"""Geometry of the perturbations, on masks small enough to check by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gar.benchmarks.benchmark import View
from gar.benchmarks.perturbations import (
    blur_background,
    dilate,
    erode,
    generator,
    parse_perturbation,
    rename_prompts,
    shift,
    shuffle_background,
    to_box,
    to_ellipse,
)
from gar.errors import InputError


def square(size=12, x1=4, y1=4, x2=8, y2=8):
    mask = np.zeros((size, size), bool)
    mask[y1:y2, x1:x2] = True
    return mask


@st.composite
def masks(draw):
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    bits = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(bits).reshape(height, width)
    mask[draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = True
    return mask


def test_a_square_of_4_eroded_by_1_is_a_square_of_2_and_dilated_by_1_one_of_6():
    assert (erode(square(), 1) == square(12, 5, 5, 7, 7)).all()
    assert (dilate(square(), 1) == square(12, 3, 3, 9, 9)).all()


@given(masks(), st.integers(0, 15))
def test_dilating_is_every_pixel_within_a_square(mask, pixels):
    ys, xs = np.nonzero(mask)
    grid = np.stack(np.mgrid[: mask.shape[0], : mask.shape[1]], -1)
    distance = np.abs(grid[:, :, None] - np.stack([ys, xs], -1)[None, None]).max(-1).min(-1)
    assert (dilate(mask, pixels) == (distance <= pixels)).all()


@given(masks(), st.integers(0, 15))
def test_erosion_stays_inside_and_leaves_something(mask, pixels):
    eroded = erode(mask, pixels)
    assert eroded.any()
    assert not (eroded & ~mask).any()
    assert (eroded == mask).all() or pixels > 0


@given(masks(), st.integers(0, 15))
def test_erosion_stops_only_where_nothing_would_be_left(mask, pixels):
    eroded = erode(mask, pixels)
    smaller = ~dilate(~mask, pixels)
    assert (eroded == smaller).all() or not smaller.any()


def test_a_region_that_the_edge_cuts_is_not_eroded_from_there():
    mask = np.zeros((6, 6), bool)
    mask[:, :4] = True
    expected = np.zeros((6, 6), bool)
    expected[:, :3] = True
    assert (erode(mask, 1) == expected).all()


@given(masks(), st.integers(-20, 20), st.integers(-20, 20))
def test_a_shifted_mask_keeps_its_form_and_stays_in_the_picture(mask, right, down):
    moved = shift(mask, right, down)

    def tight(one):
        ys, xs = np.nonzero(one)
        return one[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]

    assert (tight(moved) == tight(mask)).all()


def test_a_shift_moves_by_as_many_pixels():
    assert (shift(square(), 2, -3) == square(12, 6, 1, 10, 5)).all()
    assert (shift(square(), 99, 0) == square(12, 8, 4, 12, 8)).all()


def test_box_and_ellipse_touch_the_same_four_sides():
    mask = np.zeros((20, 20), bool)
    mask[[3, 15], [2, 17]] = True
    box, ellipse = to_box(mask), to_ellipse(mask)
    assert (box == square(20, 2, 3, 18, 16)).all()
    assert box.sum() > ellipse.sum() > 0.7 * box.sum()
    assert (to_box(ellipse) == box).all()


def picture(size=32):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8))


def test_shuffling_keeps_every_square_that_holds_a_region_and_every_pixel_somewhere():
    image, mask = picture(), square(32, 9, 9, 14, 14)
    shuffled = np.asarray(shuffle_background(image, [mask], 8, np.random.default_rng(0)))
    before = np.asarray(image)
    assert (shuffled[8:16, 8:16] == before[8:16, 8:16]).all()
    assert (shuffled != before).any()
    assert sorted(map(tuple, shuffled.reshape(-1, 3))) == sorted(map(tuple, before.reshape(-1, 3)))


def test_blurring_leaves_the_regions_sharp():
    image, mask = picture(), square(32, 9, 9, 14, 14)
    blurred = np.asarray(blur_background(image, [mask], 4))
    assert (blurred[mask] == np.asarray(image)[mask]).all()
    assert blurred[~mask].std() < 0.5 * np.asarray(image)[~mask].std()


def test_prompts_are_renamed_at_once_and_everywhere():
    order = [1, 2, 0]  # <Prompt0> is now what was <Prompt1>
    value = {"question": "Is <Prompt0> left of <Prompt1>?", "options": ("A. <Prompt2>", 3), "n": 1}
    assert rename_prompts(value, order) == {
        "question": "Is <Prompt2> left of <Prompt0>?",
        "options": ("A. <Prompt1>", 3),
        "n": 1,
    }


def test_a_name_without_a_region_stays():
    assert rename_prompts("<Prompt7>", [1, 0]) == "<Prompt7>"


def test_percent_is_of_the_square_root_of_the_area():
    view = View(picture(60), (square(60, 10, 10, 50, 50),))  # 40 x 40
    changed = parse_perturbation("erode:10%").change(view, np.random.default_rng(0))
    assert (changed.masks[0] == square(60, 14, 14, 46, 46)).all()
    moved = parse_perturbation("shift:5%,-5%").change(view, np.random.default_rng(0))
    assert (moved.masks[0] == square(60, 12, 8, 52, 48)).all()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "erode",
        "erode:",
        "erode:-3",
        "erode:x",
        "erode:0",
        "shift:3",
        "shift:a,b",
        "box:3",
        "melt",
        "blur-background:0",
    ],
)
def test_what_is_no_perturbation_is_refused_by_name(text):
    with pytest.raises(InputError, match="perturbation"):
        parse_perturbation(text)


def test_the_generator_depends_on_seed_item_and_place_only():
    def draw(*of):
        return generator(*of).integers(1 << 30)

    assert draw(0, "a", 0) == draw(0, "a", 0)
    assert len({draw(0, "a", 0), draw(1, "a", 0), draw(0, "b", 0), draw(0, "a", 1)}) == 4
