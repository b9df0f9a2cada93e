"""Sampling: reproducible from the seed that stands in the answer, and nobody else's random numbers are touched."""

import numpy as np
import pytest
import torch

from gar import InputError, Request
from gar.assistant.sampling import Sampling

HOT = {"temperature": 5.0, "max_new_tokens": 16}


def test_the_same_seed_gives_the_same_answer_and_another_seed_another(assistant, wide, left):
    texts = [assistant.describe(wide, left, seed=seed, **HOT).text for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_the_seed_that_was_drawn_stands_in_the_answer_and_repeats_it(assistant, wide, left):
    drawn = assistant.describe(wide, left, **HOT)
    assert drawn.seed is not None
    assert assistant.describe(wide, left, seed=drawn.seed, **HOT).text == drawn.text
    assert assistant.describe(wide, left, **HOT).seed != drawn.seed


def test_a_stream_with_a_seed_says_what_ask_says(assistant, wide, left):
    asked = assistant.ask(wide, "What is it?", left, seed=4, **HOT)
    assert "".join(assistant.stream(wide, "What is it?", left, seed=4, **HOT)).strip() == asked.text


def test_greedy_answers_have_no_seed(assistant, wide, left):
    first = assistant.describe(wide, left, max_new_tokens=8, seed=1)
    assert first.seed is None
    assert first.text == assistant.describe(wide, left, max_new_tokens=8, seed=2).text


def test_a_tiny_top_p_is_greedy(assistant, wide, left):
    greedy = assistant.describe(wide, left, max_new_tokens=8)
    assert assistant.describe(wide, left, max_new_tokens=8, temperature=1.0, top_p=1e-6, seed=0).text == greedy.text


@pytest.mark.parametrize("seed", [None, 5])
def test_torchs_own_random_state_is_left_as_it_was(assistant, wide, left, seed):
    torch.manual_seed(123)
    before = torch.get_rng_state()
    assistant.describe(wide, left, seed=seed, **HOT)
    assistant.describe(wide, left, max_new_tokens=4)
    "".join(assistant.stream(wide, None, left, seed=seed, **HOT))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_answer_does_not_depend_on_torchs_random_state(assistant, wide, left):
    torch.manual_seed(1)
    first = assistant.describe(wide, left, seed=7, **HOT).text
    torch.manual_seed(2)
    assert assistant.describe(wide, left, seed=7, **HOT).text == first


@pytest.mark.parametrize(
    "options",
    [
        {"seed": 1.5},
        {"seed": "1"},
        {"max_new_tokens": 2.5},
        {"max_new_tokens": None},
        {"temperature": "0.5"},
        {"top_p": None},
    ],
)
def test_an_option_of_another_type_is_refused(options):
    (name,) = options
    with pytest.raises(InputError, match=rf"{name} is .*; needed is a (whole )?number"):
        Sampling.checked(**{"temperature": 1.0} | options)


def test_numpys_numbers_are_numbers():
    sampling = Sampling.checked(temperature=np.float32(0.5), seed=np.int64(3), max_new_tokens=np.int32(4))
    assert (sampling.temperature, sampling.seed, sampling.max_new_tokens) == (0.5, 3, 4)
    assert type(sampling.seed) is int


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(InputError, match=f"seed is {seed}"):
        Sampling.checked(temperature=1.0, seed=seed)


def test_a_sampled_answer_is_the_same_alone_and_in_a_batch(assistant, pictures, left, right):
    requests = [Request(picture, "What is it?", [left]) for picture in pictures]
    requests.append(Request(pictures[0], "Is <Prompt1> red?", [left, right]))
    options = {"temperature": 2.0, "top_p": 0.9, "seed": 11, "max_new_tokens": 8}
    together = [answer.text for answer in assistant.batch(requests, **options)]
    assert together == [assistant.batch([request], **options)[0].text for request in requests]


def _chooser(rows=1, **options):
    return Sampling.checked(seed=0, **options).chooser(rows)


def test_tokens_are_drawn_as_often_as_they_are_likely():
    choose = _chooser(temperature=2.0)
    logits = torch.tensor([[0.0, 2.0, 4.0, float("-inf")]])
    counts = torch.bincount(torch.cat([choose(logits) for _ in range(4000)]), minlength=4) / 4000
    assert counts.tolist() == pytest.approx((logits[0] / 2.0).softmax(0).tolist(), abs=0.025)


@pytest.mark.parametrize(("top_p", "allowed"), [(0.49, {3}), (0.51, {3, 1}), (0.81, {3, 1, 0}), (1.0, {3, 1, 0, 2})])
def test_top_p_keeps_the_fewest_tokens_that_hold_that_much(top_p, allowed):
    choose = _chooser(temperature=1.0, top_p=top_p)
    logits = torch.tensor([[0.15, 0.3, 0.05, 0.5]]).log()
    assert {int(choose(logits)) for _ in range(300)} == allowed


def test_a_temperature_near_zero_is_greedy():
    logits = torch.tensor([[1.0, 3.0, 2.0]])
    for temperature in (1e-3, 1e-30, 5e-324):
        assert _chooser(temperature=temperature)(logits).tolist() == [1]


def test_a_row_draws_on_as_before_when_others_are_dropped():
    logits = torch.linspace(0, 1, 50).repeat(3, 1)
    whole, some = _chooser(3, temperature=1.0), _chooser(3, temperature=1.0)
    assert torch.equal(whole(logits), some(logits))
    some.keep([0, 2])
    assert torch.equal(whole(logits)[[0, 2]], some(logits[[0, 2]]))
