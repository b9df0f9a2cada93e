"""Run-length codes of masks: between masks, COCO's run-length dictionaries and plain runs.

A mask (H, W) is read column by column (column-major, COCO's order); its *runs* are the lengths of the
stretches of equal value, outside first, so `runs[1::2]` lie inside and the first run may be 0.

Choices of this file:

* Strings of strangers are decoded here, in numpy, and never by pycocotools: its C decoder trusts the
  numbers in a string and writes where they point. Everything is checked before an array of the claimed size
  exists.
* Only masks that are already known to be sound are handed to pycocotools, which writes the string.

The string format is that of `rleToString` in COCO's maskApi.c: each number is cut into groups of five bits,
lowest first; a group is written as the character 48 + group, plus 32 when another follows; bit 16 of the
last group is the sign. From the fourth number on, what is written is the difference to the number two
places before.
"""

from __future__ import annotations

import importlib
import reprlib
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gar.errors import RegionError

__all__ = [
    "MAX_PIXELS",
    "MAX_RUNS",
    "mask_of_runs",
    "parse_counts",
    "parse_size",
    "runs_of_mask",
    "short",
    "to_coco",
]

MAX_PIXELS = 1 << 28
"""The largest picture that a region may be drawn on, in pixels (268 megapixels)."""

MAX_RUNS = 1 << 24
"""The most runs that a list of counts, and the most characters that a compressed string, may have."""

_MAX_GROUPS = 6
"""Groups of five bits in one number: 30 bits hold every difference of two runs of `MAX_PIXELS`."""

_ASCII_ZERO, _PAYLOAD, _MORE, _SIGN = 48, 0x1F, 0x20, 0x10


def short(value: object) -> str:
    """What a value looks like, short enough for a message; arrays by their shape and type."""
    if isinstance(value, np.ndarray):
        array = cast("NDArray[Any]", value)
        return f"an array of shape {array.shape} and type {array.dtype}"
    text = reprlib.repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def parse_size(size: object, what: str) -> tuple[int, int]:
    """Check a size (H, W) in pixels.

    Args:
        size: two positive whole numbers, height first.
        what: whose size it is, for the message.

    Raises:
        RegionError: not two positive whole numbers, or more than `MAX_PIXELS` pixels.
    """
    try:
        numbers: NDArray[Any] = np.asarray(size)
    except (TypeError, ValueError, OverflowError):
        numbers = np.empty(0)
    if numbers.shape != (2,) or numbers.dtype.kind not in "iu" or bool((numbers < 1).any()):
        raise RegionError(f"{what} is {short(size)}; it must be (height, width), two whole numbers above 0")
    height, width = int(numbers[0]), int(numbers[1])
    if height * width > MAX_PIXELS:
        raise RegionError(f"{what} is {height} x {width} (height x width), more than {MAX_PIXELS} pixels")
    return height, width


def parse_counts(counts: object, size: tuple[int, int]) -> NDArray[np.int64]:
    """Read the runs out of the `counts` of a COCO run-length dictionary, compressed or not.

    Args:
        counts: a compressed string (str or bytes), or a sequence of whole numbers.
        size: (H, W) that the runs must fill.

    Raises:
        RegionError: not a run-length code, a negative run, or runs that do not add up to H x W.

    Example:
        >>> parse_counts([1, 2, 1], (2, 2)).tolist()
        [1, 2, 1]
        >>> parse_counts("121", (2, 2)).tolist()
        [1, 2, 1]
    """
    if isinstance(counts, str):
        if not counts.isascii():
            raise RegionError("the RLE string holds characters that are not ASCII")
        counts = counts.encode("ascii")
    runs = _decompress(counts) if isinstance(counts, bytes) else _whole_numbers(counts)
    smallest = int(runs.min(initial=0))
    if smallest < 0:
        raise RegionError(f"the RLE holds a negative run ({smallest}); runs are 0 or more pixels long")
    pixels = size[0] * size[1]
    # A run longer than the picture is counted as a little longer, so that the sum cannot overflow.
    total = int(np.minimum(runs, pixels + 1).sum())
    if total != pixels:
        raise RegionError(
            f"the RLE covers {total} pixels{' or more' if total > pixels else ''}; "
            f"its size {size[0]} x {size[1]} (height x width) needs {pixels}"
        )
    return runs


