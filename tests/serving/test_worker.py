"""The worker: the answers are the assistant's own, whoever else is being answered; queue, cancellation, closing."""

import asyncio
import gc
import random
import weakref

import pytest

from gar import InputError, PromptError, Region, Request
from gar.assistant.encoding import read_picture
from gar.assistant.reading import Reader
from gar.assistant.sampling import Sampling
from gar.processing.prompts import Message, several_regions
from gar.serving.errors import ClosedError, QueueFullError
from gar.serving.preparing import Preparer
from gar.serving.ticket import Asked
from gar.serving.worker import Worker


def run(test):
    """Runs a test in an event loop."""
    return asyncio.run(asyncio.wait_for(test, 60))


def asked(request, **options):
    return Asked(request, Sampling.checked(**options))


async def until(true):
    while not true():
        await asyncio.sleep(0.005)


def test_answers_are_those_of_the_assistant_alone_whatever_is_answered_beside_them(assistant, picture):
    chance = random.Random(0)
    cases = []
    for number in range(14):
        x, y = chance.randint(0, 50), chance.randint(0, 30)
        regions = [Region.box(x, y, x + 20, y + 25), Region.box(y, x / 2, y + 30, x / 2 + 20)]
        options = {"max_new_tokens": chance.randint(1, 40), "temperature": number % 3 / 2, "seed": number}
        question = None if number % 2 else "Is <Prompt0> left of <Prompt1>? " + "What? " * number
        shown = picture if number % 4 else picture.rotate(90, expand=True)
        cases.append((Request(shown, question, regions if question else regions[:1]), options))
    alone = [assistant.batch([request], **options)[0] for request, options in cases]

    async def together():
        async with Worker(assistant, max_rows=6) as worker:

            async def later(number, request, options):
                await asyncio.sleep(0.02 * number)
                return await worker.answer(request, **options)

            return await asyncio.gather(*(later(number, *case) for number, case in enumerate(cases)))

    for one, other in zip(run(together()), alone, strict=True):
        assert (one.text, one.finish_reason, one.new_tokens, one.seed) == (
            other.text,
            other.finish_reason,
            other.new_tokens,
            other.seed,
        )


def test_pieces_joined_are_the_answer(assistant, picture, cup):
    async def stream():
        async with Worker(assistant) as worker:
            request = Request(picture, None, [cup])
            pieces = [piece async for piece in worker.stream(request, max_new_tokens=60, temperature=1.5, seed=7)]
            return pieces, await worker.answer(request, max_new_tokens=60, temperature=1.5, seed=7)

    pieces, answer = run(stream())
    assert len(pieces) > 10
    assert "".join(pieces) == answer.text


def test_choices_are_scored_as_the_assistant_scores_them(assistant, picture, cup):
    request = Request(picture, "Is <Prompt0> red?", [cup], ["yes", "no"])

    async def ask():
        async with Worker(assistant) as worker:
            return await asyncio.gather(*(worker.answer(request) for _ in range(3)))

    expected = assistant.batch([request])[0]
    for answer in run(ask()):
        assert answer.choice == expected.choice
        assert answer.probabilities == pytest.approx(expected.probabilities, abs=1e-5)


def test_earlier_turns_are_read_as_one_conversation(assistant, picture, cup, spoon):
    processor = assistant.processor
    earlier = [("What is <Prompt0>?", "A red circle."), ("And <Prompt1>?", "A small blue square.")]
    (job,) = Preparer(assistant).jobs([Asked(Request(picture, "Why?", [cup, spoon]), earlier=earlier)])
    turns = [
        Message("user", several_regions("What is <Prompt0>?", [0, 1], processor.crop_tokens)),
        Message("assistant", "A red circle."),
        Message("user", "And <Prompt1>?"),
        Message("assistant", "A small blue square."),
        Message("user", "Why?"),
    ]
    reader = Reader(assistant.model, processor, 1)
    assert job.ids == reader.ids(processor.chat_text(turns), read_picture(picture, processor))


def test_a_conversation_may_go_on(assistant, picture, cup):
    async def ask():
        async with Worker(assistant) as worker:
            request = Request(picture, "What is above it?", [cup])
            short = await worker.answer(request, max_new_tokens=4)
            return short, await worker.answer(request, earlier=[("What is it?", "yes")], max_new_tokens=4)

    short, long = run(ask())
    assert long.prompt_tokens > short.prompt_tokens


def test_a_stop_sequence_ends_the_answer_and_is_no_part_of_it(assistant, picture, cup):
    request = Request(picture, None, [cup])

    async def ask():
        async with Worker(assistant) as worker:
            whole = await worker.answer(request, max_new_tokens=50)
            stop = whole.text[8:11]
            ticket = (await worker.submit([Asked(request, Sampling.checked(max_new_tokens=50), (), (stop,))]))[0]
            return whole, stop, [piece async for piece in ticket], await ticket.answer()

    whole, stop, pieces, cut = run(ask())
    assert cut.text == whole.text[: whole.text.index(stop)].rstrip()
    assert "".join(pieces) == cut.text
    assert cut.finish_reason == "stop"
    assert cut.new_tokens < whole.new_tokens


