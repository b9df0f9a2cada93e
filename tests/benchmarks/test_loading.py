"""What the loaders make of the published data."""

import json

import numpy as np
import pytest
from PIL import Image

from gar.benchmarks.graspworld_bench import GRASPWORLD, items_of_scene
from gar.benchmarks.items import Record, given
from gar.benchmarks.registry import find_benchmark
from gar.benchmarks.running import load_benchmark
from gar.errors import InputError, MediaError


@pytest.mark.parametrize(
    ("name", "items", "showable"),
    [
        ("gar-bench-vqa", 424, 424),
        ("gar-bench-simple", 97, 97),
        ("gar-bench-detailed", 107, 107),
        ("dlc-bench", 100, 90),
        ("ferret-bench", 40, 40),
        ("mdvp-bench", 364, 0),
    ],
)
def test_all_items_are_there_and_those_with_pictures_can_be_shown(shared, name, items, showable):
    loaded = load_benchmark(find_benchmark(name), shared / "bench")
    assert len(loaded.items) == items
    assert len(loaded.showable) == showable
    assert sum(len(one.items) for one in loaded.missing) == items - showable
    assert len({item.id for item in loaded.items}) == items


def test_every_mask_fits_its_picture(shared):
    for name in ("gar-bench-detailed", "dlc-bench", "ferret-bench"):
        for item in load_benchmark(find_benchmark(name), shared / "bench").showable[::20]:
            image = item.shown.read()
            assert all(region.to_mask((image.height, image.width)).any() for region in item.regions)


def test_dlc_bench_says_which_pictures_are_missing_and_where_they_are(shared):
    (missing,) = load_benchmark(find_benchmark("dlc-bench"), shared / "bench/dlc-bench").missing
    assert len(missing.items) == 10
    assert "9 pictures" in missing.what
    assert "huggingface.co/datasets/nvidia/DLC-Bench" in missing.what


def test_ferret_bench_notes_the_box_that_is_off(shared):
    loaded = load_benchmark(find_benchmark("ferret-bench"), shared / "bench")
    odd = next(item for item in loaded.items if item.shown.name == "000000421923.jpg")
    assert loaded.notes == (f"item {odd.id}: its box does not agree with the coordinates in its question",)


def test_mdvp_bench_numbers_the_regions_of_each_picture_and_says_that_published_pairs_are_wrong(shared):
    benchmark = find_benchmark("mdvp-bench")
    loaded = load_benchmark(benchmark, shared / "bench")
    groups = {item.group for item in loaded.items}
    assert groups == {"android", "multipanel", "natural", "ocr_doc", "ocr_spotting", "web"}
    for item in loaded.items:
        x1, y1, x2, y2 = item.facts["boxes"][item.facts["mark"]]
        assert x1 < x2
        assert y1 < y2
    assert "59 of 60" in benchmark.notes[0]


@pytest.fixture
def video_folder(shared, tmp_path):
    """VideoRefer-Bench's two example records, with frames of their size."""
    for kind in "dq":
        told = json.loads((shared / f"bench/videorefer/format_example_bench_{kind}.json").read_text())
        (tmp_path / f"VideoRefer-Bench-{kind.upper()}.json").write_text(json.dumps(told))
        folder = tmp_path / "videos" / told[0]["video"]
        folder.mkdir(parents=True)
        for number in range(60):
            Image.new("RGB", (64, 48), (number, 0, 0)).save(folder / f"{number:05d}.png")
    return tmp_path


def test_a_video_is_shown_as_frames_and_tracks(video_folder):
    (item,) = load_benchmark(find_benchmark("videorefer-bench-q"), video_folder).showable
    assert item.question == "What is <Prompt0> not wearing?"
    assert item.options == ("A helmet", "A hat", "Sunglasses", "A watch")
    assert item.facts["answer"] == "A"
    assert item.shown.frames == (0, 3, 57)
    assert [np.asarray(frame)[0, 0, 0] for frame in item.shown.read()] == [0, 3, 57]
    ((unseen, *seen),) = item.regions
    assert unseen is None
    assert all(region.to_mask((48, 64)).any() for region in seen)


def test_frame_numbers_may_have_leading_zeros(video_folder):
    path = video_folder / "VideoRefer-Bench-Q.json"
    (told,) = json.loads(path.read_text())
    objects = [{f"{int(frame):05d}": value for frame, value in one.items()} for one in told["annotation"]]
    path.write_text(json.dumps([told | {"annotation": objects}]))
    (item,) = load_benchmark(find_benchmark("videorefer-bench-q"), video_folder).showable
    assert item.shown.frames == (0, 3, 57)
    assert [region is None for region in item.regions[0]] == [True, False, False]


def test_a_video_file_is_decoded_frame_by_frame(tmp_path):
    av = pytest.importorskip("av")
    from gar.benchmarks.video_frames import read_frames

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(12):
            frame = av.VideoFrame.from_image(Image.new("RGB", (64, 48), (20 * number, 0, 0)))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    reds = [int(np.asarray(frame)[20, 20, 0]) for frame in read_frames(path, (2, 7, 11))]
    assert reds == pytest.approx([40, 140, 220], abs=12)
    with pytest.raises(MediaError, match="fewer frames than 13"):
        read_frames(path, (2, 12))
    path.write_bytes(b"no video")
    with pytest.raises(MediaError, match="cannot be decoded"):
        read_frames(path, (0,))


def test_a_question_about_more_objects_than_are_annotated_is_refused(video_folder):
    path = video_folder / "VideoRefer-Bench-Q.json"
    (told,) = json.loads(path.read_text())
    path.write_text(json.dumps([told | {"Question": "Is <object1><region> by <object2><region>?"}]))
    with pytest.raises(InputError, match="names 2 objects"):
        load_benchmark(find_benchmark("videorefer-bench-q"), video_folder)


@pytest.mark.parametrize(
    ("said", "exact", "unparsed"),
    [
        ("(A) A helmet", 1, 0),
        ("It is a).", 1, 0),
        ("a", 1, 0),
        ("(b), or (a)", 0, 0),
        ("none of them", 0, 1),
        ("", 0, 1),
    ],
)
def test_the_letter_of_videorefer_bench_is_found_by_its_rule(said, exact, unparsed):
    record = Record("0", "x", {"answer": "A"}, ("1", "2", "3", "4"), "?", given(said))
    mark = find_benchmark("videorefer-bench-q").mark(record, None)
    assert (mark.values["exact"], mark.unparsed) == (exact, unparsed)


def test_graspworld_needs_no_data_and_is_the_same_every_time():
    first, again = items_of_scene(3), items_of_scene(3)
    assert len(first) > 3
    for one, other in zip(first, again, strict=True):
        assert (one.id, one.question, one.options, one.facts) == (other.id, other.question, other.options, other.facts)
        assert one.shown.read().tobytes() == other.shown.read().tobytes()


def test_true_answers_about_graspworld_count_and_others_do_not():
    seen = set()
    for item in [item for number in range(8) for item in items_of_scene(number)]:
        if item.group in seen or "answer" not in item.facts:
            continue
        seen.add(item.group)
        for said, right in ((item.facts["answer"], 1.0), (item.facts["answer"].upper(), 1.0), ("nonsense", 0.0)):
            record = Record(item.id, item.group, item.facts, item.options, item.question, given(said))
            assert GRASPWORLD.mark(record, None).values["exact"] == right
    assert len(seen) > 10
