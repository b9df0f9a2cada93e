"""Smaller weights: 8 bits on a CPU, and what transformers offers elsewhere.

On a CPU `quantize="int8"` keeps the weights of the tower's and the decoder's linear layers in 8 bits, and turns
activations into 8 bits as they come, each token by a scale of its own, so that no token depends on those beside it. The
rest stays as it was. Elsewhere a quantisation configuration of transformers is handed through to `from_pretrained`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

from gar.errors import InputError

if TYPE_CHECKING:
    from gar.model.modeling import GARForConditionalGeneration

__all__ = ["Int8Linear", "check_quantize", "parameter_count", "quantize_int8"]


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


class Int8Linear(nn.Module):
    """A linear layer in 8 bits, whose rows of inputs have a scale each.

    torch's product scales all rows at once, by the least and the greatest number among them. So each row is divided by
    its largest magnitude, and has a 1 and a -1 put behind it, which meet weights of 0: then the scale is the same
    whatever the rows are.

    Args:
        layer: In float32 on a CPU. It can no longer be trained or saved.
    """

    def __init__(self, layer: nn.Linear):
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.numbers = sum(parameter.numel() for parameter in layer.parameters())
        """That were learnt."""
        self.bias: torch.Tensor | None
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())  # pyright: ignore
        weight = F.pad(layer.weight.detach(), (0, 2))
        scale = max(weight.abs().max().item() / 127.5, torch.finfo(weight.dtype).eps)
        with warnings.catch_warnings():
            # torch names a successor, whose CPU kernels are slower (docs/decisions/0005-inference.md)
            warnings.simplefilter("ignore")
            quantized = torch.quantize_per_tensor(weight, scale, 0, torch.qint8)
        operators: Any = torch.ops.quantized
        self._packed: Any = operators.linear_prepack(quantized, None)
        self._linear: Any = operators.linear_dynamic

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(…, inputs) → (…, outputs)."""
        largest = input.abs().amax(-1, keepdim=True).clamp_(min=torch.finfo(input.dtype).tiny)  # (…, 1)
        rows = input.new_empty(*input.shape[:-1], self.in_features + 2)
        torch.div(input, largest, out=rows[..., :-2])
        rows[..., -2], rows[..., -1] = 1.0, -1.0
        product: torch.Tensor = self._linear(rows, self._packed, reduce_range=True)  # else older processors overflow
        return product.mul_(largest) if self.bias is None else torch.addcmul(self.bias, product, largest)

    def get_extra_state(self) -> Any:
        """There is no state to save.

        Raises:
            InputError: Always.
        """
        raise InputError("a model in 8 bits cannot be saved; load the model without quantize")


def quantize_int8(model: GARForConditionalGeneration) -> None:
    """Quantises the linear layers of tower, decoder and language head in place.

    Args:
        model: In float32 on a CPU. It can no longer be trained or saved.
    """
    known = torch.backends.quantized.supported_engines
    torch.backends.quantized.engine = next(name for name in ("x86", "onednn", "qnnpack") if name in known)
    for part in (model.model.vision_tower.blocks, model.model.language_model.layers):
        for module in [*part.modules()]:
            for name, layer in [*module.named_children()]:
                if isinstance(layer, nn.Linear):
                    setattr(module, name, Int8Linear(layer))
    head: Any = model.lm_head
    model.lm_head = Int8Linear(head)


def parameter_count(model: GARForConditionalGeneration) -> int:
    """Numbers that a model has learnt, those in 8 bits too."""
    # a tied head in 8 bits is a copy of the embeddings, which are counted already
    copied = model.lm_head if model.config.tie_word_embeddings else None
    packed = [part for part in model.modules() if isinstance(part, Int8Linear) and part is not copied]
    return sum(values.numel() for values in model.parameters()) + sum(layer.numbers for layer in packed)
