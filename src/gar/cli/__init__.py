"""The command line: `gar describe`, `gar ask`, `gar info`, `gar demo`, `gar bench`, `gar serve`, ….

Choices:
    - One small file a command; what they share is in `options` (flags), `pointing` (regions), `reporting`
      (answers as text or JSON) and `writing` (files).
    - Nothing heavy is imported before a command needs it, so that `gar --help` answers at once.
    - Every mistake of a user ends here: one line on stderr and exit status 2, without a traceback. Whatever
      else escapes is a bug and keeps its traceback. Ctrl-C is exit status 130, as shells have it.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
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
from gar.errors import GARError

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
    """
    # at the end Python would look for garbage in all that torch has brought, for over a second
    atexit.register(gc.freeze)
    try:
        status = app(args=arguments, prog_name="gar", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except GARError as error:
        return _refuse(str(error))
    except BrokenPipeError:  # the reader of our output, `head` for example, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        return _refuse(f"{error.filename}: {error.strerror}")
    except Exception as error:
        # Typer's errors of usage share no public class, but all of them have this method.
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        return _refuse(message())
    return status if isinstance(status, int) else 0


def _refuse(message: str) -> int:
    typer.echo(f"gar: {' '.join(message.split())}", err=True)
    return 2
