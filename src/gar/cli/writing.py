"""Pictures that commands write."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gar.errors import InputError
from gar.files import write_whole

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["check_picture_path", "write_picture"]

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
