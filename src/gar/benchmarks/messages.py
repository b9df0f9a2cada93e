"""Messages to a judge: text and pictures, and the crops that the published judges see.

The published code labels its PNG pictures as JPEG; ours say what they are, since some servers check.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gar.benchmarks.benchmark import View
from gar.regions import Region

__all__ = ["crop_box", "crops", "user_message"]

_LEAST_SIDE = 56
"""Pixels; smaller boxes are grown to it before the surroundings are added (GAR-Bench's and DLC-Bench's judges)."""


def user_message(text: str, pictures: Sequence[Image.Image] = ()) -> list[dict[str, Any]]:
    """One message of a user: pictures, then text; plain text where there is no picture.

    Example:
        >>> user_message("True or False?")
        [{'role': 'user', 'content': 'True or False?'}]
    """
    if not pictures:
        return [{"role": "user", "content": text}]
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": _data_url(one)}} for one in pictures]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def _data_url(picture: Image.Image) -> str:
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    return f"data:image/png;base64,{base64.b64encode(encoded.getvalue()).decode('ascii')}"


def crop_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """The published crop around a region: three times its box each way, cut at the picture.

    Args:
        mask: (H, W), not empty.

    Returns:
        (x1, y1, x2, y2) in pixels, x2 and y2 exclusive.

    Example:
        >>> mask = np.zeros((400, 400), bool)
        >>> mask[100:200, 100:160] = True  # 60 wide, 100 high
        >>> crop_box(mask)
        (40, 0, 220, 300)
    """
    height, width = mask.shape
    x1, y1, x2, y2 = Region.mask(mask).to_box((height, width))
    w, h = max(x2 - x1, _LEAST_SIDE), max(y2 - y1, _LEAST_SIDE)
    left, top = int((x1 + x2) / 2 - w / 2), int((y1 + y2) / 2 - h / 2)
    return max(0, left - w), max(0, top - h), min(width, left + 2 * w), min(height, top + 2 * h)


def crops(view: View) -> list[Image.Image]:
    """For each region its crop and the crop of its mask (0 outside, 255 inside)."""
    pictures: list[Image.Image] = []
    for mask in view.masks:
        box = crop_box(mask)
        pictures += [view.image.crop(box), Image.fromarray(mask.astype(np.uint8) * 255).crop(box)]
    return pictures
