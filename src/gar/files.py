"""Files and folders that are written whole or not at all.

What is written stands beside its place under another name and is then moved there, which is one step for the file
system: whoever reads it sees the old one or the new one, never half of one.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole_file", "whole_folder", "write_whole"]


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """A name to write a file to, which becomes `path` when the block ends; a file of that name is replaced.

    The file has the rights that any new file has, whatever its writer gives it (safetensors: the owner alone).

    Raises:
        OSError: If the file system refuses; it names `path`, and nothing is left behind. So it is if the block fails.

    Example:
        >>> with whole_file(tmp_path / "a.txt") as unfinished:
        ...     _ = unfinished.write_text("whole")
        >>> (tmp_path / "a.txt").read_text()
        'whole'
    """
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        unfinished.touch()
        rights = stat.S_IMODE(unfinished.stat().st_mode)
        yield unfinished
        _give_rights(unfinished, rights)
        unfinished.replace(path)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(unfinished)):
            raise  # not of the file system, or of another file that the block has used
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        unfinished.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file, text as UTF-8; what UTF-8 cannot say, half of a surrogate pair, becomes a question mark.

    Raises:
        OSError: As `whole_file`.
    """
    with whole_file(path) as unfinished:
        unfinished.write_bytes(content.encode(errors="replace") if isinstance(content, str) else content)


@contextmanager
def whole_folder(path: Path) -> Generator[Path]:
    """An empty folder that becomes `path` when the block ends; a folder of that name is replaced.

    Its files have the rights that new files have.

    Raises:
        OSError: If the file system refuses; nothing is left behind then, nor if the block fails.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        rights = unfinished.stat().st_mode & 0o666  # what a new folder may be, a new file may be, but for running it
        for file in unfinished.rglob("*"):
            if file.is_file():
                _give_rights(file, rights)
        if path.exists():
            shutil.rmtree(path)
        unfinished.replace(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _give_rights(file: Path, rights: int) -> None:
    """Changes a file's rights where they differ; some file systems know no rights, and refuse."""
    if stat.S_IMODE(file.stat().st_mode) != rights:
        file.chmod(rights)
