"""Pictures from wherever they come, as RGB.

`load_image` takes a path, bytes, a data URL, an http(s) URL, a Pillow image or an array, and gives a Pillow
image in mode RGB that is the right way up.

Choices of this file:

* Every failure is a `MediaError` that says what was given and what is allowed; contents never stand in a
  message.
* Sizes are checked before anything of that size is read or decoded: bytes before reading, pixels in the
  header.
* Only formats that Pillow decodes itself are opened (`FORMATS`). EPS and the like would start other programs.
* Nothing is fetched from a host that the caller has not named, see `gar.fetching`.
* Color: alpha and transparent palette entries are dropped, not blended, so hidden colors show; this is what
  the published GAR code does. 16-bit grey and arrays are divided by 257, not clipped. Color profiles are
  not applied.
* Of several frames the first is taken; of a Pillow image, the frame that it stands at.
* Pillow warns of odd files through Python's warnings, whose filters are global; a lock keeps two threads from
  mixing them up, so pictures are decoded one at a time.
"""

from __future__ import annotations

import contextlib
import io
import re
import stat
import threading
import warnings
from collections.abc import Collection, Generator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from gar.errors import MediaError, RegionError
from gar.fetching import check_bytes, fetch, read_data_url, short_name, url_name

__all__ = ["FORMATS", "ImageSource", "load_image", "load_mask"]

ImageSource: TypeAlias = str | Path | bytes | bytearray | Image.Image | NDArray[Any]
"""What `load_image` takes."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""Pillow's names of the file formats that are opened; MPO, of several frames, opens as JPEG."""

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns each EXIF orientation (EXIF 2.3, tag 0x0112) upright; Pillow turns counter-clockwise."""

_warning_filters = threading.Lock()


def load_image(
    source: ImageSource,
    *,
    max_pixels: int = 64_000_000,
    max_bytes: int = 100_000_000,
    allow_hosts: Collection[str] = (),
    max_seconds: float = 30.0,
) -> Image.Image:
    """Load a picture as RGB, turned upright by its EXIF orientation. What is transparent is shown: alpha is dropped.

    Args:
        source: one of

            * a path (str or Path), the bytes of a file, or a data URL (`data:image/png;base64,...`);
            * an http or https URL whose host is in `allow_hosts`;
            * a Pillow image, which is left as it is;
            * an array (H, W), (H, W, 3) or (H, W, 4): bool, uint8, uint16 (0 to 65535) or float (0 to 1).
        max_pixels: the most pixels (width x height) that are decoded.
        max_bytes: the most bytes that are read from a file, URL or data URL.
        allow_hosts: names of hosts, without port, that may be fetched from.
        max_seconds: how long fetching may take, redirects included.

    Returns:
        A new Pillow image in mode RGB without EXIF data, so loading it again changes nothing.

    Raises:
        MediaError: missing, not a file, empty, truncated, not a picture, over a limit, a host that is not
            allowed, a server that fails, or an array of another shape, type or range.

    Examples:
        >>> load_image(np.zeros((2, 3), np.uint8)).size
        (3, 2)
    """
    if isinstance(source, Image.Image):
        return _rgb(source, "the Pillow image", max_pixels)
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    image, name = _open(source, max_pixels, max_bytes, allow_hosts, max_seconds)
    return _rgb(image, name, max_pixels)


def load_mask(
    source: str | Path | bytes, *, max_pixels: int = 64_000_000, max_bytes: int = 100_000_000
) -> NDArray[np.bool_]:
    """Load a picture as a mask (H, W): whatever is not black is inside.

    Args:
        source: a path, a data URL, or the bytes of a file.
        max_pixels: as in `load_image`.
        max_bytes: as in `load_image`.

    Raises:
        MediaError: as `load_image`.
        RegionError: the picture has an alpha channel, which may say something else than its colors.
    """
    image, name = _open(source, max_pixels, max_bytes, (), 0.0)
    pixels: NDArray[np.uint8] = np.asarray(_rgb(image, name, max_pixels))
    if image.has_transparency_data:
        raise RegionError("the picture has an alpha channel; save it without one, black outside the region")
    if image.mode[0] in "IF":  # more than eight bits, of which the darkest would be black in eight
        with _decoding(name, max_pixels):
            return np.asarray(_upright(image)) != 0
    return pixels.max(axis=2) > 0


def _open(
    source: str | Path | bytes | bytearray,
    max_pixels: int,
    max_bytes: int,
    allow_hosts: Collection[str],
    max_seconds: float,
) -> tuple[Image.Image, str]:
    """A picture of which the pixels are not read yet, and its name for messages."""
    if isinstance(source, (bytes, bytearray)):
        return _opened(source, f"the picture of {len(source)} bytes", max_pixels, max_bytes)
    if isinstance(source, str) and (scheme := re.match(r"[A-Za-z][A-Za-z0-9+.-]+(?=:)", source)):
        kind = scheme[0].lower()
        if kind == "data":
            data = read_data_url(source, max_bytes)
            return _opened(data, f"the data URL of {len(source)} characters", max_pixels, max_bytes)
        if kind in ("http", "https"):
            data = fetch(source, allow_hosts=allow_hosts, max_bytes=max_bytes, max_seconds=max_seconds)
            return _opened(data, url_name(source), max_pixels, max_bytes)
        if source[scheme.end() :].startswith("://"):
            raise MediaError(f"{short_name(source)}: {kind} URLs are not read; allowed are http, https and data")
    if isinstance(source, (str, Path)):  # pyright: ignore[reportUnnecessaryIsInstance]
        return _opened(_read_file(source, max_bytes), short_name(source), max_pixels, max_bytes)
    raise MediaError(
        f"a picture cannot be of type {type(source).__name__}; allowed are a path, bytes, a data URL, "
        "an http(s) URL, a Pillow image and a numpy array"
    )


def _read_file(path: str | Path, max_bytes: int) -> bytes:
    """Bytes of a regular file; devices and pipes, which may never end, are refused."""
    name = short_name(path)
    try:
        file = Path(path)
        status = file.stat()
        if stat.S_ISREG(status.st_mode):
            check_bytes(status.st_size, name, max_bytes)
            with file.open("rb") as stream:
                return stream.read(max_bytes + 1)
    except MediaError:
        raise
    except FileNotFoundError as error:
        raise MediaError(f"{name}: there is no such file") from error
    except OSError as error:
        raise MediaError(f"{name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise MediaError(f"{name} is not a path: it holds characters that no file name can") from error
    what = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
    raise MediaError(f"{name} is {what}; needed is a picture file")


def _opened(data: bytes | bytearray, name: str, max_pixels: int, max_bytes: int) -> tuple[Image.Image, str]:
    """A picture from the bytes of a file, and the name that was given."""
    check_bytes(len(data), name, max_bytes)
    if not data:
        raise MediaError(f"{name} is empty (0 bytes)")
    with _decoding(name, max_pixels):
        return Image.open(io.BytesIO(data), formats=FORMATS), name


def _rgb(image: Image.Image, name: str, max_pixels: int) -> Image.Image:
    """A new upright RGB picture of a Pillow image, which may not have been read from its file yet."""
    _check_pixels(image.size, name, max_pixels)
    with _decoding(name, max_pixels):
        image.load()
        rgb = _eight_bits(_upright(image), name).convert("RGB")
    rgb.info = {}
    return rgb


def _upright(image: Image.Image) -> Image.Image:
    turn = _UPRIGHT.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _eight_bits(image: Image.Image, name: str) -> Image.Image:
    """The picture in a mode that Pillow's own conversion to RGB treats well."""
    if image.mode == "RGBa":
        return image.convert("RGBA")
    if image.mode == "La":
        return image.convert("LA")
    if image.mode.startswith("I;16"):
        return Image.fromarray(_bytes_of(np.asarray(image), name))
    if image.mode == "I":
        values = np.asarray(image)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535:
            raise MediaError(f"{name} has 32-bit values from {low} to {high}; allowed are 0 to 65535 (16 bits)")
        return Image.fromarray(_bytes_of(values.astype(np.uint16), name))
    if image.mode == "F":
        return Image.fromarray(_bytes_of(np.asarray(image), name))
    return image


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none or it cannot be read."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
        return value if isinstance(value, int) else 1
    except Exception:  # damaged EXIF data; the pixels are sound
        return 1


