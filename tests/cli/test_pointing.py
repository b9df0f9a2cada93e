import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from gar.cli.options import Boxes, Masks, Points, Polygons, Rles, Scribbles
from gar.cli.pointing import RegionCommand, regions_from_flags
from gar.errors import InputError, MediaError, RegionError
from gar.regions import Region

SIZE = (100, 120)


def regions_of(*arguments):
    """What a command with region flags makes of its arguments."""
    app = typer.Typer()
    found = []

    @app.command(cls=RegionCommand)
    def point_at(
        ctx: typer.Context,
        box: Boxes = None,
        point: Points = None,
        mask: Masks = None,
        polygon: Polygons = None,
        scribble: Scribbles = None,
        rle: Rles = None,
        other: str = "",
    ):
        flags = {"box": box, "point": point, "mask": mask, "polygon": polygon, "scribble": scribble}
        found.extend(regions_from_flags(ctx, flags | {"rle": rle}))

    result = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
    if result.exception is not None:
        raise result.exception
    return found


def test_each_flag_makes_the_region_that_its_constructor_makes():
    assert regions_of("--box", "10,20,30,40") == [Region.box(10, 20, 30, 40)]
    assert regions_of("--box", "10 20 30 40 whole=1") == [Region.box(10, 20, 30, 40, whole=True)]
    assert regions_of("--point", "10,20") == [Region.points([(10, 20)])]
    assert regions_of("--point", "10,20 12,20 40,20,0 radius=5") == [
        Region.points([(10, 20), (12, 20), (40, 20)], [1, 1, 0], 5)
    ]
    assert regions_of("--scribble", "1,2 30,40 width=6") == [Region.scribble([(1, 2), (30, 40)], 6)]
    assert regions_of("--polygon", "1,2 30,2 30,40") == [Region.polygon([(1, 2), (30, 2), (30, 40)])]


def test_a_second_ring_is_a_hole():
    (region,) = regions_of("--polygon", "0,0 40,0 40,40 0,40; 10,10 20,10 20,20 10,20")
    assert region.area(SIZE) == 40 * 40 - 10 * 10


def test_regions_keep_the_order_of_the_command_line():
    line = "--point 1,1 --box=1,1,9,9 --other x --point=2,2 --box 2,2,8,8 --point 3,3"
    kinds = [region.kind for region in regions_of(*line.split())]
    assert kinds == ["points", "box", "points", "box", "points"]


def test_numbers_may_be_negative():
    assert regions_of("--box", "-5,-5,20,20") == [Region.box(-5, -5, 20, 20)]


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "P"])
def test_whatever_is_not_black_in_a_mask_file_is_inside(tmp_path, mode):
    inside = np.zeros(SIZE, bool)
    inside[20:40, 30:70] = True
    Image.fromarray(inside.astype(np.uint8) * 255).convert(mode).save(tmp_path / "mask.png")
    (region,) = regions_of("--mask", str(tmp_path / "mask.png"))
    assert (region.to_mask(SIZE) == inside).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_mask_file_with_alpha_is_refused(tmp_path, mode):
    Image.new("RGBA", SIZE[::-1], (200, 30, 30, 0)).convert(mode).save(tmp_path / "cut.png")
    with pytest.raises(RegionError, match=r"--mask '.*cut\.png': the picture has an alpha channel; save it without"):
        regions_of("--mask", str(tmp_path / "cut.png"))


def test_a_json_file_may_hold_a_code_an_annotation_or_a_list(tmp_path):
    region = Region.box(10, 10, 50, 60)
    code = region.to_rle(SIZE)
    annotation = {"id": 1, "segmentation": code, "bbox": [10, 10, 40, 50]}
    for content in (code, annotation, [code, annotation, {"bbox": [1, 2, 3, 4]}]):
        path = tmp_path / "regions.json"
        path.write_text(json.dumps(content))
        found = regions_of("--rle", str(path))
        assert len(found) == (len(content) if isinstance(content, list) else 1)
        assert found[0].iou(region, SIZE) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no region"),
        (["--box", "1,2,3"], "3 numbers"),
        (["--box", "1,2,3,x"], "1,2,3,x"),
        (["--box", ""], "no numbers"),
        (["--box", "9,9,1,1"], "9, 9, 1, 1"),
        (["--box", "nan,1,2,3"], "nan"),
        (["--box", "1,2,3,4 radius=2"], "radius"),
        (["--point", "1"], "1 numbers"),
        (["--point", "1,2,3,4"], "4 numbers"),
        (["--point", "1,2,7"], "7"),
        (["--point", "1,2 radius=-1"], "-1"),
        (["--point", "radius=3"], "no numbers"),
        (["--scribble", "1,2"], "scribble"),
        (["--scribble", "1,2 3,4,5"], "3 numbers"),
        (["--polygon", "1,2 3,4"], "polygon"),
        (["--polygon", ";"], "ring"),
    ],
)
def test_a_value_that_is_no_region_is_refused_with_what_was_given(arguments, said):
    with pytest.raises(RegionError, match=said):
        regions_of(*arguments)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        "null",
        "3",
        '["a"]',
        '{"counts": "x"}',
        "[" * 100_000,
        '{"size": [2, 2], "counts": [9]}',
    ],
)
def test_a_json_file_without_regions_is_refused(tmp_path, content):
    path = tmp_path / "regions.json"
    path.write_text(content)
    with pytest.raises(RegionError, match=r"regions\.json"):
        regions_of("--rle", str(path))


def test_a_json_file_that_is_missing_or_a_folder_is_refused(tmp_path):
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(RegionError, match="cannot be read"):
            regions_of("--rle", str(path))


def test_a_mask_file_that_is_missing_or_no_picture_is_refused(tmp_path):
    (tmp_path / "mask.png").write_text("no picture")
    for name in ("missing.png", "mask.png"):
        with pytest.raises(MediaError, match=name):
            regions_of("--mask", str(tmp_path / name))


def test_a_black_mask_file_is_refused(tmp_path):
    Image.new("L", (9, 9)).save(tmp_path / "black.png")
    with pytest.raises(InputError, match=r"black\.png"):
        regions_of("--mask", str(tmp_path / "black.png"))
