"""Records in the published data format, from every kind of file."""

import base64
import json
import pickle
import sys
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gar.errors import InputError, MissingExtraError
from gar.processing.prompts import caption_turns, render_chat, several_regions
from gar.regions import Region
from gar.training.samples import Sample, Skipped
from gar.training.sources.published import PublishedSource

QUESTION = ["Is <Prompt1> left of <Prompt0>?", "no"]


def same(a, b):
    return (
        (a.prompts, a.turns, a.wording) == (b.prompts, b.turns, b.wording)
        and np.array_equal(a.picture, b.picture)
        and all(np.array_equal(one, other) for one, other in zip(a.masks, b.masks, strict=True))
    )


@pytest.mark.parametrize("name", ["data.json", "data.jsonl"])
def test_json_and_json_lines_are_read(write, record, picture, boxes, name):
    path = write(record(2, QUESTION), record(1), name=name)
    source = PublishedSource(path)
    assert (len(source), source.skipped) == (2, [])
    sample = source[0]
    assert np.array_equal(sample.picture, picture)
    assert all(np.array_equal(mask, own) for mask, own in zip(sample.masks, boxes(2), strict=True))
    assert (sample.prompts, sample.turns) == ((0, 1), (tuple(QUESTION),))
    assert sample.name == (f"{path}[0]" if name == "data.json" else f"{path}, line 1")


def test_a_mask_may_be_one_dictionary_and_uncompressed(write, record):
    counts = [5, 3, 24 * 32 - 8]
    source = PublishedSource(write(record(mask_rle={"size": [24, 32], "counts": counts})))
    assert source[0].masks[0].T.ravel().nonzero()[0].tolist() == [5, 6, 7]


@pytest.mark.parametrize("prefix", ["data:base64,", "data:image/png;base64,"])
def test_a_picture_may_stand_in_the_record(write, record, tmp_path, picture, prefix):
    write()
    code = base64.b64encode((tmp_path / "a.png").read_bytes()).decode()
    assert np.array_equal(PublishedSource(write(record(image=prefix + code)))[0].picture, picture)


def test_draws_depend_on_seed_epoch_and_index_alone(write, record):
    path = write(*[record(3)] * 6)
    source, again, other = (PublishedSource(path, seed=seed) for seed in (1, 1, 2))
    first = [source[index] for index in range(6)]
    second = [source.draw(index, 1) for index in range(6)]
    assert len({sample.prompts for sample in first}) > 2
    assert [s.prompts for s in first] != [s.prompts for s in second]
    assert [s.prompts for s in first] != [other[index].prompts for index in range(6)]
    # as a run that is resumed in its second epoch, and begins with its last item
    assert all(same(again.draw(index, 1), second[index]) for index in reversed(range(6)))


def test_it_can_be_pickled(write, record):
    source = PublishedSource(write(*[record(3)] * 4), seed=5)
    assert same(pickle.loads(pickle.dumps(source))[2], source[2])


def test_bad_records_are_named_and_left_out_when_the_file_is_opened(write, record, tmp_path):
    outside = tmp_path.parent / "outside.png"
    outside.touch()
    link = tmp_path / "link.png"
    link.symlink_to(outside)
    bad = {
        "a text from 'gpt'": record(conversations=[{"from": "human", "value": "x"}, {"from": "human", "value": "x"}]),
        "names <Prompt1>; there are 1 masks": record(1, QUESTION),
        "names <Prompt5>": record(6, ["What is <Prompt5>?", "A cat."]),
        "1 answers that name no region": record(2, ["Describe it.", "A cat."]),
        "is not in the folder": record(image="b.png"),
        "'../outside.png' lies outside": record(image="../outside.png"),
        "'link.png' lies outside": record(image="link.png"),
        f"'{outside}' lies outside": record(image=str(outside)),
        "must be the path of a file": record(image="https://example.org/a.png"),
        "the picture is 7": record(image=7),
        "the picture is None": record(image=None),
        "the picture is ''": record(image=""),
        r"the picture is 'a\x00.png'": record(image="a\0.png"),
        "cannot be found": record(image="a" * 5000),
        "data URLs must be base64": record(image="data:,x"),
        "mask_rle is 'x'": record(mask_rle="x"),
        "the record is 'text'": "text",
        "conversations is None": {"image": "a.png"},
    }
    path = write(record(), *bad.values(), record(1))
    source = PublishedSource(path)
    assert [skipped.name for skipped in source.skipped] == [f"{path}[{n}]" for n in range(1, len(bad) + 1)]
    for skipped, reason in zip(source.skipped, bad, strict=True):
        assert reason in skipped.reason
    assert len(source) == 2
    assert source[1].name == f"{path}[{len(bad) + 1}]"


