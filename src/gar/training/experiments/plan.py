"""What an experiment is, and which runs it comes to.

    experiment = read_experiment("replay")
    runs = plan_runs(experiment, Path("runs/replay"))

Choices:

* One YAML file an experiment: a whole recipe (`base`), so that the experiment stays what it is when other recipes
  change; arms, each a few settings of it changed; and the number of seeds.
* Data and order of the data are the same in all arms, and so are the first weights of parts that all arms have:
  a seed means the same in each.
* What all arms would learn alike before they differ is learnt once a seed: a first run, whose weights all begin with.
* Runs are ordered by seed, so that all arms can be compared as soon as each has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml

from gar.errors import InputError, MissingExtraError
from gar.training.recipe import in_one_line, make_recipe
from gar.training.settings import Recipe

try:
    from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
except ImportError as error:
    raise MissingExtraError("pydantic", "train") from error

__all__ = ["EXPERIMENTS", "Arm", "Experiment", "Run", "plan_runs", "read_experiment"]

EXPERIMENTS = tuple(
    sorted(file.name[:-5] for file in (files("gar.training") / "experiments").iterdir() if ".yaml" in file.name)
)
"""The experiments that are part of the package."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


_FIRST = "first"


class _Values(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Arm(_Values):
    """One of the ways that are compared."""

    name: Name
    """What its folder is called."""
    title: str
    """What it is called in tables and plots."""
    changes: tuple[str, ...] = ()
    """Settings that differ from the base, as `key=value`."""


class Experiment(_Values):
    """A recipe, trained in several ways."""

    title: str
    """What is asked, in one line."""
    base: dict[str, Any]
    """The settings of a recipe; `out`, `seed` and the folder of its cache come from the experiment."""
    arms: tuple[Arm, ...] = Field(min_length=2)
    """What is compared."""
    first: tuple[str, ...] = ()
    """Settings of a run that differs from the base in these, one a seed, whose weights all arms begin with; by default
    they begin at random."""
    reference: Name
    """The arm that the others are compared with."""
    seeds: int = Field(3, ge=1)
    """Runs of each arm, with seeds 0, 1, …"""
    asked: int = Field(300, ge=1)
    """Held-out scenes about which each trained model is asked."""

    @model_validator(mode="after")
    def _names_are_known(self) -> Experiment:
        names = [arm.name for arm in self.arms]
        if len(set(names)) != len(names):
            raise ValueError(f"arms: each needs a name of its own; there are {', '.join(names)}")
        if self.reference not in names:
            raise ValueError(f"reference: {self.reference!r} is none of the arms {', '.join(names)}")
        if _FIRST in names:
            raise ValueError(f"arms: {_FIRST!r} is what the run before them is called")
        return self


@dataclass(frozen=True)
class Run:
    """One training of an experiment."""

    arm: Arm
    """Which way."""
    seed: int
    """Of first weights and order of the data."""
    recipe: Recipe
    """All settings; `recipe.out` is the run's folder."""
    first: Run | None = None
    """The run whose weights it begins with."""

    @property
    def name(self) -> str:
        """How it is called: the arm's name and the seed."""
        return f"{self.arm.name}/seed-{self.seed}"

    @property
    def parts(self) -> tuple[Run, ...]:
        """What has to be trained, in order: the run that it begins with, if there is one, and itself."""
        return (self,) if self.first is None else (self.first, self)


def read_experiment(experiment: str | Path) -> Experiment:
    """Reads an experiment.

    Args:
        experiment: A YAML file, or the name of an experiment of the package.

    Raises:
        InputError: There is no such file, it is not YAML, or something in it is unknown, missing or out of range.

    Example:
        >>> [arm.name for arm in read_experiment("replay").arms][:3]
        ['none', 'published', 'aligned']
    """
    name = str(experiment)
    known = name in EXPERIMENTS
    file = files("gar.training") / "experiments" / f"{name}.yaml" if known else Path(experiment)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        return Experiment.model_validate(content)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(
            f"no experiment {name!r} ({reason}); give a YAML file or one of {', '.join(EXPERIMENTS)}"
        ) from error
    except yaml.YAMLError as error:
        raise InputError(f"the experiment {name!r} is not YAML: {error}") from error
    except ValidationError as error:
        raise InputError(f"experiment {name!r}: {in_one_line(error, Experiment)}") from error


def plan_runs(
    experiment: Experiment,
    out: Path,
    *,
    steps: int | None = None,
    scenes: int | None = None,
    seeds: int | None = None,
    only: Sequence[str] = (),
) -> list[Run]:
    """The runs that an experiment comes to, all arms of the first seed first.

    Args:
        experiment: What is compared.
        out: The experiment's folder; a run's is `out/ARM/seed-N`, the features of pictures are kept in `out/features`.
        steps: Steps of each arm's training, in place of the recipe's.
        scenes: Scenes of the first source of data, in place of the recipe's.
        seeds: Runs of each arm, in place of the experiment's.
        only: Names of arms (`aligned`) or of single runs (`aligned/seed-0`); by default all.

    Raises:
        InputError: There is no such arm or run, or a setting is wrong.
    """
    shared = [] if scenes is None else [f"data.0.scenes={scenes}"]
    if experiment.base.get("cache") is not None:
        shared.append(f"cache.folder={_quoted(out / 'features')}")

    own_steps = [] if steps is None else [f"train.steps={steps}"]

    def plan(arm: Arm, seed: int, changes: Sequence[str], first: Run | None = None) -> Run:
        folder = out / arm.name / f"seed-{seed}"
        recipe = make_recipe(
            experiment.base, [*shared, *changes, *arm.changes, f"seed={seed}", f"out={_quoted(folder)}"], name=arm.name
        )
        return Run(arm, seed, recipe, first)

    before = Arm(name=_FIRST, title="before the arms", changes=experiment.first)
    runs: list[Run] = []
    for seed in range(experiment.seeds if seeds is None else seeds):
        first = plan(before, seed, []) if experiment.first else None
        weights = [] if first is None else [f"model.scratch.weights={_quoted(first.recipe.out / 'result')}"]
        runs += [plan(arm, seed, [*own_steps, *weights], first) for arm in experiment.arms]
    known = {name for run in runs for name in (run.arm.name, run.name)}
    if unknown := [name for name in only if name not in known]:
        raise InputError(f"there is no {unknown[0]!r}; there is {', '.join(sorted(known))}")
    return [run for run in runs if not only or run.arm.name in only or run.name in only]


def _quoted(path: Path) -> str:
    """A path as a YAML string."""
    return "'" + str(path).replace("'", "''") + "'"
