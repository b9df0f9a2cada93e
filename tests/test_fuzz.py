"""Broken and hostile input: only our own errors, no hang, and no memory for what a header merely claims."""

from __future__ import annotations

import contextlib
import io
import resource
import struct
import subprocess
import sys
import time
import tracemalloc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gar.errors import MediaError, RegionError
from gar.media import load_image
from gar.regions import Region

SIZE = (30, 40)
MAX_PIXELS = 1_000_000
NO_HANG = settings(deadline=2000, max_examples=300, suppress_health_check=list(HealthCheck))


def sound_files() -> dict[str, bytes]:
    """Small pictures, one for each way through the decoders."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    color = Image.fromarray(noise)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    kinds: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "png": (color, "PNG", {"exif": exif}),
        "png-palette": (color.quantize(16), "PNG", {"transparency": b"\0\x80"}),
        "png-16": (Image.fromarray(noise[..., 0].astype(np.uint16) * 257), "PNG", {}),
        "png-animated": (color, "PNG", {"save_all": True, "append_images": [color.rotate(9)]}),
        "jpeg": (color, "JPEG", {"exif": exif}),
        "jpeg-progressive": (color, "JPEG", {"progressive": True}),
        "jpeg-cmyk": (color.convert("CMYK"), "JPEG", {}),
        "mpo": (color, "MPO", {"save_all": True, "append_images": [color.rotate(9)]}),
        "webp": (color, "WEBP", {}),
        "webp-lossless": (color.convert("RGBA"), "WEBP", {"lossless": True, "exif": exif}),
        "webp-animated": (color, "WEBP", {"save_all": True, "append_images": [color.rotate(9)]}),
        "gif": (color, "GIF", {"save_all": True, "append_images": [color.rotate(9)]}),
        "tiff": (color, "TIFF", {"exif": exif}),
        "tiff-lzw": (color, "TIFF", {"compression": "tiff_lzw"}),
        "tiff-float": (Image.fromarray(noise[..., 0].astype(np.float32) / 255), "TIFF", {}),
        "bmp": (color, "BMP", {}),
        "bmp-palette": (color.quantize(16), "BMP", {}),
        "ppm": (color, "PPM", {}),
        "pbm": (color.convert("1"), "PPM", {}),
    }
    files: dict[str, bytes] = {}
    for name, (image, kind, options) in kinds.items():
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        files[name] = stream.getvalue()
    return files


FILES = sound_files()


def load_or_refuse(data: bytes) -> None:
    try:
        image = load_image(data, max_pixels=MAX_PIXELS)
    except MediaError as error:
        image = None
        assert_short(str(error))
    if image is not None:
        assert image.mode == "RGB"
        assert 0 < image.width * image.height <= MAX_PIXELS


def assert_short(message: str) -> None:
    assert 0 < len(message) < 600


# --- pictures


@pytest.mark.parametrize("name", FILES)
def test_the_files_that_are_damaged_below_are_sound(name: str):
    assert load_image(FILES[name]).size in ((24, 20), (20, 24))


@given(st.data())
@NO_HANG
def test_a_damaged_picture_loads_or_is_refused(data: st.DataObject):
    file = bytearray(FILES[data.draw(st.sampled_from(sorted(FILES)))])
    for _ in range(data.draw(st.integers(1, 4))):
        # Headers are where damage does most, so half of the damage is done in the first bytes.
        reach = min(64, len(file)) if data.draw(st.booleans()) else len(file)
        place = data.draw(st.integers(0, reach - 1))
        patch = data.draw(
            st.sampled_from([b"\0", b"\xff", b"\x7f", b"\xff\xff\xff\xff", b"\0\0\0\0"]) | st.binary(max_size=4)
        )
        end = place + (len(patch) if data.draw(st.booleans()) else 0)
        file[place:end] = patch
    load_or_refuse(bytes(file[: data.draw(st.integers(1, len(file)))] if data.draw(st.booleans()) else file))


@given(st.sampled_from([data[:12] for data in FILES.values()] + [b"", b"P6\n", b"BM"]), st.binary(max_size=200))
@NO_HANG
def test_noise_behind_a_sound_beginning_is_refused_or_loads(start: bytes, rest: bytes):
    load_or_refuse(start + rest)


@given(
    st.text(max_size=60),
    st.sampled_from(["", "data:", "data:image/png;base64,", "http://", "https://[", "x://"]),
)
@NO_HANG
def test_any_text_is_a_picture_or_refused(text: str, start: str):
    with pytest.raises(MediaError):
        load_image(start + text)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_many_damaged_pictures_load_or_are_refused(name: str):
    rng = np.random.default_rng(list(FILES).index(name))
    for _ in range(4000):
        file = np.frombuffer(FILES[name], np.uint8).copy()
        reach = file.size if rng.random() < 0.5 else min(64, file.size)
        places = rng.integers(0, reach, rng.integers(1, 6))
        file[places] = rng.choice([0, 255, 127, 128, int(rng.integers(256))], places.size)
        cut = int(rng.integers(1, file.size)) if rng.random() < 0.2 else file.size
        start = time.monotonic()
        load_or_refuse(file[:cut].tobytes())
        assert time.monotonic() - start < 5


def files_that_claim(side: int) -> dict[str, bytes]:
    """Sound beginnings of files whose header says side x side pixels."""
    png, gif, bmp, jpeg, tiff = (bytearray(FILES[name]) for name in ("png", "gif", "bmp", "jpeg", "tiff"))
    webp = bytearray(FILES["webp-lossless"])
    png[16:24] = struct.pack(">II", side, side)
    gif[6:10] = struct.pack("<HH", side, side)
    bmp[18:26] = struct.pack("<ii", side, side)
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    for tag in (256, 257):  # ImageWidth and ImageLength, of type long
        place = tiff.index(struct.pack("<H", tag), 8)
        tiff[place + 2 : place + 12] = struct.pack("<HII", 4, 1, side)
    canvas = webp.index(b"VP8X") + 12
    webp[canvas : canvas + 6] = (side - 1).to_bytes(3, "little") * 2
    ppm = b"P6\n%d %d\n255\n" % (side, side) + b"\0" * 100
    named = {"png": png, "gif": gif, "bmp": bmp, "jpeg": jpeg, "tiff": tiff, "webp": webp, "ppm": ppm}
    return {name: bytes(data) for name, data in named.items()}


@pytest.mark.parametrize("name", files_that_claim(60_000))
def test_no_memory_is_taken_for_pixels_that_a_header_claims(name: str):
    # In a process of its own, with too little memory for the 3.6 gigapixels that the header speaks of.
    code = (
        "import resource, sys; from gar.errors import MediaError; from gar.media import load_image\n"
        "from PIL import Image, PngImagePlugin, WebPImagePlugin, TiffImagePlugin\n"
        "data = sys.stdin.buffer.read()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: load_image(data)\n"
        "except MediaError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    limit = 2 << 30
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=files_that_claim(60_000)[name],
        capture_output=True,
        check=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    message, grown = done.stdout.decode().splitlines()
    assert "60000 x 60000" in message or "more pixels than allowed" in message or "not a picture" in message
    assert int(grown) < 30_000  # KiB


# --- regions

odd_numbers = st.one_of(
    st.integers(-50, 50),
    st.floats(),
    st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**400, -(10**30), 1e308, 5e-324, float("nan"), None, True, "1"]),
)
odd_arrays = st.builds(
    lambda kind, shape, value: np.full(shape, value).astype(kind),
    st.sampled_from([bool, np.uint8, np.int64, np.float16, np.float64, complex, object, "U3", "datetime64[s]"]),
    st.lists(st.integers(0, 6), max_size=4).map(tuple),
    st.integers(0, 3),
)
odd_values = st.recursive(
    odd_numbers | st.text(max_size=8) | st.binary(max_size=8) | odd_arrays,
    lambda inner: (
        st.lists(inner, max_size=5) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)
odd_points = st.lists(st.tuples(odd_numbers, odd_numbers), max_size=6) | odd_values
odd_counts = st.lists(odd_numbers, max_size=8) | st.text(max_size=12) | st.binary(max_size=12) | odd_values
odd_codes = st.fixed_dictionaries({}, optional={"size": st.just([3, 4]) | odd_values, "counts": odd_counts})
odd_annotations = st.fixed_dictionaries(
    {},
    optional={
        "segmentation": odd_codes | odd_values | st.lists(st.lists(odd_numbers, max_size=8), max_size=3),
        "bbox": st.lists(odd_numbers, min_size=4, max_size=4) | odd_values,
    },
)
odd_detections = st.builds(SimpleNamespace, xyxy=odd_values | odd_arrays, mask=st.none() | odd_values)

makers = st.one_of(
    st.tuples(st.just(Region.mask), st.tuples(odd_values)),
    st.tuples(st.just(Region.box), st.tuples(odd_numbers, odd_numbers, odd_numbers, odd_numbers)),
    st.tuples(st.just(Region.box), st.tuples(odd_values, odd_values, odd_values, odd_values)),
    st.tuples(st.just(Region.points), st.tuples(odd_points, odd_values, odd_numbers)),
    st.tuples(st.just(Region.points), st.tuples(odd_points)),
    st.tuples(st.just(Region.scribble), st.tuples(odd_points, odd_numbers)),
    st.tuples(st.just(Region.polygon), st.tuples(odd_points | st.lists(odd_points, max_size=3))),
    st.tuples(st.just(Region.rle), st.tuples(odd_codes | odd_values)),
    st.tuples(
        st.just(Region.from_coco),
        st.tuples(odd_annotations | odd_values, st.none() | st.just(SIZE) | odd_values),
    ),
    st.tuples(st.just(Region.from_supervision), st.tuples(odd_detections | odd_values)),
)


@given(makers, st.just(SIZE) | odd_values)
@settings(NO_HANG, max_examples=400)
def test_a_hostile_region_is_refused_or_makes_a_sound_mask(call: tuple[Any, tuple[Any, ...]], size: Any):
    make, arguments = call
    try:
        made = make(*arguments)
        for region in made if isinstance(made, list) else [made]:
            note, mask = region.note(size), region.to_mask(size)
            assert note is None or len(note) < 400
            assert mask.shape == tuple(size)
            assert mask.any()
            assert len(repr(region)) < 200
    except RegionError as error:
        assert_short(str(error))


@given(st.text("0123456789:;<=>?@ABCOPQ^_`abcno", max_size=40), st.integers(1, 8), st.integers(1, 8))
@NO_HANG
def test_any_compressed_string_fills_its_size_or_is_refused(counts: str, height: int, width: int):
    with contextlib.suppress(RegionError):
        assert Region.rle({"size": [height, width], "counts": counts}).area((height, width)) > 0


def test_no_memory_is_taken_for_pixels_that_a_code_claims():
    tracemalloc.start()
    try:
        for size in ([60_000, 60_000], [2**31, 2**31], [16_000, 16_000]):
            for counts in ([0, 3_600_000_000], "0oooooO", "1" * 1000, [2**40] * 9):
                with pytest.raises(RegionError):
                    Region.rle({"size": size, "counts": counts})
        sound = Region.rle({"size": [16_000, 16_000], "counts": [0, 256_000_000]})
        with pytest.raises(RegionError, match="does not fit"):
            sound.to_mask(SIZE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["scribble", "points", "polygon", "rings"])
def test_the_largest_regions_that_are_allowed_take_bounded_time_and_memory(kind: str):
    rng = np.random.default_rng(0)
    size = (8000, 8000)
    many = rng.uniform(0, 8000, (10_000, 2))
    if kind == "scribble":
        region = Region.scribble(many, width=50)
    elif kind == "points":
        region = Region.points(many[:1000], np.arange(1000) % 2, radius=2000)
    elif kind == "polygon":
        region = Region.polygon(many[:350])
    else:
        region = Region.polygon([corner + np.array([(0, 0), (9, 0), (0, 9)]) for corner in many])
    start = time.monotonic()
    tracemalloc.start()
    try:
        assert region.area(size) > 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - start < 60
    assert peak < 1_500_000_000
