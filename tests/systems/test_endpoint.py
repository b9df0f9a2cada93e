"""The endpoint against a real server that errs, stalls and talks nonsense."""

import json
import threading
import time

import pytest
from chat_server import Fails, HangsUp, Raw, Says

from gar.errors import InputError
from gar.systems.endpoint import Chat, Endpoint

CHAT = Chat([{"role": "user", "content": "Is 2 even?"}], max_tokens=8, temperature=0.5, top_p=0.9)


def endpoint(server, **settings):
    return Endpoint("m", **{"base_url": server.url, "key": "secret-key", "first_wait": 0.01, **settings})


def after(*answers):
    """Behaves once in each way, and in the last way from then on."""
    return lambda number, body: answers[min(number, len(answers) - 1)]


def test_a_chat_is_sent_as_it_is_and_answered_with_text_and_tokens(serve):
    server = serve(after("Yes"))
    said = endpoint(server).complete(CHAT)
    assert (said.text, said.error, said.prompt_tokens, said.new_tokens) == ("Yes", None, 10, 2)
    assert server.requests == [
        {"model": "m", "messages": CHAT.messages, "max_tokens": 8, "temperature": 0.5, "top_p": 0.9}
    ]
    assert server.headers[0]["authorization"] == "Bearer secret-key"


@pytest.mark.parametrize(
    "trouble",
    [
        Fails(429),
        Fails(500),
        Fails(503),
        Fails(408),
        HangsUp(),
        Raw(b"{"),
        Raw(b"<html>", "text/html"),
        Raw(b'{"choices": []}'),
        Raw(b"[1]"),
        Raw(b'{"error": "busy"}'),
        Raw(b"\xff\xfe"),
    ],
)
def test_what_may_pass_is_tried_again(serve, trouble):
    server = serve(after(trouble, trouble, "Yes"))
    assert endpoint(server).complete(CHAT).text == "Yes"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (Fails(401, message="wrong key secret-key"), "wrong key [key]"),
        (Fails(400), "BadRequestError"),
        (Fails(404), "NotFoundError"),
        (Fails(429, code="insufficient_quota"), "RateLimitError"),
        (Says(None), "no text"),
        (Says(None, message={"refusal": "I would rather not"}), "refused: I would rather not"),
    ],
)
def test_what_waiting_does_not_mend_is_tried_once(serve, trouble, said):
    server = serve(after(trouble))
    completion = endpoint(server).complete(CHAT)
    assert completion.text is None
    assert said in completion.error
    assert "secret" not in completion.error
    assert len(server.requests) == 1


def test_after_all_attempts_there_is_an_error_that_says_how_many(serve):
    server = serve(after(Fails(500)))
    completion = endpoint(server, attempts=3).complete(CHAT)
    assert "InternalServerError" in completion.error
    assert completion.error.endswith("(3 attempts)")
    assert len(server.requests) == 3


def test_a_silent_server_is_given_up(serve):
    server = serve(after(Says("late", after=30)))
    began = time.monotonic()
    completion = endpoint(server, timeout=0.2, attempts=2).complete(CHAT)
    assert "APITimeoutError" in completion.error
    assert time.monotonic() - began < 5
    assert len(server.requests) == 2


def test_a_server_that_is_not_there_is_an_error_that_costs_nothing():
    nowhere = Endpoint("m", base_url="http://127.0.0.1:9/v1", attempts=2, first_wait=0.01, token_limit=100)
    assert "APIConnectionError" in nowhere.complete(CHAT).error
    assert nowhere.budget.spent == 0


def test_the_server_says_how_long_to_wait(serve):
    server = serve(after(Fails(429, headers={"Retry-After": "0.4"}), "Yes"))
    began = time.monotonic()
    assert endpoint(server).complete(CHAT).text == "Yes"
    assert time.monotonic() - began >= 0.4


