"""How much of the machine's limits the hot paths use: the vision tower, reading a text, writing one.

Used by `inference.py` and `gpu.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain, pairwise
from typing import Any

import torch
from figures import Figures
from measuring import Times, clock_in_turns
from PIL import Image
from setups import regions_of

from gar import GAR, Request
from gar.assistant.caches import Slots
from gar.assistant.encoding import tiles_at_once
from gar.assistant.prefill import read_on
from gar.assistant.sampling import Sampling

__all__ = ["prompt_length", "reading_operations", "share_of_the_memory", "shares_of_the_processor", "tower_operations"]


def _stem(model: Any) -> Any:
    return model.model.vision_tower.patch_embed


def _stem_channels(model: Any) -> int:
    return int(getattr(_stem(model), "channels", model.config.vision_config.hidden_size))


def tower_operations(model: Any) -> float:
    """Floating-point operations of tower and projector for one tile; a product counts as two."""
    vision, width = model.config.vision_config, model.config.text_config.hidden_size
    patches = vision.grid_size**2
    tokens = patches + int(vision.use_cls_token)
    layer = tokens * (4 * vision.hidden_size**2 + 2 * vision.hidden_size * vision.intermediate_size)
    attention = 2 * tokens**2 * vision.hidden_size
    mask = patches * 3 * vision.patch_size**2 * vision.hidden_size
    projected = isinstance(getattr(_stem(model), "proj", None), torch.nn.Linear)
    stem = patches * _stem_channels(model) * vision.hidden_size if projected else 0
    projector = patches * width * (vision.hidden_size + width)
    return 2.0 * (vision.num_hidden_layers * (layer + attention) + mask + stem + projector)


def reading_operations(model: Any, tokens: int) -> float:
    """Floating-point operations of the decoder for a text, of attention only what is not hidden."""
    text = model.config.text_config
    heads, keys = text.num_attention_heads * text.head_dim, text.num_key_value_heads * text.head_dim
    layer = tokens * text.hidden_size * (2 * heads + 2 * keys + 3 * text.intermediate_size)
    attention = tokens * (tokens + 1) * heads  # two products, half of each
    return 2.0 * (text.num_hidden_layers * (layer + attention) + text.hidden_size * text.vocab_size)


def prompt_length(assistant: GAR, picture: Image.Image) -> int:
    """Tokens of a description's text."""
    return assistant.describe(picture, regions_of(picture, 1), max_new_tokens=1)[0].prompt_tokens


def shares_of_the_processor(
    figures: Figures, name: str, assistant: GAR, picture: Image.Image, *, repeats: int, least: float
) -> None:
    """Vision tower and reading, as shares of the fastest matrix product."""
    model, vision = assistant.model, assistant.model.config.vision_config
    several = tiles_at_once(model)
    like: dict[str, Any] = {"device": model.device, "dtype": model.dtype}
    features = torch.randn(several, vision.grid_size**2, _stem_channels(model), **like)
    side = vision.image_size
    masks = torch.zeros(several, 1, side, side, dtype=torch.uint8, device=model.device)
    masks[:, :, side // 8 : side // 2, side // 8 : side // 2] = 1
    length = prompt_length(assistant, picture)
    embeds = torch.randn(1, length, model.config.text_config.hidden_size, **like)

    def tower() -> None:
        with torch.inference_mode():
            model.model.encode_tiles(features, masks)

    def reading() -> None:
        read_on(model, embeds, Slots.empty(model.config.text_config, 1, length, model.dtype, model.device))

    works: list[Callable[[], object]] = [tower, reading]
    seen, read = clock_in_turns(works, repeats, warm_up=2, device=model.device)
    for what, times, operations, of in (
        ("vision tower", seen, several * tower_operations(model), f"{several} tiles at once"),
        ("prefill", read, reading_operations(model, length), f"{length} tokens"),
    ):
        rate = operations / times.median
        how = (
            f"{of}, {operations / 1e9:,.1f} GFLOP in {1e3 * times.median:.1f} ms: {rate / 1e9:,.0f} GFLOP/s, "
            f"{100 * rate / figures.limits.fastest:.0f} % of the fastest product's"
        )
        share = rate / figures.limits.multiply
        figures.share(f"{what}: of the product rate", name, share, times.spread, least, how)


def share_of_the_memory(
    figures: Figures, name: str, assistant: GAR, picture: Image.Image, *, rounds: int, new: int, least: float
) -> None:
    """Writing one answer: how fast the weights are read.

    Args:
        figures: The table.
        name: Of the model.
        assistant: From `setups.endless`.
        picture: What is described.
        rounds: Answers written; the last is timed, those before warm up.
        new: Tokens of an answer.
        least: The target.
    """
    model = assistant.model
    scene = assistant.encode(picture, regions_of(picture, 1))
    reader, sampling = assistant._reader(new), Sampling.checked(max_new_tokens=new)
    gaps: list[float] = []
    for _ in range(rounds):
        job = reader.job(reader.plan(Request(scene, None)))
        moments = [time.perf_counter() for _token in assistant._engine.tokens(job, sampling)]
        gaps = [after - before for before, after in pairwise(moments)]
    step = Times(tuple(gaps)).median
    spread = sorted(gaps)[int(0.9 * len(gaps))] / step - 1  # of single steps, the slowest tenth left out
    layers = model.model.language_model.layers
    weights = [*chain.from_iterable(layer.parameters() for layer in layers), model.lm_head.weight]
    size = sum(weight.nbytes for weight in weights)
    how = f"{size / 1e6:,.0f} MB of weights, {1e3 * step:.2f} ms a token, {size / step / 1e9:,.1f} GB/s"
    figures.share("decode, batch 1: of the copy rate", name, size / step / figures.limits.copy, spread, least, how)
