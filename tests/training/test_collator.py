"""Packed questions are read exactly as each alone, dialogues exactly as the processor writes them."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from gar import InputError, Region
from gar.processing.processor import IGNORED
from gar.training.collator import SampleCollator, conversation, names_noted
from gar.training.samples import Skipped
from gar.training.world import WORDS


@pytest.fixture
def collator(processor):
    return SampleCollator(processor, vocabulary=WORDS)


@pytest.fixture(scope="module")
def samples(world):
    """Some of each wording and of different numbers of questions, each question alone."""
    found = [world.draw(index, 0) for index in range(12)]
    assert {sample.wording for sample in found} == {"one", "several"}
    assert len({len(sample.turns) for sample in found}) > 1
    return found


@pytest.fixture(scope="module")
def dialogues(samples):
    """The same as conversations, and regions captioned in turns."""
    told = [replace(sample, dialogue=True) for sample in samples]
    several = next(sample for sample in samples if 2 < len(sample.masks) < 5)
    turns = tuple(("Describe this masked region in detail.", f"A thing {n}.") for n in several.prompts)
    return [*told, replace(several, wording="captions", dialogue=True, turns=turns)]


def _by_processor(processor, sample):
    """The model inputs of a whole conversation, made by the processor."""
    text = processor.chat_text(conversation(sample, processor.crop_tokens), add_generation_prompt=False)
    regions = [Region.mask(mask) for mask in sample.masks]
    return dict(processor([sample.picture], [text], [regions], [sample.prompts], padding_side="right", labels=True))


# ---- packed questions ------------------------------------------------------------------------------------------------


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
        for turn in sample.turns:
            inputs = _by_processor(processor, replace(sample, turns=(turn,)))
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


def test_positions_begin_again_after_the_prefix_for_each_question(collator, samples):
    batch = collator(samples)
    for row, sample in enumerate(samples):
        prefix, turns = collator.split(sample, int(batch["tiles_per_sample"][row]))
        expected = [*range(len(prefix))]
        for question, answer in turns:
            expected += range(len(prefix), len(prefix) + len(question) + len(answer))
        assert batch["position_ids"][row, : len(expected)].tolist() == expected


# ---- dialogues -------------------------------------------------------------------------------------------------------


def test_a_dialogue_is_what_the_processor_makes_of_it(collator, processor, dialogues):
    for sample in dialogues:
        batch, expected = collator([sample]), _by_processor(processor, sample)
        length = expected["input_ids"].shape[1]
        for name in ("input_ids", "attention_mask", "labels"):
            assert torch.equal(batch[name][:, :length], expected.pop(name)), name
        assert not batch["attention_mask"][:, length:].any()
        assert (batch["labels"][:, length:] == IGNORED).all()
        for name, tensor in expected.items():
            assert torch.equal(batch[name], tensor), name


def test_dialogues_and_packed_questions_share_a_batch(collator, processor, model, samples, dialogues):
    mixed = [dialogues[0], samples[1], dialogues[-1]]
    batch = collator(mixed)
    batch.pop("attribute_labels")
    with torch.no_grad():
        together = model(**batch).logits
        for row in (0, 2):
            inputs = _by_processor(processor, mixed[row])
            alone = model(**inputs).logits[0]
            torch.testing.assert_close(together[row, : len(alone)], alone, rtol=1e-3, atol=1e-3)


def test_a_caption_of_a_region_that_is_not_there_has_no_replay_tokens(dialogues):
    sample = next(sample for sample in reversed(dialogues) if len(sample.prompts) < 5)
    absent = next(number for number in range(5) if number not in sample.prompts)
    asked = (f"<Prompt{absent}>: What is it?", "It is not in the image.")
    crops = [f"({number})" for number in range(5)]
    told = conversation(replace(sample, turns=(sample.turns[0], asked, *sample.turns[1:])), crops)
    assert told[2].text == asked[0]
    assert [told[0], *told[4:]] == [conversation(sample, crops)[0], *conversation(sample, crops)[2:]]


# ---- every kind ------------------------------------------------------------------------------------------------------


def test_only_answers_are_learnt(collator, processor, samples, dialogues):
    every = [*samples, *dialogues]
    batch = collator(every)
    for row, sample in enumerate(every):
        labels = batch["labels"][row]
        learnt = labels != IGNORED
        assert torch.equal(labels[learnt], batch["input_ids"][row][learnt])
        expected = "".join(f"{answer}<|eot_id|>" for _, answer in sample.turns)
        assert processor.tokenizer.decode(labels[learnt]) == expected


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


def test_words_that_are_not_known_are_not_learnt(collator, samples):
    strange = replace(samples[0], words=tuple({"color": "burgundy"} for _ in samples[0].masks))
    nothing = replace(samples[0], words=())
    assert (collator([strange, nothing])["attribute_labels"] == IGNORED).all()


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
        length = int((single["position_ids"][0] > 0).nonzero().max()) + 1
        torch.testing.assert_close(together[row, :length], alone[:length], rtol=1e-3, atol=1e-3)


def test_the_features_of_a_picture_stand_for_the_picture(collator, model, samples):
    batch = collator(samples[:3])
    stem = model.model.vision_tower.patch_embed
    with torch.no_grad():
        features = stem(batch["pixel_values"]).split(batch["tiles_per_sample"].tolist())
    grids = [tuple(grid) for grid in batch["tile_grid"].tolist()]
    cached = [
        replace(sample, picture=None, patch_features=own, grid=grid)
        for sample, own, grid in zip(samples, features, grids, strict=False)
    ]
    again = collator(cached)
    assert torch.equal(again.pop("patch_features"), torch.cat(features))
    batch.pop("pixel_values")
    torch.testing.assert_close(batch, again, rtol=0, atol=0)
    with pytest.raises(InputError, match="1 pictures and cached features of 1 others"):
        collator([cached[0], samples[1]])


# ---- what cannot be used ---------------------------------------------------------------------------------------------

FAULTS = {
    "an empty mask": (lambda s: {"masks": (np.zeros_like(s.masks[0]), *s.masks[1:])}, "is empty"),
    "no turns": (lambda s: {"turns": ()}, "0 turns"),
    "an empty answer": (lambda s: {"turns": (("What?", " "),)}, "a text is empty"),
    "a reserved token": (lambda s: {"turns": (("What <|image|> is it?", "It."),)}, r"reserved token '<\|image\|>'"),
    "a prompt too many": (lambda s: {"prompts": (9, *s.prompts[1:])}, r"prompt numbers \[9"),
    "too long a text": (lambda s: {"turns": (("What?", "word " * 3000),)}, r"\d+ tokens; the model can hold 2048"),
    "captions of other regions": (lambda s: {"wording": "captions", "dialogue": True}, "captions of"),
    "packed captions": (lambda s: {"wording": "captions"}, "each alone"),
    "no picture": (lambda s: {"picture": None}, "neither a picture"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_used_is_left_out_and_noted(processor, samples, tmp_path, fault):
    change, reason = FAULTS[fault]
    sample = next(sample for sample in samples if len(sample.masks) > 1 and len(sample.turns) != len(sample.masks))
    bad = replace(sample, name="the bad one", **change(sample))
    note = tmp_path / "skipped.jsonl"
    batch = SampleCollator(processor, skipped=note)([Skipped("another", "torn"), samples[0], bad])
    alone = SampleCollator(processor)([samples[0]])
    torch.testing.assert_close(batch, alone, rtol=0, atol=0)
    first, second = map(json.loads, note.read_text().splitlines())
    assert first == {"name": "another", "reason": "torn"}
    assert second["name"] == "the bad one"
    assert re.search(reason, second["reason"])


def test_an_item_is_noted_once_whichever_process_meets_it(processor, samples, tmp_path):
    note = tmp_path / "skipped.jsonl"
    note.write_text(json.dumps({"name": "found at once", "reason": "text"}) + '\n{"name": "cut\n')
    ours, theirs = (SampleCollator(processor, skipped=note) for _ in range(2))
    for _ in range(2):
        for collator in (ours, theirs):
            collator([samples[0], *(Skipped(name, "torn") for name in ("found at once", "a.png", "å.png", "a.png"))])
        theirs([samples[0], Skipped("b.png", "torn")])
    _, cut, *lines = note.read_text("utf-8").splitlines()
    assert cut == '{"name": "cut'
    assert [json.loads(line)["name"] for line in lines] == ["a.png", "å.png", "b.png"]
    assert names_noted(note.read_bytes().splitlines()) == {"found at once", "a.png", "å.png", "b.png"}


def test_a_batch_of_nothing_usable_names_its_items(processor):
    with pytest.raises(InputError, match=r"batch of 2 can be used: a\.png: torn; b\.png: empty"):
        SampleCollator(processor)([Skipped("a.png", "torn"), Skipped("b.png", "empty")])
