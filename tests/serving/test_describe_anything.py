"""Describe Anything's clients work unchanged: RGBA pictures, their model name, their path, their parameters."""

import base64
import io

import httpx
import numpy as np
import pytest
from live_server import data_url, user, with_alpha
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from gar import Region
from gar.systems.dam import DamServer
from gar.systems.endpoint import Endpoint
from gar.systems.protocol import Question

ASKED = "<image>\nDescribe the masked region in detail."


@pytest.fixture(scope="module")
def mask(picture, cup):
    return cup.to_mask((picture.height, picture.width))


@pytest.mark.parametrize("path", ["/chat/completions", "/v1/chat/completions"])
def test_alpha_above_zero_is_the_region(server, assistant, picture, mask, path):
    drawn = with_alpha(picture, mask)
    faint = picture.copy()
    faint.putalpha(Image.fromarray(mask.astype(np.uint8)))  # 1 of 255 is above 0, too
    expected = assistant.describe(picture, Region.mask(mask), max_new_tokens=16).text
    for image in (drawn, faint):
        payload = {
            "model": "describe_anything_model",
            "messages": [user(ASKED, data_url(image))],
            "max_tokens": 16,
            "temperature": 0,
            "top_p": 0.5,
            "num_beams": 1,
            "use_cache": True,
            "stream": False,
        }
        reply = httpx.post(server.url + path, json=payload)
        assert reply.json()["choices"][0]["message"]["content"] == expected


def test_our_own_client_of_their_server_is_answered(server, picture, cup):
    endpoint = Endpoint("describe_anything_model", base_url=f"{server.url}/v1", attempts=1)
    described, asked = DamServer(endpoint).answer(
        [Question(picture, [cup], max_new_tokens=10), Question(picture, [cup], "Is <Prompt0> red?")]
    )
    assert described.error is None
    assert described.text
    assert asked.error is None


def test_the_masked_region_is_the_first(server, assistant, picture, mask):
    question = assistant.ask(picture, "What color is <Prompt0>?", Region.mask(mask), max_new_tokens=12).text
    sent = [user("What color is the masked region?", data_url(with_alpha(picture, mask)))]
    assert server.chat(messages=sent, max_tokens=12).json()["choices"][0]["message"]["content"] == question


def test_a_transparent_palette_counts_as_alpha(server, picture, mask):
    drawn = picture.quantize(15)
    pixels = np.asarray(drawn).copy()
    pixels[~mask] = 15
    palette = Image.fromarray(pixels)
    palette.putpalette([*drawn.getpalette()[:45], 255, 0, 255])
    palette.info["transparency"] = 15
    assert server.describe(image=data_url(palette), max_tokens=3).json()["descriptions"][0]["box"] == [10, 8, 50, 40]


@pytest.mark.parametrize(
    ("exif", "box"),
    [(None, [10, 8, 50, 40]), (6, [24, 10, 56, 50]), (b"Exif\0\0garbage", [10, 8, 50, 40])],
)
def test_alpha_is_turned_as_its_picture_is_and_both_are_decoded_once(server, picture, mask, monkeypatch, exif, box):
    drawn, file = with_alpha(picture, mask), io.BytesIO()
    if isinstance(exif, int):
        orientation = Image.Exif()
        orientation[0x0112] = exif
        exif = orientation.tobytes()
    drawn.save(file, "PNG", exif=exif or b"")
    decoded, decode = [], PngImageFile.load_prepare
    monkeypatch.setattr(PngImageFile, "load_prepare", lambda image: (decoded.append(image.size), decode(image)))
    url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    assert server.describe(image=url, max_tokens=1).json()["descriptions"][0]["box"] == box
    assert len(decoded) == 1


@pytest.mark.parametrize(
    ("image", "message"),
    [("RGB", "there is no region"), ("nothing", "alpha is 0 everywhere"), ("video", "2 pictures were sent")],
)
def test_what_shows_no_region_is_refused_in_words(server, picture, mask, image, message):
    urls = {
        "RGB": [data_url(picture)],
        "nothing": [data_url(with_alpha(picture, np.zeros_like(mask)))],
        "video": [data_url(with_alpha(picture, mask)), data_url(with_alpha(picture, ~mask))],
    }[image]
    reply = server.chat(messages=[user(ASKED, *urls)])
    assert reply.status_code in (400, 422)
    assert message in reply.json()["error"]["message"]
