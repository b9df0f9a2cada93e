"""Linear layers through oneDNN give the product that torch gives, learn as ever, and keep few kernels."""

import pytest
import torch
from torch import nn

from gar.assistant.linear import _SIZES, OneDNNLinear, _blocks


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 5, 16, 31, 32, 33, 100, 256, 300, 595])
@pytest.mark.parametrize(("inputs", "outputs"), [(24, 10), (1030, 1024)])
@pytest.mark.parametrize("bias", [False, True])
def test_it_is_a_linear_layer(rows, inputs, outputs, bias):
    generator = torch.Generator().manual_seed(0)
    plain = nn.Linear(inputs, outputs, bias=bias).requires_grad_(False)
    layer = OneDNNLinear(inputs, outputs, bias=bias).requires_grad_(False)
    layer.load_state_dict(plain.state_dict())
    for shape in ((rows, inputs), (rows, 1, inputs), (1, rows, inputs)):
        given = torch.randn(shape, generator=generator)
        found = layer(given)
        assert found.is_contiguous()
        torch.testing.assert_close(found, plain(given), rtol=1e-5, atol=1e-5)
    half = torch.randn((rows, inputs), generator=generator).bfloat16()
    torch.testing.assert_close(layer.bfloat16()(half), plain.bfloat16()(half))


def test_rows_that_do_not_lie_in_one_piece_are_multiplied_too():
    layer = OneDNNLinear(20, 30).requires_grad_(False)
    given = torch.randn(4, 50, 20, generator=torch.Generator().manual_seed(0))
    for part in (given[:, -1], given[:, ::2], given.transpose(0, 1)):
        torch.testing.assert_close(layer(part), layer(part.contiguous()))


def test_it_learns_as_a_linear_layer():
    plain, layer = nn.Linear(8, 4), OneDNNLinear(8, 4)
    layer.load_state_dict(plain.state_dict())
    given = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    for one in (plain, layer):
        one(given).square().sum().backward()
    torch.testing.assert_close(layer.weight.grad, plain.weight.grad)
    torch.testing.assert_close(layer.bias.grad, plain.bias.grad)
    inputs = [given.clone().requires_grad_() for _ in range(2)]
    for one, mine in zip((plain, layer), inputs, strict=True):  # frozen, it lets gradients through
        one.requires_grad_(False)(mine).square().sum().backward()
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad)


def test_any_number_of_rows_goes_in_blocks_of_few_sizes():
    for rows in range(1, 2000):
        blocks = list(_blocks(rows))
        assert sum(blocks[:-1]) < rows <= sum(blocks) < rows + 32
        assert {*blocks} <= _SIZES


def test_a_float32_model_on_a_cpu_goes_through_it_and_is_saved_as_before(with_thumbnail, tmp_path):
    model = with_thumbnail.model
    assert type(model.lm_head) is OneDNNLinear
    assert type(model.model.language_model.layers[0].mlp.down_proj) is OneDNNLinear
    assert type(model.model.vision_tower.blocks[0].mlp.fc1) is OneDNNLinear
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
