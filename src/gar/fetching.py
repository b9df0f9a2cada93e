"""Bytes from data URLs and from http(s) URLs of hosts that somebody has named.

Choices of this file:

* A host is fetched from only if its name is allowed, and so is each host that a redirect leads to. Size, time and the
  number of redirects are bounded. Proxy settings, cookies and passwords are not used.
* A server fetches for strangers, so it also looks where a name leads (`may_connect`): every address that the name
  resolves to is checked, and the connection is made to one of the checked addresses, so that a second resolution
  cannot give another.
* Contents never stand in a message, nor do a URL's query and user name, which may hold secrets.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import SplitResult, quote, unquote_to_bytes, urljoin, urlsplit

from gar.errors import MediaError

__all__ = ["Address", "check_bytes", "fetch", "is_public", "read_data_url", "short_name", "url_name"]

Address: TypeAlias = IPv4Address | IPv6Address

_MAX_HOPS = 5
"""Requests for one picture: the first and four redirects."""
_STALL_SECONDS = 10.0
"""How long a server may keep silent."""
_URL_SAFE = "/%:@!$&'()*+,;=~?-._"
_UNICAST = ip_network("2000::/3")
"""IPv6 addresses of the open internet (RFC 4291, IANA's registry): all that were ever given out."""
_NAT64 = ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for the IPv4 address in their last 32 bits (RFC 6052)."""


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet: not private, loopback, link-local, multicast or reserved.

    An IPv6 address that stands for an IPv4 address is judged by that, too.

    Example:
        >>> [is_public(ip_address(text)) for text in ("8.8.8.8", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1")]
        [True, False, False, False]
    """
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv4Address):
        return not address.is_reserved
    if address not in _UNICAST and address not in _NAT64 and address.ipv4_mapped is None:
        return False
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return all(one is None or is_public(one) for one in inner)


def fetch(
    url: str,
    *,
    allow_hosts: Collection[str],
    max_bytes: int,
    max_seconds: float,
    may_connect: Callable[[Address], bool] | None = None,
) -> bytes:
    """Bytes behind an http(s) URL, following redirects only to hosts that are allowed.

    Args:
        url: The URL.
        allow_hosts: Names of hosts, without port, that may be fetched from.
        max_bytes: The most bytes that are read.
        max_seconds: How long it may take in all: names resolved, addresses tried, redirects followed, data read.
        may_connect: Whether an address may be connected to; all addresses that a name leads to must be. None connects
            to any, as suits a user who names the host and asks for the picture.

    Raises:
        MediaError: The host or its address is not allowed, a limit is passed, or the server fails.
    """
    hosts = {name.lower() for name in ([allow_hosts] if isinstance(allow_hosts, str) else allow_hosts)}
    deadline = time.monotonic() + max_seconds
    for _ in range(_MAX_HOPS):
        parts = _checked_url(url, hosts)
        name = _name(parts)
        try:
            status, location, data = _get(parts, max_bytes, deadline, may_connect)
        except MediaError:
            raise
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # An AttributeError, too, is a connection that was hung up while it was being read.
            late = time.monotonic() >= deadline
            said = error.strerror if isinstance(error, OSError) else None
            reason = f"more than {max_seconds:g} s (max_seconds)" if late else said or type(error).__name__
            raise MediaError(f"{name} cannot be fetched: {reason}") from error
        if time.monotonic() >= deadline:  # hung up, which reads like the end of the data
            raise MediaError(f"{name} cannot be fetched: more than {max_seconds:g} s (max_seconds)")
        if status == 200:
            return data
        if status not in (301, 302, 303, 307, 308):
            raise MediaError(f"{name} answered with status {status}; needed is 200")
        url = location
    raise MediaError(f"the URL leads to more than {_MAX_HOPS - 1} redirects")


def read_data_url(url: str, max_bytes: int) -> bytes:
    """Bytes of `data:[type][;base64],payload` (RFC 2397).

    Raises:
        MediaError: It is malformed, or holds more than `max_bytes`.

    Example:
        >>> read_data_url("data:;base64,aGk=", 10)
        b'hi'
    """
    name = f"the data URL of {len(url)} characters"
    head, comma, payload = url.partition(",")
    if not comma:
        raise MediaError(f"{name} has no comma before its data")
    # A byte takes at most four characters: three (%41) times the four thirds of base64.
    if len(payload) > 4 * max_bytes:
        raise MediaError(f"{name} is too long; allowed are {max_bytes} bytes (max_bytes)")
    if not payload.isascii():
        raise MediaError(f"{name} holds characters that are not ASCII")
    data = unquote_to_bytes(payload)
    if not head.lower().endswith(";base64"):
        return data
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error as error:
        raise MediaError(f"{name} does not hold valid base64") from error


