"""The moving average of the weights (EMA), which is smoother than the weights and usually better.

The average is kept in float32 beside the model, of trained weights only. While few steps are done it follows the
weights quickly: the decay at step t is at most (1 + t) / (10 + t), the rule that TensorFlow's
`ExponentialMovingAverage` has for its `num_updates`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from gar.errors import CheckpointError
from gar.files import whole_file

__all__ = ["AveragedWeights"]


class AveragedWeights:
    """The average of a model's trained weights.

    Args:
        model: Whose weights are averaged; begins with them as they are.
        decay: How much of the average stays in one step, below 1.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self._model = model
        self._average = {name: weight.detach().float().clone() for name, weight in self._trained()}

    def _trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((name, weight) for name, weight in self._model.named_parameters() if weight.requires_grad)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the weights after `step` steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, weight in self._trained():
            self._average[name].lerp_(weight.detach().float(), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Puts the average into the model, and its own weights back afterwards, bit for bit."""
        own = {name: weight.detach().clone() for name, weight in self._trained()}
        self._put(self._average)
        try:
            yield
        finally:
            self._put(own)

    @torch.no_grad()
    def _put(self, weights: Mapping[str, torch.Tensor]) -> None:
        for name, weight in self._trained():
            weight.copy_(weights[name])

    def save(self, path: Path) -> None:
        """Writes the average, whole or not at all."""
        with whole_file(path) as unfinished:
            save_file(self._average, unfinished)

    def load(self, path: Path) -> None:
        """Goes on with an average that was saved.

        Raises:
            CheckpointError: It is of other weights than this model's trained ones.
        """
        stored = load_file(path)
        if {n: w.shape for n, w in stored.items()} != {n: w.shape for n, w in self._average.items()}:
            raise CheckpointError(f"{path} holds the average of other weights than those that are trained")
        for name, weight in stored.items():
            self._average[name].copy_(weight)
