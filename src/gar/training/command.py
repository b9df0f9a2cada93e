"""Training as a command: what `gar train` and `python -m gar.training` do."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from gar.training.recipe import read_recipe, to_yaml
from gar.training.settings import Recipe

__all__ = ["run_command"]


def run_command(recipe: str, changes: Sequence[str], *, dry_run: bool = False) -> int:
    """Trains, and says what became of it.

    Args:
        recipe: A YAML file, or the name of a recipe of the package.
        changes: Settings as `key=value`.
        dry_run: Print the settings and what they come to, and do nothing.

    Returns:
        The exit status: 0 if training finished; 128 + the signal's number if one stopped it, as shells have it.

    Raises:
        GARError: As `read_recipe` and `train`.
    """
    settings = read_recipe(recipe, changes)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if dry_run:
        print(to_yaml(settings), end="")
        _print_preview(settings, console)
        return 0

    from gar.training.run import train

    outcome = train(settings)
    console.quiet = os.environ.get("RANK", "0") != "0"  # one of several processes tells
    if outcome.skipped:
        console.print(f"{outcome.skipped} items could not be used; see {settings.out / 'skipped.jsonl'}")
    if outcome.signal is not None:
        console.print(f"stopped after step {outcome.steps}; the same command goes on from there")
        return 128 + outcome.signal
    console.print(f"{outcome.steps} steps: {outcome.result}")
    return 0


def _print_preview(settings: Recipe, console: Console) -> None:
    from gar.training.preview import preview

    told = preview(settings)
    if told.parts:
        table = Table("part", "trained", "parameters")
        for column in table.columns[1:]:
            column.justify = "right"
        for part in told.parts:
            table.add_row(part.name, f"{part.trained:,}", f"{part.parameters:,}")
        console.print(table)
    console.print(told.note)
