"""Pictures from URLs: only from hosts that the operator names, and never from an address that is not public."""

import http.server
import io
import threading
import time
from ipaddress import ip_address

import pytest
from live_server import user

from gar import MediaError
from gar.fetching import fetch, is_public
from gar.serving.limits import Limits

BOX = {"box": [10, 8, 50, 40]}


def anywhere(address):
    """Lets a test fetch from this machine."""
    return True


@pytest.fixture(scope="module")
def site(picture):
    """A web server on 127.0.0.1 that counts what it is asked for."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            path, _, target = self.path.partition("?")
            if path == "/redirect":
                self.send_response(302)
                self.send_header("Location", target)
                self.end_headers()
                return
            self.send_response(200)
            self.end_headers()
            if path == "/picture.png":
                self.wfile.write(buffer.getvalue())
            elif path == "/endless":
                for _ in range(100):
                    self.wfile.write(bytes(100_000))
            elif path == "/slow":
                time.sleep(1)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        running.handle_error = lambda *args: None  # whoever hangs up is no news
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}", asked
        running.shutdown()


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("127.8.9.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::7f00:1", False),
        ("fec0::1", False),
        ("::127.0.0.1", False),
        ("::ffff:0:127.0.0.1", False),
        ("4000::1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
    ],
)
def test_only_addresses_of_the_open_internet_are_public(address, public):
    assert is_public(ip_address(address)) is public


LIMITS = {"max_bytes": 1_000_000, "max_seconds": 3}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "127.1", "2130706433", "0x7f000001"])
def test_a_name_that_leads_to_this_machine_is_refused_however_it_is_written(site, host):
    port = site[0].rpartition(":")[2]
    asked = len(site[1])
    with pytest.raises(MediaError, match=r"leads to an address that is not public|cannot be fetched"):
        fetch(f"http://{host}:{port}/picture.png", allow_hosts=[host], may_connect=is_public, **LIMITS)
    assert len(site[1]) == asked


def test_a_redirect_to_a_private_address_is_refused(site):
    url, asked = site
    seen = []

    def first_only(address):
        seen.append(address)
        return len(seen) == 1  # as a name would that leads to a public address at first

    target = f"{url}/redirect?{url}/picture.png"
    with pytest.raises(MediaError, match="not public"):
        fetch(target, allow_hosts=["127.0.0.1"], may_connect=first_only, **LIMITS)
    assert len(seen) == 2
    assert asked[-1].startswith("/redirect")


def test_the_connection_is_made_to_the_address_that_was_checked(site, monkeypatch):
    """A name that leads elsewhere when it is asked for a second time."""
    import socket

    real, asked = socket.getaddrinfo, []

    def changing(host, port, *args, **kwargs):
        if host == "pictures.example":
            asked.append(host)
            host = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    url = f"http://pictures.example:{site[0].rpartition(':')[2]}/picture.png"
    checked = []
    data = fetch(
        url, allow_hosts=["pictures.example"], may_connect=lambda one: checked.append(str(one)) or True, **LIMITS
    )
    assert data.startswith(b"\x89PNG")
    assert (len(asked), checked) == (1, ["127.0.0.1"])
    with pytest.raises(MediaError, match="not public"):
        fetch(url, allow_hosts=["pictures.example"], may_connect=is_public, **LIMITS)


def ask(server, url):
    return server.chat(messages=[user("What is it?", url)], regions=[BOX], max_tokens=2)


def test_pictures_of_an_allowed_host_are_fetched(serve, site, url):
    server = serve(allow_hosts=frozenset({"127.0.0.1"}), may_connect=anywhere)
    fetched = ask(server, f"{site[0]}/picture.png").json()
    assert fetched["choices"] == ask(server, url).json()["choices"]
    redirected = ask(server, f"{site[0]}/redirect?{site[0]}/picture.png").json()
    assert redirected["choices"] == fetched["choices"]


@pytest.mark.parametrize(
    "url",
    [
        "{site}/picture.png",
        "http://localhost:{port}/picture.png",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]:{port}/picture.png",
        "HTTP://EXAMPLE.ORG/a.png",
        "file:///etc/passwd",
        "/etc/passwd",
        "ftp://127.0.0.1/a.png",
        "gopher://127.0.0.1:70/",
        "data:text/plain,hello",
        "data:image/png;base64,%",
        "http://[",
        "javascript:alert(1)",
        "",
    ],
)
def test_without_allowed_hosts_nothing_is_fetched(server, site, url):
    asked = len(site[1])
    reply = ask(server, url.format(site=site[0], port=site[0].rpartition(":")[2]))
    assert reply.status_code == 422
    assert reply.json()["error"]["code"] == "invalid_image"
    assert "root:" not in reply.text
    assert len(site[1]) == asked


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("{site}/picture.png", "not public"),
        ("http://localhost:{port}/picture.png", "not public"),
        ("http://user@localhost:{port}/picture.png", "without a user name"),
        ("http://127.0.0.1.example.org/", "fetches no pictures from"),
    ],
)
def test_an_allowed_name_does_not_open_private_addresses(serve, site, url, message):
    server = serve(allow_hosts=frozenset({"127.0.0.1", "LocalHost"}))
    asked = len(site[1])
    reply = ask(server, url.format(site=site[0], port=site[0].rpartition(":")[2]))
    assert reply.status_code == 422
    assert message in reply.json()["error"]["message"]
    assert len(site[1]) == asked


def test_what_is_fetched_is_bounded(serve, site):
    server = serve(allow_hosts=frozenset({"127.0.0.1"}), may_connect=anywhere, limits=Limits(max_body_bytes=50_000))
    for path, message in (
        ("/endless", "allowed are 50000"),
        ("/redirect?file:///etc/passwd", "only http and https"),
        ("/redirect?http://example.org/a.png", "'example.org' is not allowed"),
        ("/none", "is empty"),
    ):
        reply = ask(server, site[0] + path)
        assert reply.status_code == 422
        assert message in reply.json()["error"]["message"]
