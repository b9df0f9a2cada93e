"""A server, and a real picture with regions."""

from pathlib import Path

import pytest
from chat_server import ChatServer
from PIL import Image

import gar
from gar.regions import Region


@pytest.fixture
def serve():
    """Starts servers; they end with the test."""
    servers = []

    def start(behave):
        servers.append(ChatServer(behave))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def picture():
    """A photograph, 512 x 384 or so, RGB."""
    image = Image.open(Path(gar.__file__).parent / "examples" / "coffee.jpg").convert("RGB")
    return image.resize((480, 320))


@pytest.fixture(scope="session")
def regions():
    return [Region.box(40, 60, 200, 220), Region.box(250, 100, 400, 300, whole=True)]
