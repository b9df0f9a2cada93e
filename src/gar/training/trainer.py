"""transformers' Trainer with what is ours: a loss on words, learning rates by part, and questions while evaluating."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader
from transformers import Trainer
from transformers.trainer_utils import EvalLoopOutput

from gar.model.base_model import VISION_INPUTS
from gar.processing.processor import IGNORED
from gar.training.averaging import AveragedWeights
from gar.training.parts import parameter_groups
from gar.training.reporting import begin_checkpoint
from gar.training.words import word_loss

__all__ = ["GroundingTrainer", "answer_weights"]

_LAST_SECONDS = 60
"""How long a data worker lives on after SIGTERM: the step that is being done then has to end."""


def answer_weights(labels: torch.Tensor, short: int = 1) -> torch.Tensor:
    """Weights of label tokens with which every answer counts the same, however long it is.

    Args:
        labels: (B, L), -100 outside answers; an answer is a run of other labels.
        short: Tokens up to which answers count by token all the same, from 1: each then as much as one of an answer of
            so many.

    Returns:
        (B, L) in float32: 1 / tokens of the answer, at most 1 / `short`, times a factor that makes them sum to the
        number of label tokens, so that the loss stays of the size that it has over tokens. 0 outside answers.

    Example:
        >>> answer_weights(torch.tensor([[-100, 7, -100, 5, 6, 8]]))
        tensor([[0.0000, 2.0000, 0.0000, 0.6667, 0.6667, 0.6667]])
    """
    learnt = labels != IGNORED
    begins = learnt & ~F.pad(learnt[:, :-1], (1, 0))
    answer = begins.flatten().cumsum(0)  # 0 before the first
    tokens = torch.bincount(answer[learnt.flatten()], minlength=int(begins.sum()) + 1).float()
    weights = torch.where(learnt, (1 / tokens.clamp(min=short))[answer].view_as(labels), 0.0)
    return weights * (learnt.sum() / weights.sum().clamp(min=1e-9))


class GroundingTrainer(Trainer):
    """Trainer that adds `word_loss` where a batch has `attribute_labels`.

    Args:
        words: Tokens of each word of each attribute, in the collator's order.
        word_weight: Weight of the auxiliary loss; 0 leaves it out.
        word_steps: First steps in which nothing but the auxiliary loss is trained on.
        even_after: The step from which each answer counts the same in the training loss, rather than each token.
        short_answer: Tokens up to which answers count by token even then, see `answer_weights`.
        rates: Learning rates of single parts, see `gar.training.parts`.
        average: The moving average of the weights, which is then what is evaluated.
        examine: Called with the model at each evaluation; its measures are logged with the held-out loss.
        args: As `Trainer`.
        kwargs: As `Trainer`.
    """

    def __init__(
        self,
        *args: Any,
        words: Sequence[Sequence[Sequence[int]]] = (),
        word_weight: float = 0.0,
        word_steps: int = 0,
        even_after: int | None = None,
        short_answer: int = 1,
        rates: Mapping[str, float] | None = None,
        average: AveragedWeights | None = None,
        examine: Callable[[Any, int], dict[str, float]] | None = None,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.words = words
        self.word_weight = word_weight
        self.word_steps = word_steps
        self.even_after = even_after
        self.short_answer = short_answer
        self.rates = dict(rates or {})
        self.average = average
        self.examine = examine
        self._word_losses: list[torch.Tensor] = []
        self._began: float | None = None
        self._under_way = False

    def get_train_dataloader(self) -> DataLoader:
        """The loader of transformers, its workers left alone by signals."""
        return _sheltered(super().get_train_dataloader())

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """The loader of transformers, its workers left alone by signals."""
        return _sheltered(super().get_eval_dataloader(eval_dataset))

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The optimiser that the arguments name, with a learning rate a part."""
        if self.optimizer is None:
            owner = self.model if model is None else model
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, owner)
            groups = parameter_groups(
                owner,
                self.get_decay_parameter_names(owner),
                weight_decay=self.args.weight_decay,
                rates=self.rates,
                rate=self.args.learning_rate,
            )
            self.optimizer = kind(groups, **options)
        return self.optimizer

    @property
    def _words_first(self) -> bool:
        """Whether nothing but the auxiliary loss is trained on as yet."""
        return self.state.global_step < self.word_steps

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """One batch, forward and backward.

        Processes share the gradients of whole forward passes by themselves, and those of the first `word_steps`, which
        are none, here. Before the first batch, an evaluation that a stop came before is made up for.
        """
        if not self._under_way and self._evaluation_is_missing():
            self.evaluate()
        self._under_way = True
        loss = super().training_step(*args, **kwargs)
        if self._words_first and self.args.world_size > 1 and self.accelerator.sync_gradients:
            for parameter in self.model.parameters():
                if parameter.grad is not None:
                    torch.distributed.all_reduce(parameter.grad)
                    parameter.grad /= self.args.world_size
        return loss

    def _evaluation_is_missing(self) -> bool:
        """Whether the last step that was done should have been followed by an evaluation and was not."""
        step, args = self.state.global_step, self.args
        if args.eval_strategy != "steps" or not step or step % self.state.eval_steps or step < args.eval_delay:
            return False
        return not any(entry["step"] == step and "eval_loss" in entry for entry in self.state.log_history)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The language loss and, in training, the weighted auxiliary loss; in the first `word_steps` that alone.

        The language loss is a sum over label tokens, each with its weight, divided by those of all accumulated batches;
        the auxiliary loss is a mean, so it is divided by the number of these batches.
        """
        if self._began is None and model.training:
            self._began = time.perf_counter()
        labels = inputs.pop("attribute_labels", None)
        if labels is not None and model.training and self._words_first:
            seen = {name: inputs[name] for name in VISION_INPUTS if name in inputs}
            owner = self.accelerator.unwrap_model(model)  # the decoder need not read what nothing is learnt from
            return self._word_loss(owner.model.get_region_features(**seen).spoken, labels, model)
        inputs["loss_only"] = True  # logits are read by nobody, and are the largest tensor of a step
        if model.training and self.even_after is not None and self.state.global_step >= self.even_after:
            inputs["loss_weights"] = answer_weights(inputs["labels"], self.short_answer)
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if labels is not None and self.word_weight and model.training:
            loss = loss + self.word_weight * self._word_loss(outputs.spoken_hidden_states, labels, model)
        return (loss, outputs) if return_outputs else loss

    def _word_loss(self, spoken: torch.Tensor, labels: torch.Tensor, model: Any) -> torch.Tensor:
        """The auxiliary loss of a batch, divided by the number of accumulated ones."""
        embeddings = self.accelerator.unwrap_model(model).get_input_embeddings().weight
        loss = word_loss(spoken, embeddings, self.words, labels)
        self._word_losses.append(loss.detach())
        return loss / self.current_gradient_accumulation_steps

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Logs, with the mean auxiliary loss and the seconds of training since the last line."""
        if self._word_losses and "loss" in logs:
            logs["word_loss"] = torch.stack(self._word_losses).mean().item()
            self._word_losses.clear()
        if self._began is not None and "loss" in logs:
            began, self._began = self._began, time.perf_counter()
            logs["seconds"] = round(self._began - began, 4)
        super().log(logs, start_time)

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> EvalLoopOutput:
        """The held-out loss and what `examine` measures, of the averaged weights where there is an average.

        Random numbers of training stay as they are: a loader draws one whenever it begins.
        """
        averaged = nullcontext() if self.average is None else self.average.in_place()
        uncompiled = torch.compiler.set_stance("force_eager")  # compiling for a few batches takes longer than they do
        with averaged, uncompiled, torch.random.fork_rng(devices=[]):
            output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
            if self.examine is not None:
                measured = self.examine(self.accelerator.unwrap_model(self.model), self.state.global_step)
                output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in measured.items()})
        self._began = None
        return output

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """The warnings of transformers, but none of weights that others are tied to, which are not saved."""
        tied = getattr(self.accelerator.unwrap_model(self.model), "all_tied_weights_keys", {})
        load_result.missing_keys[:] = [name for name in load_result.missing_keys if name not in tied]
        super()._issue_warnings_after_load(load_result)

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        """The checkpoint of transformers, marked as one that is not whole yet."""
        if self.args.should_save:
            begin_checkpoint(Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}")
        super()._save_checkpoint(*args, **kwargs)


def _sheltered(loader: DataLoader) -> DataLoader:
    """A loader whose workers outlive SIGTERM and Ctrl-C for as long as the main process needs them.

    Service managers and terminals send both to all processes of a group; a worker that ended then would end training
    before its checkpoint is written.
    """
    begin = partial(_begin_worker, loader.worker_init_fn)
    for owner in (loader, getattr(loader, "base_dataloader", loader)):  # accelerate's loader has one within it
        owner.worker_init_fn = begin
    return loader


def _begin_worker(then: Callable[[int], None] | None, number: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # ignoring it would keep a worker that nobody stops any more, and with it the main process, which waits at its end
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(_LAST_SECONDS))
    if then is not None:
        then(number)
