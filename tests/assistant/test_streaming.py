"""Streams: the same text in pieces, mistakes at once, and no thread left behind."""

import threading

import pytest

from gar import PromptError, RegionError
from gar.regions import Region

QUESTION = "What is <Prompt0>?"


def _threads():
    return [thread for thread in threading.enumerate() if thread.name == "gar-stream"]


@pytest.fixture(scope="module")
def endless(make_assistant):
    """A model that never ends its turn."""
    made = make_assistant()
    made.model.lm_head.weight[made.processor.tokenizer.eos_token_id] = 0.0
    return made


def test_the_pieces_joined_are_the_answer(assistant, pictures, left):
    for picture in pictures:
        for question in (QUESTION, None, "Is it red, or of another color?"):
            pieces = list(assistant.stream(picture, question, left, max_new_tokens=24))
            if question is None:
                answer = assistant.describe(picture, left, max_new_tokens=24)
            else:
                answer = assistant.ask(picture, question, left, max_new_tokens=24)
            assert len(pieces) > 1
            assert "".join(pieces) == answer.text
    assert _threads() == []


def test_pieces_come_while_the_model_still_writes(endless, wide, left):
    stream = endless.stream(wide, QUESTION, left, max_new_tokens=600)
    next(stream)
    assert len(_threads()) == 1
    stream.close()


def test_mistakes_are_raised_at_once(assistant, wide, left):
    with pytest.raises(PromptError, match="<Prompt1>"):
        assistant.stream(wide, "What is <Prompt1>?", left)
    with pytest.raises(RegionError):
        assistant.stream(wide, QUESTION, Region.box(500, 500, 510, 510))


def test_closing_a_stream_early_stops_the_model_and_ends_its_thread(endless, wide, left):
    assistant, steps = endless, []
    assistant.model.lm_head.register_forward_pre_hook(lambda *_: steps.append(1))
    stream = assistant.stream(wide, QUESTION, left, max_new_tokens=700)
    first = next(stream)
    stream.close()
    assert _threads() == []
    assert len(steps) < 600
    assert assistant.ask(wide, QUESTION, left, max_new_tokens=24).text.startswith(first)


def test_a_stream_that_is_dropped_ends_its_thread(endless, wide, left):
    for _ in endless.stream(wide, QUESTION, left, max_new_tokens=700):
        break
    assert _threads() == []


def test_a_stream_that_nobody_reads_starts_no_thread(assistant, wide, left):
    stream = assistant.stream(wide, QUESTION, left, max_new_tokens=700)
    assert _threads() == []
    stream.close()


def test_an_error_while_the_model_writes_reaches_the_reader(make_assistant, wide, left):
    assistant = make_assistant()
    reads = []

    def fail_at_the_third_token(*_):
        reads.append(1)
        if len(reads) == 3:
            raise ArithmeticError("out of paper")

    assistant.model.lm_head.register_forward_pre_hook(fail_at_the_third_token)
    with pytest.raises(ArithmeticError, match="out of paper"):
        list(assistant.stream(wide, QUESTION, left, max_new_tokens=24))
    assert _threads() == []


def test_two_streams_may_be_read_in_turns(assistant, wide, left, right):
    expected = [assistant.ask(wide, QUESTION, region, max_new_tokens=16).text for region in (left, right)]
    streams = [assistant.stream(wide, QUESTION, region, max_new_tokens=16) for region in (left, right)]
    written = ["", ""]
    ends = object()
    running = {0, 1}
    while running:
        for number in sorted(running):
            piece = next(streams[number], ends)
            if piece is ends:
                running.discard(number)
            else:
                written[number] += piece
    assert written == expected
