"""Files and folders that are written whole or not at all."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gar.files import whole_file, whole_folder, write_whole


def test_a_file_is_written_and_nothing_else_is_left(tmp_path):
    write_whole(tmp_path / "a.txt", b"old")
    write_whole(tmp_path / "a.txt", "n\u00e9w")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == "n\u00e9w".encode()


def test_text_that_is_no_unicode_is_written_all_the_same(tmp_path):
    write_whole(tmp_path / "a.txt", "half \ud83d pair")
    assert (tmp_path / "a.txt").read_text() == "half ? pair"


def test_files_have_the_rights_that_any_new_file_has(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    write_whole(tmp_path / "ours", b"")
    with whole_file(tmp_path / "weights") as unfinished:
        save_file({"a": torch.zeros(1)}, unfinished)  # readable for its owner alone
    with whole_folder(tmp_path / "folder") as unfinished:
        save_file({"a": torch.zeros(1)}, unfinished / "weights")
    for name in ("ours", "weights", "folder/weights"):
        assert (tmp_path / name).stat().st_mode == (tmp_path / "usual").stat().st_mode


def names_in(folder):
    return [str(path.relative_to(folder)) for path in sorted(folder.rglob("*"))]


def test_a_file_that_fails_in_the_middle_leaves_what_was_there(tmp_path):
    (tmp_path / "a.txt").write_text("old")

    def fail():
        with whole_file(tmp_path / "a.txt") as unfinished:
            unfinished.write_text("ne")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert names_in(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_folder_that_fails_in_the_middle_leaves_what_was_there(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()

    def fail():
        with whole_folder(tmp_path / "folder") as unfinished:
            (unfinished / "new").touch()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert names_in(tmp_path) == ["folder", "folder/old"]


def test_a_folder_takes_the_place_of_another(tmp_path):
    for name in ("old", "new"):
        with whole_folder(tmp_path / "in" / "folder") as unfinished:
            (unfinished / name).touch()
    assert names_in(tmp_path) == ["in", "in/folder", "in/folder/new"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_error_while_writing_names_the_file_and_keeps_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    (tmp_path / f".a.{os.getpid()}.txt").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"a\.txt"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing/a\.txt"):
        write_whole(tmp_path / "missing" / "a.txt", b"")


def test_an_error_about_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="other"), whole_file(tmp_path / "a.txt"):
        (tmp_path / "other").read_bytes()


def test_an_error_that_is_not_of_the_file_system_keeps_its_words(tmp_path):
    def fail():
        with whole_file(tmp_path / "a.txt"):
            raise OSError("cannot write this mode")

    with pytest.raises(OSError, match="cannot write this mode"):
        fail()
    assert names_in(tmp_path) == []
