"""Whether a run's folder was begun with the settings that it is to go on with.

A run that goes on with other settings would be neither the old nor the new one, and one that is finished would give the
old result for the new settings.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from gar.errors import InputError
from gar.training.recipe import read_recipe
from gar.training.settings import Recipe
from gar.training.sources.files import shown

__all__ = ["MAY_CHANGE", "OWN_PLACES", "check_settings"]

OWN_PLACES = ("out", "cache.folder", "model.scratch.weights")
"""Settings that say where a run is and what it needs, and may change when they are moved."""

MAY_CHANGE = (
    *OWN_PLACES,
    *("train.steps", "train.epochs"),
    *("train.batch_size", "train.accumulate"),  # the samples of a step may not, see `check_batch`
    *("train.workers", "train.compile", "train.gradient_checkpointing", "cache.workers"),
    *("train.blend", "lora.merge", "result_dtype"),
    *("evaluation", "save_every", "log_every", "report_to"),
)
"""Settings that a run may go on with differently: how long it is, how it is done and watched, what is made of it."""


def check_settings(recipe: Recipe, may_change: Collection[str] = MAY_CHANGE) -> None:
    """Refuses a run's folder that was begun with other settings.

    Args:
        recipe: What is to be done, its precision settled.
        may_change: Settings that may differ.

    Raises:
        InputError: One that may not differs; the message has both values. Or the folder's recipe cannot be read.
    """
    file = recipe.out / "recipe.yaml"
    if not file.exists():
        return
    before, now = (one.model_dump(mode="json") for one in (read_recipe(file), recipe))
    if found := _difference(before, now, "", may_change):
        name, old, new = found
        raise InputError(
            f"{recipe.out} was begun with {name} {shown(old)}, not {shown(new)}; remove it or choose another folder"
        )


def _difference(before: Any, now: Any, name: str, ignored: Collection[str]) -> tuple[str, Any, Any] | None:
    """The dotted name and both values of the first setting that differs."""
    if name in ignored or before == now:
        return None
    old, new = _parts(before), _parts(now)
    if old is None or new is None:
        return name, before, now
    names = {key: f"{name}.{key}" if name else str(key) for key in {**old, **new}}
    differences = (_difference(old.get(key), new.get(key), part, ignored) for key, part in names.items())
    return next(filter(None, differences), None)


def _parts(value: Any) -> dict[Any, Any] | None:
    """Settings within a setting."""
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return dict(enumerate(value))
    return value if isinstance(value, dict) else None
