"""Data of others, read carefully: JSON, pictures in folders and archives, run-length codes.

Choices:

* every file is bounded before it is read, every value is checked before it is used, and each mistake is an
  `InputError` that says which file and which entry;
* names of pictures come from annotations, so they may not lead out of their folder;
* pictures are read straight from an archive where one lies beside the annotations; nothing is unpacked.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from PIL import Image

from gar.errors import InputError, MediaError, RegionError
from gar.media import load_image
from gar.regions import Region

__all__ = [
    "Pictures",
    "Shape",
    "check",
    "entry_of",
    "find_file",
    "find_within",
    "fingerprint",
    "list_of",
    "misfit",
    "read_json",
    "read_json_lines",
    "region_of",
    "text_of",
]

MAX_JSON_BYTES = 256 << 20
"""The largest annotation file; the largest published one has 2 MB, those with videos' masks have more."""
MAX_ITEMS = 100_000
MAX_TEXT = 100_000
"""Characters of one text."""
MAX_PICTURE_BYTES = 100_000_000

Shape: TypeAlias = Any
"""What a JSON value must be: a type (`float` is any finite number), None, a tuple of shapes of which one fits,
`[shape]` for a list of such values, `{"key": shape, "other?": shape}` for an object with these keys among others (that
with ? may be missing), `{str: shape}` for an object of such values, or a function that says whether a value fits."""


