"""The job as the published code does it, to compare with: one region at a time, the whole prompt each time.

For each region the picture is cut into tiles again, all tiles go through the tower, the whole prompt is read, with
eager attention everywhere, and transformers' own `generate` writes into a growing cache. Two things are better than in
the published code, so the reference is not made slow: the prompt's logits are computed at its last place alone, and the
replay has no Python loop.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image
from torch import nn

from gar import GAR, Region
from gar.assistant.linear import OneDNNLinear
from gar.processing import Message
from gar.processing.prompts import DESCRIBE, one_of_several

__all__ = ["as_published", "describe_alone", "describe_plainly_shared"]


@contextmanager
def as_published(assistant: GAR) -> Generator[None]:
    """Turns the model's attention to the eager one, and its linear layers to torch's own."""
    model = assistant.model
    model.set_attn_implementation("eager")
    ours = [layer for layer in model.modules() if type(layer) is OneDNNLinear]
    for layer in ours:
        layer.__class__ = nn.Linear
    try:
        yield
    finally:
        model.set_attn_implementation("sdpa")
        for layer in ours:
            layer.__class__ = OneDNNLinear


def _continue(assistant: GAR, new: int, ignore_end: bool, **inputs: Any) -> list[int]:
    tokenizer = assistant.processor.tokenizer
    options = {"eos_token_id": None} if ignore_end else {}
    written = assistant.model.generate(
        **inputs, max_new_tokens=new, do_sample=False, pad_token_id=tokenizer.pad_token_id, **options
    )
    return written[0].tolist()


def describe_alone(assistant: GAR, picture: Image.Image, region: Region, new: int, *, ignore_end: bool) -> list[int]:
    """Describes one region, everything computed anew; returns the tokens written."""
    processor = assistant.processor
    inputs = processor([picture], [processor.describe_text()], [[region]], [[processor.single_prompt]])
    inputs = inputs.to(assistant.model.device)
    ids = _continue(assistant, new, ignore_end, **inputs)
    return ids[inputs["input_ids"].shape[1] :]


def describe_plainly_shared(
    assistant: GAR, picture: Image.Image, regions: Sequence[Region], number: int, new: int, *, ignore_end: bool
) -> list[int]:
    """Describes one of several regions shown together, in the published training wording, nothing shared.

    All regions are in the mask and in the list; only the described one has crop tokens. The processor asks for those of
    every region, so the text is put in by hand.
    """
    processor, model = assistant.processor, assistant.model
    prompts = range(len(regions))
    asked = one_of_several(DESCRIBE, number, prompts, processor.crop_tokens)
    inputs = processor([picture], [processor.question_text("Why?", prompts)], [regions])
    del inputs["input_ids"], inputs["attention_mask"]
    tiles = processor.tile_count(tuple(inputs["tile_grid"][0].tolist()))
    first = [processor.tokenizer.bos_token_id] * (processor.bos_tokens - 1)
    ids = torch.tensor([[*first, *processor.token_ids(processor.chat_text([Message("user", asked)]), tiles)]])
    with torch.inference_mode():
        features = model.model.get_region_features(**inputs)
        features.replay = features.replay[number : number + 1]
        embeds = model.model.embed(ids, features, inputs["region_index"][number : number + 1])
    return _continue(assistant, new, ignore_end, inputs_embeds=embeds, prompt_features=features.prompts)
