"""A real HTTP server that speaks the OpenAI-style protocol, and misbehaves on demand."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Says:
    """A chat completion."""

    text: str | None
    prompt_tokens: int | None = 10
    new_tokens: int | None = 2
    after: float = 0.0
    message: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Fails:
    """An error status."""

    status: int
    code: str | None = None
    message: str = "no"
    headers: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """Any bytes as a reply."""

    body: bytes
    content_type: str = "application/json"


class HangsUp:
    """Closes the connection without a word."""


class ChatServer:
    """Answers each request by `behave(number, body)`: the how-manieth request it is, from 0, and what it holds."""

    def __init__(self, behave):
        self.behave = behave
        self.requests, self.headers, self.paths = [], [], []
        self.most_at_once = 0
        self._now, self._lock, self._closing = 0, threading.Lock(), threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer._answer(self)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *args: None  # a client that gave up is no news
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self):
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler):
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            number = len(self.requests)
            self.requests.append(body)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            self.paths.append(handler.path)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            self._send(handler, self.behave(number, body), body)
        finally:
            with self._lock:
                self._now -= 1

    def _send(self, handler, answer, body):
        if isinstance(answer, str):
            answer = Says(answer)
        if isinstance(answer, HangsUp):
            handler.close_connection = True
            return
        if isinstance(answer, Fails):
            error = {"error": {"message": answer.message, "code": answer.code, "type": "x", "param": None}}
            self._write(handler, answer.status, json.dumps(error).encode(), headers=answer.headers)
            return
        if isinstance(answer, Raw):
            self._write(handler, 200, answer.body, answer.content_type)
            return
        self._closing.wait(answer.after)
        reply = {
            "id": "1",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": answer.text, **answer.message},
                }
            ],
        }
        if answer.prompt_tokens is not None:
            reply["usage"] = {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.new_tokens}
        self._write(handler, 200, json.dumps(reply).encode())

    def _write(self, handler, status, content, content_type="application/json", headers=()):
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(content)))
        for name, value in dict(headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)


def text_of(body):
    """All that is written in a request, pictures left out."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
