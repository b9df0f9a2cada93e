"""Data of others is bounded and checked, and mistakes in it are named."""

import io
import json
import shutil
import tarfile

import pytest

from gar.benchmarks import reading
from gar.benchmarks.reading import Pictures, read_json
from gar.benchmarks.registry import find_benchmark
from gar.benchmarks.running import load_benchmark
from gar.errors import InputError, MediaError

VQA = find_benchmark("gar-bench-vqa")


def changed(folder, **changes):
    """Changes the third entry of a VQA file."""
    path = folder / "annotations/GAR-Bench-VQA.json"
    entries = json.loads(path.read_text())
    entries[2] |= changes
    path.write_text(json.dumps(entries))
    return folder


def test_a_folder_gives_all_items(vqa_folder):
    loaded = load_benchmark(VQA, vqa_folder)
    assert [item.id for item in loaded.items] == [str(number) for number in range(20)]
    assert loaded.showable == loaded.items
    assert loaded.items[3].shown.read().size == (32, 24)
    assert loaded.items[3].options == ("<Prompt0>", "<Prompt1>", "both", "none")


def test_the_folder_may_be_that_of_the_benchmark_or_the_one_above(vqa_folder):
    above = vqa_folder.parent / "all"
    above.mkdir()
    vqa_folder.rename(above / "gar-bench")
    assert len(load_benchmark(VQA, above).items) == len(load_benchmark(VQA, above / "gar-bench").items) == 20


def test_pictures_are_read_from_an_archive_with_hard_links(make_vqa, tmp_path):
    loaded = load_benchmark(VQA, make_vqa(tmp_path / "tar", 3, pictures="tar"))
    assert len(loaded.showable) == 3
    assert loaded.items[2].shown.read().tobytes() == loaded.items[0].shown.read().tobytes()


def test_missing_pictures_are_named_and_the_rest_is_there(vqa_folder):
    (vqa_folder / "annotations/images/vqa_7.png").unlink()
    loaded = load_benchmark(VQA, vqa_folder)
    assert len(loaded.items) == 20
    assert len(loaded.showable) == 19
    (missing,) = loaded.missing
    assert missing.items == ("7",)
    assert "vqa_7.png" in missing.what
    assert "github.com/Haochen-Wang409" in missing.what


def test_the_fingerprint_changes_with_annotations_and_pictures(vqa_folder):
    first = load_benchmark(VQA, vqa_folder).fingerprint
    assert load_benchmark(VQA, vqa_folder).fingerprint == first
    (vqa_folder / "annotations/images/vqa_7.png").unlink()
    without = load_benchmark(VQA, vqa_folder).fingerprint
    assert load_benchmark(VQA, changed(vqa_folder, answer="D")).fingerprint not in {first, without}
    assert first != without


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "images/../../x.png", "", "a\\..\\b.png", "a\0b"])
def test_a_picture_outside_the_folder_is_refused(vqa_folder, name):
    with pytest.raises(InputError, match="leads out"):
        load_benchmark(VQA, changed(vqa_folder, image=name))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"answer": "E"}, "'E'"),
        ({"answer": 3}, "int"),
        ({"choices": ["red", "blue"]}, "choices"),
        ({"choices": ["A. red"]}, "choices"),
        ({"question": None}, "NoneType"),
        ({"question": "x" * 200_000}, "200000"),
        ({"mask_rles": []}, "mask_rles"),
        ({"mask_rles": [{"size": [24, 32], "counts": "zzz"}]}, "RLE"),
        ({"mask_rles": [{"size": [10**9, 10**9], "counts": "0"}]}, "1000000000"),
    ],
)
def test_a_bad_entry_is_named(vqa_folder, changes, said):
    with pytest.raises(InputError, match=said) as caught:
        load_benchmark(VQA, changed(vqa_folder, **changes))
    assert "entry 2" in str(caught.value)


def test_half_of_a_surrogate_pair_is_read_as_a_question_mark(vqa_folder):
    loaded = load_benchmark(VQA, changed(vqa_folder, question="\ud83d <Prompt0>?"))
    assert loaded.items[2].question == "? <Prompt0>?"


def test_a_name_that_no_file_can_have_is_refused(vqa_folder):
    with pytest.raises(InputError, match=r"the name 'x+' cannot be looked for: File name too long"):
        load_benchmark(VQA, changed(vqa_folder, image="x" * 300))


def test_two_items_of_one_id_are_refused(shared, tmp_path):
    shutil.copytree(shared / "bench/dlc-bench/annotations", tmp_path / "annotations", copy_function=shutil.copyfile)
    tmp_path.joinpath("annotations").chmod(0o755)
    path = tmp_path / "annotations/annotations.json"
    told = json.loads(path.read_text())
    told["annotations"].append(told["annotations"][0])
    path.write_text(json.dumps(told))
    with pytest.raises(InputError, match=rf"two items '{told['annotations'][0]['id']}'"):
        load_benchmark(find_benchmark("dlc-bench"), tmp_path)


def test_what_is_not_json_is_refused(tmp_path):
    for content in (b"{", b"[" * 100_000, b"\xff\xfe"):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(InputError, match="not JSON"):
            read_json(tmp_path / "a.json")


def test_a_file_over_the_limit_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_JSON_BYTES", 10)
    (tmp_path / "a.json").write_text("[1, 2, 3, 4, 5]")
    with pytest.raises(InputError, match="15 bytes"):
        read_json(tmp_path / "a.json")


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"b"\n')
    with pytest.raises(InputError, match="line 3"):
        read_json(tmp_path / "a.jsonl")


def test_links_out_of_an_archive_are_not_followed(tmp_path):
    with tarfile.open(tmp_path / "images.tar", "w") as tar:
        for kind, target in ((tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "../../etc/passwd")):
            link = tarfile.TarInfo(f"images/{kind.decode()}.png")
            link.type, link.linkname = kind, target
            tar.addfile(link)
    pictures = Pictures([tmp_path])
    assert pictures.size("images/1.png") is None
    assert pictures.size("images/2.png") is None
    with pytest.raises(MediaError, match="no such picture"):
        pictures.read("images/1.png")


def test_a_picture_of_an_archive_is_bounded(tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "images.tar", "w") as tar:
        info = tarfile.TarInfo("a.png")
        info.size = 100
        tar.addfile(info, io.BytesIO(bytes(100)))
    monkeypatch.setattr(reading, "MAX_PICTURE_BYTES", 99)
    with pytest.raises(MediaError, match="100 bytes"):
        Pictures([tmp_path]).read("a.png")


def test_an_archive_that_is_none_is_refused(tmp_path):
    (tmp_path / "images.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(InputError, match="not a tar archive"):
        Pictures([tmp_path])


def test_without_its_data_a_benchmark_says_where_it_is_to_be_had(tmp_path):
    with pytest.raises(InputError, match=r"github\.com/Haochen-Wang409"):
        load_benchmark(VQA, None)
    with pytest.raises(InputError, match=r"GAR-Bench-VQA\.json"):
        load_benchmark(VQA, tmp_path)
    with pytest.raises(InputError, match="not a folder"):
        load_benchmark(VQA, tmp_path / "missing")
