"""Time is bounded for a fetch as a whole: the name's addresses, connecting to them one after the other, and reading."""

import math
import socket
import threading
import time

import pytest

from gar import MediaError
from gar.fetching import fetch

URL = "http://pictures.example:8/a.png"
ALLOWED = {"allow_hosts": ["pictures.example"], "max_bytes": 1000}


def test_a_name_whose_addresses_take_too_long_is_not_waited_for(monkeypatch):
    go_on, ended = threading.Event(), threading.Event()

    def slow(*args, **kwargs):
        go_on.wait(60)
        ended.set()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        with pytest.raises(MediaError, match=r"cannot be fetched: more than 0\.1 s \(max_seconds\)$"):
            fetch(URL, max_seconds=0.1, **ALLOWED)
        assert not ended.is_set()
    finally:
        go_on.set()


def test_all_addresses_of_a_name_share_the_time(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{n}", 8)) for n in range(1, 6)]
    tried = []

    def silent(address, timeout):
        tried.append(address[0])
        time.sleep(timeout)
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    monkeypatch.setattr(socket, "create_connection", silent)
    with pytest.raises(MediaError, match=r"more than 0\.2 s"):
        fetch(URL, max_seconds=0.2, **ALLOWED)
    assert tried == ["192.0.2.1"]


def test_the_next_address_is_tried_while_there_is_time(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{n}", 8)) for n in (1, 2)]
    tried = []

    def refuse(address, timeout):
        tried.append(address[0])
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(MediaError, match=r"cannot be fetched: Connection refused$"):
        fetch(URL, max_seconds=math.inf, **ALLOWED)
    assert tried == ["192.0.2.1", "192.0.2.2"]


def test_a_name_without_an_address_says_so(monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(MediaError, match=r"cannot be fetched: Name or service not known$"):
        fetch(URL, max_seconds=60, **ALLOWED)
