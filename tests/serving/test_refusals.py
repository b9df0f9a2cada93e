"""What is refused: early, with the right status, in OpenAI's error form, and never with a traceback."""

import base64
import contextlib
import io
import json
import logging
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib

import httpx
import numpy as np
import openai
import pytest
from fastapi import Request
from live_server import data_url, live, user, wait_until, with_alpha
from PIL import Image

from gar.serving.keys import Keys
from gar.serving.limits import Limits

BOX = {"box": [10, 8, 50, 40]}


def cut_out():
    """A picture of a region with nothing around it, in base64."""
    buffer = io.BytesIO()
    Image.new("RGBA", (96, 64)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture(scope="module")
def small(assistant):
    """A server with small limits."""
    limits = Limits(
        max_body_bytes=60_000, max_pixels=10_000, max_regions=3, max_tokens=50, max_answers=2, max_body_seconds=0.5
    )
    with live(assistant, limits=limits) as server:
        yield server


def chat(url, **changes):
    return {"model": "tiny", "messages": [user("What is it?", url)], "regions": [BOX], "max_tokens": 2, **changes}


def refused(reply, status, message=""):
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert message in error["message"]
    assert "Traceback" not in reply.text
    return error


def bomb():
    """A PNG that says it has 60000 x 60000 pixels."""

    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(bytes(1000))) + part(b"IEND", b"")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no JSON object"),
        (b"{", "not JSON"),
        (b"null", "no JSON object"),
        (b"[]", "no JSON object"),
        (b'"x"', "no JSON object"),
        (b"\xff\xfe", ""),
        (b'{"model": "tiny"}', "messages"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"model": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"model": ' + b"9" * 10_000 + b"}", "not JSON: a number has more digits"),
        (b'{"model": "\xff"}', "not JSON: it is not UTF-8"),
        (b'{"model": "tiny", "messages": [{"role": "user", "content": "a\\ud800"}], "\\ud800": 1}', ""),
    ],
)
def test_what_is_no_request_is_refused(server, body, message):
    reply = server.client.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    refused(reply, 400, message)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": "warm"},
        {"temperature": -1},
        {"temperature": 1e999},
        {"top_p": 0},
        {"max_tokens": 0},
        {"max_tokens": 2.5},
        {"n": 0},
        {"seed": -1},
        {"seed": 10**30},
        {"stop": ["a"] * 5},
        {"stop": [""]},
        {"stream": "yes"},
        {"logprobs": True},
        {"choices": ["yes"]},
        {"choices": ["yes", "no"], "n": 2},
        {"messages": []},
        {"messages": [{"role": "user", "content": []}]},
        {"messages": [{"role": "system", "content": "Be brief."}]},
        {"messages": [{"role": "user", "content": [{"type": "audio"}]}]},
        {"messages": [{"role": "user", "content": "no picture"}]},
        {"messages": [{"role": "assistant", "content": "I begin."}]},
        {"regions": [{"box": [1, 2, 3]}]},
        {"regions": [{"box": [1, 2, float("nan"), 4]}]},
        {"regions": [{"points": []}]},
        {"regions": [{}]},
        {"regions": "all"},
        {"regions": [{"points": [[1, 1]] * 1001}]},
        {"regions": [{"scribble": [[1, 1]] * 10_001}]},
        {"regions": [{"polygon": [[[0, 0], [9, 0], [9, 9]]] * 1001}]},
        {"max_tokens": 2, "max_completion_tokens": 2},
        {"max_tokens": 10**6},
        {"n": 1000},
        {"regions": [BOX] * 65},
    ],
)
def test_values_that_are_not_allowed_are_refused(server, url, change):
    body = json.dumps(chat(url, **change))
    refused(server.client.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"}), 400)


@pytest.mark.parametrize(
    ("change", "param", "message"),
    [
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text", "required"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 3}]}]},
            "messages.0.content.0.text",
            "valid string",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "", "detail": 1}}]}]},
            "messages.0.content.0.image_url.detail",
            "'auto', 'low' or 'high'",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "messages.0.content.0", "text or image_url"),
        ({"messages": [{"role": "user", "content": []}]}, "messages.0.content", "at least 1 item"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages.0.content", "a text or a list"),
        ({"messages": [{"role": "user"}]}, "messages.0.content", "required"),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "image_url"}]}]},
            "messages.0.content.0.type",
            "'text'",
        ),
        ({"messages": [{"role": "system", "content": "Be brief."}]}, "messages.0", "user or assistant"),
        ({"messages": ["hello"]}, "messages.0", "user or assistant"),
        ({"stop": ""}, "stop", "at least 1 character"),
        ({"stop": ["a", ""]}, "stop.1", "at least 1 character"),
        ({"stop": ["a", 3]}, "stop.1", "valid string"),
        ({"stop": ["a"] * 5}, "stop", "at most 4 items"),
        ({"stop": 3}, "stop", "a text or a list"),
        ({"regions": [{"box": ["a", 1, 2, 3]}]}, "regions.0.box.0", "valid number"),
        ({"regions": [BOX, {"box": [1, 2, 3]}]}, "regions.1.box", "at least 4 items"),
        ({"regions": [{"points": [[1, 1]], "labels": [2]}]}, "regions.0.labels.0", "0 or 1"),
        ({"regions": [{"rle": {"size": [1, 2], "counts": 3}}]}, "regions.0.rle.counts", "a text or a list"),
        ({"regions": [{"rle": {"size": [1, 2], "counts": [1, "a"]}}]}, "regions.0.rle.counts.1", "valid integer"),
        ({"regions": [{**BOX, "color": "red"}]}, "regions.0.color", "is not a parameter"),
        ({"query": 1}, "query", "query is not a parameter"),
    ],
)
def test_a_refusal_names_the_place_in_what_was_sent_and_speaks_of_what_was_meant(server, url, change, param, message):
    error = refused(server.client.post("/v1/chat/completions", json=chat(url, **change)), 400, message)
    assert error["param"] == param
    assert error["message"].startswith(param)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": [user("Is it <Prompt4>?", "URL")]}, "names <Prompt4>"),
        ({"messages": [user("<|eot_id|>", "URL")]}, "reserved token"),
        ({"regions": [BOX] * 6}, "at most 5"),
        ({"max_tokens": 1000}, "more than the 1024"),
        ({"regions": [{"mask": "AAAA"}]}, "region 0"),
        ({"regions": [{"mask": "!"}]}, "base64"),
        ({"regions": [{"mask": cut_out()}]}, "region 0: the picture has an alpha channel"),
        ({"regions": [{"rle": {"size": [64, 96], "counts": "zz"}}]}, "region 0"),
        ({"regions": [{"rle": {"size": [64, 96], "counts": [6144]}}]}, "empty"),
        ({"regions": [{"points": [[1, 1]], "labels": [0]}]}, "background"),
        ({"choices": ["yes", " yes"]}, "all different"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(server, url, change, message):
    if "messages" in change:
        change["messages"][0]["content"][0]["image_url"]["url"] = url
    refused(server.client.post("/v1/chat/completions", json=chat(url, **change)), 422, message)


def test_a_mask_of_noise_is_refused_before_its_runs_are_made(server, url):
    noise = np.indices((1500, 1500)).sum(0) % 2 > 0  # a file of a kilobyte, and 2,250,000 runs
    mask, shown = data_url(Image.fromarray(noise)), data_url(Image.new("RGB", (1500, 1500)))
    cut = data_url(with_alpha(Image.new("RGB", (1500, 1500)), noise))
    for body in ({"image": shown, "regions": [{"mask": mask}]}, {"image": cut}):
        refused(server.describe(**body), 422, "2248500 times; allowed are 1000000")


@pytest.mark.parametrize("data", [b"", b"text", b"GIF89a", bomb(), b"\x89PNG\r\n\x1a\n" + bytes(500)])
def test_pictures_that_are_none_are_refused(server, data):
    sent = "data:image/png;base64," + base64.b64encode(data).decode()
    refused(server.client.post("/v1/chat/completions", json=chat(sent)), 422)


def test_a_truncated_picture_is_refused(server, picture):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    half = base64.b64encode(buffer.getvalue()[:800]).decode()
    refused(server.client.post("/v1/chat/completions", json=chat(f"data:image/jpeg;base64,{half}")), 422, "truncated")


def test_paths_methods_and_types_that_are_none_are_refused(server):
    for method in ("GET", "POST", "PATCH", "OPTIONS", "TRACE"):
        refused(server.client.request(method, "/v1/nothing", json={}), 404, "no such path")
    assert server.client.head("/v1/nothing").status_code == 404
    refused(server.client.get("/nothing"), 404, "no such path")
    refused(server.client.get("/v1/models/other"), 404, "no model 'other'")
    refused(server.client.put("/healthz", json={}), 405)
    for method, path, allowed in (
        ("GET", "/v1/chat/completions", "POST"),
        ("OPTIONS", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET"),
        ("TRACE", "/v1/models", "GET"),
        ("GET", "/chat/completions", "POST"),
    ):
        reply = server.client.request(method, path, headers={"content-type": "application/json"})
        refused(reply, 405, f"takes {allowed}")
        assert reply.headers["allow"] == allowed
    refused(server.client.post("/v1/chat/completions", content=b"{}", headers={"content-type": "text/plain"}), 415)
    refused(server.client.post("/v1/chat/completions", files={"file": b"x"}), 415, "multipart/form-data")


def test_limits_hold(small, url):
    post = small.client.post
    for change, status, message in (
        ({"max_tokens": 51}, 400, "this server allows 50"),
        ({"n": 3}, 400, "this server allows 2"),
        ({"regions": [BOX] * 4}, 400, "this server allows 3"),
        ({"messages": [user("x" * 70_000, url)]}, 413, "more than 60000 bytes"),
    ):
        refused(post("/v1/chat/completions", json=chat(url, **change)), status, message)
    wide = io.BytesIO()
    Image.new("1", (101, 100)).save(wide, "PNG")
    sent = "data:image/png;base64," + base64.b64encode(wide.getvalue()).decode()
    refused(post("/v1/chat/completions", json=chat(sent)), 422, "10100 pixels")
    refused(post("/v1/chat/completions", json=chat(url, regions=[{"mask": sent}])), 422, "10100 pixels")
    assert post("/v1/chat/completions", json=chat(url)).status_code == 200


def test_a_body_that_is_too_large_is_refused_before_it_is_read(small):
    with socket.create_connection(("127.0.0.1", small.port), timeout=5) as sock:
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        sock.sendall(f"{head}Content-Length: 1000000000\r\n\r\n".encode())
        assert sock.recv(12) == b"HTTP/1.1 413"


def test_a_body_of_unknown_length_is_refused_once_it_is_too_large(small):
    sent = 0

    def pieces():
        nonlocal sent
        for _ in range(2000):
            sent += 10_000
            yield b"[" * 10_000

    headers = {"content-type": "application/json"}
    with contextlib.suppress(httpx.TransportError):  # the server may hang up while it is being sent to
        refused(small.client.post("/v1/chat/completions", content=pieces(), headers=headers), 413)
    assert sent < 20_000_000


def test_a_body_that_comes_too_slowly_is_refused(small):
    with socket.create_connection(("127.0.0.1", small.port), timeout=5) as sock:
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        sock.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        assert sock.recv(12) == b"HTTP/1.1 408"


def test_when_too_many_wait_the_next_is_told_when_to_come_again(serve, url):
    server = serve(max_waiting=2, max_rows=1)
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        threads = [threading.Thread(target=server.chat, kwargs=chat(url, max_tokens=800)) for _ in range(3)]
        for thread in threads:
            thread.start()
            time.sleep(0.05)
        wait_until(lambda: server.worker.waiting == 2 and server.worker.running == 1)
        with pytest.raises(openai.RateLimitError) as refused_:
            client.chat.completions.create(model="tiny", messages=[user("What?", url)], extra_body={"regions": [BOX]})
        assert 1 <= int(refused_.value.response.headers["retry-after"]) <= 60
        assert refused_.value.body["code"] == "queue_full"
        unread = chat("data:image/png;base64,AAAA")  # nothing is read for a question that finds no place
        refused(server.client.post("/v1/chat/completions", json=unread), 429)
        refused(server.describe(image="data:,x", regions=[BOX] * 2), 429)
        for thread in threads:
            thread.join()
        assert client.chat.completions.create(
            model="tiny", messages=[user("What?", url)], extra_body={"regions": [BOX]}, max_tokens=1
        )


def test_too_many_requests_at_once_are_refused_before_their_bodies_are_read(serve, url):
    server = serve(limits=Limits(max_requests=1, max_body_seconds=3))
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        sock.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        time.sleep(0.1)
        reply = server.client.post("/v1/chat/completions", json=chat(url))
        assert refused(reply, 429)["code"] == "too_many_requests"
        assert reply.headers["retry-after"] == "1"


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_takes_too_long_ends(serve, url, stream):
    server = serve(limits=Limits(max_seconds=0.25), max_rows=1)
    reply = server.client.post("/v1/chat/completions", json=chat(url, max_tokens=800, stream=stream))
    if stream:
        assert json.loads(reply.text.strip().rpartition("data: ")[2])["error"]["code"] == "timeout"
    else:
        assert refused(reply, 503)["code"] == "timeout"
    wait_until(lambda: server.worker.running == 0)


@pytest.mark.parametrize("stream", [False, True])
def test_when_the_client_goes_away_its_question_does_too(serve, url, stream):
    server = serve()
    body = json.dumps(chat(url, max_tokens=800, stream=stream)).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        if stream:
            assert sock.recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: server.worker.running == 1)
    began = time.monotonic()
    wait_until(lambda: server.worker.running == 0)
    assert time.monotonic() - began < 0.5  # 800 tokens take longer
    wait_until(lambda: b'status="499"' in server.client.get("/metrics").content or stream)


def test_a_client_that_goes_away_while_it_sends_is_no_mistake_of_the_server(serve, caplog):
    server = serve()

    @server.app.post("/upload")
    async def upload(request: Request) -> None:
        await request.body()

    caplog.set_level(logging.INFO, "gar.serving")
    for path in ("/v1/regions/describe", "/upload"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            sock.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
            wait_until(lambda: server.client.get("/healthz"))
        wait_until(lambda path=path: path in [getattr(record, "path", None) for record in caplog.records])
    assert {(record.levelname, record.status) for record in caplog.records} == {("INFO", 499)}


def test_the_secret_address_of_a_visit_stands_in_no_log(server, caplog):
    caplog.set_level(logging.INFO, "gar.serving")
    server.client.get("/page/visits/SECRET/picture/1")
    wait_until(lambda: caplog.records)
    assert caplog.records[-1].path == "/page/visits/…/picture/1"


def test_the_log_has_no_address_of_a_websocket_and_is_json_throughout():
    program = """
import logging
from gar.serving.logs import log_to_stderr
log_to_stderr()
logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', "127.0.0.1:1", "/socket.io/?client_id=SECRET")
logging.getLogger("uvicorn.error").error("it failed")
logging.getLogger("nicegui").warning("not found")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [json.loads(line)["message"] for line in done.stderr.splitlines()] == ["it failed", "not found"]


def test_keys_are_asked_for_everywhere_but_at_the_probes(serve, url):
    key, line = Keys.make()
    server = serve(keys=Keys([line], "a test"))
    for path in ("/v1/models", "/metrics", "/openapi.json", "/"):
        assert server.client.get(path).headers["www-authenticate"]
        refused(server.client.get(path), 401, "a key is needed")
        refused(server.client.get(path, headers={"authorization": "Bearer other"}), 401, "not one of")
    assert server.client.get("/healthz").json() == {"status": "ok"}
    assert server.client.get("/readyz").json() == {"status": "ready"}
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key) as client:
        assert client.models.list().data
    with (
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong") as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()
    assert server.client.get("/v1/models", auth=("anybody", key)).status_code == 200
    assert server.client.get("/v1/models", headers={"authorization": "Basic %"}).status_code == 401
    assert server.client.get("/v1/models", headers={"authorization": "Digest x"}).status_code == 401


def test_an_unexpected_error_is_told_without_a_word_of_it(serve, url, monkeypatch):
    server = serve()
    monkeypatch.setattr(server.app.router.routes[-1], "app", None)  # a route that cannot be called
    reply = server.client.get("/v1/nothing")
    assert refused(reply, 500)["code"] == "internal_error"
    assert "NoneType" not in reply.text


def test_metrics_count_requests_and_tokens(serve, url):
    server = serve()
    server.client.post("/v1/chat/completions", json=chat(url))
    server.client.post("/v1/chat/completions", json={})
    text = server.client.get("/metrics").text
    assert 'gar_requests_total{path="/v1/chat/completions",status="200"} 1.0' in text
    assert 'gar_requests_total{path="/v1/chat/completions",status="400"} 1.0' in text
    assert 'gar_tokens_total{kind="new"} 2.0' in text
    assert 'gar_stage_seconds_count{stage="answer"} 1.0' in text
    assert "gar_waiting 0.0" in text
