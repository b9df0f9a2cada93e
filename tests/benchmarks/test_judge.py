"""The judge against a real server: its memory, its limit, and its calm."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "systems"))
from chat_server import ChatServer, Fails, HangsUp, Raw, Says, text_of

from gar.benchmarks.judge import JudgeRequest, open_judge
from gar.benchmarks.judge_cache import JudgeCache, Kept
from gar.errors import InputError


@pytest.fixture
def serve():
    servers = []

    def start(behave):
        servers.append(ChatServer(behave))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def judge(server, cache=None, **settings):
    return open_judge("j", **{"cache": cache, "base_url": server.url, "first_wait": 0.01, **settings})


def requests(count, **sampling):
    return [JudgeRequest([{"role": "user", "content": f"number {n}"}], **sampling) for n in range(count)]


def number(body):
    return int(text_of(body).split()[-1])


def test_verdicts_are_replies_as_they_came(serve):
    server = serve(lambda n, body: " True\n")
    (verdict,) = judge(server).ask(requests(1, max_tokens=300, temperature=0.3, top_p=0.9))
    assert (verdict.text, verdict.error, verdict.cached) == (" True\n", None, False)
    assert (verdict.prompt_tokens, verdict.new_tokens) == (10, 2)
    assert server.requests == [
        {
            "model": "j",
            "messages": [{"role": "user", "content": "number 0"}],
            "max_tokens": 300,
            "temperature": 0.3,
            "top_p": 0.9,
        }
    ]


def test_what_was_asked_before_is_not_sent_again(serve, tmp_path):
    server = serve(lambda n, body: str(number(body)))
    cache = tmp_path / "folder" / "judge.sqlite"
    first = list(judge(server, cache).ask(requests(5)))
    again = list(judge(server, cache).ask(requests(6)))
    assert len(server.requests) == 6
    assert [verdict.text for verdict in again] == [str(n) for n in range(6)]
    assert [verdict.cached for verdict in first + again] == [False] * 5 + [True] * 5 + [False]
    assert (again[0].prompt_tokens, again[0].new_tokens) == (10, 2)


def test_everything_that_goes_in_makes_another_verdict(serve, tmp_path):
    server, other = serve(lambda n, body: "yes"), serve(lambda n, body: "yes")
    cache = tmp_path / "judge.sqlite"
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    another = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAB"}}
    asked = [
        *requests(2),
        *requests(1, max_tokens=7),
        *requests(1, temperature=0.1),
        *requests(1, top_p=0.5),
        JudgeRequest([{"role": "system", "content": "number 0"}]),
        JudgeRequest([{"role": "user", "content": [picture]}]),
        JudgeRequest([{"role": "user", "content": [another]}]),
        JudgeRequest(
            [{"role": "user", "content": [{**picture, "image_url": {**picture["image_url"], "detail": "low"}}]}]
        ),
    ]
    assert not any(verdict.cached for verdict in judge(server, cache).ask(asked))
    assert not any(verdict.cached for verdict in judge(other, cache).ask(asked))
    assert all(verdict.cached for verdict in judge(server, cache).ask(asked))
    assert len(JudgeCache(cache)) == 2 * len(asked)


def test_equal_requests_in_one_run_are_sent_once(serve, tmp_path):
    server = serve(lambda n, body: Says("yes", after=0.1))
    verdicts = list(judge(server, tmp_path / "judge.sqlite").ask(requests(1) * 8))
    assert len(server.requests) == 1
    assert [verdict.text for verdict in verdicts] == ["yes"] * 8
    assert sum(verdict.cached for verdict in verdicts) == 7


def test_a_troubled_run_gives_each_request_one_verdict_and_keeps_no_failure(serve, tmp_path):
    troubles = [Fails(429, headers={"Retry-After": "0.01"}), Fails(500), Raw(b"{}"), HangsUp(), Says("late", after=5)]
    tries, calm = Counter(), threading.Event()

    def behave(n, body):
        asked = number(body)
        tries[asked] += 1
        if not calm.is_set() and asked % 10 == 3:
            return Fails(500) if asked % 20 == 3 else Says(None)
        if tries[asked] <= asked % 3:
            return troubles[(asked + tries[asked]) % len(troubles)]
        return str(asked)

    server = serve(behave)
    settings = {"timeout": 1.0, "attempts": 4, "concurrency": 8}
    verdicts = list(judge(server, tmp_path / "judge.sqlite", **settings).ask(requests(40)))
    failed = [n for n, verdict in enumerate(verdicts) if verdict.error is not None]
    assert failed == [3, 13, 23, 33]
    assert all(verdict.text is None for n, verdict in enumerate(verdicts) if n in failed)
    assert [verdict.text for n, verdict in enumerate(verdicts) if n not in failed] == [
        str(n) for n in range(40) if n not in failed
    ]
    calm.set()
    before = len(server.requests)
    again = list(judge(server, tmp_path / "judge.sqlite", **settings).ask(requests(40)))
    assert [verdict.text for verdict in again] == [str(n) for n in range(40)]
    assert {number(body) for body in server.requests[before:]} == set(failed)


def test_the_limit_stops_sending_before_it_is_passed_but_not_what_is_kept(serve, tmp_path):
    server = serve(lambda n, body: Says("yes", prompt_tokens=13, new_tokens=2))
    cache = tmp_path / "judge.sqlite"
    poor = judge(server, cache, token_limit=100, concurrency=4)
    verdicts = list(poor.ask(requests(20, max_tokens=9)))  # 20 tokens each are estimated, and 15 spent
    sent = [verdict for verdict in verdicts if verdict.error is None]
    assert len(sent) == len(server.requests) == 6
    assert poor.tokens_spent == 90
    assert all("limit of 100" in verdict.error for verdict in verdicts if verdict.error is not None)
    again = list(judge(server, cache, token_limit=1).ask(requests(20, max_tokens=9)))
    assert sum(verdict.cached for verdict in again) == 6
    assert len(server.requests) == 6


def test_a_reader_that_stops_loses_nothing_that_was_paid(serve, tmp_path):
    server = serve(lambda n, body: "yes")
    cache = tmp_path / "judge.sqlite"
    verdicts = judge(server, cache, concurrency=4).ask(requests(200))
    next(verdicts)
    verdicts.close()
    assert len(server.requests) < 200
    assert len(JudgeCache(cache)) == len(server.requests)


RUN = """
import sys
from gar.benchmarks.judge import JudgeRequest, open_judge
judge = open_judge("j", cache=sys.argv[1], base_url=sys.argv[2], concurrency=4)
asked = [JudgeRequest([{"role": "user", "content": f"number {n}"}]) for n in range(30)]
for verdict in judge.ask(asked):
    print(verdict.text, flush=True)
