"""Pictures from every source and of every kind, and the error for each that is not one."""

from __future__ import annotations

import base64
import http.server
import io
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gar.errors import MediaError
from gar.media import load_image, load_mask

# Four quarters of different colors, so that every turn and mirror image is another picture.
QUARTERS = np.zeros((4, 6, 3), np.uint8)
QUARTERS[:2, :3] = (255, 0, 0)
QUARTERS[:2, 3:] = (0, 255, 0)
QUARTERS[2:, :3] = (0, 0, 255)
QUARTERS[2:, 3:] = (200, 200, 200)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def quarters() -> Image.Image:
    return Image.fromarray(QUARTERS)


def pixels(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image)


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


# --- sources


def test_a_path_bytes_a_data_url_a_pillow_image_and_an_array_give_the_same_picture(tmp_path: Path):
    data = encoded(quarters())
    file = tmp_path / "picture.png"
    file.write_bytes(data)
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    plain = "data:image/png," + "".join(f"%{byte:02x}" for byte in data)
    for source in (file, str(file), data, bytearray(data), url, plain, quarters(), QUARTERS):
        assert np.array_equal(pixels(load_image(source)), QUARTERS)


def test_loading_leaves_the_pillow_image_and_the_array_alone():
    image, array = quarters(), QUARTERS.copy()
    for source in (image, array):
        loaded = load_image(source)
        loaded.paste((1, 2, 3), (0, 0, 6, 4))
    assert np.array_equal(np.asarray(image), QUARTERS)
    assert np.array_equal(array, QUARTERS)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF"])
def test_lossless_formats_come_out_as_they_went_in(kind: str):
    assert np.array_equal(pixels(load_image(encoded(quarters(), kind))), QUARTERS)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_come_out_nearly_as_they_went_in(kind: str):
    big = quarters().resize((96, 64), Image.Resampling.NEAREST)
    loaded = pixels(load_image(encoded(big, kind, quality=95)))
    assert np.abs(loaded.astype(int) - np.asarray(big)).mean() < 6


def test_a_picture_in_a_format_that_runs_other_programs_is_refused():
    with pytest.raises(MediaError, match=r"not a picture.*JPEG, PNG"):
        load_image(encoded(quarters(), "EPS"))


