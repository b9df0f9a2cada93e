"""Smaller weights: 8 bits on a CPU, and what transformers offers elsewhere.

On a CPU `quantize="int8"` keeps the weights of the tower's and the decoder's linear layers in 8 bits, and turns
activations into 8 bits as they come (torch's dynamic quantisation, engine x86). The rest stays as it was. Elsewhere a
quantisation configuration of transformers is handed through to `from_pretrained`.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gar.errors import InputError

if TYPE_CHECKING:
    import torch

    from gar.model.modeling import GARForConditionalGeneration

__all__ = ["check_quantize", "parameter_count", "quantize_int8"]


def check_quantize(quantize: Any, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Checks what was asked for.

    Args:
        quantize: None, "int8", or a quantisation configuration of transformers.
        device: Of the model.
        dtype: Of what is not quantised.

    Returns:
        What `from_pretrained` is told.

    Raises:
        InputError: It is neither, or does not go with the device.
    """
    import torch
    from transformers.utils.quantization_config import QuantizationConfigMixin

    if quantize is None:
        return {}
    if isinstance(quantize, QuantizationConfigMixin):
        if device.type == "cpu":
            raise InputError(f"quantize is a {type(quantize).__name__} and the device {device}; on a CPU: 'int8'")
        return {"quantization_config": quantize, "device_map": {"": str(device)}}
    if quantize != "int8":
        raise InputError(
            f"quantize is {quantize!r}; allowed: None, 'int8' on a CPU, and elsewhere a quantisation configuration of "
            "transformers, such as BitsAndBytesConfig(load_in_8bit=True)"
        )
    if device.type != "cpu" or dtype != torch.float32:
        raise InputError(
            f"quantize is 'int8' with device {device} and dtype {dtype}; it needs a CPU and float32; on CUDA give a "
            "quantisation configuration of transformers, such as BitsAndBytesConfig(load_in_8bit=True)"
        )
    return {}


def quantize_int8(model: GARForConditionalGeneration) -> None:
    """Quantises the linear layers of tower, decoder and language head in place.

    Args:
        model: In float32 on a CPU. It can no longer be trained or saved.
    """
    import torch
    from torch.ao.quantization.qconfig import default_dynamic_qconfig

    known = torch.backends.quantized.supported_engines
    torch.backends.quantized.engine = next(name for name in ("x86", "onednn", "qnnpack") if name in known)
    # torch names a successor, whose CPU kernels are slower (docs/decisions/0005-inference.md)
    quantize_dynamic: Any = import_module("torch.ao.quantization").quantize_dynamic
    parts: list[tuple[Any, Any]] = [
        (model.model.vision_tower.blocks, torch.nn.Linear),
        (model.model.language_model.layers, torch.nn.Linear),
        (model, "lm_head"),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part, layers in parts:
            quantize_dynamic(part, {layers: default_dynamic_qconfig}, inplace=True)


def parameter_count(model: GARForConditionalGeneration) -> int:
    """Numbers that a model has learnt, those in 8 bits too."""
    from torch.ao.nn.quantized.dynamic import Linear

    # a tied head in 8 bits is a copy of the embeddings, which are counted already
    copied = model.lm_head if model.config.tie_word_embeddings else None
    packed: list[Any] = [part for part in model.modules() if isinstance(part, Linear) and part is not copied]
    numbers = [*model.parameters(), *(values for module in packed for values in (module.weight(), module.bias()))]
    return sum(values.numel() for values in numbers if values is not None)
