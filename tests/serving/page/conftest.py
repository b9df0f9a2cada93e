"""A visit with a picture, and files of pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from gar.serving.page.picture import open_picture
from gar.serving.page.visit import Visit


@pytest.fixture(scope="session")
def picture_file(make_picture):
    """Makes the PNG file of a picture of noise."""

    def make(height=60, width=80, seed=0):
        encoded = io.BytesIO()
        Image.fromarray(make_picture(height, width, seed)).save(encoded, "PNG")
        return encoded.getvalue()

    return make


@pytest.fixture
def visit(picture_file):
    """A visit with a picture of 60 x 80 (height x width) and room for five regions."""
    visit = Visit(max_regions=5)
    visit.open(open_picture(picture_file(), "noise.png"))
    return visit


@pytest.fixture(scope="session")
def mask_of_png():
    """Reads the mask that the browser is given: (H, W) bool, True where it is opaque."""

    def read(png):
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[..., 3] > 0

    return read
