"""Words: a loss that points at them, and a stage that learns them before any text."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from gar import GARConfig, InputError
from gar.processing.processor import IGNORED
from gar.training.collator import SampleCollator
from gar.training.parts import freeze, part_of
from gar.training.samples import Skipped
from gar.training.settings import Training, Words
from gar.training.sources.source import Source
from gar.training.words import (
    SeenRegions,
    learn_words,
    look_at_regions,
    share_of_right_words,
    word_loss,
    word_tokens,
)
from gar.training.world import WORDS


def test_the_word_loss_of_features_that_know_nothing_is_that_of_guessing():
    embeddings = torch.zeros(10, 8)
    labels = torch.tensor([[0, 1], [2, IGNORED]])
    loss = word_loss(torch.randn(2, 8), embeddings, [[[0], [1], [2], [3]], [[4], [5]]], labels)
    assert loss.item() == pytest.approx((2 * math.log(4) + math.log(2)) / 3)


def test_in_the_word_loss_every_label_counts_the_same():
    embeddings, tokens = torch.randn(4, 8), [[[0], [1]], [[2], [3]]]
    spoken = torch.randn(5, 8)
    both = word_loss(spoken, embeddings, tokens, torch.tensor([[0, 1], *[[1, IGNORED]] * 4]))
    nouns = word_loss(spoken, embeddings, tokens[:1], torch.tensor([[0], *[[1]] * 4]))
    material = word_loss(spoken[:1], embeddings, tokens[1:], torch.tensor([[1]]))
    torch.testing.assert_close(both, (5 * nouns + material) / 6)


def test_the_word_loss_falls_while_features_learn_to_point_at_their_words():
    torch.manual_seed(0)
    spoken, embeddings = torch.randn(6, 8, requires_grad=True), torch.randn(10, 8)
    labels = torch.tensor([[n % 4, n % 3] for n in range(6)])
    optimiser = torch.optim.SGD([spoken], lr=0.5)
    losses = []
    for _ in range(60):
        loss = word_loss(spoken, embeddings, [[[0], [1], [2], [3]], [[4], [5], [6]]], labels)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]


def test_regions_without_known_words_do_not_count():
    torch.manual_seed(0)
    spoken, embeddings, tokens = torch.randn(3, 8), torch.randn(9, 8), [[[0], [1]], [[2], [3], [4]]]
    some = word_loss(spoken, embeddings, tokens, torch.tensor([[0, IGNORED], [IGNORED, IGNORED], [1, IGNORED]]))
    assert some == word_loss(spoken[[0, 2]], embeddings, tokens[:1], torch.tensor([[0], [1]]))
    assert word_loss(spoken, embeddings, tokens, torch.full((3, 2), IGNORED)) == 0


def test_a_word_of_several_tokens_is_the_mean_of_them():
    torch.manual_seed(0)
    spoken, embeddings, labels = torch.randn(2, 8), torch.randn(5, 8), torch.tensor([[0], [1]])
    joined = torch.cat([embeddings, embeddings[[1, 2]].mean(0, keepdim=True)])
    expected = word_loss(spoken, joined, [[[0], [5]]], labels)
    torch.testing.assert_close(word_loss(spoken, embeddings, [[[0], [1, 2]]], labels), expected)


def test_words_of_the_auxiliary_loss_are_one_token_each_but_for_hyphenated_ones(world_processor):
    decode = world_processor.tokenizer.decode
    for tokens, words in zip(word_tokens(world_processor.tokenizer, WORDS), WORDS.values(), strict=True):
        assert [decode(word) for word in tokens] == [f" {word}" for word in words]
        assert all(len(own) == 1 for own, word in zip(tokens, words, strict=True) if word.replace(" ", "").isalpha())


# ---- looking -----------------------------------------------------------------------------------------------------


class Album(Source):
    """Samples as they are given, those of an epoch in a list of their own."""

    def __init__(self, *epochs):
        super().__init__()
        self.epochs = epochs

    def __len__(self):
        return len(self.epochs[0])

    def draw(self, index, epoch):
        return self.epochs[epoch][index]


def look(speaking, source, *, epochs=1, workers=0):
    processor, model = speaking
    return look_at_regions(model, source, SampleCollator(processor, vocabulary=WORDS), epochs=epochs, workers=workers)


def test_each_region_is_looked_at_once_however_often_it_is_drawn(speaking, world):
    first = replace(world.draw(0, 0), masks=world.draw(0, 0).masks[:1], words=world.draw(0, 0).words[:1], prompts=(0,))
    again = world.draw(0, 1)
    both = {mask.tobytes() for sample in (first, again) for mask in sample.masks}
    seen = look(speaking, Album([first, Skipped("torn", "torn")], [again, Skipped("torn", "torn")]), epochs=2)
    assert len(seen) == len(both)
    assert len(look(speaking, Album([first], [first]), epochs=2)) == 1


def test_regions_of_another_picture_are_left_out(speaking, world):
    seen = look(speaking, Album([world.draw(0, 0)], [world.draw(1, 0)]), epochs=2)
    assert len(seen) == len(look(speaking, Album([world.draw(0, 0)])))


def test_what_is_kept_of_regions_is_what_speaks_for_them(speaking, world):
    processor, model = speaking
    silent = copy.deepcopy(model).eval()
    samples = [world.draw(index, 0) for index in range(20)]
    batch = SampleCollator(processor, vocabulary=WORDS).without_text(samples)
    labels = batch.pop("attribute_labels")
    with torch.no_grad():
        for parameter in silent.model.projector.parameters():
            parameter.zero_()  # so that nothing comes from the tower's map
        seen = look((processor, silent), Album(samples), workers=1)
        kept = silent.model.speak(seen.sights.float(), seen.boxes)
        expected = silent.model.get_region_features(**batch).spoken
    assert ((kept - expected).norm(dim=1) < 0.01 * expected.norm(dim=1)).all()  # it is kept in float16
    assert torch.equal(seen.labels, labels)


def test_what_was_seen_in_closeups_is_taken_from_where_it_is_kept(speaking, world):
    processor, model = copy.copy(speaking[0]), copy.deepcopy(speaking[1])
    processor.config = model.config = model.model.config = GARConfig.from_dict(
        {**model.config.to_dict(), "closeup_size": 64}
    )
    samples = [[world.draw(index, epoch) for index in range(4)] for epoch in range(2)]
    seen = look((processor, model), Album(*samples), epochs=2)
    stem = model.model.vision_tower.patch_embed
    kept = [
        [
            replace(
                sample,
                picture=None,
                patch_features=stem(processor.picture_inputs(sample.picture, sample.masks)[0]).detach(),
                sights=model.model.look_closer(
                    *processor.closeup_inputs(sample.picture, sample.masks).values()
                ).detach(),
                grid=(1, 1),
            )
            for sample in part
        ]
        for part in samples
    ]
    again = look((processor, model), Album(*kept), epochs=2)
    torch.testing.assert_close(again.sights, seen.sights, rtol=1e-3, atol=1e-3)
    assert torch.equal(again.boxes, seen.boxes)
    assert not torch.allclose(seen.sights, look(speaking, Album(*samples), epochs=2).sights)


def test_a_source_without_a_usable_region_is_an_error(speaking, world):
    empty = replace(world.draw(0, 0), masks=tuple(np.zeros_like(mask) for mask in world.draw(0, 0).masks))
    with pytest.raises(InputError, match="no item of the data can be used"):
        look(speaking, Album([empty, Skipped("torn", "torn")]))


# ---- learning ----------------------------------------------------------------------------------------------------


@pytest.fixture
def seen(speaking):
    """Sixty regions of two nouns, which differ in one channel."""
    _, model = speaking
    torch.manual_seed(0)
    nouns = torch.arange(60) % 2
    moments = 0.1 * torch.randn(60, 2 * model.model.vision_tower.patch_embed.channels)
    moments[:, 0] += 4.0 * nouns
    return SeenRegions(moments.half(), torch.rand(60, 4), nouns[:, None])


NOUNS = {"noun": [[7], [8], [9, 10]]}


def learn(model, seen, *, steps=60, embeddings=True, seed=0):
    settings = Words(steps=steps, batch_size=16, learning_rate=1e-2)
    return learn_words(model, seen, [*NOUNS.values()], settings, Training(steps=1), embeddings=embeddings, seed=seed)


def test_regions_come_to_point_at_their_words(speaking, seen):
    model = copy.deepcopy(speaking[1]).requires_grad_(True)
    before = share_of_right_words(model, seen, NOUNS)
    learn(model, seen, steps=150)
    assert before["noun"][0] < 0.8
    assert share_of_right_words(model, seen, NOUNS) == {"noun": (1.0, 60)}


def test_only_what_speaks_for_regions_and_the_embeddings_learn(speaking, seen):
    model = copy.deepcopy(speaking[1]).requires_grad_(True)
    learnt = learn(model, seen, steps=3)
    before, after = speaking[1].state_dict(), model.state_dict()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed - {"lm_head.weight"} == set(learnt)
    assert {part_of(name, has_stem=True) for name in learnt} == {"region", "language"}
    assert all(torch.equal(after[name], value) for name, value in learnt.items())


def test_frozen_parts_do_not_learn_words(speaking, seen):
    model = copy.deepcopy(speaking[1])
    freeze(model, ["language"])
    assert {part_of(name, has_stem=True) for name in learn(model, seen, steps=3)} == {"region"}


def test_embeddings_that_text_relies_on_stay_as_they_are(speaking, seen):
    model = copy.deepcopy(speaking[1]).requires_grad_(True)
    assert {part_of(name, has_stem=True) for name in learn(model, seen, steps=150, embeddings=False)} == {"region"}
    assert torch.equal(model.get_input_embeddings().weight, speaking[1].get_input_embeddings().weight)
    assert share_of_right_words(model, seen, NOUNS) == {"noun": (1.0, 60)}


def test_the_same_seed_learns_the_same(speaking, seen):
    one, other, third = (
        learn(copy.deepcopy(speaking[1]).requires_grad_(True), seen, steps=3, seed=seed) for seed in (0, 0, 1)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not all(torch.equal(one[name], third[name]) for name in one)


def test_attributes_that_no_region_has_are_counted_as_none(speaking, seen):
    unknown = replace(seen, labels=torch.full_like(seen.labels, IGNORED))
    assert share_of_right_words(speaking[1], unknown, NOUNS) == {"noun": (0.0, 0)}


def test_a_model_of_which_nothing_speaks_for_regions_learns_no_words(world_processor, make_model, seen):
    with pytest.raises(InputError, match="no stem_embedding"):
        learn(make_model(world_processor.config), seen)
