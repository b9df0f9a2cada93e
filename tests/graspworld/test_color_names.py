import numpy as np
import pytest

from gar.errors import InputError
from gar.graspworld.color_names import (
    DOMINANT,
    MAIN,
    color_of,
    color_shares,
    fitting_shares,
    holding_most,
    several_holding_most,
)
from gar.graspworld.paint import draw_color, paint
from gar.graspworld.vocabulary import COLORS


@pytest.mark.parametrize("name", COLORS)
def test_every_painted_color_is_named_right_in_any_shading(name):
    rng = np.random.default_rng(7)
    seen = np.ones((12, 12), dtype=np.float32)
    for _ in range(300):
        surface = paint(draw_color(name, rng), "plain", None, seen, 8.0, rng)
        assert color_of(surface.clip(0, 255).round().astype(np.uint8), seen > 0) == name


def test_a_region_of_two_colors_has_no_color_word():
    picture = np.zeros((4, 4, 3), dtype=np.uint8)
    picture[:2] = (230, 20, 20)
    assert color_of(picture, np.ones((4, 4), dtype=bool)) is None
    assert color_of(picture, np.arange(16).reshape(4, 4) < 8) == "red"


@pytest.mark.parametrize("rgb", [(64, 200, 205), (225, 205, 165), (205, 205, 205)])
def test_colors_that_people_argue_about_have_no_word(rgb):
    picture = np.full((3, 3, 3), rgb, dtype=np.uint8)
    assert color_of(picture, np.ones((3, 3), dtype=bool)) is None


def test_shares_count_only_pixels_inside_the_mask():
    picture = np.full((2, 2, 3), 250, dtype=np.uint8)
    picture[0, 0] = (20, 160, 40)
    shares = color_shares(picture, np.array([[True, True], [False, False]]))
    assert shares["green"] == shares["white"] == 0.5
    assert sum(shares.values()) == 1.0


def test_a_caption_says_a_color_from_half_of_a_region_on_and_a_question_asks_from_three_fifths_on():
    for green, (said, asked) in {0.4: (None, None), 0.5: ("green", None), 0.6: ("green", "green")}.items():
        shares = {"green": green, "white": 0.19}
        assert (holding_most(shares, MAIN), holding_most(shares, DOMINANT)) == (said, asked)
    assert holding_most({"green": 0.7, "white": 0.2}, MAIN) is None


@pytest.mark.parametrize(
    ("held", "named"),
    [
        ((0.6, 0.25, 0.1), ("red", "blue")),
        ((0.45, 0.3, 0.2), ("red", "blue", "green")),
        ((0.5, 0.15, 0.14), ("red", "blue", "green")),
        ((0.8, 0.15, 0.05), None),  # one color, and some of another
        ((0.25, 0.2, 0.09), None),  # most of it has no word
        ((0.3, 0.2, 0.2, 0.15), None),  # four
    ],
)
def test_two_or_three_colors_are_named_where_no_other_holds_much(held, named):
    shares = dict.fromkeys(COLORS, 0.0) | dict(zip(("red", "blue", "green", "pink"), held, strict=False))
    assert several_holding_most(shares) == named


def test_an_empty_mask_or_a_wrong_shape_is_refused():
    picture = np.zeros((2, 2, 3), dtype=np.uint8)
    with pytest.raises(InputError, match="empty"):
        color_of(picture, np.zeros((2, 2), dtype=bool))
    with pytest.raises(InputError, match=r"\(3, 2\)"):
        color_of(picture, np.zeros((3, 2), dtype=bool))
    with pytest.raises(InputError, match="float"):
        color_of(picture.astype(float), np.ones((2, 2), dtype=bool))


@pytest.mark.parametrize(
    ("rgb", "might_do", "wrong"),
    [
        ((205, 205, 205), {"white", "gray"}, {"black", "brown", "blue", "red"}),
        ((60, 58, 60), {"black", "gray"}, {"white", "brown", "blue"}),
        ((64, 200, 205), {"blue", "green"}, {"red", "white", "black", "orange"}),
        ((110, 30, 40), {"red", "brown"}, {"green", "white", "blue", "yellow"}),
    ],
)
def test_between_two_words_either_might_do_and_others_are_plainly_wrong(rgb, might_do, wrong):
    shares = fitting_shares(np.full((3, 3, 3), rgb, dtype=np.uint8), np.ones((3, 3), dtype=bool))
    assert {word for word in might_do | wrong if shares[word] == 1.0} == might_do
    assert not any(shares[word] for word in wrong)


def test_a_word_that_is_right_might_do():
    picture = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    mask = np.random.default_rng(1).random((100, 100)) < 0.5
    shares, fitting = color_shares(picture, mask), fitting_shares(picture, mask)
    assert all(0 < shares[word] <= fitting[word] < 1 for word in COLORS)
    assert sum(shares.values()) < 1 < sum(fitting.values())
