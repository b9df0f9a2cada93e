"""Experiments: what is planned, done, skipped, gone on with, and told."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors.torch import load_file

from gar import InputError
from gar.cli import main
from gar.training.experiments.asking import MEASURES, Item, answered, ask_model
from gar.training.experiments.costs import step_seconds
from gar.training.experiments.plan import Experiment, plan_runs, read_experiment
from gar.training.experiments.report import write_report
from gar.training.experiments.results import difference, share
from gar.training.experiments.running import ANSWERS, do_runs, is_complete, is_trained
from gar.training.precision import settle_precision
from gar.training.reporting import Reporter
from gar.training.run import train

SIZES = "model.scratch.config"


@pytest.fixture
def content(small_config):
    """An experiment of two arms that learn in no time."""
    return {
        "title": "Is anything learnt?",
        "base": {
            "model": {"scratch": {"config": small_config, "vocab_size": 1024, "texts": 30, "pictures": 2}},
            "data": [{"kind": "world", "scenes": 6, "turns": 2}],
            "train": {"steps": 4, "batch_size": 2, "workers": 0, "learning_rate": 1e-3, "word_loss": 0.3},
            "save_every": 2,
            "report_to": [],
        },
        "arms": [
            {"name": "replay", "title": "with replay"},
            {"name": "none", "title": "without", "changes": [f"{SIZES}.replay_size=0", f"{SIZES}.mask_token=false"]},
        ],
        "reference": "replay",
        "seeds": 1,
        "asked": 2,
    }


@pytest.fixture
def experiment(content):
    return Experiment.model_validate(content)


@pytest.fixture
def written(content, tmp_path):
    """The file of that experiment."""
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


# ---- what is planned ---------------------------------------------------------------------------------------------


def test_all_arms_of_a_seed_come_before_the_next_seed(experiment, tmp_path):
    runs = plan_runs(experiment, tmp_path, seeds=2, steps=7, scenes=5)
    assert [run.name for run in runs] == ["replay/seed-0", "none/seed-0", "replay/seed-1", "none/seed-1"]
    for run in runs:
        assert run.recipe.out == tmp_path / run.name
        assert (run.recipe.seed, run.recipe.train.steps, run.recipe.data[0].scenes) == (run.seed, 7, 5)
    assert [run.recipe.model.scratch.config["replay_size"] for run in runs] == [2, 0, 2, 0]


def test_single_arms_and_single_runs_can_be_chosen(experiment, tmp_path):
    chosen = plan_runs(experiment, tmp_path, seeds=2, only=["none", "replay/seed-1"])
    assert [run.name for run in chosen] == ["none/seed-0", "replay/seed-1", "none/seed-1"]
    with pytest.raises(InputError, match=r"no 'crops'; there is none, none/seed-0, replay, replay/seed-0"):
        plan_runs(experiment, tmp_path, only=["crops"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": "other"}, "'other' is none of the arms replay, none"),
        ({"arms": [{"name": "a", "title": "A"}] * 2}, "each needs a name of its own"),
        ({"seeds": 0}, "greater than or equal to 1"),
        ({"arm": []}, "arm is no setting"),
        ({"arms": [{"name": "first", "title": "A"}, {"name": "b", "title": "B"}], "reference": "b"}, "'first' is what"),
    ],
)
def test_what_is_wrong_with_an_experiment_is_said(content, written, change, message):
    written.write_text(yaml.safe_dump(content | change))
    with pytest.raises(InputError, match=message):
        read_experiment(written)


def test_an_unknown_experiment_is_refused_with_the_known_ones(capsys):
    assert main(["experiment", "replays", "--report"]) == 2
    assert "no experiment 'replays'" in capsys.readouterr().err


# ---- the experiment of the package -------------------------------------------------------------------------------


@pytest.fixture
def replay(tmp_path):
    """The first run of each arm of the replay experiment."""
    return {run.arm.name: run.recipe for run in plan_runs(read_experiment("replay"), tmp_path, seeds=1)}


def config(recipe):
    return recipe.model.scratch.config


def test_the_arms_of_the_replay_experiment_differ_in_how_a_region_is_shown_and_in_nothing_else(replay):
    assert list(replay) == ["none", "published", "aligned", "mask-token", "crops"]
    plain = {"replay_size": 2, "replay_spatial_scale": 1.0, "mask_token": False, "region_crops": False}
    own = {
        "none": {"replay_size": 0},
        "published": {"replay_spatial_scale": 1 / 16},
        "aligned": {},
        "mask-token": {"mask_token": True},
        "crops": {"region_crops": True},
    }
    base = config(replay["aligned"])
    for name, settings in own.items():
        assert config(replay[name]) == base | plain | settings, name
        assert not config(replay[name])["box_embedding"]
        assert not replay[name].model.scratch.prompt_mentions
        same = {"out", "model"}
        assert replay[name].model_dump(exclude=same) == replay["aligned"].model_dump(exclude=same)


def test_the_published_arm_scales_by_one_over_the_pixels_of_a_cell_as_the_published_code_does(replay):
    settings = config(replay["published"])
    pixels = settings["vision_config"]["patch_size"] * settings["projector_pooling_ratio"]
    assert settings["replay_spatial_scale"] == 1 / pixels


# ---- what is done ------------------------------------------------------------------------------------------------


@pytest.fixture
def stop_at(monkeypatch):
    """Sends this process a signal at a step."""
    before = Reporter.on_step_begin

    def at(step):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == step:
                os.kill(os.getpid(), signal.SIGTERM)
            return before(self, args, state, control, **kwargs)

        monkeypatch.setattr(Reporter, "on_step_begin", on_step_begin)

    return at


def test_runs_are_done_gone_on_with_and_skipped_and_told(experiment, tmp_path, stop_at):
    runs = plan_runs(experiment, tmp_path / "out")
    stop_at(2)
    assert do_runs(runs, asked=2) == signal.SIGTERM
    assert not is_trained(runs[0])
    stop_at(-1)
    assert do_runs(runs, asked=2) is None
    assert all(is_complete(run, asked=2) for run in runs)
    assert not is_complete(runs[0], asked=3)
    before = files(tmp_path / "out")
    assert do_runs(runs, asked=2) is None
    assert {path for path, when in files(tmp_path / "out").items() if before[path] != when} == set()

    first, second = (load_file(run.recipe.out / "start" / "model.safetensors") for run in runs)
    assert all((first[name] == second[name]).all() for name in first)  # arms begin alike

    found = write_report(experiment, runs, tmp_path / "report")
    assert [arm.arm.name for arm in found] == ["replay", "none"]
    assert [arm.cost.tokens for arm in found] == [5, 0]
    assert [bool(arm.differences) for arm in found] == [False, True]
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    assert results["complete"] == ["replay/seed-0", "none/seed-0"]
    assert results["missing"] == []
    for arm in results["arms"]:
        for measure in arm["measures"].values():
            assert 0 <= measure["low"] <= measure["share"] <= measure["high"] <= 1
            assert len(measure["seeds"]) == 1
            assert 0 < measure["chance"] < 1
    page = (tmp_path / "report" / "results.md").read_text()
    assert "| without | 0 | 0 |" in page
    for name in ("measures.png", "sizes.png", "costs.png"):
        assert f"({name})" in page
        with Image.open(tmp_path / "report" / name) as picture:
            assert picture.width > 500


def test_all_arms_of_a_seed_begin_with_what_its_first_run_has_learnt(content, tmp_path):
    first = ["train.steps=2", "train.word_steps=2", "result_dtype=float32"]
    experiment = Experiment.model_validate(content | {"first": first})
    runs = plan_runs(experiment, tmp_path / "out", steps=3, seeds=2)
    assert [run.name for run in runs] == ["replay/seed-0", "none/seed-0", "replay/seed-1", "none/seed-1"]
    assert do_runs(runs[1:2], asked=1) is None
    done = runs[1].first
    assert (done.name, done.recipe.train.steps, runs[1].recipe.train.steps) == ("first/seed-0", 2, 3)
    assert not runs[3].first.recipe.out.exists()
    learnt = load_file(done.recipe.out / "result" / "model.safetensors")
    start = load_file(runs[1].recipe.out / "start" / "model.safetensors")
    assert learnt.keys() == start.keys()
    assert all((learnt[name] == start[name]).all() for name in learnt)
    before = files(done.recipe.out)
    assert do_runs(runs[:1], asked=1) is None
    assert files(done.recipe.out) == before


def test_weights_of_other_parts_are_refused(make_recipe, small_config, tmp_path):
    scratch = {"config": small_config, "vocab_size": 1024, "texts": 30, "pictures": 2}
    one = make_recipe(model={"scratch": scratch}, train={"steps": 1}, out=tmp_path / "one")
    train(one)
    weights, wider = one.out / "result", small_config["text_config"] | {"hidden_size": 64}
    wrong = {
        "other parts: model.box_embed": {"config": small_config | {"box_embedding": True}, "weights": weights},
        "size mismatch": {"config": small_config | {"text_config": wider}, "weights": weights},
        "No such file": {"weights": tmp_path},
    }
    for message, changed in wrong.items():
        with pytest.raises(InputError, match=f"model.scratch.weights: .*{message}"):
            train(make_recipe(model={"scratch": scratch | changed}, out=tmp_path / "two"))


def test_a_run_that_was_begun_with_other_settings_is_refused(experiment, tmp_path):
    run = plan_runs(experiment, tmp_path)[0]
    run.recipe.out.mkdir(parents=True)
    settings = settle_precision(run.recipe).model_dump(mode="json") | {"out": "elsewhere"}
    (run.recipe.out / "recipe.yaml").write_text(yaml.safe_dump(settings))
    other = plan_runs(experiment, tmp_path, steps=9)[:1]
    with pytest.raises(InputError, match=r"was begun with train\.steps 4, not 9"):
        do_runs(other, asked=1)


def test_a_report_can_be_written_before_anything_is_done(experiment, tmp_path, written, capsys):
    assert main(["experiment", str(written), "--out", str(tmp_path / "out"), "--report"]) == 0
    report = tmp_path / "out" / "report"
    assert "0 of 2 runs are complete." in (report / "results.md").read_text()
    assert json.loads((report / "results.json").read_text())["arms"] == []
    assert str(report / "results.md") in capsys.readouterr().err


def test_a_torn_line_of_answers_is_asked_again_and_whole_ones_are_not(small_start, tmp_path):
    from gar import load

    assistant, path = load(small_start), tmp_path / ANSWERS
    ask_model(assistant, path, scenes=3, name="small")
    whole = path.read_text()
    assert set(answered(path)) == {0, 1, 2}
    assert {item.measure for items in answered(path).values() for item in items} <= set(MEASURES)
    lines = whole.splitlines(keepends=True)
    path.write_text(lines[0].replace('"right": false', '"right": true') + lines[2] + lines[1][:40])
    ask_model(assistant, path, scenes=3, name="small")
    again = answered(path)
    assert all(item.right for item in again.pop(0))
    assert again == {number: items for number, items in answered_of(whole, tmp_path).items() if number}


def answered_of(text, folder):
    (folder / "whole.jsonl").write_text(text)
    return answered(folder / "whole.jsonl")


@pytest.mark.slow
def test_a_killed_experiment_goes_on_and_ends_as_one_that_was_not(experiment, written, tmp_path):
    whole = plan_runs(experiment, tmp_path / "whole", steps=30)
    do_runs(whole, asked=2)
    out = tmp_path / "killed"
    command = (
        f"from gar.cli import main; main(['experiment', {str(written)!r}, '--out', {str(out)!r}, '--steps', '30'])"
    )
    for reached in ("replay/seed-0/checkpoints/checkpoint-4", "replay/seed-0/answers.jsonl", "none/seed-0/start"):
        process = subprocess.Popen([sys.executable, "-c", command], env=os.environ | {"OMP_NUM_THREADS": "1"})
        try:
            end = time.monotonic() + 240
            while not (out / reached).exists() and process.poll() is None and time.monotonic() < end:
                time.sleep(0.02)
        finally:
            process.kill()
            process.wait()
        assert (out / reached).exists()
    killed = plan_runs(experiment, out, steps=30)
    do_runs(killed, asked=2)
    for one, other in zip(whole, killed, strict=True):
        first, second = (load_file(run.recipe.out / "result" / "model.safetensors") for run in (one, other))
        assert all((first[name] == second[name]).all() for name in first)
        assert answered(one.recipe.out / ANSWERS) == answered(other.recipe.out / ANSWERS)


# ---- numbers -----------------------------------------------------------------------------------------------------


def items(*right, measure="noun", size="tiny"):
    return [Item(measure, size, bool(one), 0.25) for one in right]


def test_a_share_is_the_mean_of_seeds_and_its_interval_that_of_the_items_of_one():
    runs = [{0: items(1, 0), 1: items(1, 1)}, {0: items(0, 0), 1: items(1, 1) + items(0, measure="relation")}]
    found = share(runs, lambda item: item.measure == "noun")
    assert (found.share, found.seeds, found.n, found.chance) == (0.625, (0.75, 0.5), 4, 0.25)
    assert 0 < found.low < 0.625 < found.high < 1
    assert share(runs, lambda item: item.size == "large") is None


def test_a_difference_is_of_the_same_items():
    rng = np.random.default_rng(0)
    right = rng.random((200, 4)) < 0.5
    runs = [{scene: items(*row) for scene, row in enumerate(right)}]
    assert difference(runs, runs, lambda item: True) == difference(runs, runs * 2, lambda item: True)
    assert difference(runs, runs, lambda item: True).difference == 0
    better = [{scene: items(*(row | (scene % 10 == 0))) for scene, row in enumerate(right)}]
    found = difference(better, runs, lambda item: True)
    assert found.difference == pytest.approx(better_share(better) - better_share(runs))
    assert 0 < found.low < found.difference < found.high < 0.15
    assert difference(runs, [{0: []}], lambda item: False) is None


def better_share(runs):
    return np.mean([item.right for row in runs[0].values() for item in row])


def test_the_seconds_of_a_step_are_the_median_over_the_lines_of_the_log(tmp_path):
    lines = [{"step": 2, "seconds": 4.0}, {"step": 4, "seconds": 2.0}, {"step": 4, "eval_loss": 1.0}]
    lines += [{"step": 6, "seconds": 90.0}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert step_seconds(tmp_path / "log.jsonl") == 2.0
    (tmp_path / "log.jsonl").write_text(json.dumps({"step": 1, "loss": 2.0}) + "\n")
    assert step_seconds(tmp_path / "log.jsonl") is None