def read_bytes(path: Path) -> bytes:
    """The bytes of an annotation file.

    Raises:
        InputError: There is no such file, or it is larger than 256 MB.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise InputError(f"{path} has {size} bytes; allowed are {MAX_JSON_BYTES}")
    return path.read_bytes()


def read_json(path: Path) -> Any:
    """A value from a JSON file, or a list of values from one with a value on each line (.jsonl).

    Raises:
        InputError: Missing, too large, or not JSON.
    """
    if path.suffix == ".jsonl":
        return read_json_lines(path)
    return _parse(read_bytes(path), str(path))


def read_json_lines(path: Path) -> list[Any]:
    """The values of a file with one JSON value a line; empty lines are left out.

    Raises:
        InputError: Missing, too large, or a line is not JSON.
    """
    lines = read_bytes(path).split(b"\n")
    return [_parse(line, f"line {number} of {path}") for number, line in enumerate(lines, 1) if line.strip()]


def _parse(content: bytes, where: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not JSON: {str(error)[:100]}") from error


def list_of(value: Any, where: str, kind: type = dict) -> list[Any]:
    """A list whose entries are of a kind, or an error that says what was found."""
    if not isinstance(value, list) or not 0 < len(value) <= MAX_ITEMS:
        found = f"a list of {len(value)}" if isinstance(value, list) else type(value).__name__
        raise InputError(f"{where} is {found}; needed is a list of 1 to {MAX_ITEMS}")
    for number, entry in enumerate(value):
        if not isinstance(entry, kind):
            raise InputError(f"entry {number} of {where} is {type(entry).__name__}; needed is {kind.__name__}")
    return value


def entry_of(record: Mapping[str, Any], key: str, where: str, kind: type | tuple[type, ...]) -> Any:
    """The value of a key, of the right kind, or an error that says what was found."""
    value = record.get(key)
    if not isinstance(value, kind):
        needed = kind.__name__ if isinstance(kind, type) else " or ".join(one.__name__ for one in kind)
        raise InputError(f"{where}: {key!r} is {type(value).__name__}; needed is {needed}")
    return value


def text_of(record: Mapping[str, Any], key: str, where: str) -> str:
    """The text of a key, not longer than 100,000 characters; half of a surrogate pair becomes a question mark."""
    text: str = entry_of(record, key, where, str)
    if len(text) > MAX_TEXT:
        raise InputError(f"{where}: {key!r} has {len(text)} characters; allowed are {MAX_TEXT}")
    return text.encode(errors="replace").decode()


def check(value: Any, shape: Shape, where: str) -> None:
    """Refuses a value of another shape, with `where` it stands and which part of it is wrong."""
    wrong = misfit(value, shape)
    if wrong is not None:
        raise InputError(f"{where}: {wrong}")


def misfit(value: Any, shape: Shape, name: str = "") -> str | None:
    """Which part of a JSON value is not of a shape; None where it fits.

    Example:
        >>> shape = {"text": (str, None), "shares?": [float]}
        >>> misfit({"text": None}, shape), misfit({"text": "B", "shares": [0.5, "x"]}, shape), misfit({}, shape)
        (None, 'shares.1 cannot be "x"', 'text is missing')
    """
    if isinstance(shape, (list, dict)) and isinstance(value, type(shape)):
        return next(filter(None, _misfits(value, shape, name)), None)
    if isinstance(shape, tuple):
        fits = any(misfit(value, one) is None for one in shape)
    elif isinstance(shape, (list, dict)):
        fits = False
    elif shape is float:
        fits = type(value) in (int, float) and abs(value) <= sys.float_info.max
    elif isinstance(shape, type):
        fits = type(value) is shape
    else:
        fits = value is None if shape is None else shape(value)
    return None if fits else f"{name or 'it'} cannot be {json.dumps(value, default=str)[:60]}"


def _misfits(value: Any, shape: Shape, name: str) -> Iterator[str | None]:
    """What is wrong with each part of a list or object."""
    if isinstance(shape, list):
        parts = [(str(place), one, shape[0]) for place, one in enumerate(value)]
    elif str in shape:
        parts = [(key, one, shape[str]) for key, one in value.items()]
    else:
        names = {key.removesuffix("?"): key for key in shape}
        yield from (f"{name}.{bare} is missing".lstrip(".") for bare, key in names.items() if bare == key not in value)
        parts = [(bare, value[bare], shape[key]) for bare, key in names.items() if bare in value]
    for key, one, inner in parts:
        yield misfit(one, inner, f"{name}.{key}".lstrip("."))


def region_of(rle: Any, where: str) -> Region:
    """A region of a COCO run-length code, or an error that says where it stands."""
    try:
        return Region.rle(rle)
    except RegionError as error:
        raise InputError(f"{where}: {error}") from error


def find_file(data: Path, benchmark: str, name: str, source: str) -> Path:
    """A benchmark's annotation file.

    Args:
        data: The benchmark's folder, or the folder that holds the benchmarks' folders.
        benchmark: The name of the benchmark's folder.
        name: The file, relative to the benchmark's folder.
        source: Where the data is to be had, for the message.

    Raises:
        InputError: It is not there.
    """
    if not data.is_dir():
        raise InputError(f"{data} is not a folder; needed is the folder with {name}, from {source}")
    places = [data / name, data / benchmark / name, data / Path(name).name]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise InputError(f"{data} has no {name}; it is to be had from {source}")
    return found


def find_within(folders: Iterable[Path], name: str, is_there: Callable[[Path], bool] = Path.is_file) -> Path | None:
    """What an annotation names, in the first of some folders that has it; None where none has.

    Raises:
        InputError: The name leads out of the folder, or no file can have it.
    """
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts or "\0" in name or "\\" in name:
        raise InputError(f"the name {name[:80]!r} leads out of its folder")
    try:
        return next((path for folder in folders if is_there(path := folder / parts)), None)
    except OSError as error:
        raise InputError(f"the name {name[:80]!r} cannot be looked for: {error.strerror}") from error


class Pictures:
    """Pictures by their names relative to a folder, in it or in an `images.tar` that lies in it.

    Args:
        folders: Where to look, in this order.
    """

    def __init__(self, folders: Sequence[Path]):
        self.folders = [folder for folder in folders if folder.is_dir()]
        self._archives = [_Archive(path) for folder in self.folders if (path := folder / "images.tar").is_file()]

    def size(self, name: str) -> int | None:
        """Bytes of a picture, or None where there is none of that name.

        Raises:
            InputError: The name leads out of the folder.
        """
        path = self._path(name)
        if path is not None:
            return path.stat().st_size
        archive = self._archive(name)
        return None if archive is None else archive.sizes[name]

    def read(self, name: str) -> Image.Image:
        """A picture as RGB.

        Raises:
            MediaError: It is missing, not a picture, or over a limit.
        """
        path = self._path(name)
        if path is not None:
            return load_image(path)
        archive = self._archive(name)
        if archive is None:
            raise MediaError(f"{name}: there is no such picture in {', '.join(map(str, self.folders))}")
        return load_image(archive.read(name))

    def _path(self, name: str) -> Path | None:
        return find_within(self.folders, name)

    def _archive(self, name: str) -> _Archive | None:
        return next((archive for archive in self._archives if name in archive.sizes), None)


class _Archive:
    """An uncompressed tar file of pictures; repeated pictures may be hard links in it."""

    def __init__(self, path: Path):
        self.path = path
        try:
            with tarfile.open(path, "r:") as tar:
                members = {member.name: member for member in tar.getmembers()}
        except (tarfile.TarError, OSError, ValueError) as error:
            raise InputError(f"{path} is not a tar archive: {error}") from error
        files = {name: members.get(one.linkname) if one.islnk() else one for name, one in members.items()}
        self._places = {
            name.removeprefix("./"): (file.offset_data, file.size)
            for name, file in files.items()
            if file is not None and file.isreg()
        }
        self.sizes = {name: size for name, (_, size) in self._places.items()}

    def read(self, name: str) -> bytes:
        offset, size = self._places[name]
        if size > MAX_PICTURE_BYTES:
            raise MediaError(f"{name} in {self.path} has {size} bytes; allowed are {MAX_PICTURE_BYTES}")
        with self.path.open("rb") as stream:
            stream.seek(offset)
            return stream.read(size)


def fingerprint(files: Iterable[Path], pictures: Mapping[str, int | None]) -> str:
    """A short digest of annotation files' bytes and of the names and sizes of pictures."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(read_bytes(path)).digest())
    digest.update(json.dumps(sorted(pictures.items()), default=str).encode())
    return digest.hexdigest()[:16]
