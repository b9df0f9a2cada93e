"""`gar world export`: scenes of GraspWorld in the published data format."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gar.cli.world import MOST_SCENES, WorldSplit

__all__ = ["export"]


class Format(StrEnum):
    """How the records are written."""

    JSON = "json"
    ARROW = "arrow"


def export(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to; a folder that is new or empty.")],
    n: Annotated[int, typer.Option("--n", min=1, max=MOST_SCENES, help="How many scenes.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the first scene.")] = 0,
    split: Annotated[
        WorldSplit, typer.Option("--split", help="Training; or scenes, nouns or a style that training never shows.")
    ] = WorldSplit.TRAIN,
    format: Annotated[
        Format, typer.Option("--format", help="JSON with pictures beside it, or Arrow (needs `datasets`).")
    ] = Format.JSON,
) -> None:
    """Write scenes as training data that any reader of the published GAR format takes.

    The folder is written whole or not at all.

    **Examples**

    `gar world export --n 1000 --out world/`

    `gar world export --n 10000 --seed 5000 --format arrow --out world-arrow/`
    """
    from rich.console import Console
    from rich.progress import Progress

    from gar.cli.reporting import say
    from gar.training.export import export_published, scene_samples

    with Progress(console=Console(stderr=True), transient=True) as progress:
        todo = progress.add_task("Rendering", total=n)
        samples = scene_samples(seed, n, split.value)
        count = export_published(samples, out, format.value, advance=lambda: progress.advance(todo))
    say(f"{count} scenes of split {split.value!r} (seeds {seed} to {seed + n - 1}) are in {out}")
