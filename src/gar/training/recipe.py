"""A recipe: the settings of a training, read from YAML, changed by name, written, and told to a person.

    recipe = read_recipe("gar-1b-lora", ["train.batch_size=8", "out=runs/mine"])

Choices:

* One YAML file a recipe; a few are part of the package (`RECIPES`). Whatever a file leaves out has its default
  (`gar.training.settings`).
* Any setting can be changed from the command line by its dotted name; the value is read as YAML.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml

from gar.errors import InputError, MissingExtraError
from gar.training.settings import Recipe

try:
    from pydantic import BaseModel, ValidationError
except ImportError as error:
    raise MissingExtraError("pydantic", "train") from error

__all__ = ["RECIPES", "Setting", "in_one_line", "make_recipe", "read_recipe", "settings", "to_yaml"]

RECIPES = tuple(
    sorted(file.name[:-5] for file in (files("gar.training") / "recipes").iterdir() if ".yaml" in file.name)
)
"""The recipes that are part of the package."""


# ---- reading -----------------------------------------------------------------------------------------------------


def read_recipe(recipe: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Reads a recipe and changes settings in it.

    Args:
        recipe: A YAML file, or the name of a recipe of the package.
        changes: Settings as `key=value`: a dotted key, numbers for places in lists, and a value in YAML.

    Raises:
        InputError: There is no such file, it is not YAML, or a setting is unknown, missing or out of range; the
            message names each.

    Example:
        >>> read_recipe("gar-1b-lora", ["train.batch_size=2"]).train.batch_size
        2
    """
    name = str(recipe)
    file = files("gar.training") / "recipes" / f"{name}.yaml" if name in RECIPES else Path(recipe)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"no recipe {name!r} ({reason}); give a YAML file or one of {', '.join(RECIPES)}") from error
    except yaml.YAMLError as error:
        raise InputError(f"the recipe {name!r} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"the recipe {name!r} holds {type(content).__name__}; it must hold settings")
    return make_recipe(content, changes, name=name)


def make_recipe(content: Mapping[str, Any], changes: Sequence[str] = (), *, name: str) -> Recipe:
    """Makes a recipe of plain values and changes settings in it.

    Args:
        content: What a YAML file would hold; it stays as it is.
        changes: As `read_recipe`.
        name: What it is called in messages.

    Raises:
        InputError: As `read_recipe`.
    """
    changed = deepcopy(dict(content))
    for change in changes:
        _change(changed, change)
    try:
        return Recipe.model_validate(changed)
    except ValidationError as error:
        raise InputError(f"recipe {name!r}: {in_one_line(error, Recipe)}") from error


def to_yaml(recipe: Recipe) -> str:
    """A recipe with all its settings, as YAML that `read_recipe` reads."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)


def _change(content: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise InputError(f"{change!r} is no setting; write key=value, for example train.batch_size=8")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{change!r}: the value is not YAML") from error
    *path, last = key.split(".")
    place: Any = content
    for step in path:
        if isinstance(place, dict) and place.get(step) is None:
            place[step] = {}
        place = _entry(place, step, change)
    if isinstance(place, list):
        _entry(place, last, change)
        place[int(last)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise InputError(f"{change!r}: {'.'.join(path)} is {place!r}, which has no settings in it")


def _entry(place: Any, step: str, change: str) -> Any:
    if isinstance(place, dict):
        return place[step]
    if isinstance(place, list) and step.isdigit() and int(step) < len(place):
        return place[int(step)]
    held = f"{len(place)} entries, numbered from 0" if isinstance(place, list) else repr(place)
    raise InputError(f"{change!r}: there is no {step!r}; there is {held}")


def in_one_line(error: ValidationError, model: type[BaseModel]) -> str:
    """The first three mistakes in settings of a model, each with its place, what was given and what is allowed."""
    told: list[str] = []
    # a list with a mistake in it also counts as too short, which helps nobody
    mistakes = [mistake for mistake in error.errors() if mistake["type"] != "too_short" or not mistake["input"]]
    for mistake in mistakes[:3]:
        place = ".".join(str(part) for part in mistake["loc"]) or "the recipe"
        if mistake["type"] == "extra_forbidden":
            *path, given = mistake["loc"]
            near = get_close_matches(str(given), _names_at(path, model), n=1)
            told.append(f"{place} is no setting" + (f"; did you mean {near[0]}?" if near else ""))
        elif mistake["type"] == "missing":
            told.append(f"{place} is missing")
        else:
            given = "" if isinstance(mistake["input"], dict) else f" (given: {mistake['input']!r})"
            told.append(f"{place}: {mistake['msg'].removeprefix('Value error, ')}{given}")
    more = len(mistakes) - 3
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")


def _names_at(path: Sequence[int | str], model: type[BaseModel]) -> list[str]:
    """The names of the settings at a place as pydantic tells places: with numbers in lists and the kinds of sources."""
    models = [model]
    for step in path:
        fields = [one.model_fields[step] for one in models if step in one.model_fields]
        if fields:
            models = [inner for field in fields for inner in _models_in(field.annotation)]
        elif isinstance(step, str):
            kinds = {one: one.model_fields.get("kind") for one in models}
            models = [one for one, kind in kinds.items() if kind is not None and step in get_args(kind.annotation)]
    return [name for one in models for name in one.model_fields]


# ---- telling -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """One setting, as it is told to a person."""

    name: str
    """Its dotted name."""
    default: str
    """Its default as YAML; empty where it must be given."""
    meaning: str
    """What it says."""


def settings() -> Iterator[Setting]:
    """All settings of a recipe, in order; those of sources once, under `data.N`."""
    return _settings_of(Recipe, "")


def _settings_of(model: type[BaseModel], prefix: str) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        inner = _models_in(field.annotation)
        meaning = " ".join((field.description or "").split())
        if not inner:
            yield Setting(f"{prefix}{name}", "" if field.is_required() else _plain(field.default), meaning)
        elif name != "data":
            place = ".N" if get_origin(field.annotation) is tuple else ""
            for part in inner:
                yield from _settings_of(part, f"{prefix}{name}{place}.")
        elif prefix:
            yield Setting(f"{prefix}{name}", "", f"{meaning} As `data`.")
        else:
            for part in inner:
                yield from _settings_of_source(part)


def _settings_of_source(model: type[BaseModel]) -> Iterator[Setting]:
    kind = get_args(model.model_fields["kind"].annotation)[0]
    yield Setting("data.N.kind", kind, " ".join((model.model_fields["kind"].description or "").split()))
    for setting in sorted(_settings_of(model, "data.N."), key=lambda setting: setting.name == "data.N.weight"):
        if setting.name != "data.N.kind":
            yield replace(setting, meaning=f"{kind}: {setting.meaning}")


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, tuple, Annotated):
        return [model for part in get_args(annotation) for model in _models_in(part)]
    return []


def _plain(value: Any) -> str:
    if value is None or value is NoneType:
        return "–"
    if isinstance(value, Mapping | tuple):
        return ", ".join(map(str, value)) or "–"
    return str(value).lower() if isinstance(value, bool) else str(value)
