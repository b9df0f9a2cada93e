import os
from pathlib import Path

import pytest
from PIL import Image

from gar.cli.writing import check_picture_path, write_picture, write_whole
from gar.errors import InputError


def test_a_file_is_written_and_nothing_else_is_left(tmp_path):
    write_whole(tmp_path / "a.txt", b"old")
    write_whole(tmp_path / "a.txt", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"new"


def test_a_file_has_the_rights_that_any_new_file_has(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    write_whole(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_error_while_writing_names_the_file_and_keeps_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    (tmp_path / f".a.txt.{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"a\.txt"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing/a\.txt"):
        write_whole(tmp_path / "missing" / "a.txt", b"")


@pytest.mark.parametrize("ending", ["png", "jpg", "JPEG", "webp"])
def test_a_picture_is_written_in_the_format_of_its_ending(tmp_path, ending):
    path = tmp_path / f"picture.{ending}"
    check_picture_path(path)
    write_picture(path, Image.new("RGB", (8, 6)))
    with Image.open(path) as picture:
        assert picture.size == (8, 6)
        assert picture.format == {"png": "PNG", "webp": "WEBP"}.get(ending, "JPEG")


def test_paths_that_cannot_be_written_to_are_refused_before_any_work(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name, said in (
        ("picture.bmp", "bmp"),
        ("picture", "ending"),
        ("missing/picture.png", "no folder"),
        ("folder.png", "is a folder"),
    ):
        with pytest.raises(InputError, match=said):
            check_picture_path(tmp_path / name)
