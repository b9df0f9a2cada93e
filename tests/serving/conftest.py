"""A tiny random model that talks at length, a picture, and servers."""

import copy
from importlib.resources import files

import pytest
from PIL import Image

from gar import GAR, GARProcessor, Region

pytest.importorskip("fastapi", reason="the extra [serve] is not installed")

from live_server import Live, data_url


@pytest.fixture(scope="session")
def assistant(make_config, make_model, tiny_tokenizer):
    """Its answers seldom end by themselves, and differ with picture, region and question."""
    config = make_config()
    model = make_model(config).requires_grad_(False)
    model.model.projector.linear_2.weight *= 10  # so that what is seen weighs as much as what is read
    return GAR(model, GARProcessor(copy.deepcopy(tiny_tokenizer), config, max_num_tiles=4), "tiny")


@pytest.fixture(scope="session")
def picture():
    """A photograph, 96 wide and 64 high."""
    with Image.open(str(files("gar") / "examples" / "coffee.jpg")) as image:
        return image.convert("RGB").resize((96, 64))


@pytest.fixture(scope="session")
def url(picture):
    """The photograph as a data URL."""
    return data_url(picture)


@pytest.fixture(scope="session")
def cup():
    """A region of it."""
    return Region.box(10, 8, 50, 40)


@pytest.fixture(scope="session")
def spoon():
    """Another."""
    return Region.box(55, 20, 90, 60)


@pytest.fixture(scope="module")
def server(assistant):
    """A server for the tests of a file that leave it as it was."""
    running = Live(assistant)
    yield running
    running.close()


@pytest.fixture
def serve(assistant):
    """Starts servers with other settings; they end with the test."""
    running = []

    def start(**options):
        running.append(Live(assistant, **options))
        return running[-1]

    yield start
    for one in running:
        one.close()
