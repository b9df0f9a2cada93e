"""From a recipe to a trained model.

    train(read_recipe("nano"))          # the same call goes on where it was stopped

A run's folder holds `recipe.yaml` (all settings), `start` (a model from nothing, as it began), `features` (the cache),
`words.safetensors` and `words.json` (what was learnt before any text, and how well), `checkpoints`, `log.jsonl`,
`curves.png`, `skipped.jsonl`, `samples` (a page of answers for each evaluation), `tensorboard`, with LoRA `adapter`,
and at the end `result`, a model folder.

Several processes, FSDP and DeepSpeed come through accelerate's launcher and configuration; see docs/training.md.
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from traceback import clear_frames
from typing import Any

import torch
from accelerate import PartialState
from rich.console import Console
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import AttentionInterface, PrinterCallback, TrainingArguments
from transformers.utils import logging

from gar.errors import InputError, MissingExtraError
from gar.files import whole_file, whole_folder, write_whole
from gar.processing import GARProcessor
from gar.training.adapters import add_adapters
from gar.training.averaging import AveragedWeights
from gar.training.begun import check_settings
from gar.training.collator import SampleCollator, names_noted
from gar.training.course import Course
from gar.training.examination import Examination
from gar.training.feature_cache import FeatureCache
from gar.training.lengths import measure_lengths
from gar.training.packing import PACKED_ATTENTION, packed_attention
from gar.training.parts import freeze
from gar.training.precision import settle_precision
from gar.training.recipe import to_yaml
from gar.training.reporting import (
    AVERAGE,
    Reporter,
    check_batch,
    draw_curves,
    last_complete,
    stop_signals,
)
from gar.training.result import save_result
from gar.training.samples import Skipped
from gar.training.scratch import build_from_scratch
from gar.training.settings import Recipe, Start, Words
from gar.training.sources.source import Source
from gar.training.sources.specs import fingerprint, open_mixture
from gar.training.start import load_start
from gar.training.tokenizer import MAX_PROMPTS
from gar.training.trainer import GroundingTrainer
from gar.training.words import learn_words, look_at_regions, share_of_right_words, word_tokens
from gar.training.world import WORDS, check_kinds

__all__ = ["Outcome", "train"]

_DATA_SEED = 0
"""What is drawn within the data (regions, wordings) is the same for all seeds, so that runs can share a cache."""

_PATIENCE = 6 * 3600
"""Seconds that processes wait for the first, which makes the cache."""

_FULL = ("No space left", "quota exceeded", "PytorchStreamWriter failed", "iostream error", "unexpected pos")
"""What errors say when a disk is full: of the system, and the last three of `torch.save`."""


@dataclass(frozen=True)
class Outcome:
    """What became of a run."""

    steps: int
    """Steps trained, those before a resume too."""
    result: Path | None
    """The folder of the trained model; None if the run was stopped."""
    signal: int | None
    """The signal that stopped it."""
    skipped: int
    """Different items that could not be used."""


def train(recipe: Recipe) -> Outcome:
    """Trains as a recipe says; goes on from the last checkpoint if there is one.

    Args:
        recipe: All settings.

    Returns:
        What became of it: finished, or stopped by SIGTERM or Ctrl-C with a checkpoint written.

    Raises:
        InputError: A setting, the data, or all items of a batch cannot be used; the run was begun with other settings;
            or the disk is full.
        CheckpointError: The model to begin with cannot be loaded.
        MissingExtraError: A setting needs a package that is not installed.
    """
    try:
        return _train(recipe)
    except (OSError, SafetensorError, RuntimeError) as error:
        if not any(reason in str(error) for reason in _FULL):
            raise
        place = getattr(error, "filename", None) or recipe.out
        raise InputError(f"no space is left on the disk for {place}; the same command goes on when there is") from error


def _train(recipe: Recipe) -> Outcome:
    _check_machine(recipe)
    recipe = settle_precision(recipe)
    for lesson in recipe.train.lessons:  # before features are made, which takes long
        check_kinds(lesson.kinds, "train.lessons")
    logging.disable_progress_bar()
    check_settings(recipe)
    args = _arguments(recipe)
    checkpoint = last_complete(Path(args.output_dir))
    if checkpoint is not None:
        check_batch(checkpoint, _samples_a_step(recipe, args))
    with args.main_process_first(local=False, desc="start"):
        start = _prepare_start(recipe)
    model, processor = _load_model(recipe, start)
    words = WORDS if recipe.train.word_loss else None
    collator = SampleCollator(processor, vocabulary=words, skipped=recipe.out / "skipped.jsonl")
    with args.main_process_first(local=False, desc="data"):
        course = _plan_course(recipe, args, _open_data(recipe, start, processor), collator)
    if recipe.words is not None:
        with args.main_process_first(local=False, desc="words"):
            _learn_words(recipe, recipe.words, model.to(args.device), collator, course.source)
    args.max_steps = course.steps
    if recipe.train.schedule == "warmup_stable_decay":
        args.lr_scheduler_kwargs = {"num_decay_steps": course.steps // 5}
    trainer, reporter = _make_trainer(recipe, args, model, collator, course)
    if args.should_save:
        _begin_folder(recipe, None if checkpoint else course.source.skipped)
    if checkpoint is not None and reporter.average is not None:
        reporter.average.load(checkpoint / AVERAGE)
    try:
        with stop_signals() as reporter.stop:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except BaseException as error:
        clear_frames(error.__traceback__)  # with them goes the loader; while it is held, its workers wait for it
        if not isinstance(error, InputError):
            raise
        # a data worker's comes with its traceback as text; what follows the name is ours
        raise InputError(str(error).rpartition("InputError: ")[2].strip()) from error
    finished = trainer.state.global_step >= args.max_steps
    if finished:
        save_result(trainer, processor, recipe, start)
    if args.should_save:
        draw_curves(trainer.state.log_history, reporter.curves)
    return Outcome(
        steps=trainer.state.global_step,
        result=recipe.out / "result" if finished else None,
        signal=None if finished else reporter.stop.number,
        skipped=_count_skipped(recipe),
    )


def _check_machine(recipe: Recipe) -> None:
    needed = {"matplotlib", "accelerate", *recipe.report_to}
    if recipe.lora is not None:
        needed.add("peft")
    for package in sorted(needed):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, None if package == "wandb" else "train")
    if recipe.train.precision == "fp16" and not torch.cuda.is_available():
        raise InputError("train.precision is fp16, which needs a GPU; without one, bf16 or fp32")


def _arguments(recipe: Recipe) -> TrainingArguments:
    training, evaluation = recipe.train, recipe.evaluation
    recipe.out.mkdir(parents=True, exist_ok=True)
    use_cpu = not torch.accelerator.is_available()
    if use_cpu:  # for CPUs transformers leaves `ddp_timeout` out, and processes that wait end after half an hour
        PartialState(cpu=True, timeout=timedelta(seconds=_PATIENCE))
    return TrainingArguments(
        output_dir=str(recipe.out / "checkpoints"),
        run_name=recipe.out.name,
        max_steps=1,  # until the length of the data is known
        per_device_train_batch_size=training.batch_size,
        per_device_eval_batch_size=training.batch_size,
        gradient_accumulation_steps=training.accumulate,
        train_sampling_strategy="sequential",  # `Course` has shuffled
        dataloader_num_workers=training.workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
        learning_rate=training.learning_rate,
        lr_scheduler_type=training.schedule,
        warmup_steps=training.warmup,
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_grad_norm,
        bf16=training.precision == "bf16",
        fp16=training.precision == "fp16",
        use_cpu=use_cpu,  # else bf16 is refused on a CPU
        activation_checkpointing=training.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False} if training.gradient_checkpointing else None,
        logging_steps=recipe.log_every,
        save_steps=recipe.save_every,
        eval_strategy="no" if evaluation is None else "steps",
        eval_steps=None if evaluation is None else evaluation.every,
        eval_delay=training.word_steps + 1,  # until then nothing is written
        prediction_loss_only=True,
        report_to=[name for name in recipe.report_to if name != "tensorboard"] or "none",
        disable_tqdm=True,
        ddp_timeout=_PATIENCE,
        ddp_find_unused_parameters=False,
        seed=recipe.seed,
    )


def _prepare_start(recipe: Recipe) -> Start:
    """Makes the model from nothing if that is what is asked for; says what to load."""
    scratch = recipe.model.scratch
    if scratch is None:
        return recipe.model
    folder = recipe.out / "start"
    if not folder.exists():
        data = open_mixture(recipe.data, seed=_DATA_SEED, max_regions=MAX_PROMPTS)
        words = [word for words in WORDS.values() for word in words] if recipe.train.word_loss else []
        model, processor = build_from_scratch(scratch, data, words=words, seed=recipe.seed)
        _note_settings(recipe)
        with whole_folder(folder) as unfinished:
            processor.save_pretrained(unfinished)
            model.save_pretrained(unfinished)
    return Start(start=str(folder))


def _load_model(recipe: Recipe, start: Start) -> tuple[Any, GARProcessor]:
    """The model with what is trained of it."""
    lora, frozen = recipe.lora, recipe.train.freeze
    half = torch.float16 if recipe.train.precision == "fp16" else torch.bfloat16
    # trained weights are kept in float32; frozen ones beside adapters as they are calculated with
    dtype = torch.float32 if lora is None or recipe.train.precision == "fp32" else half
    model: Any
    model, processor = load_start(start, dtype=dtype, quantize=lora.quantize if lora else None)
    model.model.language_model.set_attn_implementation(PACKED_ATTENTION)
    model.config.text_config.use_cache = False  # nothing is decoded; `save_result` turns it on again
    if recipe.train.compile:
        # but for the packed attention, whose rows differ in number and length from step to step
        AttentionInterface.register(PACKED_ATTENTION, torch.compiler.disable(packed_attention))
        for layer in model.model.language_model.layers:
            layer.compile(dynamic=True)
    if lora is None:
        freeze(model, frozen)
    else:
        torch.manual_seed(recipe.seed)
        model = add_adapters(model, lora, frozen)
    return model, processor


def _open_data(recipe: Recipe, start: Start, processor: GARProcessor) -> Source:
    if recipe.cache is None:
        return open_mixture(recipe.data, seed=_DATA_SEED, max_regions=processor.config.max_regions)
    folder = recipe.cache.folder or recipe.out / "features"
    cache = FeatureCache(folder, start, recipe.data, seed=_DATA_SEED, variants=recipe.cache.variants)
    return cache.make(workers=recipe.cache.workers)


def _learn_words(recipe: Recipe, settings: Words, model: Any, collator: SampleCollator, source: Source) -> None:
    """Learns words once a run, in the first process; all begin with what it has learnt."""
    file = recipe.out / "words.safetensors"
    if not file.exists():
        tokens = dict(zip(WORDS, word_tokens(collator.processor.tokenizer, WORDS), strict=True))
        look = partial(look_at_regions, model, collator=collator, workers=recipe.train.workers)
        seen = look(source, epochs=recipe.cache.variants if recipe.cache else 1)
        learnt = learn_words(
            model,
            seen,
            [*tokens.values()],
            settings,
            recipe.train,
            embeddings=recipe.model.scratch is not None,
            seed=recipe.seed,
        )
        if recipe.evaluation is not None:
            shares = share_of_right_words(model, look(_open_held_out(recipe, collator.processor), epochs=1), tokens)
            told = " · ".join(f"{name} {share:.1%} of {count}" for name, (share, count) in shares.items() if count)
            Console(stderr=True, highlight=False).print(f"held-out regions that point at the right word: {told}")
            write_whole(recipe.out / "words.json", json.dumps(shares) + "\n")
        _note_settings(recipe)
        with whole_file(file) as unfinished:
            save_file(learnt, unfinished)
    model.load_state_dict(load_file(file), strict=False)


def _open_held_out(recipe: Recipe, processor: GARProcessor) -> Source:
    data = () if recipe.evaluation is None else recipe.evaluation.data
    return open_mixture(data, seed=_DATA_SEED, max_regions=processor.config.max_regions)


def _samples_a_step(recipe: Recipe, args: TrainingArguments) -> int:
    return recipe.train.batch_size * recipe.train.accumulate * args.world_size


def _plan_course(recipe: Recipe, args: TrainingArguments, source: Source, collator: SampleCollator) -> Course:
    training = recipe.train
    batch = _samples_a_step(recipe, args)
    steps = training.steps or math.ceil((training.epochs or 0.0) * len(source) / batch)
    lengths = None
    if training.group_by_length:
        variants = recipe.cache.variants if recipe.cache else 1
        lengths = measure_lengths(
            source,
            collator,
            recipe.out / "lengths.npz",
            epochs=min(variants, math.ceil(steps * batch / len(source))),
            workers=training.workers,
            fingerprint=fingerprint(recipe.data),
        )
    return Course(source, steps=steps, batch=batch, seed=recipe.seed, lengths=lengths, lessons=recipe.train.lessons)


def _make_trainer(
    recipe: Recipe, args: TrainingArguments, model: Any, collator: SampleCollator, course: Course
) -> tuple[GroundingTrainer, Reporter]:
    training, evaluation, processor = recipe.train, recipe.evaluation, collator.processor
    average = AveragedWeights(model, training.average) if training.average else None
    reporter = Reporter(recipe.out, epochs=course.epochs, batch=course.batch, average=average)
    held_out = examine = None
    if evaluation is not None:
        held_out = _open_held_out(recipe, processor)
        examine = Examination(
            (held_out[index] for index in range(len(held_out))),
            processor,
            answers=evaluation.answers,
            page=evaluation.page,
            folder=recipe.out / "samples" if args.should_save else None,
        )
    trainer = GroundingTrainer(
        model=model,
        args=args,
        data_collator=collator,
        train_dataset=course,
        eval_dataset=held_out,
        callbacks=[*_tensorboard(recipe, args), reporter],
        words=word_tokens(processor.tokenizer, WORDS) if training.word_loss else (),
        word_weight=training.word_loss,
        word_steps=training.word_steps,
        even_after=training.token_steps if training.mean_over == "answers" else None,
        short_answer=training.short_answer,
        rates=training.part_learning_rates,
        average=average,
        examine=examine,
    )
    trainer.remove_callback(PrinterCallback)  # the reporter tells
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        if average is not None:
            raise InputError(f"train.average is {training.average}: it needs whole weights, not FSDP's or DeepSpeed's")
        if training.word_loss:
            raise InputError(f"train.word_loss is {training.word_loss}: it needs whole weights, as above")
    return trainer, reporter


def _tensorboard(recipe: Recipe, args: TrainingArguments) -> list[Any]:
    """The callback of transformers, with one folder for all starts of a run."""
    if "tensorboard" not in recipe.report_to or not args.should_save:
        return []
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations import TensorBoardCallback

    return [TensorBoardCallback(SummaryWriter(str(recipe.out / "tensorboard")))]


def _note_settings(recipe: Recipe) -> None:
    """Writes the settings, before the first of what is made by them, so that it is never used with others."""
    write_whole(recipe.out / "recipe.yaml", to_yaml(recipe))


def _begin_folder(recipe: Recipe, skipped: Sequence[Skipped] | None) -> None:
    """Writes the settings, and for a fresh run what of its data was unusable when opened."""
    _note_settings(recipe)
    if skipped is not None:
        lines = [json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in skipped]
        write_whole(recipe.out / "skipped.jsonl", "".join(lines))


def _count_skipped(recipe: Recipe) -> int:
    file = recipe.out / "skipped.jsonl"
    return len(names_noted(file.read_bytes().splitlines())) if file.exists() else 0
