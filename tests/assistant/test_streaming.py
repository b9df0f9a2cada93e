"""Streams: the same text in pieces, mistakes at once, and nothing written that is not read."""

import gc
import weakref
from contextlib import contextmanager

import pytest

from gar import PromptError, RegionError
from gar.assistant.pieces import text_pieces
from gar.regions import Region

QUESTION = "What is <Prompt0>?"


@contextmanager
def counted_steps(assistant):
    """A list that grows by one with every reading of the decoder."""
    steps = []
    hook = assistant.model.lm_head.register_forward_pre_hook(lambda *_: steps.append(1))
    try:
        yield steps
    finally:
        hook.remove()


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
            assert "".join(pieces) == answer.text


def test_the_first_piece_is_there_when_one_token_has_been_read(endless, wide, left):
    with counted_steps(endless) as steps:
        stream = endless.stream(wide, QUESTION, left, max_new_tokens=600)
        assert steps == []
        next(stream)
        assert len(steps) < 12  # a piece may need several tokens, when they are bytes of one character
        stream.close()


def test_mistakes_are_raised_at_once(assistant, wide, left):
    with pytest.raises(PromptError, match="<Prompt1>"):
        assistant.stream(wide, "What is <Prompt1>?", left)
    with pytest.raises(RegionError):
        assistant.stream(wide, QUESTION, Region.box(500, 500, 510, 510))


def test_closing_a_stream_early_stops_the_model(endless, wide, left):
    with counted_steps(endless) as steps:
        stream = endless.stream(wide, QUESTION, left, max_new_tokens=700)
        first = next(stream)
        stream.close()
        done = len(steps)
        assert list(stream) == []
        assert len(steps) == done < 12
    assert endless.ask(wide, QUESTION, left, max_new_tokens=24).text.startswith(first)


def test_a_stream_that_is_dropped_frees_its_memory(endless, wide, left):
    held = []

    def note(module, args, kwargs):
        held.append(weakref.ref(kwargs["past_key_values"]))

    hook = endless.model.model.language_model.register_forward_pre_hook(note, with_kwargs=True)
    stream = endless.stream(wide, QUESTION, left, max_new_tokens=700)
    next(stream)
    hook.remove()
    assert held[-1]() is not None
    del stream
    gc.collect()
    assert [cache() for cache in held] == [None] * len(held)


def test_the_model_waits_for_its_reader(endless, wide, left):
    with counted_steps(endless) as steps:
        stream = endless.stream(wide, QUESTION, left, max_new_tokens=700)
        next(stream)
        done = len(steps)
        assert endless.describe(wide, left, max_new_tokens=2).new_tokens == 2
        assert len(steps) == done + 2
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


def test_a_character_of_several_tokens_is_said_once_it_is_whole(tiny_tokenizer):
    for text in ("a ☃ and é", "☃☃", " blanks  within and around  ", "a <Prompt1> is red", "x" * 50, "\n\na\n"):
        ids = tiny_tokenizer(text, add_special_tokens=False)["input_ids"]
        pieces = list(text_pieces(ids, tiny_tokenizer))
        assert "".join(pieces) == text.strip()
        assert all("\ufffd" not in piece for piece in pieces)


def test_bytes_that_make_no_character_are_said_at_the_end(tiny_tokenizer):
    ids = tiny_tokenizer("☃", add_special_tokens=False)["input_ids"]
    assert len(ids) == 3
    assert "".join(text_pieces(ids[:2], tiny_tokenizer)) == tiny_tokenizer.decode(ids[:2])
    assert list(text_pieces([], tiny_tokenizer)) == []
