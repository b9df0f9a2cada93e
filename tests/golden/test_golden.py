"""Our code against the published code, number for number: what `check.py` compares, as tests."""

import json
import shutil
from functools import lru_cache

import check
import golden_data
import pytest
import torch
from golden_deviation import Deviation
from golden_outputs import compare_roi_align, compare_rope, compare_sample

from gar import GARForConditionalGeneration

ROOT = golden_data.SHARED / "golden"
FOLDERS = golden_data.model_folders(ROOT) if ROOT.is_dir() else []
SAMPLES = [(folder, sample) for folder in FOLDERS for sample in golden_data.samples(ROOT, folder)]

pytestmark = pytest.mark.skipif(not FOLDERS, reason=f"no golden data at {ROOT}")


@lru_cache(maxsize=1)  # samples come folder by folder
def _model(folder):
    return GARForConditionalGeneration.from_pretrained(folder, dtype="float32").eval()


def _outside(deviations):
    return [deviation for deviation in deviations if not deviation.is_fine]


@pytest.mark.parametrize(
    ("folder", "sample"), SAMPLES, ids=[f"{folder.name}-{sample.name}" for folder, sample in SAMPLES]
)
def test_a_sample_gives_what_the_published_code_gave(folder, sample):
    deviations = compare_sample(_model(folder), golden_data.shared_tokenizer(), sample)
    assert len(deviations) > 20
    assert not _outside(deviations)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_rotary_tables_are_the_published_ones(folder):
    assert not _outside(compare_rope(_model(folder), folder))


def test_roi_align_gives_torchvisions_values_and_gradients():
    deviations = compare_roi_align(ROOT)
    assert len(deviations) > 100
    assert not _outside(deviations)


@pytest.fixture
def one_sample(tmp_path):
    """A golden folder with one model and its shortest sample."""
    folder, sample = min(SAMPLES, key=lambda pair: pair[1].facts["num_input_ids"])
    copy = tmp_path / "golden" / folder.name
    (copy / "samples").mkdir(parents=True)
    for file in (folder / "config.json", folder / "model.safetensors"):
        (copy / file.name).symlink_to(file)
    for file in folder.glob(f"samples/{sample.name}.*"):
        shutil.copy(file, copy / "samples")
    return copy / "samples" / f"{sample.name}.json"


def test_check_takes_any_folder_and_says_what_it_compared(one_sample, capsys):
    assert check.main([str(one_sample.parents[2])]) == 0
    assert "0 outside their tolerance" in capsys.readouterr().out


def test_check_fails_and_names_the_quantity_when_a_number_is_off(one_sample, capsys):
    facts = json.loads(one_sample.read_text())
    facts["preproc"]["canvas_sha256"] = "0" * 64
    one_sample.write_text(json.dumps(facts))
    assert check.main([str(one_sample.parents[2])]) == 1
    assert "sha256 of the canvas" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["nothing", "no model"])
def test_check_says_in_one_line_that_a_folder_is_missing_or_empty(content, tmp_path, capsys):
    folder = tmp_path / "given"
    if content == "no model":
        folder.mkdir()
    assert check.main([str(folder)]) == 2
    error = capsys.readouterr().err
    assert str(folder) in error
    assert error.count("\n") == 1


def test_check_says_in_one_line_that_the_shared_data_is_missing(one_sample, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(golden_data, "SHARED", tmp_path / "nowhere")
    golden_data.shared_tokenizer.cache_clear()
    assert check.main([str(one_sample.parents[2])]) == 2
    assert "nowhere" in capsys.readouterr().err
    golden_data.shared_tokenizer.cache_clear()


def test_pictures_are_unpacked_once_and_whole(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    golden_data.bench_pictures.cache_clear()
    folder = golden_data.bench_pictures()
    golden_data.bench_pictures.cache_clear()
    assert golden_data.bench_pictures() == folder
    golden_data.bench_pictures.cache_clear()
    assert [path.name for path in (tmp_path / "grasp-any-region").iterdir()] == [folder.name]
    assert any((folder / "images").glob("*.png"))


def test_a_deviation_that_is_not_a_number_is_outside():
    assert not Deviation("logits", "logits", float(torch.tensor(float("nan"))), 1.0).is_fine
