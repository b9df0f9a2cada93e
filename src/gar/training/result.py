"""The trained model as a folder that `gar.load` reads.

Whatever way the weights were spread over processes, they are gathered and written by the first. Adapters are written as
PEFT writes them; merged, they are added to the weights of the model they began with, read again, so that
weights that were kept in fewer bits come whole.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from gar.files import whole_folder
from gar.model.modeling import GARForConditionalGeneration
from gar.processing import GARProcessor
from gar.training.adapters import merge_adapters
from gar.training.parts import part_of
from gar.training.settings import Recipe, Start
from gar.training.start import load_start
from gar.training.trainer import GroundingTrainer

__all__ = ["save_result"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def save_result(trainer: GroundingTrainer, processor: GARProcessor, recipe: Recipe, start: Start) -> None:
    """Writes `result` into the run's folder; called in all processes.

    Args:
        trainer: After training.
        processor: The model's.
        recipe: All settings.
        start: What the model was before.
    """
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    with nullcontext() if trainer.average is None else trainer.average.in_place():
        weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
        if not trainer.args.should_save:
            return
        dtype, folder = _DTYPES[recipe.result_dtype], recipe.out / "result"
        if recipe.lora is None:
            if recipe.train.blend < 1:
                _blend(weights, start, recipe.train.blend)
            _write(_plain(model.config, weights, dtype), processor, folder)
            return
        adapter = recipe.out / "adapter" if recipe.lora.merge else folder
        _write(model, processor, adapter, state_dict=weights)
    if recipe.lora.merge:
        base, _ = load_start(start, dtype=dtype)
        _write(merge_adapters(base, adapter), processor, folder)


def _blend(weights: dict[str, torch.Tensor], start: Start, share: float) -> None:
    """Moves trained weights of the decoder back, a share of the way from the start."""
    before, _ = load_start(start, dtype=torch.float32)
    for name, tensor in before.state_dict().items():
        if part_of(name, has_stem=False) == "language":
            weights[name] = torch.lerp(tensor, weights[name].to("cpu", torch.float32), share)


def _plain(config: Any, weights: dict[str, torch.Tensor], dtype: torch.dtype) -> Any:
    """A model of its own with some weights."""
    with torch.device("meta"):
        model = GARForConditionalGeneration(config).to(dtype)
    model.load_state_dict({name: tensor.to("cpu", dtype) for name, tensor in weights.items()}, assign=True)
    model.tie_weights()
    return model


def _write(model: Any, processor: GARProcessor, folder: Path, **options: Any) -> None:
    for config in (model.config, model.config.text_config, model.generation_config):
        config.use_cache = True  # training turned it off
    with whole_folder(folder) as unfinished:
        model.save_pretrained(unfinished, **options)
        processor.save_pretrained(unfinished)
