"""The number format that a machine calculates in."""

import pytest
import torch

from gar.training.precision import settle_precision
from gar.training.recipe import read_recipe


def settled(*changes):
    return settle_precision(read_recipe("nano", changes)).train.precision


@pytest.mark.parametrize(("capability", "precision"), [("AVX2", "fp32"), ("DEFAULT", "fp32"), ("AVX512", "bf16")])
def test_a_processor_that_would_emulate_bf16_calculates_in_float32(monkeypatch, capability, precision):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert settled() == precision
    assert settled("train.precision=bf16") == "bf16"


@pytest.mark.parametrize(("supported", "precision"), [(True, "bf16"), (False, "fp32")])
def test_with_a_gpu_it_is_the_gpu_that_counts(monkeypatch, supported, precision):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: supported)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert settled() == precision
