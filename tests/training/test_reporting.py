"""Logs, curves, checkpoints that are whole, and signals."""

import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from gar import CheckpointError
from gar.training.averaging import AveragedWeights
from gar.training.reporting import begin_checkpoint, draw_curves, last_complete, stop_signals


def test_a_checkpoint_that_a_kill_cut_short_is_removed_and_the_one_before_taken_up(tmp_path):
    assert last_complete(tmp_path / "nothing") is None
    for step in (2, 4, 10):
        begin_checkpoint(tmp_path / f"checkpoint-{step}")
        (tmp_path / f"checkpoint-{step}" / "model.safetensors").touch()
    for step in (2, 4):
        (tmp_path / f"checkpoint-{step}" / "partial").rename(tmp_path / f"checkpoint-{step}" / "complete")
    assert last_complete(tmp_path) == tmp_path / "checkpoint-4"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-2", "checkpoint-4"]


def test_what_others_put_beside_checkpoints_is_left_alone(tmp_path):
    others = {"checkpoint-4-backup", "checkpoint-old", "checkpoint-12"}
    for name in others:
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").touch()
    (tmp_path / "checkpoint-4-backup" / "complete").touch()
    assert last_complete(tmp_path) is None
    assert {path.name for path in tmp_path.iterdir()} == others


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_handlers_are_put_back(number):
    before = signal.getsignal(number)
    with stop_signals() as stop:
        assert stop.number is None
        os.kill(os.getpid(), number)
        assert stop.number == number
    assert signal.getsignal(number) == before


def test_a_second_interruption_interrupts_at_once():
    with stop_signals():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


HISTORY = [
    *({"step": step, "loss": 3 / step, "learning_rate": step / 100, "word_loss": 1 / step} for step in range(1, 60)),
    *({"step": step, "eval_loss": 2.0, "eval_exact_match": 0.1} for step in (20, 40)),
]


@pytest.mark.parametrize("history", [[], HISTORY[:1], HISTORY])
def test_curves_are_drawn_of_any_history(tmp_path, history):
    draw_curves(history, tmp_path / "curves.png")
    picture = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB"))
    assert picture.shape == (600, 900, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]
    assert (len(np.unique(picture.reshape(-1, 3), axis=0)) > 300) == (history == HISTORY)


# ---- the average ---------------------------------------------------------------------------------------------------


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 2))
    network[0].requires_grad_(False)
    return network


def test_the_average_follows_the_weights_by_its_decay(network):
    average = AveragedWeights(network, 0.9)
    expected = network[1].weight.detach().clone()
    for step in range(100, 103):  # after the warm-up
        with torch.no_grad():
            network[1].weight.add_(1.0)
        average.update(step)
        expected = 0.9 * expected + 0.1 * network[1].weight.detach()
    with average.in_place():
        torch.testing.assert_close(network[1].weight.detach(), expected)


def test_the_average_forgets_the_beginning_quickly(network):
    average = AveragedWeights(network, 0.9999)
    with torch.no_grad():
        network[1].weight.fill_(1.0)
    for step in range(1, 30):
        average.update(step)
    with average.in_place():
        assert (network[1].weight - 1).abs().max() < 1e-3


def test_the_weights_come_back_bit_for_bit_even_after_an_error(network):
    average = AveragedWeights(network, 0.9)
    with torch.no_grad():
        network[1].weight.mul_(1.1)
    own = network[1].weight.detach().clone()
    with pytest.raises(RuntimeError, match="shapes"), average.in_place():
        network(torch.zeros(1, 7))
    assert torch.equal(network[1].weight, own)


def test_a_saved_average_is_gone_on_with(network, tmp_path):
    average = AveragedWeights(network, 0.9)
    with torch.no_grad():
        network[1].weight.mul_(3)
    average.save(tmp_path / "average.safetensors")
    again = AveragedWeights(network, 0.9)
    again.load(tmp_path / "average.safetensors")
    with average.in_place():
        expected = network[1].weight.detach().clone()
    with again.in_place():
        assert torch.equal(network[1].weight, expected)
    assert [path.name for path in tmp_path.iterdir()] == ["average.safetensors"]


def test_the_average_of_another_model_is_refused(network, tmp_path):
    AveragedWeights(network, 0.9).save(tmp_path / "average.safetensors")
    with pytest.raises(CheckpointError, match="other weights"):
        AveragedWeights(torch.nn.Linear(2, 2), 0.9).load(tmp_path / "average.safetensors")
