"""A visit with a picture; the page's server, and a browser that visits it."""

import contextlib
import copy
import io
import os
import shutil
import socket
import threading
import time

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from PIL import Image
from visitor import SECONDS, Visitor

from gar import GAR, GARProcessor
from gar.serving.page import mount
from gar.serving.page.picture import open_picture
from gar.serving.page.visit import Visit
from gar.serving.worker import Worker

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="session")
def picture_file(make_picture):
    """Makes the PNG file of a picture of noise."""

    def make(height=60, width=80, seed=0):
        encoded = io.BytesIO()
        Image.fromarray(make_picture(height, width, seed)).save(encoded, "PNG")
        return encoded.getvalue()

    return make


@pytest.fixture
def visit(picture_file):
    """A visit with a picture of 60 x 80 (height x width) and room for five regions."""
    visit = Visit(max_regions=5)
    visit.open(open_picture(picture_file(), "noise.png"))
    return visit


@pytest.fixture(scope="session")
def mask_of_png():
    """Reads the mask that the browser is given: (H, W) bool, True where it is opaque."""

    def read(png):
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[..., 3] > 0

    return read


@pytest.fixture(scope="session")
def page_url(assistant, make_config, make_model, tiny_tokenizer):
    """The address of a server that runs in a thread, with two models that know nothing and talk at length.

    Each answers one question after the other, so that some have to wait. The second is slow, names
    regions all the time, never ends by itself, and keeps to words that a dialogue may hold.
    """
    pytest.importorskip("nicegui", reason="the page needs NiceGUI: pip install '.[serve]'")
    text = {"max_position_embeddings": 4096, "num_hidden_layers": 8}
    other = make_model(make_config(text=text), seed=1).requires_grad_(False)
    words = other.get_output_embeddings().weight
    for token, id in tiny_tokenizer.get_added_vocab().items():
        words[id] *= 1.5 if token.startswith("<Prompt") else 0
    workers = [
        Worker(each, max_rows=1)
        for each in (assistant, GAR(other, GARProcessor(copy.deepcopy(tiny_tokenizer), other.config), "other"))
    ]

    @contextlib.asynccontextmanager
    async def lifespan(_):
        async with workers[0], workers[1]:
            yield

    app = FastAPI(lifespan=lifespan)
    mount(app, *workers, keep_seconds=20.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium: what `CHROMIUM` names, or else `chromium`. It finds no host but this machine.

    Of a module and no longer: while Playwright runs, this thread can have no other event loop.
    """
    driver = pytest.importorskip("playwright.sync_api", reason="no Playwright to drive a browser with")
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium is installed, and CHROMIUM names none")
    with driver.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=path, args=list(FLAGS), timeout=1000 * SECONDS)
        yield browser
        browser.close()


@pytest.fixture
def visit_page(browser, page_url):
    """Opens the page; in the end nothing was asked of elsewhere, and the browser had nothing to complain of."""
    contexts, asked, complaints = [], [], []

    def open_page(**settings):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(1000 * SECONDS)
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda opened: asked.append(opened.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(page_url)
        page.wait_for_selector(".example")
        return Visitor(page)

    yield open_page
    for context in contexts:
        context.close()
    here = (page_url, page_url.replace("http:", "ws:"), "data:", "blob:")
    assert [url for url in asked if not url.startswith(here)] == []
    assert complaints == []


@pytest.fixture(scope="session")
def disc(tmp_path_factory):
    """The file of a picture, 320 wide and 240 high: a red disc on gray."""
    path = tmp_path_factory.mktemp("picture") / "disc.png"
    rows, columns = np.ogrid[:240, :320]
    pixels = np.full((240, 320, 3), 120, np.uint8)
    pixels[(rows - 120) ** 2 + (columns - 80) ** 2 < 50**2] = (220, 30, 30)
    Image.fromarray(pixels).save(path)
    return path
