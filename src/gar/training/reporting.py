"""What a run tells while it trains, and how it is stopped.

log.jsonl        one line of JSON a logged step or evaluation; after a resume, as if there had been no stop
curves.png       losses and learning rate over the steps
checkpoints/     the last two; one is begun with a file `partial`, which is called `complete` once it is whole
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from gar.errors import InputError
from gar.files import whole_file, write_whole
from gar.training.averaging import AveragedWeights

if TYPE_CHECKING:
    from accelerate import PartialState

__all__ = [
    "Reporter",
    "StopSignal",
    "begin_checkpoint",
    "check_batch",
    "draw_curves",
    "last_complete",
    "stop_signals",
]

AVERAGE = "average.safetensors"
"""The moving average of the weights, in a checkpoint."""

_COMPLETE = "complete"
"""The file of a whole checkpoint; it says how many samples a step has."""
_PARTIAL = "partial"
"""The file of one that is being written."""
_KEPT = 2
"""Whole checkpoints that are kept."""
_SECONDS = 10.0
"""Between lines that tell a person how far it is, at least."""


class StopSignal:
    """Whether a signal has asked to stop."""

    def __init__(self) -> None:
        self.number: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Takes the signal; a second SIGINT interrupts at once, as usual."""
        if self.number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = number


@contextmanager
def stop_signals() -> Iterator[StopSignal]:
    """Has SIGTERM and SIGINT (Ctrl-C) noted in place of ending the process."""
    stop = StopSignal()
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def begin_checkpoint(folder: Path) -> None:
    """Marks a checkpoint as ours, and not whole yet."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _PARTIAL).touch()


def last_complete(checkpoints: Path) -> Path | None:
    """The newest whole checkpoint of a folder; halves of ours that a kill has left are removed."""
    if _processes().is_main_process:
        for path in _checkpoints(checkpoints, _PARTIAL).values():
            shutil.rmtree(path)
    whole = _checkpoints(checkpoints, _COMPLETE)
    return whole[max(whole)] if whole else None


def _checkpoints(folder: Path, mark: str) -> dict[int, Path]:
    """Checkpoints that have a file, by their steps."""
    found = ((re.fullmatch(r"checkpoint-(\d+)", path.name), path) for path in folder.glob("checkpoint-*"))
    return {int(match[1]): path for match, path in found if match and (path / mark).exists()}


def check_batch(checkpoint: Path, batch: int) -> None:
    """Refuses to go on with steps of another size, which would begin elsewhere in the data.

    Args:
        checkpoint: A whole one.
        batch: Samples of a step, those of all processes and accumulated batches together.

    Raises:
        InputError: The checkpoint's steps have more or fewer.
    """
    before = (checkpoint / _COMPLETE).read_text(encoding="utf-8").strip()
    if before and int(before) != batch:
        raise InputError(
            f"{checkpoint.parent.parent} was begun with {before} samples a step (train.batch_size × train.accumulate × "
            f"processes), not {batch}; remove it or choose another folder"
        )


class Reporter(TrainerCallback):
    """Writes the log, tells a person how far it is, keeps the average, and stops when a signal asks for it.

    Args:
        folder: The run's folder.
        epochs: How often the data is gone through in all.
        batch: Samples of a step.
        average: The moving average of the weights, if there is one.
    """

    def __init__(self, folder: Path, *, epochs: float, batch: int, average: AveragedWeights | None):
        self.log = folder / "log.jsonl"
        self.curves = folder / "curves.png"
        self.stop = StopSignal()
        self.epochs = epochs
        self.batch = batch
        self.average = average
        self.console = Console(stderr=True, highlight=False)
        self._told = 0.0
        self._began = (0.0, 0)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Cuts the log back to what the checkpoint knows."""
        self._began = time.monotonic(), state.global_step
        if state.is_world_process_zero:
            write_whole(self.log, "".join(json.dumps(entry) + "\n" for entry in state.log_history))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Averages the weights; stops, with a checkpoint, if any process was asked to."""
        state.epoch = self.epochs * state.global_step / state.max_steps  # the trainer takes all for one epoch
        if self.average is not None:
            self.average.update(state.global_step)
        if _any_process(self.stop.number is not None):
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Adds a line to the log."""
        if not state.is_world_process_zero or not state.log_history:
            return
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(state.log_history[-1]) + "\n")
        now = time.monotonic()
        if "loss" in (logs or {}) and now - self._told > _SECONDS:
            self._told = now
            self.console.print(self._progress(state, logs or {}, now), style="dim")
        elif "eval_loss" in (logs or {}):
            measures = {name.removeprefix("eval_"): value for name, value in (logs or {}).items()}
            shown = {"loss", "exact_match", "answers"} & measures.keys()
            told = " · ".join(f"{name.replace('_', ' ')} {measures[name]:.4g}" for name in sorted(shown, reverse=True))
            self.console.print(f"held out, step {state.global_step}: {told}")

    def _progress(self, state: TrainerState, logs: dict[str, float], now: float) -> str:
        began, first = self._began
        done = state.global_step - first
        rate = done / max(now - began, 1e-9)
        left = (state.max_steps - state.global_step) / max(rate, 1e-9)
        clock = time.strftime("%H:%M:%S", time.gmtime(left)) if left < 86400 else f"{left / 86400:.1f} days"
        return (
            f"step {state.global_step}/{state.max_steps} · loss {logs['loss']:.4f} · {rate:.2f} steps/s · {clock} left"
        )

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Completes a checkpoint and removes those that are too old."""
        processes = _processes()
        processes.wait_for_everyone()
        if state.is_world_process_zero:
            checkpoints = Path(args.output_dir)
            folder = checkpoints / f"checkpoint-{state.global_step}"
            if self.average is not None:
                self.average.save(folder / AVERAGE)
            (folder / _PARTIAL).write_text(f"{self.batch}\n", encoding="utf-8")
            (folder / _PARTIAL).replace(folder / _COMPLETE)
            whole = _checkpoints(checkpoints, _COMPLETE)
            for step in sorted(whole)[:-_KEPT]:
                shutil.rmtree(whole[step])
            draw_curves(state.log_history, self.curves)
        processes.wait_for_everyone()


def _processes() -> PartialState:
    from accelerate import PartialState

    return PartialState()


def _any_process(flag: bool) -> bool:
    """Whether a flag is set in any process, so that all stop at the same step."""
    state = _processes()
    if state.num_processes == 1:
        return flag
    import torch
    from accelerate.utils import reduce

    return bool(reduce(torch.tensor(float(flag), device=state.device), "sum").item())


def draw_curves(history: Sequence[dict[str, float]], path: Path) -> None:
    """Draws losses and learning rate over the steps.

    Args:
        history: Entries as in `log.jsonl`.
        path: The PNG.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=[3, 1])
    for name, color, label in (
        ("loss", "tab:blue", "training"),
        ("word_loss", "tab:gray", "words"),
        ("eval_loss", "tab:red", "held out"),
    ):
        points = [(entry["step"], entry[name]) for entry in history if name in entry]
        if not points:
            continue
        steps, values = zip(*points, strict=True)
        if name == "eval_loss":
            above.plot(steps, values, "o-", color=color, label=label)
        else:
            above.plot(steps, values, color=color, alpha=0.25, linewidth=0.8)
            above.plot(steps, _smooth(values), color=color, label=label)
    exact = [(entry["step"], entry["eval_exact_match"]) for entry in history if "eval_exact_match" in entry]
    if exact:
        right = above.twinx()
        right.plot(*zip(*exact, strict=True), "s--", color="tab:green", label="exactly right")
        right.set_ylim(0, 1)
        right.set_ylabel("exactly right (short answers)", color="tab:green")
    rates = [(entry["step"], entry["learning_rate"]) for entry in history if "learning_rate" in entry]
    if rates:
        below.plot(*zip(*rates, strict=True), color="tab:orange")
    above.set_ylabel("loss")
    below.set_ylabel("learning rate")
    below.set_xlabel("step")
    above.grid(alpha=0.3)
    below.grid(alpha=0.3)
    if above.get_legend_handles_labels()[0]:
        above.legend(loc="upper right")
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=100)


def _smooth(values: Sequence[float]) -> list[float]:
    """A running mean over about a fiftieth of all values; unbiased at the beginning."""
    share = 1 - 1 / max(1.0, len(values) / 50)
    mean, weight, smoothed = 0.0, 0.0, []
    for value in values:
        mean, weight = share * mean + (1 - share) * value, share * weight + 1 - share
        smoothed.append(mean / weight)
    return smoothed
