"""What is measured: models with random weights of known sizes, the embedded one, pictures and regions.

* The mid-size model has GAR-1B's layout at a third of its width; its vocabulary is the published one in number.
* GAR-1B and GAR-8B have their true sizes, with random weights, made on the device.
* A tokenizer is learnt from the prompts themselves: of a random model the words mean nothing, and their number is close
  to the published one.
* Pictures are cut from the four photographs that come with the library.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast

from gar import GAR, GARConfig, GARForConditionalGeneration, GARProcessor, Region, Request, load
from gar.assistant.quantization import quantize_int8
from gar.benchmarks.registry import find_benchmark
from gar.benchmarks.running import load_benchmark
from gar.processing.prompts import DESCRIBE, SYSTEM_PROMPT
from gar.training.tokenizer import build_tokenizer, crop_token

__all__ = [
    "GAR_1B",
    "GAR_8B",
    "MID_SIZE",
    "TINY",
    "bench_requests",
    "embedded",
    "endless",
    "in_numbers",
    "photographs",
    "random_assistant",
    "regions_of",
]

_LAYOUT: dict[str, Any] = {"replay_spatial_scale": 1 / 28, "tie_word_embeddings": True}

MID_SIZE: dict[str, Any] = {
    "vision_config": {
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 6,
        "intermediate_size": 1536,
    },
    "text_config": {
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "intermediate_size": 1024,
    },
}
"""70 million parameters, 49 million of them word embeddings."""

GAR_1B: dict[str, Any] = {
    "vision_config": {
        "hidden_size": 1024,
        "num_hidden_layers": 23,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
    "text_config": {
        "hidden_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "intermediate_size": 8192,
    },
}
"""PE-Core L/14 and Llama 3.2 1B, as in the published checkpoint."""

GAR_8B: dict[str, Any] = {
    "vision_config": {
        "hidden_size": 1536,
        "num_hidden_layers": 47,
        "num_attention_heads": 16,
        "intermediate_size": 8960,
        "use_cls_token": False,
        "rope_grid_offset": 0.0,
    },
    "text_config": {
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 14336,
    },
    "tie_word_embeddings": False,
}
"""PE-Core G/14 without its last three blocks, and Llama 3.1 8B."""

TINY: dict[str, Any] = {
    "vision_config": {
        "image_size": 56,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    },
    "text_config": {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "intermediate_size": 128,
    },
    "replay_size": 2,
}
"""To try a script without waiting."""

_VOCABULARY = 128262


def _tokenizer() -> Any:
    texts = [SYSTEM_PROMPT, DESCRIBE, "There are some objects I am curious about: system user assistant"]
    return build_tokenizer(texts, vocab_size=600)


def random_assistant(
    sizes: dict[str, Any],
    *,
    max_num_tiles: int,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    eight_bits: bool = False,
) -> GAR:
    """An assistant of a model with random weights.

    Args:
        sizes: One of the settings above.
        max_num_tiles: Most tiles of a picture, the thumbnail not counted.
        device: Where the weights are made.
        dtype: Of the weights.
        eight_bits: Whether the linear layers are turned into 8 bits.
    """
    tokenizer = _tokenizer()
    token = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": _VOCABULARY,
        "max_position_embeddings": 11520,
        "rms_norm_eps": 1e-5,
        "bos_token_id": token("<|begin_of_text|>"),
        "eos_token_id": token("<|eot_id|>"),
        "pad_token_id": token("<|end_of_text|>"),
        "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},
        **sizes["text_config"],
    }
    config = GARConfig(
        **{
            **_LAYOUT,
            "image_token_id": token("<|image|>"),
            "crop_token_ids": [token(crop_token(number)) for number in range(5)],
            **sizes,
            "text_config": text,
        }
    )
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = GARForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(previous)
    tower = model.model.vision_tower
    for name, table in zip(("rope_sin", "rope_cos"), tower.compute_rope(), strict=True):
        tower.register_buffer(name, table.to(device), persistent=False)  # in float32, as when loaded
    generator = torch.Generator(device).manual_seed(777)
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # all large enough to matter, none so large that it drowns
            if parameter.ndim < 2:
                centre, spread = float("norm" in name and name.endswith("weight")), 0.05
                centre = 0.3 if "gamma" in name else centre
            elif "embed_tokens" in name or "lm_head" in name:
                centre, spread = 0.0, 0.4
            else:
                centre, spread = 0.0, 1.5 / parameter[0].numel() ** 0.5
            parameter.normal_(centre, spread, generator=generator)
    model.eval().requires_grad_(False)
    if eight_bits:
        quantize_int8(model)
    return GAR(model, GARProcessor(tokenizer, config, max_num_tiles=max_num_tiles), "random")


def embedded(**options: Any) -> GAR:
    """The model that comes with the library."""
    return load("nano", device="cpu", **options)


class _Numbers(PreTrainedTokenizerFast):
    """Says tokens as their numbers, so that two texts are equal only if all their tokens are."""

    def decode(self, token_ids: Sequence[int], *args: Any, **kwargs: Any) -> str:
        """[5, 77] → "5 77"."""
        return " ".join(map(str, token_ids))


def in_numbers(assistant: GAR) -> GAR:
    """Makes an assistant whose answers are the numbers of their tokens."""
    assistant.processor.tokenizer.__class__ = _Numbers
    return assistant


def endless(assistant: GAR, *, compile: bool = False) -> GAR:
    """Makes an assistant whose answers never end by themselves, so that all have the same length, told in numbers.

    Args:
        assistant: Is changed too.
        compile: As in `gar.load`.
    """
    tokenizer, config = in_numbers(assistant).processor.tokenizer, assistant.model.config
    unused = int(config.crop_token_ids[-1])
    tokenizer.eos_token_id = unused
    config.text_config.eos_token_id = unused
    return GAR(assistant.model, assistant.processor, assistant.name, compile=compile)


def photographs(count: int, size: tuple[int, int] = (640, 427)) -> list[Image.Image]:
    """Pictures of a width and height, cut from four photographs, no two alike."""
    sources: list[Image.Image] = []
    for name in ("astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg"):
        with Image.open(str(files("gar") / "examples" / name)) as picture:
            sources.append(picture.convert("RGB"))
    dice = random.Random(0)
    made: list[Image.Image] = []
    for number in range(count):
        source = sources[number % len(sources)]
        share = dice.uniform(0.6, 1.0)
        width, height = int(source.width * share), int(source.height * share)
        left, top = dice.randrange(source.width - width + 1), dice.randrange(source.height - height + 1)
        made.append(source.crop((left, top, left + width, top + height)).resize(size))
    return made


def regions_of(picture: Image.Image, count: int, seed: int = 0) -> list[Region]:
    """Regions anywhere in a picture, their sides from a tenth to a third of it."""
    dice = random.Random(seed)
    made: list[Region] = []
    for _ in range(count):
        width, height = (side * dice.uniform(0.1, 0.34) for side in picture.size)
        left, top = dice.uniform(0, picture.width - width), dice.uniform(0, picture.height - height)
        made.append(Region.box(left, top, left + width, top + height))
    return made


def bench_requests(folder: Path, count: int) -> tuple[list[Request], list[Request]]:
    """Descriptions of single regions of real pictures, and questions with options about them, from GAR-Bench.

    Args:
        folder: That holds `gar-bench`.
        count: Of each at most; every so many-th question is taken, so that all kinds are there.
    """
    items = [item for item in load_benchmark(find_benchmark("gar-bench-vqa"), folder).showable if len(item.regions) < 6]
    described: list[Request] = []
    chosen: list[Request] = []
    for item in items[:: max(1, len(items) // count)][:count]:
        picture: Any = item.shown.read()
        regions: list[Any] = [*item.regions]
        described.append(Request(picture, None, regions[:1]))
        chosen.append(Request(picture, item.question, regions, item.options))
    return described, chosen
