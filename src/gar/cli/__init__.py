"""The command line: `gar describe`, `gar ask`, `gar info`, `gar demo`, `gar bench`, `gar serve`, ….

Choices:
    - One small file a command; what they share is in `options` (flags), `pointing` (regions), `reporting`
      (answers as text or JSON) and `writing` (files).
    - Nothing heavy is imported before a command needs it, so that `gar --help` answers at once.
    - How commands end, well or not, is said in `gar.ending`.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Sequence

import typer

from gar import __version__
from gar.cli.ask import ask
from gar.cli.bench import bench
from gar.cli.demo import demo
from gar.cli.describe import describe
from gar.cli.experiment import experiment
from gar.cli.info import info
from gar.cli.pointing import RegionCommand
from gar.cli.serve import serve
from gar.cli.train import TrainCommand, train
from gar.cli.world import world
from gar.cli.world_export import export
from gar.ending import exit_status

__all__ = ["app", "main"]

app = typer.Typer(
    name="gar",
    help="Understand any region of a picture: point at something and get it described; "
    "point at several things and ask how they relate.",
    epilog="Each command has examples: gar describe --help",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=RegionCommand)(describe)
app.command(cls=RegionCommand)(ask)
app.command()(info)
app.command()(demo)
app.add_typer(world)
world.command()(export)
app.add_typer(bench)
app.command(cls=TrainCommand)(train)
app.command()(experiment)
app.command()(serve)


@app.callback(invoke_without_command=True)
def _gar(ctx: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        typer.echo(f"gar {__version__}")
    elif ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: What follows `gar` on the command line; by default that of this process.

    Returns:
        The exit status: 0 if all went well, 2 for a mistake of the user, 130 after Ctrl-C.

    Raises:
        SystemExit: After SIGTERM, with status 143.
    """
    # at the end Python would look for garbage in all that torch has brought, for over a second
    atexit.register(gc.freeze)
    return exit_status(lambda: app(args=arguments, prog_name="gar", standalone_mode=False))
