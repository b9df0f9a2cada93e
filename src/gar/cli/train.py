"""`gar train`: train a model as a recipe says."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

__all__ = ["TrainCommand", "train"]


class TrainCommand(TyperCommand):
    """A command whose help ends with all settings of a recipe."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help; the settings are read only when somebody asks for it."""
        super().format_help(ctx, formatter)
        from rich.console import Console
        from rich.table import Table

        from gar.training.recipe import RECIPES, settings

        table = Table("setting", "default", "meaning", title="Settings", title_justify="left", box=None, pad_edge=False)
        for setting in settings():
            table.add_row(setting.name, setting.default, setting.meaning)
        console = Console()
        console.print(f"Recipes of the package: {', '.join(RECIPES)}\n")
        console.print(table)


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A YAML file, or the name of a recipe.", show_default=False)
    ],
    changes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE …]", help="Settings to change, by their dotted names.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the settings, the parameters and their memory; do nothing.")
    ] = False,
) -> None:
    """Train a model as a recipe says. The same command goes on where it was stopped.

    **Examples**

    `gar train nano`

    `gar train gar-1b-lora data.0.path=my-regions train.batch_size=8 --dry-run`

    `accelerate launch -m gar.training gar-1b-paper out=runs/mine`
    """
    from gar.training.command import run_command

    raise typer.Exit(run_command(recipe, changes or [], dry_run=dry_run))
