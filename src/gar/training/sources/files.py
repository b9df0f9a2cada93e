"""Reading what others wrote: JSON with what belongs in it, and pictures under a folder.

Nothing outside the folder of pictures is read and nothing is fetched, whatever an annotation says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gar.errors import InputError, MediaError
from gar.media import ImageSource, load_image

__all__ = ["entries", "file_under", "folder_at", "mapping", "parse_json", "read_file", "read_picture", "shown"]


def shown(value: object) -> str:
    """What a value looks like, short enough for a message."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def read_file(path: Path) -> bytes:
    """The bytes of a file that the user named.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def parse_json(data: bytes, what: str) -> Any:
    """The value of a JSON text.

    Raises:
        InputError: It is not JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} is not JSON: {error}") from error


def mapping(value: object, what: str) -> Mapping[str, Any]:
    """A JSON object, or an `InputError` that says what stands there instead."""
    if not isinstance(value, Mapping):
        raise InputError(f"{what} is {shown(value)}; it must be an object")
    return value


def entries(table: Mapping[str, Any], key: str, what: str) -> list[Any]:
    """The list under a key, or an `InputError` that says what stands there instead."""
    value = table.get(key)
    if not isinstance(value, list):
        raise InputError(f"{what} has {shown(value)} under {key!r}; it must be a list")
    return value


def folder_at(path: str | Path, what: str) -> Path:
    """A folder that exists, without links and dots in its path.

    Raises:
        InputError: It does not exist or is no folder.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"{what}: there is no folder {folder}")
    return folder.resolve()


def file_under(folder: Path, name: object) -> Path:
    """The file that an annotation names, if it lies under the folder of pictures.

    Args:
        folder: As from `folder_at`.
        name: A path, relative to the folder or absolute. Links that lead out of the folder are not followed.

    Raises:
        MediaError: The name is no path (a URL, for example), leads out of the folder, or there is no such file.
    """
    if not isinstance(name, str) or not name or "\0" in name or "://" in name or name.startswith("data:"):
        raise MediaError(f"the picture is {shown(name)}; it must be the path of a file in {folder}")
    try:
        path = (folder / name).resolve()
        inside, there = path.is_relative_to(folder), path.is_file()
    except (OSError, RuntimeError) as error:  # too long a name, links in a circle
        raise MediaError(f"the picture {shown(name)} cannot be found: {error}") from error
    if not inside:
        raise MediaError(f"the picture {shown(name)} lies outside the folder {folder}")
    if not there:
        raise MediaError(f"the picture {shown(name)} is not in the folder {folder}")
    return path


def read_picture(source: ImageSource) -> NDArray[np.uint8]:
    """A picture as (H, W, 3) RGB; see `gar.media.load_image` for what it takes, its limits and its errors."""
    return np.array(load_image(source))