def check_bytes(count: int, name: str, max_bytes: int) -> None:
    """Checks a number of bytes against a limit.

    Raises:
        MediaError: There are more.
    """
    if count > max_bytes:
        raise MediaError(f"{name} has {count} bytes or more; allowed are {max_bytes} (max_bytes)")


def url_name(url: str) -> str:
    """A URL for messages: without its query and user name."""
    return _name(urlsplit(url))


def short_name(name: object) -> str:
    """A name in quotes; of a long one the end, 80 characters in all."""
    text = str(name)
    return repr(text if len(text) <= 80 else f"...{text[-77:]}")


def _get(
    parts: SplitResult, max_bytes: int, deadline: float, may_connect: Callable[[Address], bool] | None
) -> tuple[int, str, bytes]:
    """One request: status, where a redirect would lead, and the data, limited in its number of bytes."""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    host = parts.hostname or ""
    connection = http.client.HTTPConnection(host, parts.port)
    with contextlib.closing(connection):
        # Given a socket, the connection makes none of its own.
        sock = connection.sock = _connect(parts, port, deadline, may_connect)
        if secure:
            context = ssl.create_default_context()
            sock = connection.sock = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        # A server that sends a byte now and then never stalls, so a clock hangs up on it.
        clock = threading.Timer(_left(deadline), _hang_up, [sock])
        clock.daemon = True
        clock.start()
        try:
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            path = quote(parts.path or "/", safe=_URL_SAFE)
            query = f"?{quote(parts.query, safe=_URL_SAFE)}" if parts.query else ""
            headers = {"Host": _host_header(parts), "User-Agent": "grasp-any-region", "Accept": "image/*"}
            connection.request("GET", path + query, headers=headers)
            response = connection.getresponse()
            if response.status != 200:
                location = urljoin(parts.geturl(), response.getheader("Location", ""))
                return response.status, location, b""
            if response.length is not None:
                check_bytes(response.length, _name(parts), max_bytes)
            return 200, "", response.read(max_bytes + 1)
        finally:
            clock.cancel()


def _connect(
    parts: SplitResult, port: int, deadline: float, may_connect: Callable[[Address], bool] | None
) -> socket.socket:
    """A connection to the first address of a host that answers, all of them checked before."""
    places = _addresses(parts.hostname or "", port, deadline)
    for place in places:
        if may_connect is not None and not may_connect(ip_address(place.partition("%")[0])):
            raise MediaError(
                f"{_name(parts)}: host {short_name(parts.hostname)} leads to an address that is not public"
            )
    failure: OSError | None = None
    for place in places:
        try:
            return socket.create_connection((place, port), timeout=min(_left(deadline), _STALL_SECONDS))
        except OSError as error:
            failure = error
    raise failure or OSError("no address")


def _addresses(host: str, port: int, deadline: float) -> list[str]:
    """What a name resolves to. The system's resolver knows no time limit, so it is asked in a thread of its own."""
    found: Future[list[str]] = Future()

    def resolve() -> None:
        try:
            listed = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.set_result(list(dict.fromkeys(str(where[4][0]) for where in listed)))
        except Exception as error:
            found.set_exception(error)

    threading.Thread(target=resolve, name="gar-resolve", daemon=True).start()
    return found.result(_left(deadline))


def _left(deadline: float) -> float:
    """Seconds that are left.

    Raises:
        TimeoutError: None are.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return min(left, threading.TIMEOUT_MAX)


def _host_header(parts: SplitResult) -> str:
    host = parts.hostname or ""
    name = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
    return name if parts.port is None else f"{name}:{parts.port}"


def _hang_up(sock: socket.socket) -> None:
    """Ends whatever another thread is reading from a socket."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _checked_url(url: str, hosts: set[str]) -> SplitResult:
    """The parts of a URL that may be fetched."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise MediaError(f"the URL of {len(url)} characters has no readable host or port") from error
    name = _name(parts)
    if parts.scheme not in ("http", "https"):
        raise MediaError(f"{name}: only http and https are fetched")
    # Characters by which two readers of a URL may disagree about its host.
    if not host or "@" in parts.netloc or re.search(r"[\x00-\x1f\x7f\\]", url):
        raise MediaError(f"{name}: needed is http(s)://host/path, without a user name or control characters")
    if host not in hosts:
        allowed = ", ".join(sorted(hosts)) or "none"
        raise MediaError(
            f"{name}: host {short_name(host)} is not allowed (allowed: {allowed}); "
            f"to fetch from it: allow_hosts=[{short_name(host)}], or --allow-host {host[:80]} on the command line"
        )
    return parts


def _name(parts: SplitResult) -> str:
    return short_name(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