def _from_array(array: NDArray[Any], max_pixels: int) -> Image.Image:
    """A picture from an array of samples."""
    name = f"the array of shape {array.shape} and type {array.dtype}"
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        hint = "; put the channels last" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise MediaError(f"{name} is not a picture; allowed are (H, W), (H, W, 3) and (H, W, 4){hint}")
    _check_pixels((array.shape[1], array.shape[0]), name, max_pixels)
    samples = _bytes_of(array if array.ndim == 2 else array[..., :3], name)
    return Image.fromarray(np.ascontiguousarray(samples)).convert("RGB")


def _bytes_of(samples: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Samples as uint8, each type from its own full range."""
    if samples.dtype == np.uint8:
        return samples
    if samples.dtype == np.bool_:
        return samples.astype(np.uint8) * np.uint8(255)
    if samples.dtype.kind == "u" and samples.dtype.itemsize == 2:
        return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if samples.dtype.kind == "f":
        low, high = float(samples.min()), float(samples.max())
        if not (low >= 0 and high <= 1):  # so that NaN is refused, too
            raise MediaError(f"{name} has values from {low:g} to {high:g}; floats must lie in 0 to 1")
        return np.rint(samples * 255).astype(np.uint8)
    raise MediaError(f"{name} is not a picture; allowed types are uint8, uint16, float (0 to 1) and bool")


@contextlib.contextmanager
def _decoding(name: str, max_pixels: int) -> Generator[None]:
    """Turns whatever Pillow raises into a `MediaError`, and keeps its warnings to itself."""
    try:
        with _warning_filters, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except MediaError:
        raise
    except UnidentifiedImageError as error:
        raise MediaError(f"{name} is not a picture, or its header is damaged; read are {', '.join(FORMATS)}") from error
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise MediaError(
            f"{name} has more pixels than allowed: {min(max_pixels, limit)} "
            "(max_pixels, and twice PIL.Image.MAX_IMAGE_PIXELS)"
        ) from error
    except Exception as error:  # decoders raise nearly anything on damaged files
        # Pillow's OSErrors say what is wrong; other messages may quote the file.
        reason = str(error)[:80] if isinstance(error, OSError) else type(error).__name__
        raise MediaError(f"{name} is truncated or damaged: {reason}") from error


def _check_pixels(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise MediaError(f"{name} has no pixels: it is {width} x {height} (width x height)")
    if width * height > max_pixels:
        raise MediaError(
            f"{name} has {width * height} pixels, {width} x {height} (width x height); "
            f"allowed are {max_pixels} (max_pixels)"
        )