def test_what_proves_wrong_when_it_is_read_is_given_as_skipped(write, record, tmp_path):
    whole = {"size": [24, 32], "counts": [0, 768]}
    bad = {
        "is truncated": record(image="torn.png"),
        "is not a picture": record(image="text.png"),
        "has more pixels than allowed": record(image="huge.png"),
        "valid base64": record(image="data:base64,####"),
        "mask 0: mask of 32 x 24": record(mask_rle={"size": [32, 24], "counts": [0, 768]}),
        "mask 0: the RLE covers 700": record(mask_rle={"size": [24, 32], "counts": [0, 700]}),
        "mask 0: the RLE of 24 x 32 (height x width) is empty": record(mask_rle={"size": [24, 32], "counts": [768]}),
        "mask 0: the RLE is 5": record(mask_rle=[5]),
        "more than 268435456 pixels": record(mask_rle=[{**whole, "size": [10**6, 10**6]}]),
        "holds characters outside": record(mask_rle=[{**whole, "counts": "\x7f"}]),
    }
    path = write(*bad.values(), record())
    (tmp_path / "torn.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    (tmp_path / "text.png").write_text("no picture")
    header = (tmp_path / "a.png").read_bytes()
    sizes = (300_000).to_bytes(4, "big") * 2
    crc = zlib.crc32(b"IHDR" + sizes + header[24:29]).to_bytes(4, "big")
    (tmp_path / "huge.png").write_bytes(header[:16] + sizes + header[24:29] + crc + header[33:])
    source = PublishedSource(path)
    assert source.skipped == []
    items = [source[index] for index in range(len(source))]
    for index, (item, reason) in enumerate(zip(items, bad, strict=False)):
        assert isinstance(item, Skipped)
        assert item.name == f"{path}[{index}]"
        assert reason in item.reason
    assert isinstance(items[-1], Sample)


def test_a_line_that_is_no_json_is_named(write, record, tmp_path):
    path = write(record(), name="data.jsonl")
    path.write_bytes(path.read_bytes() + b'\n\n{"image": \n\xff\n' + b"[" * 100_000)
    source = PublishedSource(path)
    assert [skipped.name for skipped in source.skipped] == [f"{path}, line {n}" for n in (3, 4, 5)]
    assert all(skipped.reason.startswith("the line is not JSON") for skipped in source.skipped)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ('{"image": 1}', "must be a list of records"),
        ("[]", "nothing to learn from; 0 items can't be used"),
        ("[1, 2]", r"nothing to learn from; 2 items can't be used, the first: .*data.json\[0\]: the record is 1"),
    ],
)
def test_a_file_that_is_of_no_use_is_refused(tmp_path, content, message):
    (tmp_path / "data.json").write_text(content)
    with pytest.raises(InputError, match=message):
        PublishedSource(tmp_path / "data.json")


def test_what_cannot_be_opened_is_refused(tmp_path, write, record):
    for path, message in ((tmp_path / "none.json", "no file or folder"), (tmp_path, "no .arrow or .parquet files")):
        with pytest.raises(InputError, match=message):
            PublishedSource(path)
    with pytest.raises(InputError, match="there is no folder"):
        PublishedSource(write(record()), images=tmp_path / "none")
    with pytest.raises(InputError, match="seed=-1"):
        PublishedSource(write(record()), seed=-1)


def test_an_index_out_of_range_is_an_index_error(write, record):
    source = PublishedSource(write(record()))
    for index in (1, -1):
        with pytest.raises(IndexError):
            source[index]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values, st.sampled_from(["image", "mask_rle", "conversations", "dialogue"]))
def test_whatever_a_field_holds_ends_as_a_sample_or_as_skipped(write, record, value, field):
    source = PublishedSource(write(record(), record(**{field: value})))
    assert len(source) + len(source.skipped) == 2
    assert all(isinstance(source[index], Sample | Skipped) for index in range(len(source)))


# --- Arrow and Parquet


@pytest.fixture
def tables(write, record, tmp_path, monkeypatch):
    """Records as `datasets` writes them: a folder of its own, a bare Arrow file as the published parts, and Parquet."""
    datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    write()
    rows = [record(1), record(2, QUESTION), record(1, mask_rle=None)]
    rows = [{**row, "image": str(tmp_path / "a.png"), "catagory": "x"} for row in rows]
    data = datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())
    data.save_to_disk(str(tmp_path / "saved"))
    for name in ("bare", "parquet"):
        (tmp_path / name).mkdir()
    arrow = next((tmp_path / "saved").glob("*.arrow"))
    (tmp_path / "bare" / "data-00000-of-00001.arrow").write_bytes(arrow.read_bytes())
    datasets.load_from_disk(str(tmp_path / "saved")).to_parquet(str(tmp_path / "parquet" / "data.parquet"))
    yield tmp_path
    datasets.enable_progress_bars()