"""


def test_a_killed_run_continues_and_pays_only_for_what_was_in_flight(serve, tmp_path):
    killed = threading.Event()

    def behave(n, body):
        if number(body) >= 15:
            killed.wait(60)
        return str(number(body))

    server = serve(behave)
    cache = tmp_path / "judge.sqlite"
    command = [sys.executable, "-c", RUN, str(cache), server.url]
    source = str(Path(__file__).resolve().parents[2] / "src")
    environment = {**os.environ, "PYTHONPATH": source}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as run:
        for _ in range(10):
            run.stdout.readline()
        run.send_signal(signal.SIGKILL)
    killed.set()
    assert 10 <= len(server.requests) < 30
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    assert finished.stdout.split() == [str(n) for n in range(30)]
    twice = [n for n, times in Counter(map(number, server.requests)).items() if times > 1]
    assert len(twice) <= 4
    assert len(JudgeCache(cache)) == 30


def test_what_is_kept_can_be_read_and_holds_no_key_and_no_picture(serve, tmp_path):
    server = serve(lambda n, body: "True")
    cache = tmp_path / "judge.sqlite"
    url = "data:image/png;base64," + "A" * 10_000
    content = [{"type": "text", "text": "Is it a frog?"}, {"type": "image_url", "image_url": {"url": url}}]
    told = judge(server, cache, key="sk-very-secret")
    list(told.ask([JudgeRequest([{"role": "user", "content": content}])]))
    database = sqlite3.connect(cache)
    ((model, request, reply),) = database.execute("select model, request, reply from verdicts").fetchall()
    database.close()
    assert (model, reply) == ("j", "True")
    request = json.loads(request)
    assert request["base_url"] == server.url
    assert request["messages"][0]["content"][0]["text"] == "Is it a frog?"
    assert request["messages"][0]["content"][1]["image_url"]["url"].startswith("sha256:")
    assert b"very-secret" not in cache.read_bytes()
    assert "very-secret" not in json.dumps(told.settings)
    assert cache.stat().st_size < 30_000


def test_many_threads_may_write_to_one_cache(tmp_path):
    path = tmp_path / "judge.sqlite"

    def work(start):
        cache = JudgeCache(path)
        for n in range(start, start + 10):
            request = json.dumps({"model": "m", "n": n})
            cache.put(request, Kept(f"reply {n}", n, None))
            assert cache.get(request) == Kept(f"reply {n}", n, None)

    threads = [threading.Thread(target=work, args=(5 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(JudgeCache(path)) == 25
    assert JudgeCache(path).get('{"model": "m"}') is None


def test_a_file_that_is_no_cache_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("these are my notes, not a database\n" * 100)
    with pytest.raises(InputError, match=r"notes\.txt' cannot be used"):
        JudgeCache(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="cannot make the folder"):
        JudgeCache(tmp_path / "notes.txt" / "judge.sqlite")
    with pytest.raises(InputError, match="cannot be used"):
        JudgeCache(tmp_path)
    assert (tmp_path / "notes.txt").read_text().startswith("these are my notes")


def test_half_of_a_surrogate_pair_in_an_answer_fails_nothing_but_its_request(serve, tmp_path):
    server = serve(lambda n, body: "True")
    broken = JudgeRequest([{"role": "user", "content": "number \ud83d"}])
    verdicts = list(judge(server, tmp_path / "judge.sqlite").ask([broken, *requests(1)]))
    assert [verdict.text for verdict in verdicts] == [None, "True"]


@pytest.mark.parametrize(("column", "value"), [("reply", "x'ff'"), ("prompt_tokens", "'many'"), ("new_tokens", "1.5")])
def test_a_kept_verdict_that_somebody_edited_is_refused(tmp_path, column, value):
    cache = JudgeCache(tmp_path / "judge.sqlite")
    cache.put('{"model":"j"}', Kept("True", 1, None))
    with sqlite3.connect(cache.path) as database:
        database.execute(f"update verdicts set {column} = {value}")
    database.close()
    with pytest.raises(InputError, match=rf"judge\.sqlite.* is damaged: {column} cannot be"):
        cache.get('{"model":"j"}')


def test_unknown_settings_are_refused_with_those_that_are_known():
    with pytest.raises(InputError, match="the judge 'j' does not take tokens; it takes: base_url, key"):
        open_judge("j", tokens=5)
