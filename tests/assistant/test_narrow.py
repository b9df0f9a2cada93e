"""Few rows multiplied in parts give the product that torch gives."""

import pytest
import torch
from torch import nn

from gar.assistant.narrow import NarrowLinear


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 8, 15, 16, 17, 40])
@pytest.mark.parametrize(("inputs", "outputs"), [(24, 10), (1024, 1100), (1040, 1030)])
@pytest.mark.parametrize("bias", [False, True])
def test_it_is_a_linear_layer(rows, inputs, outputs, bias):
    generator = torch.Generator().manual_seed(0)
    plain = nn.Linear(inputs, outputs, bias=bias)
    narrow = NarrowLinear(inputs, outputs, bias=bias)
    narrow.load_state_dict(plain.state_dict())
    for shape in ((rows, inputs), (rows, 1, inputs), (1, rows, inputs)):
        given = torch.randn(shape, generator=generator)
        found = narrow(given)
        assert found.is_contiguous()
        torch.testing.assert_close(found, plain(given), rtol=1e-5, atol=1e-5)
    half = torch.randn((rows, inputs), generator=generator).bfloat16()
    torch.testing.assert_close(narrow.bfloat16()(half), plain.bfloat16()(half))


def test_it_learns_as_a_linear_layer():
    plain, narrow = nn.Linear(8, 4), NarrowLinear(8, 4)
    narrow.load_state_dict(plain.state_dict())
    given = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    for layer in (plain, narrow):
        layer(given).square().sum().backward()
    torch.testing.assert_close(narrow.weight.grad, plain.weight.grad)
    torch.testing.assert_close(narrow.bias.grad, plain.bias.grad)


def test_a_float32_decoder_on_a_cpu_takes_few_rows_in_parts_and_is_saved_as_before(with_thumbnail, tmp_path):
    model = with_thumbnail.model
    assert type(model.lm_head) is NarrowLinear
    assert type(model.model.language_model.layers[0].mlp.down_proj) is NarrowLinear
    assert type(model.model.vision_tower.blocks[0].mlp.fc1) is nn.Linear
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
