"""The trainer: the auxiliary loss points at words, and a training that was stopped goes on as if it had not been."""

import copy
import math

import pytest
import torch
from transformers import TrainingArguments

from gar import InputError
from gar.processing.processor import IGNORED
from gar.training.collator import PackingCollator
from gar.training.nano import WORDS
from gar.training.trainer import GroundingTrainer, single_token_words, word_loss


def test_the_word_loss_of_features_that_know_nothing_is_that_of_guessing():
    embeddings = torch.zeros(10, 8)
    labels = torch.tensor([[0, 1], [2, IGNORED]])
    loss = word_loss(torch.randn(2, 3, 8), embeddings, [[0, 1, 2, 3], [4, 5]], labels)
    assert loss.item() == pytest.approx((math.log(4) + math.log(2)) / 2)


def test_the_word_loss_falls_while_features_learn_to_point_at_their_words():
    torch.manual_seed(0)
    replay, embeddings = torch.randn(6, 2, 8, requires_grad=True), torch.randn(10, 8)
    labels = torch.tensor([[n % 4, n % 3] for n in range(6)])
    optimiser = torch.optim.SGD([replay], lr=0.5)
    losses = []
    for _ in range(60):
        loss = word_loss(replay, embeddings, [[0, 1, 2, 3], [4, 5, 6]], labels)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
    assert not replay.grad[:, 0].any()  # the last token speaks for the region, the others are left alone


def test_regions_without_known_words_do_not_count():
    torch.manual_seed(0)
    replay, embeddings, tokens = torch.randn(3, 1, 8), torch.randn(9, 8), [[0, 1], [2, 3, 4]]
    some = word_loss(replay, embeddings, tokens, torch.tensor([[0, IGNORED], [IGNORED, IGNORED], [1, IGNORED]]))
    assert some == word_loss(replay[[0, 2]], embeddings, tokens[:1], torch.tensor([[0], [1]]))
    assert word_loss(replay, embeddings, tokens, torch.full((3, 2), IGNORED)) == 0


def test_every_word_of_the_auxiliary_loss_is_one_token(world_processor):
    tokens = single_token_words(world_processor.tokenizer, WORDS)
    assert list(tokens) == list(WORDS)
    for attribute, words in WORDS.items():
        assert [world_processor.tokenizer.decode([token]) for token in tokens[attribute]] == [f" {w}" for w in words]


def test_a_word_of_several_tokens_is_refused_by_name(world_processor):
    with pytest.raises(InputError, match=r"the color 'burgundy' is [0-9]+ tokens"):
        single_token_words(world_processor.tokenizer, {"color": ["red", "burgundy"]})


@pytest.fixture
def make_trainer(processor, model, dataset, tmp_path):
    """Trainers of equal models; `steps` at most, a checkpoint every two steps."""

    def make(steps=4, **changed):
        settings = {
            "output_dir": str(tmp_path / "checkpoints"),
            "max_steps": steps,
            "per_device_train_batch_size": 3,
            "learning_rate": 1e-3,
            "lr_scheduler_type": "cosine",
            "use_cpu": True,
            "logging_steps": 1,
            "save_steps": 2,
            "remove_unused_columns": False,
            "report_to": "none",
            "disable_tqdm": True,
            "dataloader_pin_memory": False,
            "seed": 0,
        }
        return GroundingTrainer(
            model=copy.deepcopy(model).requires_grad_(True),
            args=TrainingArguments(**settings),
            data_collator=PackingCollator(processor, WORDS),
            train_dataset=dataset,
            word_tokens=single_token_words(processor.tokenizer, WORDS),
            **{"word_weight": 0.3, **changed},
        )

    return make


def _losses(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_a_training_that_was_stopped_goes_on_with_the_losses_of_one_that_was_not(make_trainer, tmp_path):
    whole = make_trainer()
    whole.train()
    assert len(_losses(whole)) == 4
    resumed = make_trainer()
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoints" / "checkpoint-2"))
    assert _losses(resumed)[-2:] == pytest.approx(_losses(whole)[-2:], abs=1e-4)
    for (name, after), expected in zip(resumed.model.named_parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(after, expected, msg=name)


def test_training_lowers_the_loss(make_trainer):
    trainer = make_trainer(steps=12)
    trainer.train()
    losses = _losses(trainer)
    assert sum(losses[-3:]) < sum(losses[:3])


def test_the_loss_is_the_language_loss_plus_the_weighted_word_loss(make_trainer, processor, dataset):
    batch = PackingCollator(processor, WORDS)([dataset[0], dataset[7]])

    def loss(weight):
        trainer = make_trainer(word_weight=weight)
        with torch.no_grad():
            total, outputs = trainer.compute_loss(trainer.model, dict(batch), return_outputs=True)
        words = word_loss(
            outputs.replay_hidden_states,
            trainer.model.get_input_embeddings().weight,
            trainer.word_tokens,
            batch["attribute_labels"],
        )
        return total, outputs.loss, words

    total, language, words = loss(0.5)
    torch.testing.assert_close(total, language + 0.5 * words)
    total, language, _ = loss(0.0)
    torch.testing.assert_close(total, language)
