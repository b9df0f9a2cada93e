"""A run from a recipe to a result; stopped anywhere, it goes on as if it had not been."""

import json
import os
import signal

import pytest
import torch
from safetensors.torch import load_file

from gar.training.reporting import Reporter
from gar.training.run import train

MEASURED = ("loss", "grad_norm", "learning_rate", "word_loss", "epoch", "step", "eval_loss", "eval_exact_match")


def log(folder):
    """The lines of a run's log without times."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: line[name] for name in MEASURED if name in line} for line in lines]


def losses(folder):
    return [(line["step"], line["loss"]) for line in log(folder) if "loss" in line]


@pytest.fixture
def stop_at(monkeypatch):
    """Sends this process a signal at a step, as a scheduler or a person would."""
    before = Reporter.on_step_begin

    def at(step, number=signal.SIGTERM):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == step:
                os.kill(os.getpid(), number)
            return before(self, args, state, control, **kwargs)

        monkeypatch.setattr(Reporter, "on_step_begin", on_step_begin)

    return at


EVERYTHING = {"train": {"average": 0.9, "word_loss": 0.3, "accumulate": 2, "workers": 2}}


def same_result(first, second):
    one, other = load_file(first / "result" / "model.safetensors"), load_file(second / "result" / "model.safetensors")
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_stopped_run_goes_on_with_the_losses_and_the_weights_of_one_that_was_not(make_recipe, tmp_path, stop_at):
    whole = make_recipe(out=tmp_path / "whole", save_every=4, **EVERYTHING)
    assert train(whole).signal is None
    stopped = make_recipe(out=tmp_path / "stopped", save_every=4, **EVERYTHING)
    stop_at(2)  # which is no step that saves
    outcome = train(stopped)
    assert (outcome.steps, outcome.signal, outcome.result) == (3, signal.SIGTERM, None)
    assert len(losses(stopped.out)) == 3
    stop_at(4)
    assert train(stopped).steps == 5
    stop_at(-1)
    assert train(stopped).result == stopped.out / "result"
    assert losses(stopped.out) == losses(whole.out)
    assert log(stopped.out)[:-1] == log(whole.out)[:-1]
    assert same_result(stopped.out, whole.out)
