"""`gar train`: its help, its dry run, and how mistakes and signals end it."""

import importlib.util

import pytest

from gar.cli import main
from gar.training.__main__ import main as run_module
from gar.training.recipe import RECIPES, settings, to_yaml
from gar.training.settings import LEARNT_PARTS


def test_the_help_names_every_recipe_and_every_setting(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    for name in (*RECIPES, *(setting.name for setting in settings())):
        assert name in shown


def test_a_dry_run_prints_all_settings_and_what_is_trained(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "nano", "train.batch_size=3", "--dry-run"]) == 0
    told = capsys.readouterr()
    assert "  batch_size: 3\n" in told.out
    assert "parameters are trained; weights, gradients and AdamW's moments take 0." in told.err
    assert not list(tmp_path.iterdir())


def test_a_dry_run_counts_adapters(capsys, small_start, tmp_path):
    changes = [f"model.start={small_start}", f"out={tmp_path}", "train.freeze=[mask, connector]", "lora.r=2"]
    assert main(["train", "gar-1b-lora", *changes, "--dry-run"]) == 0
    lines = [line.split() for line in capsys.readouterr().err.splitlines()]
    trained = {line[1]: line[3].replace(",", "") for line in lines if len(line) == 7 and line[0] == "│"}
    assert trained["language"] == str(2 * 2 * (4 * (32 + 32) + 3 * (32 + 48)))  # layers, rank, sides of each matrix
    assert (trained["mask"], trained["connector"], trained["vision"]) == ("0", "0", "0")


def test_a_dry_run_says_so_where_the_model_is_out_of_reach(capsys):
    assert main(["train", "gar-8b-lora", "--dry-run"]) == 0
    assert "parameters and memory are not known: model.start: 'HaochenWang/GAR-8B'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nanno"], "no recipe 'nanno'"),
        (["nano", "train.batchsize=2"], "train.batchsize is no setting; did you mean batch_size?"),
        (["nano", "train.precision=fp16"], "fp16, which needs a GPU"),
        (["gar-1b-lora", "model.start=nano"], "there is no folder"),
        (["gar-1b-paper", "model.start=nano", f"train.freeze={[*LEARNT_PARTS]}"], "train.freeze has all parts"),
        (["gar-1b-lora", "model.start=nano", "lora.targets=[x]"], "lora.targets: no part that is trained has modules"),
        (["gar-1b-lora", "model.start=nowhere/at/all"], "'nowhere/at/all' cannot be loaded"),
    ],
)
@pytest.mark.parametrize("command", [lambda arguments: main(["train", *arguments]), run_module])
def test_a_mistake_is_one_line_and_exit_status_2(command, arguments, reason, capsys, tmp_path):
    assert command([*arguments, f"out={tmp_path / 'run'}", "train.workers=0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gar: ")
    assert reason in line


@pytest.mark.parametrize(
    ("package", "setting"), [("wandb", "report_to=[wandb]"), ("bitsandbytes", "lora.quantize=4bit")]
)
def test_a_package_that_no_extra_brings_is_named_with_its_own_command(package, setting, capsys, small_start, tmp_path):
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"the package {package} is installed")
    assert main(["train", "gar-1b-lora", f"model.start={small_start}", setting, f"out={tmp_path}"]) == 2
    assert capsys.readouterr().err == f"gar: {package} is not installed; run: pip install {package}\n"


def test_a_file_in_the_place_of_a_folder_is_named(capsys, make_recipe, tmp_path):
    (tmp_path / "recipe.yaml").write_text(to_yaml(make_recipe()))
    assert run_module([str(tmp_path / "recipe.yaml"), f"out={tmp_path / 'recipe.yaml'}"]) == 2
    assert capsys.readouterr().err == f"gar: {tmp_path / 'recipe.yaml'}: File exists\n"
