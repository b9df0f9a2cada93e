"""`gar experiment`: the same training in several ways, compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["experiment"]


def experiment(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="'replay', or a YAML file of your own.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The experiment's folder; by default runs/NAME.", show_default=False),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of each arm's training, in place of its own.", show_default=False)
    ] = None,
    scenes: Annotated[
        int | None, typer.Option(min=1, help="Scenes to train on, in place of its own.", show_default=False)
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Runs of each arm, in place of its own.", show_default=False)
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ARM", help="Do this arm only, or this run only, such as aligned/seed-0.", show_default=False
        ),
    ] = None,
    report: Annotated[bool, typer.Option("--report", help="Do no run; write the report of what is complete.")] = False,
) -> None:
    """Train the same model in several ways, ask each the same questions, and compare.

    What is complete is skipped, and what was stopped goes on. The report (results.json, results.md and plots) is
    written to `DIR/report` when all that was asked for is done.

    **Examples**

    `gar experiment replay`

    `gar experiment replay --only aligned/seed-0`

    `gar experiment replay --report`
    """
    from gar.training.experiments.plan import plan_runs, read_experiment

    settings = read_experiment(name)
    folder = Path("runs") / Path(name).stem if out is None else out
    changes = {"steps": steps, "scenes": scenes, "seeds": seeds}
    runs = plan_runs(settings, folder, **changes)
    chosen = plan_runs(settings, folder, **changes, only=only or ())

    from gar.cli.reporting import say
    from gar.training.experiments.report import write_report
    from gar.training.experiments.running import do_runs

    if not report:
        signal = do_runs(chosen, asked=settings.asked)
        if signal is not None:
            say("stopped; the same command goes on from there")
            raise typer.Exit(128 + signal)
    write_report(settings, runs, folder / "report")
    say(f"report: {folder / 'report' / 'results.md'}")
