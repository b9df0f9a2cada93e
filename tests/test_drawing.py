import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gar.drawing import PROMPT_COLORS, draw_regions, prompt_color, text_color
from gar.errors import RegionError
from gar.regions import Region

GRAY = (128, 128, 128)


def gray(width, height):
    return Image.new("RGB", (width, height), GRAY)


def colors_of(image):
    return {tuple(color) for color in np.asarray(image).reshape(-1, 3).tolist()}


def test_the_first_prompts_are_red_green_blue_yellow_purple():
    strongest = [max(range(3), key=color.__getitem__) for color in PROMPT_COLORS[:3]]
    assert strongest == [0, 1, 2]
    assert len(set(PROMPT_COLORS)) == len(PROMPT_COLORS) >= 5


def test_colors_repeat_after_the_last():
    assert prompt_color(len(PROMPT_COLORS)) == prompt_color(0)


def test_the_picture_that_was_given_is_not_changed():
    image = gray(64, 48)
    drawn = draw_regions(image, [Region.box(8, 8, 40, 40)])
    assert drawn is not image
    assert colors_of(image) == {GRAY}


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_a_picture_of_any_mode_comes_out_as_rgb(mode):
    drawn = draw_regions(Image.new(mode, (40, 30)), [Region.box(5, 5, 20, 20)])
    assert (drawn.mode, drawn.size) == ("RGB", (40, 30))


def test_without_regions_nothing_is_drawn():
    assert colors_of(draw_regions(gray(20, 20), [])) == {GRAY}


def test_pixels_far_from_a_region_stay_as_they_were():
    drawn = np.asarray(draw_regions(gray(200, 200), [Region.box(10, 10, 40, 40, whole=True)], numbers=False))
    assert (drawn[50:] == 128).all()
    assert (drawn[:, 50:] == 128).all()


def test_the_inside_is_mixed_with_the_color_of_the_prompt():
    regions = [Region.box(5, 5, 45, 45, whole=True), Region.box(55, 5, 95, 45, whole=True)]
    drawn = draw_regions(gray(100, 50), regions, opacity=0.5, numbers=False)
    for index, x in enumerate((25, 75)):
        expected = [(128 + part) / 2 for part in prompt_color(index)]
        assert drawn.getpixel((x, 25)) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_contour_of_a_thing_is_seen_on_what_it_lies_on(order):
    regions = [Region.box(100, 100, 900, 900, whole=True), Region.box(100, 400, 500, 700, whole=True)]
    drawn = draw_regions(gray(1000, 1000), [regions[index] for index in order], opacity=0.0, numbers=False)
    assert drawn.getpixel((100, 550)) == prompt_color(order.index(1))


def test_without_opacity_only_contour_and_tag_are_drawn():
    drawn = draw_regions(gray(100, 100), [Region.box(20, 20, 80, 80, whole=True)], opacity=0.0, numbers=False)
    assert drawn.getpixel((50, 50)) == GRAY
    assert drawn.getpixel((50, 20)) == pytest.approx(prompt_color(0), abs=40)


@pytest.mark.parametrize("opacity", [-0.1, 1.1, float("nan")])
def test_an_opacity_outside_0_to_1_is_refused_with_its_number(opacity):
    with pytest.raises(ValueError, match=str(opacity)):
        draw_regions(gray(10, 10), [], opacity=opacity)


def test_a_region_outside_the_picture_is_refused():
    with pytest.raises(RegionError, match="no pixel inside"):
        draw_regions(gray(10, 10), [Region.box(20, 20, 30, 30)])


def test_lines_grow_with_the_picture():
    def contour_share(side):
        region = Region.box(side // 4, side // 4, side // 2, side // 2, whole=True)
        drawn = draw_regions(gray(side, side), [region], opacity=0.0, numbers=False)
        return (np.asarray(drawn) != 128).any(axis=2).mean()

    assert contour_share(2000) == pytest.approx(contour_share(1000), rel=0.25)


def test_a_tag_lies_beside_its_region_where_there_is_room():
    region = Region.box(80, 80, 120, 120, whole=True)
    with_tag = np.asarray(draw_regions(gray(200, 200), [region]))
    without = np.asarray(draw_regions(gray(200, 200), [region], numbers=False))
    rows, columns = np.nonzero((with_tag != without).any(axis=2))
    assert len(rows) > 50
    assert not region.to_mask((200, 200))[rows, columns].any()


def test_tags_of_regions_at_one_place_do_not_hide_one_another():
    regions = [Region.box(80, 80, 120, 120)] * 4
    drawn = draw_regions(gray(200, 200), regions, opacity=0.0)
    for index in range(4):
        paper = np.asarray(drawn) == prompt_color(index)
        assert paper.all(axis=2).sum() > 50


@settings(max_examples=60)
@given(data=st.data(), width=st.integers(1, 90), height=st.integers(1, 90))
def test_any_region_of_any_picture_can_be_drawn(data, width, height):
    flags = data.draw(st.lists(st.booleans(), min_size=4, max_size=4).filter(any))
    coarse = np.array(flags).reshape(2, 2)
    mask = np.kron(coarse, np.ones(((height + 1) // 2, (width + 1) // 2), bool))[:height, :width]
    if mask.any():
        assert draw_regions(gray(width, height), [Region.mask(mask)] * 6).size == (width, height)


def test_text_is_black_on_yellow_and_white_on_blue():
    assert sum(text_color(PROMPT_COLORS[3])) < 100
    assert text_color(PROMPT_COLORS[2]) == (255, 255, 255)
