"""The scripts that measure inference compare equal answers, and say so when they are not."""

import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def scripts():
    """Lets the scripts be imported; they import one another by name."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def tiny(scripts):
    from setups import TINY, endless, random_assistant

    return endless(random_assistant(TINY, max_num_tiles=4))


def test_both_ways_say_what_the_reference_says(tiny):
    from figures import Figures
    from measuring import Limits
    from setups import photographs, regions_of
    from ways import regions_of_one_picture

    figures = Figures("any", Limits(1.0, 1.0, 1.0))
    picture = photographs(1, (120, 90))[0]
    regions_of_one_picture(
        figures,
        "tiny",
        tiny,
        picture,
        regions_of(picture, 7),
        new=6,
        repeats=1,
        checked=7,
        least=(0.0, 0.0),
        same=True,
    )
    assert [row.what for row in figures.rows] == ["7 regions, shared", "7 regions, exact"]
    assert all("all 42 tokens equal in 7 answers" in row.how for row in figures.rows)
    assert not figures.missed


def test_the_reference_attends_eagerly_and_leaves_the_assistant_as_it_was(tiny):
    from reference import as_published

    model = tiny.model
    layers = [type(layer) for layer in model.modules()]
    with as_published(tiny):
        assert model.config._attn_implementation == "eager"
        assert model.model.vision_tower.config._attn_implementation == "eager"
        assert type(model.lm_head) is torch.nn.Linear
    assert model.config._attn_implementation == "sdpa"
    assert [type(layer) for layer in model.modules()] == layers


def test_a_ratio_with_other_tokens_counts_as_missed(scripts):
    from figures import Figures
    from measuring import Limits
    from ways import agreement

    equal, words = agreement(["1 2 3", "4 5"], ["1 2 9", "4 5"])
    assert not equal
    assert words == "80 % of 5 tokens equal up to the first that differs"
    assert agreement(["1 2"], ["1 2"])[0]
    figures = Figures("any", Limits(1.0, 1.0, 1.0))
    figures.ratio("speed", "tiny", 9.0, 0.1, 3.0, "", equal=equal)
    assert figures.missed


def test_operations_of_the_tower_are_those_that_torch_counts(tiny):
    from reference import as_published
    from shares import tower_operations
    from torch.utils.flop_counter import FlopCounterMode

    model, vision = tiny.model, tiny.model.config.vision_config
    features = torch.zeros(1, vision.grid_size**2, vision.hidden_size)
    masks = torch.zeros(1, 1, vision.image_size, vision.image_size, dtype=torch.uint8)
    with as_published(tiny), FlopCounterMode(display=False) as counted, torch.no_grad():
        model.model.encode_tiles(features, masks)
    assert tower_operations(model) == counted.get_total_flops()
