"""The word for an outline."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gar.graspworld import SHAPES, render_scene
from gar.graspworld.outlines import OUTLINES, OUTLINES_OF_SHAPES, outline_of


def drawn(form, width, height, turn):
    """An ellipse, a rectangle or a triangle of some size, turned by an angle in radians."""
    rows, columns = np.indices((260, 260)) - 130.0
    x, y = columns * np.cos(turn) + rows * np.sin(turn), rows * np.cos(turn) - columns * np.sin(turn)
    if form == "ellipse":
        return (2 * x / width) ** 2 + (2 * y / height) ** 2 <= 1
    if form == "rectangle":
        return (np.abs(x) <= width / 2) & (np.abs(y) <= height / 2)
    return (np.abs(y) <= height / 2) & (np.abs(x) <= (y + height / 2) * width / height / 2)


@given(st.sampled_from(["ellipse", "rectangle", "triangle"]), st.floats(40, 160), st.floats(1, 2.4), st.floats(0, 3.2))
def test_round_and_straight_outlines_have_their_word_however_large_and_turned(form, side, ratio, turn):
    word = outline_of(drawn(form, side, side / ratio, turn))
    equal, long = {"ellipse": ("circular", "oval"), "rectangle": ("square", "rectangular")}.get(form, (None, None))
    if ratio < 1.08 and side > 60:
        assert word == equal
    elif 1.2 < ratio < 1.3:
        assert word is None  # people would argue
    elif ratio > 1.45 and side / ratio > 30:
        assert word == long
    else:
        assert word in (None, equal, long)


@pytest.mark.parametrize("mask", [np.zeros((30, 30), bool), np.eye(400, dtype=bool), np.ones((1, 400), bool)])
def test_what_has_no_plain_outline_has_no_word(mask):
    assert outline_of(mask) is None


def test_shapes_have_their_adjective_and_what_is_partly_hidden_no_word():
    assert set(OUTLINES_OF_SHAPES) == set(SHAPES)
    found = {}
    for seed in range(100):
        for item in render_scene(seed, size=(256, 256)).objects:
            if item.shape is not None:
                assert item.outline == OUTLINES_OF_SHAPES[item.shape]
            elif item.style == "frame" or item.hidden > 0.05:
                assert item.outline is None
            elif item.outline is not None:
                found.setdefault(item.outline, set()).add(item.noun)
    assert set(found) <= {*OUTLINES}
    assert "circular" in found
