"""The folder of a run: what was asked of whom, and every answer, safe against a kill at any moment.

    manifest.json     benchmark, data, system, settings, perturbations, versions (written once)
    answers.jsonl     one line an item (`Record.to_json`), appended and synced as it is answered
    verdicts/NAME.jsonl, NAME.json     a judge's verdicts, and who judged how (`gar.benchmarks.verdicts`)
    scores.json       written by `gar bench score`

A line counts once its line break is on disk: what a kill leaves behind of a last line is cut off and asked again. Two
processes cannot write one run, and a run cannot be continued with other settings.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

from gar.benchmarks.items import Record
from gar.benchmarks.reading import Shape, check, read_json
from gar.errors import InputError
from gar.files import write_whole

__all__ = ["AnswerLog", "open_log", "read_manifest", "read_records", "versions", "write_json"]

FORMAT = 1
_MAY_DIFFER = ("versions", "started")
"""Parts of a manifest that may change when a run is continued."""


def versions() -> dict[str, str]:
    """Versions of what an answer depends on."""
    found = {"python": platform.python_version()}
    for package in ("grasp-any-region", "torch", "transformers", "numpy", "pillow"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file, whole or not at all."""
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a run is.

    Raises:
        InputError: The folder holds no run, or one of another format.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise InputError(f"{folder} is not the folder of a run: it has no manifest.json")
    manifest = read_json(path)
    check(manifest, _MANIFEST, f"{path} is not the manifest of a run of format {FORMAT}")
    return manifest


_MANIFEST = {
    "format": lambda value: value == FORMAT,
    "benchmark": str,
    "data": {
        "folder?": (str, None),
        "fingerprint": (str, None),
        "items": int,
        "missing": [{"items": [str], "what": str}],
        "notes": [str],
    },
    "system": {"name": str, "settings": dict},
    "perturbations": [str],
    "seed?": int,
    "versions?": dict,
}


def read_records(folder: Path, facts: Shape = dict) -> list[Record]:
    """The answers of a run, those of a run in progress included; half a line at the end does not count.

    Args:
        folder: Of the run.
        facts: What the facts of its benchmark's items must be.

    Raises:
        InputError: A line in the middle is damaged, or an item stands twice.
    """
    path = folder / "answers.jsonl"
    if not path.is_file():
        return []
    content = path.read_bytes()
    return _records(content[: _sound_length(content)], path, facts)


def _records(content: bytes, path: Path, facts: Shape = dict) -> list[Record]:
    records: dict[str, Record] = {}
    for number, line in enumerate(content.splitlines(), 1):
        where = f"line {number} of {path}"
        try:
            record = Record.from_json(json.loads(line), where)
        except (ValueError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{where} is damaged: {str(error)[:80]}") from error
        check(record.facts, facts, f"{where}, facts")
        if record.id in records and not records[record.id].failed:  # what failed is asked again upon going on
            raise InputError(f"{where}: item {record.id!r} stands there twice")
        records[record.id] = record
    return list(records.values())


def _sound_length(content: bytes) -> int:
    """Bytes up to the end of the last whole line; a last line that is not JSON, as after a power cut, is not whole."""
    end = content.rfind(b"\n") + 1
    begin = content.rfind(b"\n", 0, max(0, end - 1)) + 1
    try:
        json.loads(content[begin:end])
    except (ValueError, RecursionError):
        return begin
    return end


class AnswerLog:
    """The answers of a run that is being written; get one from `open_log`."""

    def __init__(self, stream: IO[bytes], records: list[Record]):
        self._stream = stream
        self.done = {record.id for record in records if not record.failed}
        """Items that need not be asked again. What failed is, and its new line takes the place of the former one."""

    def append(self, record: Record) -> None:
        """Adds an answer; it is on disk when this returns.

        Raises:
            OSError: If the file system refuses; it names the file.
        """
        assert record.id not in self.done, f"item {record.id} is answered already"
        line = json.dumps(record.to_json(), ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        try:
            while line:
                line = line[self._stream.write(line) :]
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._stream.name) from error
        self.done.add(record.id)


@contextlib.contextmanager
def open_log(folder: Path, manifest: Mapping[str, Any]) -> Generator[AnswerLog]:
    """Begins a run, or goes on with it.

    Args:
        folder: Made if it does not exist.
        manifest: What the run is; `format`, `versions` and `started` are added.

    Raises:
        InputError: The folder holds something else, a run of other settings, or one that another process is writing.
    """
    path = folder / "answers.jsonl"
    full = {
        "format": FORMAT,
        **manifest,
        "versions": versions(),
        "started": datetime.now(UTC).isoformat("T", "seconds"),
    }
    if (folder / "manifest.json").exists():
        _check_same(folder, read_manifest(folder), full)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not the folder of a run; give a new or empty one")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "manifest.json", full)
    with path.open("a+b", buffering=0) as stream:
        _lock(stream, folder)
        stream.seek(0)
        content = stream.read()
        sound = _sound_length(content)
        stream.truncate(sound)
        os.fsync(stream.fileno())
        yield AnswerLog(stream, _records(content[:sound], path))


def _check_same(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    plain = json.loads(json.dumps(new))  # tuples become lists, as they did in the file
    for key in sorted({*old, *plain} - {*_MAY_DIFFER}):
        before, now = old.get(key), plain.get(key)
        if key == "data":  # the folder may have moved
            before, now = old["data"]["fingerprint"], plain["data"]["fingerprint"]
        if before != now:
            raise InputError(
                f"{folder} was begun with {key} {_short(before)}, now it is {_short(now)}; "
                "continue with the same settings, or give another folder"
            )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _lock(stream: IO[bytes], folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not a POSIX system: there, nothing keeps a second process away
        return
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(
            f"{folder} is being written by another process; wait for it, or give another folder"
        ) from error
