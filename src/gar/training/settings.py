"""All that a training is, as typed settings.

Choices:

* The docstring under a setting is its only description: `gar train --help` and the documentation show it.
* Light to import (no torch), so that mistakes are told at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from gar.errors import InputError, MissingExtraError
from gar.training.sources.specs import SourceSpec

try:
    from pydantic import BaseModel, ConfigDict, Field, model_validator
except ImportError as error:
    raise MissingExtraError("pydantic", "train") from error

if TYPE_CHECKING:
    from gar.training.sources.source import Source

__all__ = [
    "LEARNT_PARTS",
    "Cache",
    "DataSource",
    "Evaluation",
    "Lesson",
    "LoRA",
    "Recipe",
    "Scratch",
    "Start",
    "Training",
    "Words",
    "WorldData",
]

Part = Literal["stem", "vision", "mask", "connector", "region", "color", "language"]
LEARNT_PARTS: tuple[str, ...] = get_args(Part)
"""The parts of a model that can be frozen or given a learning rate of their own; see `gar.training.parts`."""

Share = Annotated[float, Field(ge=0, le=1)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Scratch(_Settings):
    """A model from nothing."""

    config: dict[str, Any]
    """Settings of `GARConfig`, its `vision_config` and `text_config` in it; the tokens come from the tokenizer."""
    vocab_size: int = Field(1024, ge=300)
    """Most tokens of the tokenizer, which is learnt from the texts of the data."""
    texts: int = Field(1500, ge=1)
    """Samples whose texts the tokenizer is learnt from."""
    pictures: int = Field(200, ge=2)
    """Samples whose pictures set the mean and deviation of a pretrained stem's features."""
    max_num_tiles: int = Field(1, ge=1)
    """Most tiles of one picture."""
    prompt_mentions: bool = False
    """Whether each mention of a prompt carries its region (`prompt_token_ids`)."""
    weights: Path | None = None
    """A model of the same parts, whose weights it begins with; by default at random."""


class Start(_Settings):
    """The model that training begins with: either a finished one, or one from nothing."""

    start: str | None = None
    """A folder or hub id, in our layout, that of published GAR models, or that of PerceptionLM; or nano, the embedded
    model."""
    scratch: Scratch | None = None
    """A model from nothing."""
    replay_spatial_scale: float | None = Field(None, gt=0, le=1)
    """1.0 replays features where the region is, 0.0357 (1/28) as published; by default as the start has it, and 1.0
    for a PerceptionLM."""
    closeup_size: int | None = Field(None, ge=1)
    """Pixels along a side of the close-ups in which the stem sees regions, a multiple of 32; by default as the start
    has it."""
    color_levels: int | None = Field(None, ge=1)
    """Levels of red, green and blue in which a region's colors are told (`GARConfig.color_levels`); by default as the
    start has it. A start without them begins with zeros there, and gives the same answers."""
    outline_size: int | None = Field(None, ge=1)
    """Side of the grid in which a region's mask and those of others in its box are told (`GARConfig.outline_size`); by
    default as the start has it. A start without it begins with zeros there, and gives the same answers."""
    class_scale: float | None = Field(None, gt=0)
    """How loud the words for what the stem's own classifier sees in a region are (`GARConfig.class_scale`); by default
    as the start has it."""
    echo: tuple[str, ...] | None = None
    """Attributes of the world (noun, material, …) of which the word that a region points at most is said to the decoder
    (`GARConfig.echo_token_ids`); by default those of the start."""
    echo_scale: float | None = Field(None, gt=0)
    """How loud (`GARConfig.echo_scale`); by default as the start has it."""
    max_num_tiles: int | None = Field(None, ge=1)
    """Most tiles of one picture; by default as the start has it."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Start:
        if (self.start is None) == (self.scratch is None):
            raise ValueError("give either start or scratch")
        given = [name for name, value in self if value is not None and name not in ("start", "scratch")]
        if self.scratch is not None and given:
            raise ValueError(f"{given[0]} changes a start; scratch has settings of its own")
        return self


class WorldData(_Settings):
    """Scenes of GraspWorld."""

    kind: Literal["world"]
    """A procedural world with exact masks and truthful texts."""
    scenes: int = Field(ge=1)
    """Scenes, one a seed."""
    first_seed: int = Field(0, ge=0)
    """The seed of the first scene."""
    split: Literal["train", "held-out"] = "train"
    """Which split of the world."""
    turns: int = Field(12, ge=1)
    """Most questions about one sample."""
    kinds: tuple[str, ...] = ()
    """Kinds of questions; one that is named twice is asked twice as often. By default all."""
    photographs: tuple[Path, ...] = ()
    """Folders of photographs with named masks: every third scene is a part of one of them."""
    cutouts: tuple[Path, ...] = ()
    """Folders of photographs of which only what is cut out of them is used, in rendered scenes."""
    rows: Share = 0.0
    """Share of the scenes in which the same thing stands in rows, columns or a grid."""
    together: Share = 0.0
    """Share of the scenes whose things have to do with each other: held, worn, ridden, on or beside one another."""
    weight: int = Field(1, ge=1)
    """How often the source is gone through in one epoch."""

    def open(self, seed: int, max_regions: int) -> Source:
        """Opens the source; all that it draws comes from the seeds of its scenes.

        Raises:
            InputError: The model can name fewer regions than the world prompts.
        """
        from gar.training.world import MAX_PROMPTS, WorldSource

        if max_regions < MAX_PROMPTS:
            raise InputError(f"the model can name {max_regions} regions; GraspWorld prompts up to {MAX_PROMPTS}")
        return WorldSource(
            self.scenes,
            first_seed=self.first_seed,
            split=self.split,
            turns=self.turns,
            kinds=self.kinds,
            photographs=self.photographs,
            cutouts=self.cutouts,
            rows=self.rows,
            together=self.together,
        )


DataSource = Annotated[WorldData | SourceSpec, Field(discriminator="kind")]
"""Any source, told apart by `kind`."""


class Cache(_Settings):
    """What the frozen stem makes of the pictures, kept on disk and made before training."""

    variants: int = Field(6, ge=1)
    """Samples (regions and questions) of each picture that are kept; epochs take them in turn."""
    folder: Path | None = None
    """Where; by default `features` in the run's folder. Runs with the same data and stem may share it."""
    workers: int = Field(2, ge=0)
    """Processes that make it; 0 makes it in this process."""


