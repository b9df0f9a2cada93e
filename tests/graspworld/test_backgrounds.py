"""Photographs of one's own behind scenes: what cannot be read is refused by name."""

import numpy as np
import pytest
from PIL import Image

from gar.errors import MediaError
from gar.graspworld.backgrounds import draw_background, find_photographs


def draw(path):
    """Draws backgrounds until one shows the photograph."""
    for seed in range(20):
        draw_background((32, 32), np.zeros((1, 3)), (str(path),), np.random.default_rng(seed))


def test_photographs_of_any_form_become_backgrounds(tmp_path):
    for size in ((900, 700), (3, 500), (1, 1)):
        Image.new("RGBA", size).save(tmp_path / "a.png")
        draw(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no picture", "not a picture"), (b"", "is empty"), (None, "is a directory"), ("cut", "truncated or damaged")],
)
def test_a_photograph_that_cannot_be_read_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "a.png"
    if content is None:
        path.mkdir()
    elif content == "cut":
        Image.effect_noise((64, 64), 50).save(path)
        path.write_bytes(path.read_bytes()[:1000])
    else:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=rf"a\.png.*{message}"):
        draw(path)


def test_a_photograph_of_too_many_pixels_is_refused(tmp_path):
    Image.new("1", (20_000, 20_000)).save(tmp_path / "a.png")
    with pytest.raises(MediaError, match=r"a\.png.*more pixels than allowed"):
        draw(tmp_path / "a.png")


def test_folders_named_like_pictures_are_not_listed(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(MediaError, match="holds no picture"):
        find_photographs(tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png" / "b.png")
    find_photographs.cache_clear()
    assert find_photographs(tmp_path)[len(find_photographs(None)) :] == (str(tmp_path / "a.png" / "b.png"),)