def test_mistakes_are_raised_before_anything_waits(assistant, picture, cup):
    async def ask():
        async with Worker(assistant, max_waiting=2) as worker:
            with pytest.raises(PromptError, match="<Prompt3>"):
                await worker.answer(Request(picture, "<Prompt3>?", [cup]))
            with pytest.raises(InputError, match="3 questions at once; allowed are 2"):
                await worker.submit([asked(Request(picture, None, [cup]))] * 3)
            with pytest.raises(PromptError, match="reserved token"):
                await worker.answer(Request(picture, "Why?", [cup]), earlier=[("What?", "<|eot_id|>")])
            return worker.waiting, worker.running

    assert run(ask()) == (0, 0)


def test_the_queue_is_bounded_and_tells_positions(assistant, picture, cup):
    request = Request(picture, None, [cup])

    async def ask():
        async with Worker(assistant, max_waiting=3, max_rows=1) as worker:
            (running,) = await worker.submit([asked(request, max_new_tokens=700)])
            await until(lambda: worker.running)
            waiting = await worker.submit([asked(request, max_new_tokens=3)] * 3)
            assert [ticket.position for ticket in (running, *waiting)] == [0, 1, 2, 3]
            with pytest.raises(QueueFullError, match="3 questions wait already, and at most 3") as refused:
                await worker.answer(request)
            assert 1 <= refused.value.retry_after <= 60
            waiting[0].cancel()
            assert [ticket.position for ticket in waiting] == [0, 1, 2]
            running.cancel()
            return [(await ticket.answer()).new_tokens for ticket in waiting[1:]]

    assert run(ask()) == [3, 3]


def test_a_picture_is_not_kept_while_its_question_waits(assistant, picture, cup):
    async def ask():
        async with Worker(assistant, max_rows=1) as worker:
            (running,) = await worker.submit([asked(Request(picture, None, [cup]), max_new_tokens=700)])
            large = picture.resize((200, 100))
            seen = weakref.ref(large)
            (waiting,) = await worker.submit([asked(Request(large, None, [cup]), max_new_tokens=2)])
            del large
            gc.collect()
            while seen() is not None and waiting.position == 1:
                await asyncio.sleep(0.005)  # the thread that read it lets go of it after it has handed over
            assert waiting.position == 1
            assert seen() is None
            running.cancel()
            return (await waiting.answer()).new_tokens

    assert run(ask()) == 2


def test_whoever_goes_away_leaves_the_batch_and_the_others_stay(assistant, picture, cup):
    request = Request(picture, None, [cup])

    async def ask():
        async with Worker(assistant) as worker:
            goes, stays = await worker.submit([asked(request, max_new_tokens=800), asked(request, max_new_tokens=300)])
            stream = worker.stream(request, max_new_tokens=800)
            await anext(stream)
            assert worker.running == 3
            await stream.aclose()
            await until(lambda: worker.running == 2)
            waiting = asyncio.create_task(goes.answer())
            await asyncio.sleep(0)
            waiting.cancel()
            await until(lambda: worker.running == 1)
            answer = await stays.answer()
            await until(lambda: worker.running == 0)
            return answer.new_tokens

    assert run(ask()) == 300


def test_when_it_closes_what_has_begun_finishes_and_what_waits_is_told(assistant, picture, cup):
    request = Request(picture, None, [cup])

    async def ask():
        worker = Worker(assistant, max_rows=1)
        running, waiting = await worker.submit([asked(request, max_new_tokens=200), asked(request)])
        await until(lambda: worker.running)
        closing = asyncio.create_task(worker.close())
        with pytest.raises(ClosedError):
            await waiting.answer()
        with pytest.raises(ClosedError):
            await worker.answer(request)
        answer = await running.answer()
        await closing
        assert not worker.ready
        return answer.new_tokens

    assert run(ask()) == 200


def test_what_does_not_finish_in_time_is_told_too(assistant, picture, cup):
    async def ask():
        worker = Worker(assistant)
        (running,) = await worker.submit([asked(Request(picture, None, [cup]), max_new_tokens=800)])
        await until(lambda: worker.running)
        await worker.close(0.0)
        with pytest.raises(ClosedError):
            await running.answer()

    run(ask())


def test_an_answer_that_cannot_be_spelled_fails_alone_and_the_worker_goes_on(assistant, picture, cup):
    class Speechless:
        stopped = False

        def push(self, token):
            raise ValueError("these tokens are no text")

    async def ask():
        request = Request(picture, None, [cup])
        async with Worker(assistant) as worker:
            broken, sound = await worker.submit([asked(request, max_new_tokens=5)] * 2)
            broken.spoken = Speechless()
            with pytest.raises(ValueError, match="no text"):
                await broken.answer()
            assert (await sound.answer()).new_tokens == 5
            assert worker.ready
            assert (await worker.answer(request, max_new_tokens=2)).new_tokens == 2

    run(ask())


def test_limits_below_one_are_refused(assistant):
    with pytest.raises(InputError, match="max_rows is 0"):
        Worker(assistant, max_rows=0)