class Words(_Settings):
    """Words before text: what the frozen stem sees of a region alone is made to point at the region's words.

    Each region is looked at once; the steps are small and many.
    """

    steps: int = Field(10_000, ge=1)
    """Steps, with a learning rate that falls to 0 as a cosine."""
    batch_size: int = Field(256, ge=1)
    """Regions of a step."""
    learning_rate: float = Field(1.5e-3, gt=0)
    """The peak of the schedule."""


class Lesson(_Settings):
    """Steps in which only some kinds of questions are asked: beside all others, what is rare and hard is not learnt."""

    kinds: tuple[str, ...] = Field(min_length=1)
    """Kinds of questions of GraspWorld; in the first steps nothing else is asked, one lesson after the other."""
    steps: int = Field(ge=1)
    """Optimiser steps of the lesson; after the last one all there is is asked."""


class Training(_Settings):
    """How is learnt."""

    steps: int | None = Field(None, ge=1)
    """Optimiser steps."""
    epochs: float | None = Field(None, gt=0)
    """Passes over the data, in place of `steps`."""
    lessons: tuple[Lesson, ...] = ()
    """What is asked in the first steps, one lesson after the other; afterwards all there is."""
    batch_size: int = Field(8, ge=1)
    """Samples read at once by each process."""
    accumulate: int = Field(1, ge=1)
    """Batches whose gradients make one step."""
    group_by_length: bool = False
    """Whether samples of similar length share a batch, so that little is padded."""
    workers: int = Field(2, ge=0)
    """Processes that read data, for each training process."""
    learning_rate: float = Field(1e-5, gt=0)
    """The peak of the schedule."""
    part_learning_rates: dict[Part, Annotated[float, Field(gt=0)]] = {}
    """Learning rates of single parts: stem, vision, mask, connector, region, color, language."""
    freeze: tuple[Part, ...] = ()
    """Parts that are not trained; with LoRA, parts that get no adapters."""
    schedule: Literal["cosine", "linear", "constant_with_warmup", "warmup_stable_decay"] = "cosine"
    """How the learning rate goes after the warm-up; warmup_stable_decay stays at the peak and falls as a cosine over
    the last fifth of the steps (arXiv 2405.18392), so that a run which has not come there yet can be made longer."""
    warmup: float = Field(0.03, ge=0)
    """Steps over which the learning rate rises; below 1, a share of all steps."""
    weight_decay: float = Field(0.0, ge=0)
    """AdamW's weight decay, on matrices only."""
    max_grad_norm: float = Field(1.0, ge=0)
    """Gradients are scaled down to this norm; 0 leaves them as they are."""
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    """Arithmetic of forward and backward pass; trained weights are kept in float32. auto: bf16 where the machine
    calculates in it, float32 where it would be emulated."""
    compile: bool = False
    """Whether torch compiles the decoder's layers, which makes steps faster after a minute or two (on a CPU it needs a
    C++ compiler)."""
    gradient_checkpointing: bool = False
    """Whether activations are computed again in the backward pass, to save memory."""
    blend: float = Field(1.0, gt=0, le=1)
    """How far the result's decoder has gone from its weights at the start to those at the end, on the line between them
    (WiSE-FT, arXiv 2109.01903): halfway, what was learnt is mostly there and what was forgotten for it mostly back.
    Other parts, which learn to see and forget little, are as at the end."""
    average: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of the moving average of the weights, which is then what is evaluated and saved as the result."""
    mean_over: Literal["tokens", "answers"] = "tokens"
    """What the loss is a mean over: tokens, as published, or answers, so that a word counts as much as a caption."""
    short_answer: int = Field(1, ge=1)
    """Tokens up to which answers count by token even in a mean over answers, so that of two answers to one question,
    "None: there is no cat." and "<Prompt1>", the longer one does not count less in the word that decides."""
    token_steps: int = Field(0, ge=0)
    """First steps in which the loss is a mean over tokens all the same: captions teach a fresh model words soonest."""
    word_loss: float = Field(0.0, ge=0)
    """Weight of the auxiliary loss that makes a region's features point at its words."""
    word_steps: int = Field(0, ge=0)
    """First steps in which nothing but that loss is trained on: the words are grounded before any is written."""


