"""The trainer: the auxiliary loss points at words, and accumulated batches count as one."""

import copy

import pytest
import torch
from transformers import TrainingArguments

from gar import GARConfig
from gar.processing.processor import IGNORED
from gar.training.averaging import AveragedWeights
from gar.training.collator import SampleCollator
from gar.training.parts import part_of
from gar.training.trainer import GroundingTrainer, answer_weights
from gar.training.words import word_tokens
from gar.training.world import WORDS


@pytest.fixture
def make_trainer(processor, model, make_model, world, tmp_path):
    """Trainers of equal models; with `settings`, of models that differ in them."""

    def make(steps=4, *, batch_size=2, accumulate=1, settings=None, **changed):
        own, trained = processor, copy.deepcopy(model).requires_grad_(True)
        if settings:
            own = copy.copy(processor)
            own.config = GARConfig.from_dict(processor.config.to_dict() | settings)
            trained = make_model(own.config)
        return GroundingTrainer(
            model=trained,
            args=TrainingArguments(
                output_dir=str(tmp_path),
                max_steps=steps,
                per_device_train_batch_size=batch_size,
                gradient_accumulation_steps=accumulate,
                learning_rate=1e-3,
                max_grad_norm=1e9,
                use_cpu=True,
                logging_steps=1,
                save_strategy="no",
                train_sampling_strategy="sequential",
                remove_unused_columns=False,
                report_to="none",
                disable_tqdm=True,
                dataloader_pin_memory=False,
            ),
            data_collator=SampleCollator(own, vocabulary=WORDS),
            train_dataset=world,
            words=word_tokens(processor.tokenizer, WORDS),
            **{"word_weight": 0.3, **changed},
        )

    return make


def logged(trainer, name):
    return [entry[name] for entry in trainer.state.log_history if name in entry]


def test_training_lowers_the_loss(make_trainer):
    trainer = make_trainer(steps=40)
    trainer.train()
    losses = logged(trainer, "loss")
    assert sum(losses[-8:]) < sum(losses[:8])


def test_the_auxiliary_loss_is_the_same_however_regions_are_shown_and_the_time_is_logged(make_trainer):
    losses = []
    for settings in (
        {"mask_token": True},
        {"mask_token": False},
        {"mask_token": False, "replay_size": 0},
        {"region_crops": True},
    ):
        trainer = make_trainer(steps=1, settings=settings)
        trainer.train()
        losses += logged(trainer, "word_loss")
        assert logged(trainer, "seconds")[0] > 0
    assert losses == pytest.approx(losses[:1] * 4, rel=1e-4)


def test_accumulated_batches_count_as_one_batch(make_trainer):
    """The language loss is a mean over the label tokens of all, the auxiliary loss a mean over batches."""
    at_once, in_parts = make_trainer(1, batch_size=4, word_weight=0.0), make_trainer(1, accumulate=2, word_weight=0.0)
    at_once.train()
    in_parts.train()
    assert logged(in_parts, "loss") == pytest.approx(logged(at_once, "loss"), rel=1e-5)
    assert logged(in_parts, "grad_norm") == pytest.approx(logged(at_once, "grad_norm"), rel=1e-4)
    with_words = make_trainer(1, accumulate=2, word_weight=1.0)
    with_words.train()
    extra = logged(with_words, "loss")[0] - logged(in_parts, "loss")[0]
    assert extra == pytest.approx(logged(with_words, "word_loss")[0], rel=1e-4)


def test_the_loss_can_be_a_mean_over_answers(make_trainer):
    trainer = make_trainer()
    batch = next(iter(trainer.get_train_dataloader()))
    labels = batch["labels"]
    weights = answer_weights(labels)
    assert weights.sum() == pytest.approx(int((labels != IGNORED).sum()))
    assert not weights[labels == IGNORED].any()

    del batch["attribute_labels"]
    model = trainer.model.eval()
    with torch.no_grad():
        logits = model(**batch).logits[:, :-1]
        loss = model(**batch, loss_only=True, loss_weights=weights).loss
    following = labels[:, 1:]
    each = torch.nn.functional.cross_entropy(logits.transpose(1, 2), following, reduction="none")
    answers = [  # runs of label tokens, one after another
        torch.stack([each[row, column] for column in run])
        for row in range(len(labels))
        for run in runs((following[row] != IGNORED).nonzero().flatten().tolist())
    ]
    assert len({len(answer) for answer in answers}) > 1
    torch.testing.assert_close(loss, torch.stack([answer.mean() for answer in answers]).mean())


