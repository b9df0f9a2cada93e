"""The limit on tokens."""

import io
import threading
import time

import pytest
from PIL import Image

from gar.systems.openai_api import data_url
from gar.systems.spending import Budget, estimate_tokens


def test_without_a_limit_everything_is_counted_and_nothing_refused():
    budget = Budget()
    assert budget.reserve(10**9)
    budget.settle(10**9, 5)
    assert budget.spent == 5


def test_a_request_waits_for_those_in_flight_rather_than_being_refused():
    budget = Budget(100)
    budget.reserve(90)
    timer = threading.Timer(0.1, budget.settle, (90, 10))
    timer.start()
    assert budget.reserve(90)
    timer.join()


def test_waiting_ends_with_a_refusal_when_too_much_was_spent():
    budget = Budget(100)
    budget.reserve(90)
    timer = threading.Timer(0.1, budget.settle, (90, 90))
    timer.start()
    assert not budget.reserve(90)
    timer.join()


def test_a_stop_ends_the_waiting_for_tokens():
    budget = Budget(100)
    budget.reserve(90)
    stop = threading.Event()
    stop.set()
    began = time.monotonic()
    assert not budget.reserve(90, stop)
    assert time.monotonic() - began < 2


def test_estimates_are_raised_to_the_worst_that_was_seen_those_in_flight_too():
    budget = Budget(100)
    assert budget.reserve(10)
    assert budget.reserve(20)
    budget.settle(10, 20)
    assert budget.reserve(20)  # 20 spent, 2 x 20 in flight, 2 x 20 more
    stop = threading.Event()
    stop.set()
    assert not budget.reserve(1, stop)


def test_many_threads_never_pass_the_limit():
    budget, over = Budget(1000), []

    def work():
        while budget.reserve(30):
            budget.settle(30, 30)
            if budget.spent > 1000:
                over.append(budget.spent)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not over
    assert budget.spent == 990


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((512, 512), 361),  # 19 x 19 squares of 28 px are more than 85 + 170
        ((768, 768), 784),
        ((100, 100), 255),
        ((4000, 3000), 143 * 108),
    ],
)
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_picture_counts_by_the_dearer_of_two_published_rules(size, tokens, form):
    content = [{"type": "image_url", "image_url": {"url": data_url(Image.new("RGB", size), form)}}]
    assert estimate_tokens([{"role": "user", "content": content}]) == 8 + tokens


@pytest.mark.parametrize(
    "url", ["https://example.org/a.png", "data:image/png;base64,AAAA", "data:image/png;base64,A", ""]
)
def test_a_picture_of_unknown_size_counts_as_a_large_one(url):
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "abc"}]
    assert estimate_tokens([{"role": "user", "content": content}]) == 8 + 2000 + 1


def test_the_data_url_of_a_png_is_exact(picture):
    import base64

    url = data_url(picture)
    assert url.startswith("data:image/png;base64,")
    again = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    assert again.tobytes() == picture.tobytes()