class LoRA(_Settings):
    """Small trained matrices beside frozen ones (PEFT)."""

    r: int = Field(16, ge=1)
    """Rank."""
    alpha: float = Field(32, gt=0)
    """Scale: the adapters' output counts alpha / r."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the adapters' inputs that is dropped."""
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Names of the modules that get adapters."""
    quantize: Literal["4bit", "8bit"] | None = None
    """Keeps the frozen weights in fewer bits (QLoRA; needs bitsandbytes)."""
    merge: bool = True
    """Whether the adapters are added to the weights at the end, so that the result is a plain model."""


class Evaluation(_Settings):
    """What is measured while training, on data that is not trained on."""

    data: tuple[DataSource, ...] = Field(min_length=1)
    """Sources of held-out data."""
    every: int = Field(500, ge=1)
    """Steps between evaluations, of which the first comes after `word_steps` and the last at the end."""
    answers: int = Field(200, ge=0)
    """Questions with answers of at most three words that are asked; the measure is the share that is exactly right."""
    page: int = Field(12, ge=0)
    """Samples on the page of pictures, questions and answers that each evaluation writes."""


class Recipe(_Settings):
    """A training."""

    model: Start
    """The model that training begins with."""
    data: tuple[DataSource, ...] = Field(min_length=1)
    """Sources of what is learnt from."""
    train: Training
    """How is learnt."""
    cache: Cache | None = None
    """Whether and how the features of the frozen stem are kept on disk."""
    words: Words | None = None
    """Whether and how words are learnt before any text."""
    lora: LoRA | None = None
    """Whether and how adapters are trained in place of the weights."""
    evaluation: Evaluation | None = None
    """What is measured while training."""
    out: Path = Path("runs/gar")
    """The run's folder: checkpoints, logs, pages, and at the end `result`."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Where fresh weights and the order of the data come from."""
    save_every: int = Field(500, ge=1)
    """Steps between checkpoints; the last two are kept."""
    log_every: int = Field(1, ge=1)
    """Steps between lines of `log.jsonl`; a line's loss is the mean over them."""
    report_to: tuple[Literal["tensorboard", "wandb"], ...] = ("tensorboard",)
    """Where the log goes besides."""
    result_dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    """Number format of the result."""

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if (self.train.steps is None) == (self.train.epochs is None):
            raise ValueError("train: give either steps or epochs")
        if self.cache is not None and "stem" not in self.train.freeze:
            raise ValueError("cache: what the stem makes of pictures can be kept only if train.freeze has 'stem'")
        if self.train.word_steps and not self.train.word_loss:
            raise ValueError("train.word_steps: train.word_loss is 0, so there is nothing to learn in them")
        if self.words is not None and self.cache is None:
            raise ValueError("words: they are learnt from what the cache keeps; give cache too")
        if self.words is not None and not self.train.word_loss:
            raise ValueError("words: train.word_loss is 0, so they would be forgotten while text is learnt")
        if self.lora is not None and self.model.scratch is not None:
            raise ValueError("lora: adapters need a finished model (model.start)")
        if self.lora is not None and self.words is not None:
            raise ValueError("words: with lora the embeddings of words are not trained")
        if self.lora is not None and self.train.word_steps:
            raise ValueError("train.word_steps: with lora the embeddings of words are not trained")
        if self.lora is not None and self.train.blend < 1:
            raise ValueError("train.blend: adapters begin at nothing; scale lora.alpha in its place")
        if self.lora is not None and self.train.part_learning_rates:
            raise ValueError("train.part_learning_rates: adapters have one learning rate, train.learning_rate")
        return self
