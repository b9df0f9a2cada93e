"""Tiny random models and the shared data, for every room's tests."""

import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test reaches for the network

import numpy as np
import pytest
import torch
from hypothesis import settings

from gar import GARConfig, GARForConditionalGeneration, GARProcessor
from gar.training.tokenizer import build_tokenizer, crop_token

# Tiny models: more threads would mostly wait for one another. OMP_NUM_THREADS still has the last word.
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

# How long an example takes says more of the machine than of the code; tests against hanging set their own deadline.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

SENTENCES = (
    "There are some objects I am curious about. Describe this masked region in detail.",
    "A red circle lies left of a small blue square. What is above the dotted star?",
    "Question: Options: Answer with the correct option's letter directly. yes no",
)


@pytest.fixture(scope="session")
def shared():
    """The folder of shared data beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny_tokenizer():
    """A tokenizer of few words with the published special tokens."""
    return build_tokenizer(SENTENCES, vocab_size=400)


@pytest.fixture(scope="session")
def make_config(tiny_tokenizer):
    """Makes small configurations that fit `tiny_tokenizer`; settings may be changed."""

    def make(*, vision=(), text=(), **changed):
        crops = [tiny_tokenizer.convert_tokens_to_ids(crop_token(number)) for number in range(5)]
        settings = {
            "vision_config": {
                "image_size": 32,
                "patch_size": 8,
                "hidden_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 32,
                **dict(vision),
            },
            "text_config": {
                "vocab_size": len(tiny_tokenizer),
                "hidden_size": 32,
                "intermediate_size": 48,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "max_position_embeddings": 1024,
                "bos_token_id": tiny_tokenizer.bos_token_id,
                "eos_token_id": tiny_tokenizer.eos_token_id,
                "pad_token_id": tiny_tokenizer.pad_token_id,
                **dict(text),
            },
            "image_token_id": tiny_tokenizer.convert_tokens_to_ids("<|image|>"),
            "crop_token_ids": crops,
            "replay_size": 2,
            **changed,
        }
        return GARConfig(**settings)

    return make


@pytest.fixture(scope="session")
def make_model():
    """Makes a model with random weights from a fixed seed, all large enough to matter (the mask's too)."""

    def make(config, seed=0):
        model = GARForConditionalGeneration(config).eval()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                spread = 0.3 if parameter.ndim > 1 else 0.1
                parameter.copy_(noise * spread + (parameter.ndim == 1))
        return model

    return make


@pytest.fixture(scope="session")
def tiny_config(make_config):
    return make_config()


@pytest.fixture(scope="session")
def tiny_model(make_model, tiny_config):
    """A random model; do not change it."""
    return make_model(tiny_config)


@pytest.fixture(scope="session")
def tiny_processor(tiny_tokenizer, tiny_config):
    return GARProcessor(tiny_tokenizer, tiny_config, max_num_tiles=4)


@pytest.fixture(scope="session")
def tiny_model_folder(tiny_model, tiny_processor, tmp_path_factory):
    """A folder that `gar.load` takes: random model and processor."""
    folder = tmp_path_factory.mktemp("tiny-model")
    tiny_model.save_pretrained(folder)
    tiny_processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make_picture():
    """Makes pictures of noise from a seed: (H, W, 3) uint8."""

    def make(height, width, seed=0):
        return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)

    return make
