"""When memory is too small: batches are halved, nothing is lost, and the limit grows again."""

from contextlib import contextmanager

import pytest
import torch

from gar import Request
from gar.assistant.memory import BatchLimit, batch_tokens, is_out_of_memory


@contextmanager
def memory_for(assistant, tokens):
    """Makes the decoder run out of memory, as torch does, when a cache has more slots in all."""

    def check(module, args, kwargs):
        room = kwargs["past_key_values"].room
        if room.shape[2] * room.shape[4] > tokens:
            raise torch.OutOfMemoryError(f"{room.shape[2]} rows of {room.shape[4]} tokens")
        sizes.append(room.shape[2] * room.shape[4])

    sizes = []
    hook = assistant.model.model.language_model.register_forward_pre_hook(check, with_kwargs=True)
    try:
        yield sizes
    finally:
        hook.remove()


@pytest.fixture
def requests(pictures, left):
    """Twelve free questions and two with options."""
    free = [Request(pictures[n % 3], f"What is {'red ' * n}<Prompt0>?", [left]) for n in (0, 2, 3, 5, 6, 8) * 2]
    regions = [Request(one.picture, "Is it?", one.regions, choices=["yes", "no"]) for one in free[:2]]
    return [Request(r.picture, r.question, [left.box(5, 5, 25, 40)], r.choices) for r in (*free, *regions)]


def test_nothing_is_lost_when_memory_is_too_small(make_assistant, requests):
    assistant = make_assistant()
    expected = assistant.batch(requests, max_new_tokens=6)
    before = assistant._engine.max_batch_tokens
    with memory_for(assistant, 700) as sizes:
        answers = assistant.batch(requests, max_new_tokens=6)
        assert [answer.text for answer in answers] == [answer.text for answer in expected]
        assert [answer.choice for answer in answers] == [answer.choice for answer in expected]
        assert max(sizes) <= 700
        assert assistant._engine.max_batch_tokens < before
        given = assistant.batch(requests, max_new_tokens=6, max_batch_tokens=100_000)
        assert [answer.text for answer in given] == [answer.text for answer in expected]


def test_the_limit_grows_again_when_there_is_memory(make_assistant, requests):
    assistant = make_assistant()
    estimate = assistant._engine.max_batch_tokens
    with memory_for(assistant, 700):
        assistant.batch(requests, max_new_tokens=6)
    small = assistant._engine.max_batch_tokens
    for _ in range(3):
        assistant.batch(requests, max_new_tokens=6)
    assert small < assistant._engine.max_batch_tokens <= estimate


def test_a_limit_is_never_more_than_the_estimate_and_grows_with_full_batches_alone():
    limit = BatchLimit(1000)
    limit.went_well(1000)
    assert limit.tokens == 1000
    limit.failed(900)
    limit.went_well(100)
    assert limit.tokens == 450
    for _ in range(20):
        limit.went_well(limit.tokens)
    assert limit.tokens == 1000
    limit.failed(1)
    assert limit.tokens == 1
    limit.went_well(1)
    assert limit.tokens == 2


def test_a_single_request_that_does_not_fit_raises_the_error(make_assistant, requests):
    assistant = make_assistant()
    with memory_for(assistant, 100), pytest.raises(torch.OutOfMemoryError, match="1 rows"):
        assistant.batch(requests[:2], max_new_tokens=6)


def test_other_errors_are_not_tried_again(make_assistant, requests):
    assistant, calls = make_assistant(), []

    def fail(*_):
        calls.append(1)
        raise RuntimeError("a kernel failed")

    hook = assistant.model.model.language_model.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="a kernel failed"):
        assistant.batch(requests, max_new_tokens=6)
    hook.remove()
    assert len(calls) == 1


def test_what_says_that_memory_was_too_small():
    assert is_out_of_memory(torch.OutOfMemoryError())
    assert is_out_of_memory(MemoryError())
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)
    assert not is_out_of_memory(RuntimeError("something else"))


def test_the_estimate_is_a_sensible_number_of_tokens(with_thumbnail):
    assert 1024 <= batch_tokens(with_thumbnail.model) <= 8192
