"""`gar world render`: what is written, and what is refused."""

import json

import numpy as np
import pytest

from gar.cli import main
from gar.graspworld import attribute_words, render_scene
from gar.media import load_image


def test_rendering_writes_pictures_masks_texts_and_a_sheet(tmp_path, capsys):
    out = tmp_path / "new" / "scenes"
    arguments = ["world", "render", "--seed", "4", "--n", "2", "--split", "held-out", "--out", str(out)]
    assert main(arguments) == 0
    assert "2 scenes" in capsys.readouterr().err
    assert load_image(out / "sheet.png").width > 500
    for seed in (4, 5):
        scene = render_scene(seed, split="held-out")
        written = json.loads((out / f"scene-{seed:06d}.json").read_text())
        assert (np.asarray(load_image(out / written["picture"])) == scene.image).all()
        assert len(written["objects"]) == len(scene.objects)
        for item, entry in zip(scene.objects, written["objects"], strict=True):
            assert ((np.asarray(load_image(out / entry["mask"]))[..., 0] > 0) == item.mask).all()
            assert entry["words"] == attribute_words(item)
        assert set(written["prompts"].values()) <= set(range(len(scene.objects)))
        assert written["turns"]
    assert not list(out.glob(".*"))


@pytest.mark.parametrize(("staging", "kind"), [("rows", "choice-position"), ("together", "tie")])
def test_staged_scenes_are_written_with_what_they_were_staged_as(tmp_path, staging, kind):
    assert main(["world", "render", "--seed", "3", "--n", "2", "--staging", staging, "--out", str(tmp_path)]) == 0
    kinds = set()
    for seed in (3, 4):
        scene = render_scene(seed, staging=staging)
        written = json.loads((tmp_path / f"scene-{seed:06d}.json").read_text())
        assert written["staging"] == staging
        assert written["rows"] == [list(row) for row in scene.rows]
        assert written["ties"] == [{"a": tie.a, "verb": tie.verb, "b": tie.b} for tie in scene.ties]
        kinds |= {turn["kind"] for turn in written["turns"]}
    assert kind in kinds


def test_the_same_seed_writes_the_same_files(tmp_path):
    for name in ("a", "b"):
        main(["world", "render", "--n", "1", "--out", str(tmp_path / name)])
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "b").iterdir())
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


def test_a_scene_that_is_rendered_again_leaves_no_mask_of_the_former(tmp_path):
    arguments = ["world", "render", "--n", "1", "--out", str(tmp_path)]
    assert main(arguments) == 0
    names = {path.name for path in tmp_path.iterdir()}
    kept = {"scene-000000-mask-mine.png", "scene-000001-mask-80.png", "scene-000000-mask-80.jpg"}
    for name in (*kept, "scene-000000-mask-80.png", "scene-000000-mask-123.png"):
        (tmp_path / name).write_bytes(b"")
    assert main(arguments) == 0
    assert {path.name for path in tmp_path.iterdir()} == names | kept


def test_a_file_in_place_of_the_folder_and_a_wrong_split_are_refused(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("")
    assert main(["world", "render", "--out", str(file)]) == 2
    assert "is a file or a broken link; a folder is needed" in capsys.readouterr().err
    (tmp_path / "link").symlink_to(tmp_path / "missing")
    for out in (tmp_path / "link", tmp_path / "link" / "scenes"):
        assert main(["world", "render", "--out", str(out)]) == 2
        assert f"--out {out}: {tmp_path / 'link'} is a file or a broken link" in capsys.readouterr().err
    assert main(["world", "render", "--out", str(tmp_path), "--split", "test"]) == 2
    assert "held-out-nouns" in capsys.readouterr().err


def test_without_a_command_world_says_what_there_is(capsys):
    assert main(["world"]) == 0
    assert "render" in capsys.readouterr().out
