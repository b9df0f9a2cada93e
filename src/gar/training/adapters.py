"""LoRA and QLoRA through PEFT: small trained matrices beside frozen weights."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from gar.errors import InputError, MissingExtraError
from gar.training.parts import part_of
from gar.training.settings import LoRA

__all__ = ["add_adapters", "merge_adapters", "quantization"]


def add_adapters(model: Any, settings: LoRA, frozen: Container[str]) -> Any:
    """Freezes a model and puts adapters beside the modules that the settings name.

    Args:
        model: A model.
        settings: Rank, scale, and names of modules.
        frozen: Parts that get no adapters. Where the mask embedding is not among them, it is trained as a whole.

    Returns:
        A PEFT model.

    Raises:
        InputError: No module that may get adapters has one of the names.
        MissingExtraError: PEFT is not installed.
    """
    try:
        import peft
    except ImportError as error:
        raise MissingExtraError("peft", "train") from error

    names = [
        name
        for name, module in model.named_modules()
        if name.rpartition(".")[2] in settings.targets
        and next(module.children(), None) is None
        and part_of(f"{name}.", has_stem=False) not in frozen
    ]
    if not names:
        raise InputError(f"lora.targets: no part that is trained has modules named {', '.join(settings.targets)}")
    if settings.quantize is not None:
        model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    config = peft.LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=names,
        modules_to_save=None if "mask" in frozen else ["mask_embed"],
    )
    with _old_names():
        return peft.get_peft_model(model, config)


def merge_adapters(model: Any, folder: Path) -> Any:
    """A plain model with saved adapters added to its weights.

    Args:
        model: The model that the adapters were trained beside, its weights not quantised.
        folder: As PEFT writes it.
    """
    import peft

    with _old_names():
        return peft.PeftModel.from_pretrained(model, folder).merge_and_unload()


@contextmanager
def _old_names() -> Iterator[None]:
    """PEFT asks transformers for a property by its old name; users need not be told."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def quantization(bits: str, dtype: torch.dtype) -> Any:
    """How weights are kept in fewer bits; 4 bits are NF4 with nested constants, as in QLoRA (arXiv 2305.14314).

    Raises:
        MissingExtraError: bitsandbytes is not installed.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtraError("bitsandbytes")
    from transformers import BitsAndBytesConfig

    if bits == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