@pytest.mark.parametrize("kind", ["saved", "bare", "bare/data-00000-of-00001.arrow", "parquet"])
def test_arrow_and_parquet_give_what_json_gives(tables, write, record, kind):
    source = PublishedSource(tables / kind, seed=3)
    (tables / "a.png").unlink()  # the pictures are inside
    expected = PublishedSource(write(record(1), record(2, QUESTION)), seed=3)
    assert len(source) == 3
    assert all(same(source[index], expected[index]) for index in range(2))
    assert source[2].masks[0].all()
    assert same(pickle.loads(pickle.dumps(source))[0], source[0])


def test_rows_are_checked_when_their_turn_comes(tmp_path, record, write):
    datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")
    write()
    datasets.disable_progress_bars()
    datasets.Dataset.from_list([record(1, QUESTION), record(1)]).save_to_disk(str(tmp_path / "saved"))
    datasets.enable_progress_bars()
    source = PublishedSource(tmp_path / "saved", images=tmp_path)
    assert source[0] == Skipped(
        f"{tmp_path / 'saved'}[0]", "the text names <Prompt1>; there are 1 masks, numbered from 0"
    )
    assert isinstance(source[1], Sample)


def test_tables_that_are_damaged_or_lack_a_column_are_refused(tables):
    arrow = tables / "bare" / "data-00000-of-00001.arrow"
    arrow.write_bytes(arrow.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read as Arrow or Parquet"):
        PublishedSource(tables / "bare")
    import datasets

    datasets.Dataset.from_list([{"image": "a.png"}]).save_to_disk(str(tables / "lacking"))
    with pytest.raises(InputError, match=r"columns \['image'\]; missing are \['mask_rle', 'conversations'\]"):
        PublishedSource(tables / "lacking")
    datasets.DatasetDict({"train": datasets.load_from_disk(str(tables / "lacking"))}).save_to_disk(str(tables / "dict"))
    with pytest.raises(InputError, match="several splits"):
        PublishedSource(tables / "dict")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    (tmp_path / "data.arrow").touch()
    monkeypatch.setitem(sys.modules, "datasets", None)  # as if it were not installed
    with pytest.raises(MissingExtraError, match=r"datasets is not installed; run: pip install '\.\[train\]'"):
        PublishedSource(tmp_path)


# --- the golden conversations


@pytest.fixture
def golden(shared, tmp_path):
    """Makes a record of a golden training sample, and the picture that it needs."""

    def make(name):
        sample = json.loads((shared / f"golden/tiny_1b_style/samples/{name}.json").read_text())
        Image.new("RGB", sample["image_size_wh"]).save(tmp_path / "a.png")
        question, answer, texts = sample["question"], sample["answer"], sample["captions"]
        said = [text for caption in texts for text in ("Describe it.", caption)] if texts else [question, answer]
        turns = [{"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(said)]
        (tmp_path / "data.json").write_text(
            json.dumps([{"image": "a.png", "mask_rle": sample["mask_rles"], "conversations": turns}])
        )
        return PublishedSource(tmp_path / "data.json", augment=False), sample

    return make


CROPS = [f"<|reserved_special_token_{number + 2}|>" for number in range(5)]


def published_text(sample):
    text = sample["raw_prompt"]
    for crop in CROPS:
        text = text.replace(crop * 256, crop)
    return text


def test_questions_become_the_published_text(golden):
    from gar.processing import Message

    source, expected = golden("v12_train_relation2_t4")
    sample = source[0]
    asked = several_regions(sample.turns[0][0], sample.prompts, CROPS)
    messages = [Message("user", asked), Message("assistant", sample.turns[0][1])]
    assert render_chat(messages, add_generation_prompt=False) == published_text(expected)


def test_captions_become_the_published_text(golden):
    source, expected = golden("v13_train_multiturn3_t1")
    epochs = (source.draw(0, epoch) for epoch in range(1000))
    sample = next(s for s in epochs if s.prompts == tuple(expected["train_prompts"]) and len(s.turns) == 3)
    answers = dict(zip(sample.prompts, [answer for _, answer in sample.turns], strict=True))
    assert render_chat(caption_turns(answers, CROPS), add_generation_prompt=False) == published_text(expected)
    assert [Region.mask(mask).to_rle(mask.shape) for mask in sample.masks] == expected["mask_rles"]
