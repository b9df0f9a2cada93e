"""From what a client sent to a picture and regions of it.

The convention of Describe Anything's server is kept: where no regions are given, the picture's alpha says where the
only one is (> 0). Where regions are given, alpha is dropped.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gar.errors import MediaError, RegionError
from gar.fetching import Address, fetch, is_public, read_data_url, short_name
from gar.media import FORMATS, load_image, load_mask
from gar.regions import Region
from gar.serving.limits import Limits
from gar.serving.wire import BoxSpec, MaskSpec, PointsSpec, PolygonSpec, RegionSpec, RleSpec, ScribbleSpec

__all__ = ["Pictures", "region_of_mask"]

_FETCH_SECONDS = 10.0
_MAX_CROSSINGS = 1_000_000
"""Times that the columns of a mask may cross its edge: a region keeps bytes for each as long as it waits, and a file of
some kilobytes may hold as many as pixels. Outlines of things in pictures have some hundred thousand at most."""


@dataclass(frozen=True)
class Pictures:
    """Reads pictures and regions for a server; all of it is for threads."""

    limits: Limits
    allow_hosts: frozenset[str] = frozenset()
    """Hosts that pictures are fetched from."""
    may_connect: Callable[[Address], bool] = is_public
    """Whether an address of such a host may be connected to."""

    def draw(self, data: bytes, specs: Sequence[RegionSpec] | None) -> tuple[Image.Image, list[Region]]:
        """A picture and its regions.

        Args:
            data: The picture's file.
            specs: The regions; None for the one that alpha shows.

        Raises:
            MediaError: It is no picture, or too large.
            RegionError: A region is none, or there is none.
        """
        if specs is None:
            return self._cut_out(data)
        image = load_image(data, max_pixels=self.limits.max_pixels, max_bytes=self.limits.max_body_bytes)
        size = (image.height, image.width)
        return image, [self._region(spec, number, size) for number, spec in enumerate(specs)]

    def fetch(self, url: str) -> bytes:
        """A picture's file, of a data URL or from an allowed host; may take a while.

        Raises:
            MediaError: It cannot be had, or is too large.
        """
        limit = self.limits.max_body_bytes
        scheme = url[:8].partition(":")[0].lower()
        if scheme == "data":
            return read_data_url(url, limit)
        if scheme not in ("http", "https"):
            raise MediaError("a picture must be a data URL, or an http(s) URL of a host that this server allows")
        host = _host(url)
        if host not in self.allow_hosts:
            raise MediaError(f"this server fetches no pictures from {short_name(host)}; send the picture as a data URL")
        return fetch(
            url,
            allow_hosts=self.allow_hosts,
            max_bytes=limit,
            max_seconds=_FETCH_SECONDS,
            may_connect=self.may_connect,
        )

    def _cut_out(self, data: bytes) -> tuple[Image.Image, list[Region]]:
        """A picture and the region that its alpha shows; it is decoded once for both."""
        try:
            opened: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
            image = load_image(opened, max_pixels=self.limits.max_pixels)
        except Exception:  # said anew of the file, in words
            load_image(data, max_pixels=self.limits.max_pixels, max_bytes=self.limits.max_body_bytes)
            raise
        if not opened.has_transparency_data:
            raise RegionError(
                "there is no region: send regions, or a picture whose alpha is above 0 in the region alone"
            )
        alpha = (opened if "A" in opened.getbands() else opened.convert("RGBA")).getchannel("A")
        del opened
        # turned as the picture was
        inside: NDArray[np.bool_] = np.asarray(load_image(alpha, max_pixels=self.limits.max_pixels))[..., 0] > 0
        if not inside.any():
            raise RegionError("the picture's alpha is 0 everywhere; above 0 is the region")
        return image, [region_of_mask(inside)]

    def _region(self, spec: RegionSpec, number: int, size: tuple[int, int]) -> Region:
        try:
            return self._made(spec, size)
        except (RegionError, MediaError) as error:
            raise RegionError(f"region {number}: {error}") from error

    def _made(self, spec: RegionSpec, size: tuple[int, int]) -> Region:
        match spec:
            case BoxSpec():
                return Region.box(*spec.box, whole=spec.whole)
            case PointsSpec():
                return Region.points(spec.points, spec.labels, spec.radius)
            case ScribbleSpec():
                return Region.scribble(spec.scribble, spec.width)
            case PolygonSpec():
                return Region.polygon(spec.polygon)
            case RleSpec():
                _check_size(spec.rle.size, size)
                return Region.rle({"size": spec.rle.size, "counts": spec.rle.counts})
            case MaskSpec():
                url = spec.mask if spec.mask[:5].lower() == "data:" else f"data:;base64,{spec.mask}"
                inside = load_mask(url, max_pixels=self.limits.max_pixels, max_bytes=self.limits.max_body_bytes)
                _check_size(inside.shape, size)
                return region_of_mask(inside)


def region_of_mask(inside: NDArray[np.bool_]) -> Region:
    """The region of a stranger's mask (H, W).

    Raises:
        RegionError: The mask is empty, or noise.
    """
    crossings = np.count_nonzero(inside[1:] != inside[:-1])
    if crossings > _MAX_CROSSINGS:
        raise RegionError(
            f"the mask is too fine: its columns cross its edge {crossings} times; allowed are {_MAX_CROSSINGS}"
        )
    return Region.mask(inside)


def _check_size(own: Sequence[int], size: tuple[int, int]) -> None:
    if tuple(own) != size:
        raise RegionError(
            f"the mask is {own[0]} x {own[1]} (height x width), and the picture {size[0]} x {size[1]}; "
            "they must be of the same size"
        )


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError as error:
        raise MediaError(f"the URL of {len(url)} characters has no readable host") from error
