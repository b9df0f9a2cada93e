"""Attention of packed questions: each sees its prefix and itself, however it is calculated."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from gar.training.collator import SampleCollator
from gar.training.packing import PACKED_ATTENTION, block_mask, question_rows


def test_the_block_mask_of_a_prefix_two_questions_and_padding():
    mask = block_mask(torch.tensor([[0, 0, 1, 1, 2, -1]]))[0, 0].int().tolist()
    assert mask == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 1],
    ]


def test_every_token_sees_itself_and_nothing_after_it():
    segments = torch.randint(-1, 4, (3, 20), generator=torch.Generator().manual_seed(0))
    mask = block_mask(segments)[:, 0]
    assert mask.diagonal(dim1=1, dim2=2).all()
    assert not mask.triu(1).any()


def test_every_token_stands_in_one_row_and_is_found_again():
    segments = torch.tensor([[0, 0, 1, 1, 1, 2, 3, 3], [0, 0, 0, 1, 2, 2, -1, -1]])
    rows = question_rows(segments, groups=2)
    order = torch.cat([rows["prefix"].flatten(), *(part.flatten() for part in rows["questions"])])
    there = segments.flatten() >= 0
    assert sorted(order[order >= 0].tolist()) == there.nonzero().flatten().tolist()
    assert (order[rows["back"]][there] == torch.arange(16)[there]).all()
    for questions, samples in zip(rows["questions"], rows["samples"], strict=True):
        assert (questions[:, 0] // 8 == samples).all()


@pytest.fixture(scope="module")
def batch(processor, world):
    """Questions beside a dialogue, which is all prefix."""
    samples = [world.draw(index, 0) for index in range(6)]
    return SampleCollator(processor)([*samples, replace(samples[0], dialogue=True)])


def test_it_reads_as_under_the_block_mask_and_teaches_the_same(model, batch):
    learning = deepcopy(model).requires_grad_()
    found = {}
    for way in ("sdpa", PACKED_ATTENTION):
        learning.model.language_model.set_attn_implementation(way)
        learning.zero_grad()
        output = learning(**batch)
        output.loss.backward()
        gradients = torch.cat([each.grad.flatten() for each in learning.parameters() if each.grad is not None])
        found[way] = output.logits[batch["labels"] >= 0].detach(), gradients
    for plain, packed in zip(*found.values(), strict=True):
        assert (plain - packed).abs().max() <= 1e-4 * plain.abs().max()


def test_without_packed_questions_it_is_plain_attention(model, batch):
    ids = batch["input_ids"][:1, -12:]
    other = deepcopy(model)
    other.model.language_model.set_attn_implementation(PACKED_ATTENTION)
    assert torch.equal(other(input_ids=ids).logits, model(input_ids=ids).logits)


def test_the_loss_alone_is_that_of_all_logits(model, batch):
    whole, alone = model(**batch), model(**batch, loss_only=True)
    assert alone.logits is None
    assert torch.allclose(whole.loss, alone.loss, rtol=1e-5)
