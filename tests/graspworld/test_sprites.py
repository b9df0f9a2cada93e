import numpy as np
import pytest

from gar.errors import InputError
from gar.graspworld.nouns import COCO_NOUNS, NOUNS
from gar.graspworld.sprites import (
    HELD_OUT_STYLE,
    SPRITE_STYLES,
    load_sprite,
    sprite_color,
    sprite_nouns,
    sprite_views,
)
from gar.graspworld.vocabulary import COLORS


@pytest.mark.parametrize("style", SPRITE_STYLES)
def test_every_picture_of_a_style_opens_and_fills_its_frame(style):
    for noun in sprite_nouns(style):
        for view in range(sprite_views(noun, style)):
            sprite = load_sprite(noun, style, view)
            assert sprite.dtype == np.uint8
            assert sprite.shape[2] == 4
            assert 32 <= max(sprite.shape[:2]) <= 128
            solid = sprite[..., 3] > 16
            assert solid.any(0)[[0, -1]].all(), (noun, view)
            assert solid.any(1)[[0, -1]].all(), (noun, view)
            assert sprite_color(noun, style, view) in (*COLORS, None)


def test_a_sprite_is_decoded_once_and_cannot_be_written():
    sprite = load_sprite("cat", "noto")
    assert load_sprite("cat", "noto") is sprite
    with pytest.raises(ValueError, match="read-only"):
        sprite[0, 0] = 0


def test_five_hundred_nouns_have_a_picture_in_every_style():
    assert len(set.intersection(*(set(sprite_nouns(style)) for style in SPRITE_STYLES))) > 500
    assert HELD_OUT_STYLE in SPRITE_STYLES


def test_held_out_nouns_are_about_one_in_twenty_and_none_of_them_is_a_coco_class():
    held_out = sprite_nouns(held_out=True)
    assert 0.04 < len(held_out) / len(sprite_nouns()) < 0.06
    assert not set(held_out) & set(COCO_NOUNS.values())
    assert len({NOUNS[noun].category for noun in held_out}) >= 10
    assert set(sprite_nouns(held_out=False)) | set(held_out) == set(sprite_nouns())


@pytest.mark.parametrize(
    ("noun", "style", "color"),
    [("lime", "noto", "green"), ("crab", "twemoji", "red"), ("flamingo", "fluent", "pink"), ("zebra", "noto", None)],
)
def test_a_picture_has_the_color_word_that_one_sees(noun, style, color):
    assert sprite_color(noun, style) == color


def test_a_noun_can_look_different_from_style_to_style():
    assert sprite_views("tennis ball", "noto") == 0
    assert sprite_views("tennis racket", "noto") == sprite_views("tennis ball", "twemoji") == 1


def test_what_does_not_exist_is_refused_with_what_does():
    with pytest.raises(InputError, match="fluent, noto, twemoji"):
        load_sprite("cat", "apple")
    with pytest.raises(InputError, match="did you mean 'couch'"):
        load_sprite("sofa", "noto")
    with pytest.raises(InputError, match="0 pictures"):
        load_sprite("fire hydrant", "noto")
    with pytest.raises(InputError, match="no view 7"):
        load_sprite("cat", "noto", 7)
