"""`gar info`: what a model is made of and what it can take."""

from __future__ import annotations

from typing import Annotated

import typer

from gar.cli.options import AsJson, Device, Dtype

__all__ = ["info"]


def info(
    model: Annotated[
        str,
        typer.Argument(metavar="[MODEL]", help='"nano" (embedded), a checkpoint folder, or a hub id.'),
    ] = "nano",
    device: Device = None,
    dtype: Dtype = None,
    as_json: AsJson = False,
) -> None:
    """Print a model's sizes, parameters, tiles, limits, and its folder or hub id.

    **Examples**

    `gar info`

    `gar info checkpoints/GAR-1B --json`
    """
    import gar
    from gar.cli.reporting import print_json, stdout

    facts = gar.load(model, device=device, dtype=dtype).info()
    if as_json:
        print_json(facts)
        return

    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), _in_words(value))
    stdout().print(table)


def _in_words(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "–" if value is None else str(value)
