"""A visitor's picture and masks over HTTP, and files from the browser."""

import asyncio

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from gar import Region
from gar.errors import InputError
from gar.serving.page import mount
from gar.serving.page.picture import LIMITS
from gar.serving.page.routes import Addresses, add_routes


@pytest.fixture
def address(visit):
    """Requests to the address of a visit; what was received stands in `received`."""

    class Address:
        def __init__(self):
            self.received, self.addresses, self.app = [], Addresses(), FastAPI()
            self.token = self.addresses.enter(visit, self._receive, self._make)
            add_routes(self.app, self.addresses, LIMITS)

        async def _receive(self, what, data, name):
            self.received.append((what, data, name))

        async def _make(self, what):
            if visit.picture is None:
                raise InputError("there is nothing to save yet")
            return f"the {what}".encode()

        def request(self, method, path, **options):
            async def send():
                transport = httpx.ASGITransport(self.app)
                async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
                    return await client.request(method, f"/visits/{self.token}{path}", **options)

            return asyncio.run(send())

    return Address()


def test_the_browser_gets_the_picture_and_the_masks_of_its_visit_until_it_ends(address, visit, mask_of_png):
    mark = visit.add(Region.box(10, 10, 40, 40))
    assert address.request("GET", "/picture/1").content == visit.picture.shown
    shown = mask_of_png(address.request("GET", f"/mask/{mark.id}").content)
    assert np.array_equal(shown, mark.region.to_mask((60, 80)))
    assert address.request("GET", "/mask/99").status_code == 404
    address.addresses.leave(address.token)
    assert address.request("GET", "/picture/1").status_code == 404
    assert address.request("POST", "/upload/picture", content=b"x").status_code == 404
    assert len(address.addresses) == 0


def test_nothing_that_was_sent_is_kept_by_the_browser(address):
    headers = address.request("GET", "/picture/1").headers
    assert headers["cache-control"] == "no-store"


def test_what_is_saved_comes_over_http_and_not_through_the_web_socket_which_keeps_what_it_sends(address, visit):
    reply = address.request("GET", "/file/regions")
    assert (reply.content, reply.headers["content-disposition"]) == (b"the regions", "attachment")
    assert address.request("GET", "/file/other").status_code == 422
    visit.picture = None
    reply = address.request("GET", "/file/overlay")
    assert (reply.status_code, reply.text) == (404, "there is nothing to save yet")


def test_files_arrive_with_their_names(address):
    reply = address.request("POST", "/upload/mask", content=b"data", headers={"X-File-Name": "die%20Maske.png"})
    assert reply.status_code == 204
    assert address.request("POST", "/upload/other", content=b"data").status_code == 422
    assert address.received == [("mask", b"data", "die Maske.png")]


def test_a_file_is_read_no_further_than_is_allowed(address):
    async def endless():
        for _ in range(2 * LIMITS.max_body_bytes // 1_000_000):
            yield bytes(1_000_000)

    reply = address.request("POST", "/upload/picture", content=endless())
    assert (reply.status_code, address.received) == (413, [])
    assert str(LIMITS.max_body_bytes) in reply.text


def test_a_page_needs_at_least_one_model():
    with pytest.raises(InputError, match="none"):
        mount(FastAPI())