def runs_of_mask(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Runs of a mask (H, W), column by column, outside first.

    Example:
        >>> runs_of_mask(np.array([[True, False], [True, False]])).tolist()
        [0, 2, 2]
    """
    flat = mask.ravel(order="F")
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    first = [0, 0] if flat[0] else [0]
    return np.diff(np.concatenate([first, ends, [flat.size]])).astype(np.int64)


def mask_of_runs(runs: NDArray[np.integer[Any]], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask (H, W) of runs that add up to H x W.

    Example:
        >>> mask_of_runs(np.array([0, 2, 2]), (2, 2)).tolist()
        [[True, False], [True, False]]
    """
    inside = np.arange(runs.size) % 2 == 1
    return np.ascontiguousarray(np.repeat(inside, runs).reshape(size[::-1]).T)


def to_coco(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """COCO's compressed dictionary `{"size": [H, W], "counts": str}` of a mask (H, W)."""
    coco: Any = importlib.import_module("pycocotools.mask")
    packed = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(n) for n in mask.shape], "counts": packed["counts"].decode("ascii")}


def _decompress(text: bytes) -> NDArray[np.int64]:
    """Numbers of a compressed string; the rule stands in the docstring of this file."""
    if not 0 < len(text) <= MAX_RUNS:
        raise RegionError(f"the RLE string has {len(text)} characters; allowed are 1 to {MAX_RUNS}")
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - _ASCII_ZERO
    if bool(((codes < 0) | (codes > (_MORE | _PAYLOAD))).any()):
        raise RegionError("the RLE string holds characters outside '0' to 'o'")
    ends = np.flatnonzero((codes & _MORE) == 0)
    if ends.size == 0 or int(ends[-1]) != codes.size - 1:
        raise RegionError(f"the RLE string of {len(text)} characters ends in the middle of a number")
    starts = np.concatenate([[0], ends[:-1] + 1])
    groups = ends - starts + 1
    if int(groups.max()) > _MAX_GROUPS:
        raise RegionError(f"the RLE string holds a number of {groups.max()} groups; at most {_MAX_GROUPS}")
    place = np.arange(codes.size) - np.repeat(starts, groups)
    numbers = np.add.reduceat((codes & _PAYLOAD) << (5 * place), starts)
    numbers -= np.where(codes[ends] & _SIGN, np.int64(1) << (5 * groups), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _whole_numbers(counts: object) -> NDArray[np.int64]:
    """Uncompressed counts as an array, refused unless they are one row of whole numbers."""
    if not isinstance(counts, (list, tuple, np.ndarray)):
        raise RegionError(f"the RLE's counts are {short(counts)}; allowed: str, bytes, a list of whole numbers")
    try:
        runs: NDArray[Any] = np.asarray(counts)  # pyright: ignore[reportUnknownArgumentType]
    except (TypeError, ValueError, OverflowError) as error:
        raise RegionError("the RLE's counts are not one row of whole numbers") from error
    if runs.ndim != 1 or runs.dtype.kind not in "iu" or not 0 < runs.size <= MAX_RUNS:
        raise RegionError(
            f"the RLE's counts have shape {runs.shape} and type {runs.dtype}; "
            f"allowed: one row of 1 to {MAX_RUNS} whole numbers"
        )
    if int(runs.max()) > np.iinfo(np.int64).max:
        raise RegionError(f"the RLE holds a run of {runs.max()} pixels; at most {MAX_PIXELS}")
    return runs.astype(np.int64)
