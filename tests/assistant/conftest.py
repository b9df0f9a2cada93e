"""Assistants of tiny random models whose answers vary with picture, region and question, and small real pictures."""

import copy
from importlib.resources import files

import pytest
from PIL import Image

from gar import GAR, GARProcessor, Region


@pytest.fixture(scope="session")
def make_assistant(make_config, make_model, tiny_tokenizer):
    """Makes an assistant of a tiny model with random weights; arguments change its configuration."""

    def make(*, seed=0, max_num_tiles=4, **changed):
        config = make_config(**changed)
        model = make_model(config, seed).requires_grad_(False)
        model.model.projector.linear_2.weight *= 10  # so that what is seen weighs as much as what is read
        return GAR(model, GARProcessor(copy.deepcopy(tiny_tokenizer), config, max_num_tiles=max_num_tiles), "tiny")

    return make


@pytest.fixture(scope="session")
def with_thumbnail(make_assistant):
    """The layout of the published models."""
    return make_assistant()


@pytest.fixture(scope="session")
def without_thumbnail(make_assistant, tiny_tokenizer):
    """The layout of the embedded model, on several tiles."""
    prompts = [tiny_tokenizer.convert_tokens_to_ids(f"<Prompt{number}>") for number in range(5)]
    mentions = {"mask_token": True, "prompt_token_ids": prompts}
    return make_assistant(use_thumbnail=False, image_pooling_ratio=2, **mentions, seed=4)


@pytest.fixture(scope="session", params=["with_thumbnail", "without_thumbnail"])
def assistant(request):
    """One after the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def pictures():
    """Three photographs, made a wide, a tall and a square picture."""
    sizes = {"chelsea.jpg": (120, 50), "coffee.jpg": (30, 90), "rocket.jpg": (64, 64)}
    found = []
    for name, size in sizes.items():
        with Image.open(str(files("gar") / "examples" / name)) as picture:
            found.append(picture.convert("RGB").resize(size))
    return found


@pytest.fixture(scope="session")
def wide(pictures):
    """120 pixels wide, 50 high."""
    return pictures[0]


@pytest.fixture(scope="session")
def left():
    """A region on the left of the wide picture."""
    return Region.box(5, 5, 40, 40)


@pytest.fixture(scope="session")
def right():
    """A region on its right."""
    return Region.box(70, 10, 115, 45)
