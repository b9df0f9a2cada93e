"""A run from a recipe to a result; stopped anywhere, it goes on as if it had not been."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers.trainer
from accelerate import PartialState
from PIL import Image
from safetensors.torch import load_file

import gar
from gar import InputError
from gar.graspworld import render_scene
from gar.training.adapters import merge_adapters
from gar.training.parts import part_of
from gar.training.recipe import to_yaml
from gar.training.reporting import Reporter
from gar.training.run import train
from gar.training.settings import Recipe
from gar.training.start import load_start

MEASURED = ("loss", "grad_norm", "learning_rate", "word_loss", "epoch", "step", "eval_loss", "eval_exact_match")


def log(folder):
    """The lines of a run's log without times."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: line[name] for name in MEASURED if name in line} for line in lines]


def losses(folder):
    return [(line["step"], line["loss"]) for line in log(folder) if "loss" in line]


@pytest.fixture
def stop_at(monkeypatch):
    """Sends this process a signal at a step, as a scheduler or a person would."""
    before = Reporter.on_step_begin

    def at(step, number=signal.SIGTERM):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == step:
                os.kill(os.getpid(), number)
            return before(self, args, state, control, **kwargs)

        monkeypatch.setattr(Reporter, "on_step_begin", on_step_begin)

    return at


EVERYTHING = {"train": {"average": 0.9, "word_loss": 0.3, "accumulate": 2, "workers": 2}}
ADAPTERS = {"lora": {"r": 2, "alpha": 4, "dropout": 0.1}}


def same_result(first, second):
    one, other = load_file(first / "result" / "model.safetensors"), load_file(second / "result" / "model.safetensors")
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_stopped_run_goes_on_with_the_losses_and_the_weights_of_one_that_was_not(
    make_recipe, tmp_path, stop_at, monkeypatch
):
    warned = []
    monkeypatch.setattr(transformers.trainer.logger, "warning", lambda *told: warned.append(told))
    whole = make_recipe(out=tmp_path / "whole", save_every=4, **EVERYTHING)
    assert train(whole).signal is None
    stopped = make_recipe(out=tmp_path / "stopped", save_every=4, **EVERYTHING)
    stop_at(2)  # which is no step that saves
    outcome = train(stopped)
    assert (outcome.steps, outcome.signal, outcome.result) == (3, signal.SIGTERM, None)
    assert len(losses(stopped.out)) == 3
    stop_at(4)
    assert train(stopped).steps == 5
    stop_at(-1)
    assert train(stopped).result == stopped.out / "result"
    assert not warned  # of the head, which is tied to the embeddings, for example
    assert losses(stopped.out) == losses(whole.out)
    assert log(stopped.out)[:-1] == log(whole.out)[:-1]
    assert same_result(stopped.out, whole.out)


def test_an_evaluation_does_not_change_what_is_learnt(make_recipe, tmp_path):
    held_out = {"data": [{"kind": "world", "split": "held-out", "scenes": 3}], "every": 2, "answers": 3, "page": 2}
    with_it = make_recipe(out=tmp_path / "with", evaluation=held_out, train={"average": 0.9}, **ADAPTERS)
    without = make_recipe(out=tmp_path / "without", train={"average": 0.9}, **ADAPTERS)
    train(with_it)
    train(without)
    assert losses(with_it.out) == losses(without.out)
    assert same_result(with_it.out, without.out)
    measured = [line for line in log(with_it.out) if "eval_loss" in line]
    assert [line["step"] for line in measured] == [2, 4, 6]
    assert all(0 <= line["eval_exact_match"] <= 1 for line in measured)
    assert sorted(path.name for path in (with_it.out / "samples").iterdir()) == [
        f"step-{step:06d}.html" for step in (2, 4, 6)
    ]


def test_an_evaluation_that_a_stop_came_before_is_made_up_for(make_recipe, tmp_path, stop_at):
    held_out = {"data": [{"kind": "world", "split": "held-out", "scenes": 3}], "every": 3, "answers": 3, "page": 1}
    whole, stopped = (
        make_recipe(out=tmp_path / name, evaluation=held_out, **ADAPTERS) for name in ("whole", "stopped")
    )
    train(whole)
    stop_at(2)
    assert train(stopped).steps == 3
    assert not any("eval_loss" in line for line in log(stopped.out))
    stop_at(-1)
    train(stopped)
    assert log(stopped.out) == log(whole.out)
    assert same_result(stopped.out, whole.out)


