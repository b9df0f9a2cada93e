import pytest
from PIL import Image

from gar.cli.writing import check_picture_path, write_picture
from gar.errors import InputError


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
