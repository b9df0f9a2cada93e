"""Files that are written whole or not at all.

A file is written beside its place under another name and then moved there, which is one step for the file
system: whoever reads it sees the old file or the new one, never half of one.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gar.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["check_picture_path", "write_picture", "write_whole"]

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def check_picture_path(path: Path) -> None:
    """Refuses a path that a picture cannot be written to, before any work is done.

    Raises:
        InputError: If the ending is unknown, the folder is missing or not writable, or `path` is a folder.
    """
    folder = path.parent
    if path.suffix.lower() not in _FORMATS:
        raise InputError(f"{path}: the ending {path.suffix!r} is unknown; allowed are {', '.join(_FORMATS)}")
    if not folder.is_dir():
        raise InputError(f"{path}: there is no folder {folder}")
    if path.is_dir():
        raise InputError(f"{path} is a folder; a file is needed")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path}: the folder {folder} is not writable")


def write_picture(path: Path, picture: Image.Image) -> None:
    """Writes a picture in the format of its ending, whole or not at all."""
    encoded = io.BytesIO()
    picture.save(encoded, _FORMATS[path.suffix.lower()], quality=92)
    write_whole(path, encoded.getvalue())


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all; a file of that name is replaced.

    Raises:
        OSError: If the file system refuses; then nothing is left behind.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        unfinished.unlink(missing_ok=True)
