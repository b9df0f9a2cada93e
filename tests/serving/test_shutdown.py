"""`gar serve` as a process: what it prints, what it refuses, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
from live_server import user

from gar.cli import main

BOX = {"box": [10, 8, 50, 40]}


class Process:
    """`gar serve` with a tiny model on a free port."""

    def __init__(self, model, log, *options):
        command = "import sys; from gar.cli import main; sys.exit(main())"
        arguments = ["serve", "--model", str(model), "--port", "0", "--no-page", "--device", "cpu", *options]
        self.log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-c", command, *arguments], stdout=subprocess.PIPE, stderr=stream, text=True
            )
        self.greeting = self.process.stdout.readline()
        self.url = re.search(r"http://\S+", self.greeting)[0]

    def end(self, sign=signal.SIGTERM):
        self.process.send_signal(sign)
        return self.process.wait(30)


@pytest.fixture
def start(tiny_model_folder, tmp_path, monkeypatch):
    """Starts servers; those that a test leaves running are killed."""
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
    started = []

    def begin(*options):
        started.append(Process(tiny_model_folder, tmp_path / "log", *options))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.wait()
        one.process.stdout.close()


@pytest.mark.slow  # processes
def test_on_sigterm_under_load_every_request_gets_its_answer_or_503(start, url, tiny_model_folder):
    server = start("--batch", "4")
    outcomes, stop = [], threading.Event()
    lengths = iter(range(40, 1000, 7))
    model = tiny_model_folder.name

    def client():
        with httpx.Client(base_url=server.url, timeout=30) as http:
            while not stop.is_set():
                body = {"model": model, "messages": [user("What?", url)], "regions": [BOX], "max_tokens": next(lengths)}
                try:
                    reply = http.post("/v1/chat/completions", json=body)
                except httpx.ConnectError:
                    return  # the door is shut: this request was never accepted
                except httpx.TransportError as error:
                    outcomes.append(repr(error))
                    return
                outcomes.append(reply.status_code if reply.status_code != 200 else len(reply.json()["choices"]))
                if reply.status_code == 503:
                    return

    threads = [threading.Thread(target=client) for _ in range(12)]
    for thread in threads:
        thread.start()
    while len(outcomes) < 6:
        time.sleep(0.02)
    assert server.end() == 0
    stop.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert set(outcomes) == {1, 503}
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    done = [line for line in lines if line["message"] == "request"]
    assert {line["status"] for line in done} == {200, 503}
    answered = next(line for line in done if line["status"] == 200)
    assert set(answered["seconds"]) == {"all", "read", "prepare", "wait", "answer"}
    assert answered["new_tokens"] > 0
    assert not any("base64" in json.dumps(line) or "traceback" in line for line in lines)


@pytest.mark.slow  # processes
def test_it_says_who_can_reach_it_and_ends_on_an_interrupt(start):
    server = start()
    assert "http://127.0.0.1:" in server.greeting
    assert "Only this machine can reach it; no key is needed." in server.greeting
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
    assert server.end(signal.SIGINT) == 130


@pytest.mark.slow  # processes
def test_keys_come_from_a_file_or_the_environment(start, tmp_path, monkeypatch, capsys):
    assert main(["serve", "--new-key"]) == 0
    key, line = re.search(r"(gar-\S+)\n.*(sha256:\w+)", capsys.readouterr().out).groups()
    file = tmp_path / "keys"
    file.write_text(line)
    server = start("--api-keys", str(file))
    assert "a key is needed" in server.greeting
    assert httpx.get(f"{server.url}/v1/models").status_code == 401
    assert httpx.get(f"{server.url}/v1/models", headers={"authorization": f"Bearer {key}"}).status_code == 200
    monkeypatch.setenv("GAR_API_KEYS", "no hash")
    assert main(["serve", "--no-page"]) == 2
    assert "GAR_API_KEYS is not the hash of a key" in capsys.readouterr().err


def test_an_address_that_is_taken_is_refused_before_the_model_is_loaded(server, capsys):
    assert main(["serve", "--no-page", "--port", str(server.port), "--model", "/nowhere"]) == 2
    assert f"cannot listen on 127.0.0.1, port {server.port}" in capsys.readouterr().err
    assert main(["serve", "--no-page", "--port", "0", "--host", "256.1.1.1"]) == 2
    assert main(["serve", "--no-page", "--port", "0", "--model", "/nowhere"]) == 2
