"""The application behind uvicorn on a free loopback port, and what clients send it."""

import base64
import contextlib
import io
import socket
import threading
import time

import httpx
import numpy as np
import uvicorn
from PIL import Image

from gar.serving.app import create_app
from gar.serving.worker import Worker


class Live:
    """A server that runs in a thread of this process."""

    def __init__(self, assistant, *, max_waiting=128, max_rows=32, page=False, **options):
        self.worker = Worker(assistant, max_waiting=max_waiting, max_rows=max_rows)
        self.app = create_app(self.worker, page=page, **options)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(self.app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=5)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self.client = httpx.Client(base_url=self.url, timeout=30)

    def close(self):
        self.client.close()
        self._server.should_exit = True
        self._thread.join(15)
        assert not self._thread.is_alive()

    def chat(self, **body):
        return self.client.post("/v1/chat/completions", json={"model": "tiny", **body})

    def describe(self, **body):
        return self.client.post("/v1/regions/describe", json=body)


@contextlib.contextmanager
def live(assistant, **options):
    server = Live(assistant, **options)
    try:
        yield server
    finally:
        server.close()


def data_url(image, form="PNG"):
    buffer = io.BytesIO()
    image.save(buffer, form)
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def with_alpha(image, mask):
    drawn = image.copy()
    drawn.putalpha(Image.fromarray(mask.astype(np.uint8) * 255))
    return drawn


def user(text, *urls):
    pictures = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"role": "user", "content": [*pictures, {"type": "text", "text": text}]}


def wait_until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)
