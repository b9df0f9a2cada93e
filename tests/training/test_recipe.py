"""Recipes: what the package brings can be read, and every mistake is told in one line that says what is allowed."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gar import InputError
from gar.training.recipe import RECIPES, read_recipe, settings, to_yaml
from gar.training.settings import Recipe


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipes_of_the_package_are_read_and_told_as_they_are(name, tmp_path):
    recipe = read_recipe(name)
    (tmp_path / "again.yaml").write_text(to_yaml(recipe))
    assert read_recipe(tmp_path / "again.yaml") == recipe


def test_the_recipes_are_those_that_are_promised():
    assert RECIPES == (
        "gar-1b-lora",
        "gar-1b-paper",
        "gar-8b-lora",
        "nano",
        "nano-again",
        "nano-closeups",
        "nano-depth",
        "nano-relations",
        "nano-which",
    )


def test_the_papers_recipe_has_64_samples_a_step_on_32_gpus():
    train = read_recipe("gar-1b-paper").train
    assert train.batch_size * train.accumulate * 32 == 64
    assert (train.learning_rate, train.epochs, train.warmup, train.weight_decay) == (1e-5, 1, 0.03, 0)
    assert train.freeze == ()


def test_settings_are_changed_by_their_dotted_names():
    recipe = read_recipe(
        "nano",
        ["train.batch_size=3", "data.0.scenes=7", "evaluation=null", "train.part_learning_rates.vision=1e-4", "out=x"],
    )
    assert (recipe.train.batch_size, recipe.data[0].scenes, recipe.evaluation) == (3, 7, None)
    assert recipe.train.part_learning_rates["vision"] == 1e-4
    assert str(recipe.out) == "x"


def test_a_part_of_a_recipe_that_was_not_there_can_be_given():
    assert read_recipe("gar-1b-paper", ["lora.r=4"]).lora.r == 4


MISTAKES = {
    "train.batchsize=3": "train.batchsize is no setting; did you mean batch_size?",
    "trian.steps=3": r"trian is no setting; did you mean train\?$",
    "data.0.kind=folder": r"data.0.folder.scenes is no setting; data.0",
    "data.0.scene=3": r"data.0.world.scene is no setting; did you mean scenes\?$",
    "evaluation.data.0.split_=train": r"evaluation.data.0.world.split_ is no setting; did you mean split\?$",
    "train.batch_size=many": r"train.batch_size: .* \(given: 'many'\)",
    "train.batch_size=0": r"train.batch_size: .* greater than or equal to 1 \(given: 0\)",
    "train.freeze=[eyes]": r"train.freeze.0: Input should be 'stem', .* \(given: 'eyes'\)",
    "train.epochs=2": "train: give either steps or epochs",
    "train.freeze=[]": "cache: .* only if train.freeze has 'stem'",
    "train.word_loss=0": "train.word_steps: train.word_loss is 0",
    "seed=99999999999999999999": r"seed: .* less than 4294967296 \(given: 99999999999999999999\)",
    "data=[]": "data: .* at least 1 item",
    "data=[{kind: films}]": r"data.0: .*'world', 'published', 'coco', 'panoptic', 'folder'",
    "data.1.scenes=3": r"'data.1.scenes=3': there is no '1'; there is 1 entries, numbered from 0",
    "data.0.scenes=0": r"data.0.world.scenes: .* \(given: 0\)",
    "out.folder=x": r"'out.folder=x': out is 'runs/nano', which has no settings in it",
    "model.start=x": "model: give either start or scratch",
    "lora.r=4": "lora: adapters need a finished model",
    "train.steps": "'train.steps' is no setting; write key=value",
    "train.steps=[": "the value is not YAML",
}


@pytest.mark.parametrize("change", MISTAKES)
def test_a_mistake_is_told_with_what_was_given_and_what_is_allowed(change):
    with pytest.raises(InputError, match=MISTAKES[change]) as error:
        read_recipe("nano", [change])
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("train.word_loss=0", "words: train.word_loss is 0"),
        ("cache=null", "words: they are learnt from what the cache keeps"),
    ],
)
def test_words_are_refused_without_what_they_need(change, reason):
    with pytest.raises(InputError, match=reason) as error:
        read_recipe("nano-closeups", [change])
    assert len(str(error.value).splitlines()) == 1


def test_adapters_are_refused_beside_steps_of_words_alone():
    with pytest.raises(InputError, match=r"train\.word_steps: with lora the embeddings of words are not trained"):
        read_recipe("gar-1b-lora", ["train.word_loss=0.3", "train.word_steps=2"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [("train: [", "is not YAML"), ("- 1", "holds list"), ("train: {steps: 1}", "model is missing; data is missing")],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path, content, reason):
    file = tmp_path / "recipe.yaml"
    file.write_text(content)
    with pytest.raises(InputError, match=reason):
        read_recipe(file)


def test_an_unknown_name_is_refused_with_those_that_there_are():
    with pytest.raises(
        InputError, match=r"no recipe 'nanno' \(No such file.*gar-1b-lora, gar-1b-paper, gar-8b-lora, nano"
    ):
        read_recipe("nanno")


def test_every_setting_says_what_it_means():
    told = list(settings())
    assert all(setting.meaning for setting in told)
    assert {"train.batch_size", "lora.r", "data.N.scenes", "data.N.path", "model.scratch.config"} <= {
        s.name for s in told
    }


def test_every_setting_that_is_told_can_be_changed():
    """The names that the help shows are those that the reader takes."""
    changes = ["train.part_learning_rates.vision=1.0", "train.lessons=[{kinds: [noun], steps: 1}]", "words={}"]
    content = read_recipe("nano", changes).model_dump(mode="json")
    for setting in settings():
        path = setting.name.replace(".N.", ".0.").split(".")
        place = content
        for step in path[:-1]:
            place = place[int(step)] if isinstance(place, list) else place[step] or {}
        if path[0] not in ("data", "lora"):
            assert path[-1] in place, setting.name


def test_reading_a_recipe_needs_no_torch():
    code = (
        "import sys; from gar.training.recipe import read_recipe; read_recipe('nano'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_recipe_is_plain_yaml():
    content = yaml.safe_load(to_yaml(read_recipe("gar-8b-lora")))
    assert Recipe.model_validate(content).lora.quantize == "4bit"


def test_the_documentation_tells_every_setting_as_the_code_does():
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    table = "\n".join(f"| `{setting.name}` | {setting.default} | {setting.meaning} |" for setting in settings())
    assert page.endswith(f"{table}\n")