def runs(numbers):
    found = [[numbers[0]]]
    for number in numbers[1:]:
        if number != found[-1][-1] + 1:
            found.append([])
        found[-1].append(number)
    return found


def test_answers_of_one_length_weigh_what_tokens_do(make_trainer):
    plain, even = make_trainer(12, word_weight=0.0), make_trainer(12, word_weight=0.0, even_after=0)
    plain.train()
    even.train()
    assert logged(plain, "loss") != pytest.approx(logged(even, "loss"), rel=1e-3)
    labels = torch.tensor([[IGNORED, 1, 2, IGNORED, 3, 4], [IGNORED, IGNORED, 5, 6, IGNORED, IGNORED]])
    assert torch.equal(answer_weights(labels), (labels != IGNORED).float())
    assert not answer_weights(torch.full((2, 3), IGNORED)).any()


def test_short_answers_can_count_by_token(make_trainer):
    """Of two answers to one question the longer one counts no less in the token that decides."""
    labels = torch.tensor([[IGNORED, 1, 2, IGNORED, 3, 4, 5, 6], [IGNORED, 7, 8, 9, 10, 11, 12, IGNORED]])
    weights = answer_weights(labels, short=4)
    assert weights.sum() == pytest.approx(12)
    assert not weights[labels == IGNORED].any()
    assert weights[0, 1] == weights[0, 2] == weights[0, 4] == weights[0, 7]
    assert weights[0, 1] / weights[1, 1] == pytest.approx(6 / 4)  # longer ones are still means over their tokens
    torch.testing.assert_close(answer_weights(labels, short=6), (labels != IGNORED).float())
    even, by_token = make_trainer(3, even_after=0), make_trainer(3, even_after=0, short_answer=6)
    even.train()
    by_token.train()
    assert logged(even, "loss") != pytest.approx(logged(by_token, "loss"), rel=1e-3)


def test_the_loss_can_be_a_mean_over_tokens_in_the_first_steps(make_trainer):
    plain, late = make_trainer(3), make_trainer(3, even_after=2)
    plain.train()
    late.train()
    first, second = logged(plain, "loss")[:3], logged(late, "loss")[:3]
    assert first[:2] == second[:2]
    assert first[2] != pytest.approx(second[2], rel=1e-5)


def test_parts_learn_at_rates_of_their_own(make_trainer):
    trainer = make_trainer(rates={"vision": 1e-5, "language": 1e-4})
    rates = {
        name: group["lr"]
        for group in trainer.create_optimizer().param_groups
        for name, parameter in trainer.model.named_parameters()
        if any(parameter is own for own in group["params"])
    }
    assert len(rates) == len(list(trainer.model.parameters()))
    expected = {"vision": 1e-5, "language": 1e-4, "mask": 1e-3, "connector": 1e-3}
    assert {part_of(name, has_stem=False) for name in rates} == set(expected)
    assert all(rate == expected[part_of(name, has_stem=False)] for name, rate in rates.items())


def test_the_average_is_what_is_evaluated_and_training_goes_on_from_the_weights(make_trainer, world):
    trainer = make_trainer(steps=1, eval_dataset=world)
    own = trainer.evaluate()["eval_loss"]
    before = [parameter.detach().clone() for parameter in trainer.model.parameters()]
    trainer.average = AveragedWeights(trainer.model, 0.9)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.mul_(0.5)
    changed = [parameter.detach().clone() for parameter in trainer.model.parameters()]
    assert trainer.evaluate()["eval_loss"] == pytest.approx(own, rel=1e-5)
    assert all(torch.equal(now, own) for now, own in zip(trainer.model.parameters(), changed, strict=True))
    with trainer.average.in_place():
        assert all(torch.equal(now, own) for now, own in zip(trainer.model.parameters(), before, strict=True))


def test_what_is_examined_is_logged_with_the_held_out_loss(make_trainer, world):
    trainer = make_trainer(steps=1, eval_dataset=world, examine=lambda model, step: {"exact_match": 0.25})
    assert trainer.evaluate()["eval_exact_match"] == 0.25
    assert logged(trainer, "eval_exact_match") == [0.25]
    assert logged(trainer, "eval_loss")
