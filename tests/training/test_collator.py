"""Packed conversations are read exactly as each question alone."""

import pytest
import torch

from gar import Region
from gar.processing import Message
from gar.processing.processor import IGNORED
from gar.processing.prompts import one_region, several_regions
from gar.training.collator import PackingCollator, block_mask
from gar.training.nano import WORDS


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


@pytest.fixture
def collator(processor):
    return PackingCollator(processor, WORDS)


@pytest.fixture
def samples(dataset):
    """Some of each wording and of different numbers of questions."""
    found = [dataset[index] for index in range(12)]
    assert {sample.alone for sample in found} == {True, False}
    assert len({len(sample.turns) for sample in found}) > 1
    return found


def _alone(processor, sample, question, answer):
    """The model inputs of one question with its answer, made by the processor."""
    wording = one_region if sample.alone else several_regions
    prompts = sample.prompts[0] if sample.alone else sample.prompts
    asked = wording(question, prompts, processor.crop_tokens)
    text = processor.chat_text([Message("user", asked), Message("assistant", answer)], add_generation_prompt=False)
    blank = torch.zeros(*sample.masks[0].shape, 3, dtype=torch.uint8).numpy()  # the stem's features are used instead
    regions = [Region.mask(mask) for mask in sample.masks]
    inputs = dict(processor([blank], [text], [regions], [sample.prompts], padding_side="right", labels=True))
    del inputs["pixel_values"]
    return {**inputs, "patch_features": sample.patch_features.float()}


def test_a_packed_question_has_the_logits_of_the_question_alone(collator, processor, model, samples):
    batch = collator(samples)
    batch.pop("attribute_labels")
    with torch.no_grad():
        packed = model(**batch)
    compared = 0
    for row, sample in enumerate(samples):
        learnt = (batch["labels"][row, 1:] != IGNORED).nonzero().flatten()
        logits, labels = packed.logits[row, learnt], batch["labels"][row, 1:][learnt]
        place = 0
        for question, answer in sample.turns:
            inputs = _alone(processor, sample, question, answer)
            with torch.no_grad():
                alone = model(**inputs)
            own = (inputs["labels"][0, 1:] != IGNORED).nonzero().flatten()
            stop = place + len(own)
            assert labels[place:stop].tolist() == inputs["labels"][0, 1:][own].tolist()
            torch.testing.assert_close(logits[place:stop], alone.logits[0, own], rtol=1e-3, atol=1e-3)
            place = stop
            compared += 1
        assert place == len(learnt)
    assert compared > 20
    assert packed.logits.std() > 0.1


def test_a_question_does_not_see_the_questions_beside_it(collator, model, samples):
    sample = next(sample for sample in samples if len(sample.turns) > 2)
    batch = collator([sample])
    batch.pop("attribute_labels")
    tokens = batch["position_ids"][0]
    starts = (tokens[1:] < tokens[:-1]).nonzero().flatten() + 1  # where a question begins, the first left out
    changed = {**batch, "input_ids": batch["input_ids"].clone()}
    second = slice(int(starts[0]), int(starts[1]))
    changed["input_ids"][0, second] = model.config.eos_token_id
    with torch.no_grad():
        differs = (model(**batch).logits != model(**changed).logits).any(-1)[0]
    assert differs[second].all()
    assert not differs[: second.start].any()
    assert not differs[second.stop :].any()


def test_only_answers_are_learnt(collator, processor, samples):
    batch = collator(samples)
    for row, sample in enumerate(samples):
        labels = batch["labels"][row]
        learnt = labels != IGNORED
        assert torch.equal(labels[learnt], batch["input_ids"][row][learnt])
        expected = "".join(f"{answer}<|eot_id|>" for _, answer in sample.turns)
        assert processor.tokenizer.decode(labels[learnt]) == expected


def test_positions_begin_again_after_the_prefix_for_each_question(collator, samples):
    batch = collator(samples)
    for row, sample in enumerate(samples):
        prefix, turns = collator.split(sample)
        expected = [*range(len(prefix))]
        for question, answer in turns:
            expected += range(len(prefix), len(prefix) + len(question) + len(answer))
        assert batch["position_ids"][row, : len(expected)].tolist() == expected


def test_texts_are_padded_to_few_lengths(collator, samples):
    lengths = {collator(samples[:count])["input_ids"].shape[1] for count in range(1, 6)}
    assert all(length % 64 == 0 for length in lengths)
    batch = collator(samples)
    assert batch["attention_mask"].shape == (12, 1, *[batch["input_ids"].shape[1]] * 2)


def test_each_regions_words_are_its_labels(collator, samples):
    labels = collator(samples)["attribute_labels"].tolist()
    words = [own for sample in samples for own in sample.words]
    assert len(labels) == len(words)
    for row, own in zip(labels, words, strict=True):
        for number, (attribute, known) in zip(row, WORDS.items(), strict=True):
            assert number == IGNORED if attribute not in own else known[number] == own[attribute]


def test_a_batch_is_the_same_as_its_samples_one_by_one(collator, model, samples):
    batch = collator(samples[:4])
    batch.pop("attribute_labels")
    with torch.no_grad():
        together = model(**batch).logits
    for row, sample in enumerate(samples[:4]):
        single = collator([sample])
        single.pop("attribute_labels")
        with torch.no_grad():
            alone = model(**single).logits[0]
        length = sum(len(part) for part in [collator.split(sample)[0], *(q + a for q, a in collator.split(sample)[1])])
        torch.testing.assert_close(together[row, :length], alone[:length], rtol=1e-3, atol=1e-3)