def test_a_stop_ends_the_waiting(serve):
    server = serve(after(Fails(429, headers={"Retry-After": "50"})))
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    assert endpoint(server).complete(CHAT, stop).error is not None
    assert time.monotonic() - began < 10


def test_text_in_parts_is_joined(serve):
    server = serve(
        after(Says(None, message={"content": [{"type": "text", "text": "Y"}, {"type": "text", "text": "es"}]}))
    )
    assert endpoint(server).complete(CHAT).text == "Yes"


def test_a_model_that_knows_the_limit_by_its_newer_name_is_understood(serve):
    def behave(number, body):
        if "max_tokens" in body:
            return Fails(400, message="Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        return "Yes"

    server = serve(behave)
    asked = endpoint(server)
    assert [asked.complete(CHAT).text for _ in range(2)] == ["Yes", "Yes"]
    assert [sorted(set(body) & {"max_tokens", "max_completion_tokens"}) for body in server.requests] == [
        ["max_tokens"],
        ["max_completion_tokens"],
        ["max_completion_tokens"],
    ]


def test_the_limit_on_tokens_holds_before_sending(serve):
    server = serve(after(Says("Yes", prompt_tokens=13, new_tokens=2)))
    asked = endpoint(server, token_limit=40)  # the estimate of the chat is 20
    said = [asked.complete(CHAT) for _ in range(4)]
    assert [completion.text for completion in said] == ["Yes", "Yes", None, None]
    assert said[2].error == "not sent: 30 of the limit of 40 tokens are spent, and this request may take 20 or more"
    assert len(server.requests) == 2
    assert asked.budget.spent == 30


@pytest.mark.parametrize(
    ("trouble", "spent"), [(Fails(400), 0), (Raw(b"{"), 20), (Says("late", after=30), 20), (Says("Yes", None), 20)]
)
def test_what_may_have_been_paid_for_counts_as_estimated(serve, trouble, spent):
    asked = endpoint(serve(after(trouble)), attempts=1, timeout=0.3)
    asked.complete(CHAT)
    assert asked.budget.spent == spent


def test_azure_is_asked_in_its_own_way(serve):
    server = serve(after("Yes"))
    asked = Endpoint("my-gpt", base_url=server.url.removesuffix("/v1"), key="secret-key", api_version="2024-10-21")
    assert asked.complete(CHAT).text == "Yes"
    assert server.paths == ["/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"]
    assert server.headers[0]["api-key"] == "secret-key"


def test_key_and_address_come_from_the_environment(serve, monkeypatch):
    server = serve(after("Yes"))
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("MY_KEY", "another")
    asked = Endpoint("m", key_variable="MY_KEY")
    assert asked.complete(CHAT).text == "Yes"
    assert server.headers[0]["authorization"] == "Bearer another"
    assert json.dumps(asked.settings) == json.dumps({"model": "m", "base_url": server.url})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "OPENAI_API_KEY"),
        ({"api_version": "2024-10-21"}, "AZURE_OPENAI_ENDPOINT"),
        ({"api_version": "2024-10-21", "base_url": "https://x.openai.azure.com"}, "AZURE_OPENAI_API_KEY"),
        ({"base_url": "http://localhost:1", "key_variable": "NOT_SET"}, "NOT_SET"),
        ({"base_url": "localhost:8000"}, "http"),
        ({"base_url": "http://me:secret@host/v1"}, "no user name"),
        ({"base_url": "http://host/v1?key=secret"}, "no query"),
        ({"key": "k", "attempts": 0}, "attempts is 0"),
        ({"key": "k", "concurrency": 0}, "concurrency is 0"),
        ({"key": "k", "timeout": 0}, "timeout is 0"),
        ({"key": "k", "timeout": float("nan")}, "timeout is nan"),
        ({"key": "k", "token_limit": 0}, "limit is 0"),
    ],
)
def test_mistakes_are_said_before_anything_is_sent(settings, said, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError) as raised:
        Endpoint("m", **settings)
    assert said in str(raised.value)
    assert "secret" not in str(raised.value)
