"""How far ahead of the answers requests are drawn: some batches, and no more pictures than a number of bytes."""

import gc
import weakref
from threading import active_count

import numpy as np
import pytest

from gar import Region, Request
from gar.assistant import engine, reading
from gar.assistant.engine import windows
from gar.assistant.reading import JOBS_AHEAD, Reader, ahead
from gar.assistant.sampling import Sampling


@pytest.fixture(scope="module")
def jobs(with_thumbnail, pictures):
    """Makes jobs one by one, each of a picture of its own, or several of each."""

    def make(count, each=1):
        reader = Reader(with_thumbnail.model, with_thumbnail.processor, 2)
        copies = [pictures[number % 3].copy() for number in range(-(-count // each))]
        requests = [Request(copies[n // each], None, [Region.box(1, 1, 20 + n % each, 30)]) for n in range(count)]
        return reader.jobs(requests, named=False)

    return make


@pytest.mark.parametrize(("size", "most"), [(1, 1 + 4), (3, 3 + 12)])
def test_with_few_at_once_few_are_drawn_ahead(with_thumbnail, pictures, size, most):
    drawn = []

    def requests():
        for number in range(60):
            drawn.append(number)
            yield Request(pictures[number % 3], None, [Region.box(1, 1, 20, 30)])

    answered = 0
    for _ in with_thumbnail.answers(requests(), batch_size=size, max_new_tokens=1):
        assert len(drawn) - answered <= most + JOBS_AHEAD + 1
        answered += 1
    assert answered == 60


def test_the_first_window_is_one_batch_and_the_others_are_some(jobs):
    assert [len(window) for window in windows(jobs(22), 100_000, 2)] == [2, 8, 8, 4]
    one = next(windows(jobs(1), 100_000, None))[0]
    tokens = len(one.ids) + one.room
    assert [len(window) for window in windows(jobs(11, each=11), 2 * tokens, None)] == [2, 8, 1]
    assert [len(window) for window in windows(jobs(22), 100_000, None)] == [22]


def test_a_window_has_pictures_of_so_many_bytes_and_one_of_many_jobs_counts_once(jobs, monkeypatch):
    sizes = [job.shown.picture.bytes for job in jobs(3)]
    assert min(sizes) >= 3 * 32 * 32
    monkeypatch.setattr(engine, "_WINDOW_BYTES", sum(sizes))
    assert [len(window) for window in windows(jobs(7), 100_000, None)] == [3, 3, 1]
    assert [len(window) for window in windows(jobs(28, each=4), 100_000, None)] == [9, 8, 8, 3]


def test_what_is_prepared_ahead_is_bounded_in_number_and_bytes(jobs, monkeypatch):
    for most, limit in ((JOBS_AHEAD, 10**12), (1, 1)):
        monkeypatch.setattr(reading, "_BYTES_AHEAD", limit)
        made = []
        source = (made.append(1) or job for job in jobs(40))
        running = ahead(source)
        for taken in range(1, 30):
            next(running)
            assert len(made) <= taken + most + 1
        running.close()
        assert len(list(ahead(jobs(40)))) == 40


def test_kept_pictures_are_bounded_in_bytes(with_thumbnail, pictures, monkeypatch):
    reader = Reader(with_thumbnail.model, with_thumbnail.processor, 2)
    size = reader.job(reader.plan(Request(pictures[0], None, [Region.box(1, 1, 20, 30)]))).shown.picture.bytes
    monkeypatch.setattr(reading, "_BYTES_KEPT", 3 * size)
    copies = [pictures[0].copy() for _ in range(8)]
    alive = []
    for picture in copies:
        job = reader.job(reader.plan(Request(picture, None, [Region.box(1, 1, 20, 30)])))
        alive.append(weakref.ref(job.shown.picture))
    del job
    gc.collect()
    assert [one() is not None for one in alive] == [False] * 5 + [True] * 3


def test_a_picture_that_was_answered_is_not_kept_until_its_window_ends(with_thumbnail, pictures):
    reader = Reader(with_thumbnail.model, with_thumbnail.processor, 1, reuse=False)
    alive = []

    def made():
        for number, picture in enumerate(pictures * 4):
            job = reader.job(reader.plan(Request(picture, None, [Region.box(1, 1, 20, 30)])), number)
            alive.append(weakref.ref(job.shown.picture))
            yield job

    sampling = Sampling.checked(max_new_tokens=1)
    left = []
    for _ in with_thumbnail._engine.answers(made(), sampling, batch_size=3, max_batch_tokens=None):
        gc.collect()
        left.append(sum(picture() is not None for picture in alive))
    assert left[-1] <= 3


def test_no_thread_is_left_when_answers_are_not_read_on(with_thumbnail, pictures):
    before = active_count()
    requests = (Request(np.array(picture), None, [Region.box(1, 1, 20, 30)]) for picture in pictures * 20)
    answers = with_thumbnail.answers(requests, batch_size=1, max_new_tokens=1)
    next(answers)
    assert active_count() == before + 1
    answers.close()
    assert active_count() == before
