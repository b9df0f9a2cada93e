"""The picture that a visitor has open, and what the browser is shown of it."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from gar.errors import RegionError
from gar.media import load_image, load_mask
from gar.regions import Region
from gar.serving.limits import Limits
from gar.serving.pictures import region_of_mask

__all__ = ["LIMITS", "Picture", "mask_png", "open_picture", "page_limits", "read_mask"]

LIMITS = Limits(max_body_bytes=25_000_000, max_pixels=25_000_000)
"""Of the page: a visitor's picture takes three bytes for each pixel as long as the page is open."""

_SHOWN_SIDE = 1600
"""Longest side of what the browser is shown, in pixels; regions are always those of the whole picture."""
_LOSSLESS = 400_000
"""Pictures of so many pixels are shown as PNG, larger ones as JPEG."""


@dataclass(frozen=True, eq=False)
class Picture:
    """An open picture."""

    image: Image.Image
    """RGB, upright, in all its pixels; what the model sees."""
    name: str
    """Of its file, for people."""
    shown: bytes
    """A file for the browser: the picture, made smaller if it is large."""
    shown_type: str
    """The media type of `shown`."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.image.height, self.image.width


def page_limits(limits: Limits) -> Limits:
    """A server's limits, with those of the page where they are lower."""
    most_bytes = min(limits.max_body_bytes, LIMITS.max_body_bytes)
    return replace(limits, max_body_bytes=most_bytes, max_pixels=min(limits.max_pixels, LIMITS.max_pixels))


def open_picture(data: bytes, name: str, limits: Limits = LIMITS) -> Picture:
    """Opens a file that a visitor has sent.

    Raises:
        MediaError: It is no picture, or has more bytes or pixels than are allowed.
    """
    image = load_image(data, max_pixels=limits.max_pixels, max_bytes=limits.max_body_bytes)
    shown = image
    if max(image.size) > _SHOWN_SIDE:
        shown = image.copy()
        shown.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE), reducing_gap=2.0)
    lossless = shown.width * shown.height <= _LOSSLESS
    encoded = io.BytesIO()
    shown.save(encoded, "PNG" if lossless else "JPEG", quality=88)
    return Picture(image, name, encoded.getvalue(), "image/png" if lossless else "image/jpeg")


def read_mask(data: bytes, size: tuple[int, int], limits: Limits = LIMITS) -> Region:
    """A region from a mask's file: what is not black is inside.

    Args:
        data: A picture's file.
        size: (H, W) of the picture that it belongs to.
        limits: Of files.

    Raises:
        MediaError: It is no picture, or too large.
        RegionError: It is black all over, noise, has an alpha channel, or is of another size.
    """
    mask = load_mask(data, max_pixels=limits.max_pixels, max_bytes=limits.max_body_bytes)
    if mask.shape != size:
        raise RegionError(
            f"the mask has {mask.shape[1]} x {mask.shape[0]} pixels; needed are those of the picture, "
            f"{size[1]} x {size[0]}"
        )
    return region_of_mask(mask)


def mask_png(region: Region, size: tuple[int, int]) -> bytes:
    """The region's pixels in a picture of `size` (H, W) as a PNG file: opaque inside, transparent outside.

    Raises:
        RegionError: The region does not fit the picture.
    """
    indexed = Image.fromarray(region.to_mask(size).astype(np.uint8)).convert("P")
    indexed.putpalette([0, 0, 0, 255, 255, 255])
    encoded = io.BytesIO()
    indexed.save(encoded, "PNG", bits=1, transparency=0)
    return encoded.getvalue()
