"""Rows of Arrow and Parquet files through the package `datasets`.

Arrow files are mapped into memory, not read. Parquet is unpacked by `datasets` into its cache first. Pictures come as
they are stored: they are decoded by `gar.media`, within its limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gar.errors import InputError, MissingExtraError

__all__ = ["ArrowRows", "import_datasets", "quietly"]


def import_datasets() -> Any:
    """The package `datasets`.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import datasets.arrow_writer
    except ImportError as error:
        raise MissingExtraError("datasets", "train") from error
    return datasets


@contextmanager
def quietly(datasets: Any) -> Iterator[None]:
    """Keeps the progress bars of `datasets` off the terminal."""
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


class ArrowRows:
    """The rows of a folder or a file, by number; opened in each process anew, when the first row is read.

    Args:
        path: A folder that `datasets` saved, or one with .arrow or .parquet files, or one such file.
        columns: What each row must have.
        optional: What it may have; other columns are not read.

    Raises:
        InputError: There are no such files, they can't be read, or a column is missing.
        MissingExtraError: The package `datasets` is not installed.
    """

    def __init__(self, path: Path, columns: Sequence[str], optional: Sequence[str] = ()):
        self._path = path
        self._columns = columns
        self._optional = optional
        self._data: Any = None
        self._length = len(self._open())

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, number: int) -> Mapping[str, Any]:
        if self._data is None:
            self._data = self._open()
        return self._data[number]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_data": None}

    def _open(self) -> Any:
        datasets = import_datasets()
        try:
            with quietly(datasets):
                data = _load(self._path, datasets)
        except InputError:
            raise
        except Exception as error:  # pyarrow and datasets raise nearly anything on damaged files
            raise InputError(f"{self._path} cannot be read as Arrow or Parquet: {error}") from error
        if missing := [name for name in self._columns if name not in data.column_names]:
            raise InputError(f"{self._path} has the columns {data.column_names}; missing are {missing}")
        data = data.select_columns([name for name in (*self._columns, *self._optional) if name in data.column_names])
        for name, feature in data.features.items():
            if isinstance(feature, datasets.Image):
                data = data.cast_column(name, datasets.Image(decode=False))
        return data


def _load(path: Path, datasets: Any) -> Any:
    """A `datasets.Dataset` of a folder or a file."""
    if (path / "dataset_dict.json").is_file():
        raise InputError(f"{path} holds several splits; name the folder of one of them")
    if (path / "state.json").is_file():
        return datasets.load_from_disk(str(path))
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    if parquet := [str(file) for file in files if file.suffix == ".parquet"]:
        return datasets.Dataset.from_parquet(parquet)
    if arrow := [str(file) for file in files if file.suffix == ".arrow"]:
        return datasets.concatenate_datasets([datasets.Dataset.from_file(file) for file in arrow])
    raise InputError(f"{path} is no .json or .jsonl file and has no .arrow or .parquet files")