def test_a_finished_run_has_a_model_that_loads_and_its_settings(make_recipe):
    recipe = make_recipe(result_dtype="float16")
    assert train(recipe).steps == 6
    assert not list(recipe.out.rglob("*partial*"))
    assert Recipe.model_validate(gar_yaml(recipe.out / "recipe.yaml")) == recipe
    assistant = gar.load(recipe.out / "result")
    scene = render_scene(10**6)
    assert assistant.describe(scene.image, gar.Region.mask(scene.objects[0].mask), max_new_tokens=4).new_tokens
    tensors = load_file(recipe.out / "result" / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert (recipe.out / "curves.png").stat().st_size > 1000
    assert len({path.stat().st_mode for path in (recipe.out / "result").iterdir()}) == 1


def gar_yaml(path):
    import yaml

    return yaml.safe_load(path.read_text())


def test_the_decoder_of_a_blend_lies_between_the_start_and_the_end(make_recipe, small_start, tmp_path):
    results = []
    for share in (1.0, 0.25):
        recipe = make_recipe(out=tmp_path / str(share), result_dtype="float32", train={"blend": share})
        train(recipe)
        results.append(load_file(recipe.out / "result" / "model.safetensors"))
    whole, quarter = results
    assert whole.keys() == quarter.keys()
    moved = set()
    for name, before in load_file(small_start / "model.safetensors").items():
        part = part_of(name, has_stem=False)
        share = 0.25 if part == "language" else 1
        torch.testing.assert_close(quarter[name], before + share * (whole[name] - before))
        if not torch.equal(whole[name], before):
            moved.add(part)
    assert moved > {"language"}


def test_a_lesson_comes_first(make_recipe):
    lesson = {"kinds": ["noun"], "steps": 2}
    data = [{"kind": "world", "scenes": 12, "turns": 3, "kinds": ["noun", "size"]}]
    recipe = make_recipe(data=data, train={"lessons": [lesson], "steps": 3})
    assert train(recipe).steps == 3
    recipe = make_recipe(out=recipe.out / "other", train={"lessons": [{**lesson, "kinds": ["witch"]}], "steps": 3})
    with pytest.raises(InputError, match="there is no 'witch'; there are caption"):
        train(recipe)


def test_a_finished_run_goes_on_when_it_is_given_more_steps(make_recipe):
    train(make_recipe(train={"schedule": "constant_with_warmup", "warmup": 1}))
    recipe = make_recipe(train={"schedule": "constant_with_warmup", "warmup": 1, "steps": 8})
    assert train(recipe).steps == 8
    assert [step for step, _ in losses(recipe.out)] == [*range(1, 9)]


def test_other_settings_in_the_folder_of_a_run_are_refused_before_anything_is_written(make_recipe):
    first = make_recipe()
    train(first)
    before = {path: path.stat().st_mtime_ns for path in first.out.rglob("*")}
    others = {
        r"train\.learning_rate 0\.001, not 0\.5": {"train": {"learning_rate": 0.5}},
        r"train\.freeze \[\], not \['vision'\]": {"train": {"freeze": ["vision"]}},
        r"lora None, not \{'r': 2": {"lora": {"r": 2}},
        r"data\.0\.scenes 12, not 13": {"data": [{"kind": "world", "scenes": 13, "turns": 3}]},
        r"data\.1 None, not \{'kind': 'world'": {"data": [{"kind": "world", "scenes": 12, "turns": 3}] * 2},
        r"2 samples a step \(.*\), not 6": {"train": {"batch_size": 3, "accumulate": 2}},
    }
    for message, changed in others.items():
        with pytest.raises(InputError, match=f"was begun with {message}"):
            train(make_recipe(**changed))
    assert {path: path.stat().st_mtime_ns for path in first.out.rglob("*")} == before


def test_what_a_run_has_made_before_its_first_step_is_not_used_with_other_settings(
    make_recipe, small_config, monkeypatch
):
    def interrupt(*_):
        raise KeyboardInterrupt

    scratch = {"config": small_config, "texts": 12, "pictures": 2}
    with monkeypatch.context() as patch:
        patch.setattr("gar.training.run._load_model", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(make_recipe(model={"scratch": scratch}))
    with pytest.raises(InputError, match=r"was begun with model\.scratch\.texts 12, not 13"):
        train(make_recipe(model={"scratch": {**scratch, "texts": 13}}))
    assert train(make_recipe(model={"scratch": scratch})).steps == 6


def test_words_that_a_run_has_learnt_are_not_used_with_other_settings(
    pretrained, make_recipe, speaking_start, monkeypatch
):
    def interrupt(*_):
        raise KeyboardInterrupt

    settings = {
        "model": {"start": str(speaking_start)},
        "cache": {"variants": 1, "workers": 0},
        "train": {"freeze": ["stem"], "word_loss": 0.3},
    }
    with monkeypatch.context() as patch:
        patch.setattr("gar.training.run._make_trainer", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(make_recipe(**settings, words={"steps": 2, "batch_size": 8}))
    with pytest.raises(InputError, match=r"was begun with words\.steps 2, not 3"):
        train(make_recipe(**settings, words={"steps": 3, "batch_size": 8}))


def test_a_run_goes_on_with_what_changes_how_it_is_done_and_not_what_is_learnt(make_recipe, tmp_path, stop_at):
    whole, stopped = (make_recipe(out=tmp_path / name) for name in ("whole", "stopped"))
    train(whole)
    stop_at(2)
    train(stopped)
    stop_at(-1)
    held_out = {"data": [{"kind": "world", "split": "held-out", "scenes": 2}], "every": 4, "answers": 0, "page": 0}
    changed = {"save_every": 9, "evaluation": held_out, "train": {"batch_size": 1, "accumulate": 2, "workers": 1}}
    assert train(make_recipe(out=stopped.out, **changed)).steps == 6
    assert [loss for _, loss in losses(stopped.out)] == pytest.approx([loss for _, loss in losses(whole.out)], rel=1e-4)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_full_disk_is_told_in_one_line(make_recipe):
    recipe = make_recipe()
    recipe.out.mkdir()
    (recipe.out / f".log.{os.getpid()}.jsonl").symlink_to("/dev/full")
    with pytest.raises(InputError, match=f"^no space is left on the disk for {recipe.out}; the same command"):
        train(recipe)


def test_frozen_parts_stay_as_they_are_and_others_learn(make_recipe, small_start):
    recipe = make_recipe(train={"freeze": ["vision", "connector"]}, result_dtype="float32")
    train(recipe)
    before = load_file(small_start / "model.safetensors")
    after = load_file(recipe.out / "result" / "model.safetensors")
    for name, tensor in before.items():
        frozen = ("vision_tower" in name and "mask_embed" not in name) or "projector" in name
        assert torch.equal(tensor, after[name]) == frozen, name


def test_epochs_become_steps(make_recipe):
    recipe = make_recipe(train={"steps": None, "epochs": 0.5, "batch_size": 3})
    assert train(recipe).steps == 2  # half of 12 scenes, three a step


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_checkpointed_activations_change_nothing_but_memory(make_recipe, tmp_path, precision):
    plain = make_recipe(out=tmp_path / "plain", train={"precision": precision, "steps": 2})
    saved = make_recipe(
        out=tmp_path / "saved", train={"precision": precision, "steps": 2, "gradient_checkpointing": True}
    )
    train(plain)
    train(saved)
    assert [loss for _, loss in losses(saved.out)] == pytest.approx([loss for _, loss in losses(plain.out)], rel=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the compiler's, which are not ours
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_compiled_layers_learn_the_same(make_recipe, tmp_path):
    plain = make_recipe(out=tmp_path / "plain", train={"steps": 3})
    compiled = make_recipe(out=tmp_path / "compiled", train={"steps": 3, "compile": True})
    train(plain)
    train(compiled)
    assert [loss for _, loss in losses(compiled.out)] == pytest.approx(
        [loss for _, loss in losses(plain.out)], rel=1e-2
    )
    gar.load(str(compiled.out / "result"))


def test_tensorboard_gets_the_losses(make_recipe):
    recipe = make_recipe(report_to=["tensorboard"], train={"steps": 2})
    train(recipe)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(recipe.out / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2]


# ---- adapters --------------------------------------------------------------------------------------------------------


def test_adapters_are_resumed_exactly_and_merged_into_a_plain_model(make_recipe, tmp_path, stop_at, small_start):
    changed = {**ADAPTERS, "train": {"freeze": ["vision", "connector"], "average": 0.9}, "result_dtype": "float32"}
    whole, stopped = (make_recipe(out=tmp_path / name, **changed) for name in ("whole", "stopped"))
    train(whole)
    stop_at(2)
    assert train(stopped).result is None
    stop_at(-1)
    train(stopped)
    assert losses(stopped.out) == losses(whole.out)
    assert same_result(stopped.out, whole.out)
    before = load_file(small_start / "model.safetensors")
    after = load_file(whole.out / "result" / "model.safetensors")
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert "model.vision_tower.mask_embed.weight" in changed
    assert all("language_model.layers" in name and "proj" in name for name in changed if "mask_embed" not in name)
    assert len(changed) == 1 + 2 * 7  # the mask embedding, and in two layers the seven matrices
    assert gar.load(whole.out / "result").info()["parameters"] > 0


def test_adapters_may_stay_apart(make_recipe):
    recipe = make_recipe(lora={"r": 2, "merge": False}, train={"freeze": ["vision", "mask", "connector"], "steps": 2})
    train(recipe)
    assert (recipe.out / "result" / "adapter_config.json").exists()
    assert not (recipe.out / "result" / "model.safetensors").exists()
    merged = make_recipe(
        out=recipe.out.with_name("merged"),
        lora={"r": 2},
        train={"freeze": ["vision", "mask", "connector"], "steps": 2},
        result_dtype="float32",
    )
    train(merged)
    base, _ = load_start(recipe.model, dtype=torch.float32)
    apart = merge_adapters(base, recipe.out / "result").state_dict()
    for name, tensor in load_file(merged.out / "result" / "model.safetensors").items():
        torch.testing.assert_close(apart[name], tensor, msg=name)


# ---- data ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def photographs(tmp_path):
    """COCO annotations of eight pictures, the last of which is torn."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    annotations = {"categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}], "images": [], "annotations": []}
    for number in range(8):
        name, side = f"{number}.png", 40 + 30 * number
        Image.fromarray(np.full((side, 60, 3), 10 * number, np.uint8)).save(folder / name)
        annotations["images"].append({"id": number, "file_name": name, "width": 60, "height": side})
        for place in range(2):
            x = 5 + 25 * place
            box = [[x, 5, x + 20, 5, x + 20, 30, x, 30]]
            annotations["annotations"].append(
                {
                    "id": 2 * number + place,
                    "image_id": number,
                    "category_id": 1 + place,
                    "segmentation": box,
                    "iscrowd": 0,
                }
            )
    (folder / "7.png").write_bytes(b"torn")
    (folder / "instances.json").write_text(json.dumps(annotations))
    return {"kind": "coco", "path": str(folder / "instances.json"), "images": str(folder)}


def test_bad_items_are_left_out_named_and_counted(make_recipe, photographs):
    recipe = make_recipe(data=[photographs], train={"steps": 8, "workers": 1})
    outcome = train(recipe)
    assert (outcome.steps, outcome.skipped) == (8, 1)
    lines = [json.loads(line) for line in (recipe.out / "skipped.jsonl").read_text().splitlines()]
    assert len(lines) >= 1
    assert all("7.png" in line["reason"] or "7" in line["name"] for line in lines)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_of_nothing_usable_ends_the_run_with_a_message_that_names_it(make_recipe, photographs, workers):
    recipe = make_recipe(data=[photographs], train={"batch_size": 1, "steps": 8, "workers": workers})
    with pytest.raises(InputError, match=r"^no item of a batch of 1 can be used: ") as error:
        train(recipe)
    assert len(str(error.value).splitlines()) == 1
    assert not active_children()  # Python would wait for them at its end


def test_sources_are_mixed_and_grouped_by_length(make_recipe, photographs):
    world = {"kind": "world", "scenes": 6}
    recipe = make_recipe(data=[photographs | {"weight": 2}, world], train={"group_by_length": True, "steps": 4})
    assert train(recipe).steps == 4
    assert np.load(recipe.out / "lengths.npz")["lengths"].shape == (1, 2 * 8 + 6)


def test_a_model_from_nothing_learns_from_kept_features_and_is_evaluated_on_pictures(
    pretrained, make_recipe, small_config
):
    vision = {**small_config["vision_config"], "stem": "efficientnet-lite0", "patch_size": 16}
    sights = {"stem_embedding": True, "closeup_size": 64}
    scratch = {
        "config": {**small_config, "vision_config": vision, "image_pooling_ratio": 2, **sights},
        "texts": 12,
        "pictures": 2,
    }
    recipe = make_recipe(
        model={"scratch": scratch},
        cache={"variants": 2, "workers": 0},
        words={"steps": 4, "batch_size": 8},
        evaluation={"data": [{"kind": "world", "split": "held-out", "scenes": 2}], "every": 3, "answers": 2, "page": 1},
        train={"freeze": ["stem"], "word_loss": 0.3, "steps": 3},
    )
    assert train(recipe).result is not None
    start = load_file(recipe.out / "start" / "model.safetensors")
    result = load_file(recipe.out / "result" / "model.safetensors")
    stem = [name for name in start if "patch_embed.blocks" in name]
    assert stem
    assert all(torch.equal(start[name].bfloat16(), result[name]) for name in stem)
    share, regions = json.loads((recipe.out / "words.json").read_text())["noun"]
    assert 0 <= share <= 1 <= regions


def test_words_are_learnt_once_a_run_and_text_begins_with_what_was_learnt(
    pretrained, make_recipe, speaking_start, tmp_path, stop_at
):
    settings = {
        "model": {"start": str(speaking_start)},
        "cache": {"variants": 2, "workers": 0, "folder": tmp_path / "features"},
        "words": {"steps": 20, "batch_size": 8, "learning_rate": 1e-2},
        "train": {"freeze": ["stem"], "word_loss": 0.3, "steps": 4},
    }
    whole, stopped = (make_recipe(out=tmp_path / name, **settings) for name in ("whole", "stopped"))
    train(whole)
    stop_at(2)
    train(stopped)
    learnt = (stopped.out / "words.safetensors").stat().st_mtime_ns
    stop_at(-1)
    train(stopped)
    assert (stopped.out / "words.safetensors").stat().st_mtime_ns == learnt
    assert log(stopped.out) == log(whole.out)
    assert same_result(stopped.out, whole.out)
    without = make_recipe(out=tmp_path / "without", **settings | {"words": None})
    train(without)
    assert log(whole.out)[0]["word_loss"] < 0.9 * log(without.out)[0]["word_loss"]


def test_the_learning_rate_stays_at_its_peak_and_falls_in_the_last_fifth(make_recipe):
    recipe = make_recipe(train={"schedule": "warmup_stable_decay", "warmup": 2, "steps": 10})
    train(recipe)
    rates = [line["learning_rate"] for line in log(recipe.out) if "learning_rate" in line]
    assert rates == pytest.approx([0, 5e-4, *[1e-3] * 7, 5e-4])


def test_words_are_learnt_first_without_the_decoder(make_recipe):
    recipe = make_recipe(train={"word_loss": 0.3, "word_steps": 3, "steps": 3})
    assert train(recipe).steps == 3
    start = load_file(Path(recipe.model.start) / "model.safetensors")
    result = load_file(recipe.out / "result" / "model.safetensors")
    learnt = {name for name in start if not torch.equal(start[name].bfloat16(), result[name])}
    assert learnt >= {"model.language_model.embed_tokens.weight", "model.projector.linear_1.weight"}
    assert any(name.startswith("model.vision_tower.") for name in learnt)
    assert not any(".layers." in name and "language_model" in name for name in learnt)


# ---- processes of their own ------------------------------------------------------------------------------------------


@pytest.fixture
def start_process(tmp_path):
    """Starts a run in a process of its own; ends it if the test did not."""
    started = []

    def start(recipe, *launcher):
        file = tmp_path / f"{recipe.out.name}.yaml"
        file.write_text(to_yaml(recipe))
        command = [sys.executable, *launcher, "-m", "gar.training", str(file)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        started.append(
            subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(condition, process, seconds=400):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_process_loses_at_most_what_came_after_its_last_checkpoint(make_recipe, tmp_path, start_process):
    steps = {"steps": 40, "workers": 1, "average": 0.9}
    whole, killed = (make_recipe(out=tmp_path / name, save_every=5, train=steps) for name in ("whole", "killed"))
    train(whole)
    process = start_process(killed)
    wait_for((killed.out / "checkpoints" / "checkpoint-10" / "complete").exists, process)
    process.kill()
    process.wait()
    assert not (killed.out / "result").exists()
    assert train(killed).steps == 40
    assert losses(killed.out) == losses(whole.out)
    assert same_result(killed.out, whole.out)


@pytest.mark.slow
def test_sigterm_to_a_process_and_all_its_workers_ends_it_with_a_checkpoint_and_status_143(make_recipe, start_process):
    recipe = make_recipe(train={"steps": 10_000, "workers": 2}, save_every=10_000)
    process = start_process(recipe)
    wait_for(lambda: (recipe.out / "log.jsonl").exists() and len(losses(recipe.out)) > 2, process)
    os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 143, errors
    assert "the same command goes on from there" in errors
    done = losses(recipe.out)[-1][0]
    assert (recipe.out / "checkpoints" / f"checkpoint-{done}" / "complete").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "group"), [(signal.SIGTERM, False), (signal.SIGINT, True), (signal.SIGKILL, False)])
@pytest.mark.parametrize("seconds", [1, 12])
def test_whatever_ends_the_making_of_features_ends_its_processes(
    pretrained, make_recipe, speaking_start, start_process, number, group, seconds
):
    recipe = make_recipe(
        model={"start": str(speaking_start)},
        data=[{"kind": "world", "scenes": 4000}],
        cache={"workers": 2},
        train={"freeze": ["stem"]},
    )
    process = start_process(recipe)
    assert "features of 4000 pictures" in process.stderr.readline()
    time.sleep(seconds)  # processes begin, or are at work
    (os.killpg if group else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=30)  # its end is that of the last process that has our stderr
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}.get(number, -number)
    assert "Traceback" not in errors


def test_processes_wait_for_the_first_for_hours(make_recipe, monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("MASTER_PORT", "1")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    asked = {}

    def join(**options):
        asked.update(options)
        raise ConnectionError

    monkeypatch.setattr(torch.distributed, "init_process_group", join)
    PartialState._reset_state()
    try:
        with pytest.raises(ConnectionError):
            train(make_recipe())
    finally:
        PartialState._reset_state()
    assert asked["timeout"].total_seconds() >= 3600


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_from_batches_of_twice_the_size(make_recipe, tmp_path, start_process):
    data = [{"kind": "world", "scenes": 12, "turns": 3}]
    held_out = {"data": [{"kind": "world", "split": "held-out", "scenes": 3}], "every": 3, "answers": 2, "page": 1}
    changed = {"data": data, "evaluation": held_out, "result_dtype": "float32"}
    settings = {"steps": 4, "word_loss": 0.3, "word_steps": 2, "average": 0.9}
    one = make_recipe(out=tmp_path / "one", train=settings | {"batch_size": 2, "accumulate": 2}, **changed)
    two = make_recipe(out=tmp_path / "two", train=settings | {"batch_size": 2}, **changed)
    train(one)
    process = start_process(two, "-m", "torch.distributed.run", "--nproc_per_node", "2")
    _, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors
    assert [loss for _, loss in losses(two.out)] == pytest.approx([loss for _, loss in losses(one.out)], rel=1e-4)
    first, second = (load_file(run.out / "result" / "model.safetensors") for run in (one, two))
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=1e-3, atol=1e-4, msg=name)