# --- kinds of pictures


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(kind: str, orientation: int):
    # What a camera stores so that the given turn brings the picture upright (EXIF 2.3, tag 0x0112).
    stored = {
        1: QUARTERS,
        2: QUARTERS[:, ::-1],
        3: QUARTERS[::-1, ::-1],
        4: QUARTERS[::-1],
        5: QUARTERS.transpose(1, 0, 2),
        6: np.rot90(QUARTERS, 1),
        7: np.rot90(QUARTERS, 2).transpose(1, 0, 2),
        8: np.rot90(QUARTERS, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    big = np.ascontiguousarray(stored.repeat(16, axis=0).repeat(16, axis=1))
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    loaded = load_image(encoded(Image.fromarray(big), kind, exif=exif, **options))
    wanted = QUARTERS.repeat(16, axis=0).repeat(16, axis=1)
    for image in (loaded, load_image(loaded)):
        assert image.size == (96, 64)
        assert np.abs(pixels(image).astype(int) - wanted).mean() < 6


def test_damaged_exif_data_does_not_spoil_a_sound_picture():
    data = encoded(quarters(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\x99" * 20)
    assert load_image(data).size == (6, 4)


def test_alpha_is_dropped_not_blended():
    alpha = np.dstack([QUARTERS, np.zeros((4, 6), np.uint8)])
    for source in (encoded(Image.fromarray(alpha)), Image.fromarray(alpha), alpha):
        assert np.array_equal(pixels(load_image(source)), QUARTERS)


@pytest.mark.parametrize("transparency", [0, b"\0\x80\xff"])
def test_a_palette_with_transparency_gives_its_colors(transparency: int | bytes):
    data = encoded(quarters().quantize(8, dither=Image.Dither.NONE), transparency=transparency)
    assert np.array_equal(pixels(load_image(data)), QUARTERS)


def test_one_bit_grey_and_grey_with_alpha_become_three_equal_channels():
    grey = np.array([[0, 255], [255, 0]], np.uint8)
    expected = np.dstack([grey] * 3)
    image = Image.fromarray(grey)
    for kind in ("1", "L", "LA"):
        assert np.array_equal(pixels(load_image(encoded(image.convert(kind)))), expected)


def test_cmyk_becomes_rgb():
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    loaded = pixels(load_image(encoded(cmyk, "JPEG", quality=100)))
    assert np.abs(loaded.astype(int) - (255, 0, 0)).max() < 8


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(kind: str):
    values = np.array([[0, 257, 32896, 65535, 128, 129]], np.uint16)
    expected = np.array([0, 1, 128, 255, 0, 1])
    for source in (encoded(Image.fromarray(values), kind), Image.fromarray(values), values):
        assert np.array_equal(pixels(load_image(source))[0, :, 0], expected)


def test_32_bit_pictures_are_scaled_within_16_bits_and_refused_beyond():
    image = Image.fromarray(np.array([[0, 65535]], np.int32))
    assert pixels(load_image(image))[0, :, 0].tolist() == [0, 255]
    with pytest.raises(MediaError, match="from -1 to 70000"):
        load_image(Image.fromarray(np.array([[-1, 70000]], np.int32)))


def test_float_pictures_lie_between_0_and_1():
    values = np.array([[0.0, 0.5, 1.0]], np.float32)
    for source in (values, values.astype(np.float64), Image.fromarray(values)):
        assert pixels(load_image(source))[0, :, 0].tolist() == [0, 128, 255]
    for wrong in (values * 255, values - 1, np.full((1, 3), np.nan)):
        with pytest.raises(MediaError, match="0 to 1"):
            load_image(wrong)


def test_a_bool_array_is_black_and_white():
    assert pixels(load_image(np.array([[True, False]])))[0, :, 0].tolist() == [255, 0]


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG", "MPO"])
def test_of_several_frames_the_first_is_taken(kind: str):
    first, second = Image.new("RGB", (16, 16), (255, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 255))
    data = encoded(first, kind, save_all=True, append_images=[second])
    assert np.abs(pixels(load_image(data)).astype(int) - (255, 0, 0)).max() < 8


@given(st.sampled_from(["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "RGBa", "La", "HSV"]))
def test_loading_twice_is_loading_once(mode: str):
    values = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    if mode in ("RGBa", "La"):
        image = Image.fromarray(values).convert("RGBA" if mode == "RGBa" else "LA").convert(mode)
    elif mode in ("I;16", "I"):
        image = Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.int32))
    else:
        image = Image.fromarray(np.dstack([values] * 3)).convert(mode)
    once = load_image(image)
    assert np.array_equal(pixels(once), pixels(load_image(once)))


def test_many_threads_load_pictures_at_once_without_a_warning():
    data = encoded(quarters().quantize(8), transparency=b"\0\x80")
    with ThreadPoolExecutor(8) as pool:
        assert all(image.size == (6, 4) for image in pool.map(load_image, [data] * 64))


# --- what is refused


def test_a_missing_file_a_directory_and_a_device_are_refused(tmp_path: Path):
    with pytest.raises(MediaError, match="no such file"):
        load_image(tmp_path / "nothing.png")
    with pytest.raises(MediaError, match="a directory"):
        load_image(tmp_path)
    with pytest.raises(MediaError, match="not a regular file"):
        load_image("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MediaError, match="not a regular file"):
        load_image(tmp_path / "pipe")


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "", "\ud800", "file:///etc/hosts", "ftp://host/a.png"])
def test_what_cannot_be_a_path_is_refused_in_few_words(path: str):
    with pytest.raises(MediaError) as caught:
        load_image(path)
    assert len(str(caught.value)) < 250


def test_an_empty_picture_is_refused(tmp_path: Path):
    (tmp_path / "empty.png").write_bytes(b"")
    for source in (b"", tmp_path / "empty.png", "data:image/png;base64,"):
        with pytest.raises(MediaError, match=r"empty \(0 bytes\)"):
            load_image(source)


def test_what_is_not_a_picture_is_refused_without_showing_it():
    secret = b"secret words " * 20
    for source in (secret, b"P6 " + secret, "data:text/plain;base64," + base64.b64encode(secret).decode()):
        with pytest.raises(MediaError, match=r"not a picture|damaged: ValueError") as caught:
            load_image(source)
        assert "secret" not in str(caught.value)
        assert len(str(caught.value)) < 250


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_a_truncated_picture_is_refused(kind: str):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(MediaError, match=r"truncated or damaged|not a picture"):
        load_image(data[: len(data) // 2])


def test_the_pixel_limit_is_checked_in_the_header():
    with pytest.raises(MediaError, match=r"3600000000 pixels|more pixels than allowed"):
        load_image(png_that_claims(60_000, 60_000))
    with pytest.raises(MediaError, match=r"72000000 pixels, 9000 x 8000 .*allowed are 64000000 \(max_pixels\)"):
        load_image(png_that_claims(9000, 8000))
    for source in (encoded(quarters()), quarters(), QUARTERS):
        with pytest.raises(MediaError, match=r"24 pixels, 6 x 4.*allowed are 23"):
            load_image(source, max_pixels=23)
        assert load_image(source, max_pixels=24).size == (6, 4)


def test_a_picture_over_pillows_own_warning_limit_loads_when_the_caller_allows_it():
    with pytest.raises(MediaError, match="truncated or damaged"):  # so it got past the limits
        load_image(png_that_claims(10_000, 9_500), max_pixels=100_000_000)


def test_the_byte_limit_is_checked_before_reading(tmp_path: Path):
    data = encoded(quarters())
    file = tmp_path / "picture.png"
    file.write_bytes(data)
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    for source in (file, data, url):
        assert load_image(source, max_bytes=len(data)).size == (6, 4)
        with pytest.raises(MediaError, match=rf"{len(data)} bytes or more; allowed are {len(data) - 1}"):
            load_image(source, max_bytes=len(data) - 1)
    with (tmp_path / "sparse.png").open("wb") as stream:
        stream.truncate(10**12)
    with pytest.raises(MediaError, match="1000000000000 bytes"):
        load_image(tmp_path / "sparse.png")
    with pytest.raises(MediaError, match="too long"):
        load_image("data:," + "a" * 1000, max_bytes=100)


@pytest.mark.parametrize("url", ["data:", "data:image/png;base64", "data:;base64,####", "data:;base64,abc", "data:,é"])
def test_a_malformed_data_url_is_refused(url: str):
    with pytest.raises(MediaError, match="data URL"):
        load_image(url)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 4, 5), np.uint8), "channels last"),
        (np.zeros((4, 5, 2), np.uint8), r"\(4, 5, 2\)"),
        (np.zeros(5, np.uint8), r"\(5,\)"),
        (np.zeros((0, 5), np.uint8), "no pixels"),
        (np.zeros((4, 5), np.int64), "int64"),
        (np.full((4, 5), "a"), "allowed types"),
        (np.full((4, 5), None), "object"),
        (np.zeros((4, 5), complex), "complex"),
    ],
)
def test_an_array_that_is_no_picture_is_refused_with_its_shape_or_type(array: np.ndarray, words: str):
    with pytest.raises(MediaError, match=words):
        load_image(array)


@pytest.mark.parametrize("source", [None, 7, [1, 2], object()])
def test_other_types_are_refused_by_name(source: object):
    with pytest.raises(MediaError, match=f"of type {type(source).__name__}"):
        load_image(source)  # pyright: ignore[reportArgumentType]


# --- http


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what its path names."""

    def do_GET(self):
        data = encoded(quarters())
        path, _, query = self.path.partition("?")
        if path == "/picture.png" or path == "/with%20space.png":
            self.answer(200, data)
        elif path == "/text":
            self.answer(200, b"hello")
        elif path == "/missing":
            self.answer(404, b"")
        elif path == "/loop":
            self.answer(302, b"", Location="/loop")
        elif path == "/redirect":
            self.answer(302, b"", Location=query)
        elif path == "/redirect-nowhere":
            self.answer(302, b"", Location="http://[bad")
        elif path == "/endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"\0" * 65536)
            except OSError:
                pass
        elif path == "/claims":
            self.send_response(200)
            self.send_header("Content-Length", str(10**12))
            self.end_headers()
        elif path in ("/drip", "/drip-headers"):
            try:
                self.wfile.write(b"HTTP/1.0 200 OK\r\n")
                self.wfile.write(b"\r\n" if path == "/drip" else b"X: ")
                for _ in range(200):
                    self.wfile.write(b"a")
                    time.sleep(0.05)
            except OSError:
                pass
        elif path == "/garbage":
            self.wfile.write(b"\xff\xfe nothing of the kind\r\n\r\n")

    def answer(self, status: int, body: bytes, **headers: str):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object):
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_a_url_is_fetched_only_from_a_host_that_is_allowed_by_name(server: str):
    url = f"{server}/picture.png"
    with pytest.raises(MediaError, match=r"'127.0.0.1' is not allowed .*allow_hosts=\['127.0.0.1'\]"):
        load_image(url)
    with pytest.raises(MediaError, match="not allowed"):
        load_image(url, allow_hosts=["127.0.0.1.example.org", "127.0.0"])
    for hosts in (["127.0.0.1"], {"example.org", "127.0.0.1"}, "127.0.0.1"):
        assert np.array_equal(pixels(load_image(url, allow_hosts=hosts)), QUARTERS)
    assert load_image(f"{server}/with space.png", allow_hosts=["127.0.0.1"]).size == (6, 4)


def test_why_a_server_cannot_be_reached_is_told_in_words():
    with pytest.raises(MediaError, match=r"cannot be fetched: Connection refused$"):
        load_image("http://127.0.0.1:9/picture.png", allow_hosts=["127.0.0.1"])


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/missing", "status 404"),
        ("/text", "not a picture"),
        ("/loop", "redirects"),
        ("/redirect?http://localhost/picture.png", "'localhost' is not allowed"),
        ("/redirect?file:///etc/hosts", "only http and https"),
        ("/redirect-nowhere", "cannot be fetched: ValueError"),
        ("/redirect?http://user@127.0.0.1/", "user name"),
        ("/endless", "bytes or more"),
        ("/claims", "1000000000000 bytes"),
        ("/garbage", "BadStatusLine"),
    ],
)
def test_what_a_server_may_do_wrong_is_an_error(server: str, path: str, words: str):
    with pytest.raises(MediaError, match=words):
        load_image(server + path, allow_hosts=["127.0.0.1"], max_bytes=1_000_000)


def test_a_redirect_to_an_allowed_host_is_followed(server: str):
    for target in ("/picture.png", f"{server}/picture.png"):
        assert load_image(f"{server}/redirect?{target}", allow_hosts=["127.0.0.1"]).size == (6, 4)


@pytest.mark.parametrize("path", ["/drip", "/drip-headers"])
def test_a_server_that_drips_is_hung_up_on(server: str, path: str):
    start = time.monotonic()
    with pytest.raises(MediaError, match=r"more than 0\.3 s"):
        load_image(server + path, allow_hosts=["127.0.0.1"], max_seconds=0.3)
    assert time.monotonic() - start < 3


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@127.0.0.1/a.png",
        "http://127.0.0.1\\@example.org/a.png",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "http://",
        "http:///a.png",
        "http:a.png",
        "http://127.0.0.1/\r\nHost: b",
        "http://127.0.0.1:1/a.png?token=secret",
    ],
)
def test_odd_and_unreachable_urls_are_refused_without_their_secrets(url: str):
    with pytest.raises(MediaError) as caught:
        load_image(url, allow_hosts=["127.0.0.1", "::1"], max_seconds=2)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16, np.int32, np.float32])
def test_the_darkest_of_a_mask_of_any_depth_is_inside(tmp_path, depth):
    labels = np.zeros((4, 6), depth)
    labels[1, 2:4] = 1 if depth is not np.float32 else 0.001
    Image.fromarray(labels).save(tmp_path / "mask.tif")
    assert np.array_equal(load_mask(tmp_path / "mask.tif"), labels > 0)


def test_a_deep_mask_is_turned_upright(tmp_path):
    labels = np.zeros((4, 6), np.uint16)
    labels[0, 0] = 1
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(labels).save(tmp_path / "mask.png", exif=exif)
    assert np.argwhere(load_mask(tmp_path / "mask.png")).tolist() == [[0, 3]]
