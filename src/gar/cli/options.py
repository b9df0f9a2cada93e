"""The flags that several commands share, each described once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from gar.assistant import SamplingOptions

__all__ = [
    "AllowedHosts",
    "AsJson",
    "Boxes",
    "Device",
    "Draw",
    "Dtype",
    "Masks",
    "MaxNewTokens",
    "Model",
    "Picture",
    "Points",
    "Polygons",
    "Rles",
    "Scribbles",
    "sampling_options",
]

_REGIONS = "Regions, in pixels of the picture (repeat and mix them freely)"
_MODEL = "Model"
_OUTPUT = "Output"


class Precision(StrEnum):
    """The number formats that a model can run in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


Picture: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="PICTURE", help="A picture file, or a URL with --allow-host.", show_default=False),
]
AllowedHosts: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--allow-host", metavar="HOST", help="Let PICTURE be fetched from this host.", show_default=False),
]

Boxes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        metavar="X1,Y1,X2,Y2",
        help="A box; stands for the ellipse in it. Add `whole=1` for all of the box.",
        rich_help_panel=_REGIONS,
        show_default=False,
    ),
]
Points: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--point",
        metavar="X,Y …",
        help="A point, or several on one thing; `X,Y,0` is a point beside it. `radius=R` sets its size.",
        rich_help_panel=_REGIONS,
        show_default=False,
    ),
]
Masks: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        metavar="FILE",
        help="A picture of the same size, black outside the region.",
        rich_help_panel=_REGIONS,
        show_default=False,
    ),
]
Polygons: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--polygon",
        metavar="X,Y X,Y X,Y …",
        help="An outline. A semicolon begins another ring; a ring inside another is a hole.",
        rich_help_panel=_REGIONS,
        show_default=False,
    ),
]
Scribbles: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--scribble",
        metavar="X,Y X,Y …",
        help="A line drawn over the thing. `width=W` sets its width.",
        rich_help_panel=_REGIONS,
        show_default=False,
    ),
]
Rles: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--rle",
        metavar="FILE",
        help="JSON with a COCO run-length code or annotation, or a list of them.",
        rich_help_panel=_REGIONS,
        show_default=False,
    ),
]

Model: TypeAlias = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="NAME",
        help='"nano" (embedded), a checkpoint folder, or a hub id such as HaochenWang/GAR-1B.',
        rich_help_panel=_MODEL,
    ),
]
Device: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="NAME",
        help="cpu, cuda, cuda:1, mps; the best there is if left out.",
        rich_help_panel=_MODEL,
        show_default=False,
    ),
]
Dtype: TypeAlias = Annotated[
    Precision | None,
    typer.Option(
        "--dtype",
        help="Number format; suits the device if left out.",
        rich_help_panel=_MODEL,
        show_default=False,
    ),
]
MaxNewTokens: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--max-new-tokens",
        metavar="N",
        min=1,
        help="The most tokens an answer may have.",
        rich_help_panel=_MODEL,
        show_default=False,
    ),
]

AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON, and nothing else, to stdout.", rich_help_panel=_OUTPUT)
]
Draw: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--draw",
        metavar="FILE",
        help="Write the picture with its regions drawn (.png, .jpg or .webp).",
        rich_help_panel=_OUTPUT,
        show_default=False,
    ),
]


def sampling_options(max_new_tokens: int | None) -> SamplingOptions:
    """What the flags say of answers, as the assistant's keyword arguments; its own defaults where they say nothing."""
    return {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
