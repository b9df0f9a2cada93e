"""Regions from command-line flags, in the order in which they were given.

The order matters: the first region is `<Prompt0>`, the second `<Prompt1>`. Typer collects the values of each
flag apart, so `RegionCommand` notes in which order the flags came.

What a flag's value may be:

    --box       four numbers "x1,y1,x2,y2"; setting whole=1
    --point     places "x,y", or "x,y,0" for a place beside the thing; setting radius
    --scribble  places "x,y x,y …"; setting width
    --polygon   places "x,y x,y x,y …", rings apart by ";"
    --mask      a picture file without alpha: whatever is not black is inside
    --rle       a JSON file: COCO's run-length dictionary or annotation, or a list of them

Settings stand as "name=number" after the places.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from typer.core import TyperCommand

from gar.errors import RegionError

if TYPE_CHECKING:
    import typer

    from gar.regions import Region

__all__ = ["RegionCommand", "regions_from_flags"]

_ORDER = "gar.order_of_region_flags"
_MAX_JSON_BYTES = 64_000_000
_MAX_JSON_REGIONS = 1_000


class RegionCommand(TyperCommand):
    """A command that remembers in which order its region flags were given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Notes the flags' order, then parses as usual."""
        before_dashes = args[: args.index("--")] if "--" in args else args
        names = [argument.partition("=")[0].removeprefix("--") for argument in before_dashes if argument[:2] == "--"]
        ctx.meta[_ORDER] = [name for name in names if name in _READERS]
        return super().parse_args(ctx, args)


def regions_from_flags(ctx: typer.Context, given: Mapping[str, Sequence[str] | None]) -> list[Region]:
    """Makes the regions of a command.

    Args:
        ctx: The context of a `RegionCommand`.
        given: The values of each region flag, by its name without dashes.

    Returns:
        The regions in the order of the command line.

    Raises:
        RegionError: If there is no region, or a value is none.
        MediaError: If a mask file is no picture.
    """
    waiting = {name: iter(values or ()) for name, values in given.items()}
    pairs = [(name, value) for name in ctx.meta[_ORDER] for value in islice(waiting[name], 1)]
    pairs += [(name, value) for name, values in waiting.items() for value in values]
    if not pairs:
        raise RegionError(f"there is no region; give at least one of {', '.join(f'--{name}' for name in _READERS)}")
    return [region for name, value in pairs for region in _read(name, value)]


def _read(name: str, value: str) -> list[Region]:
    try:
        return _READERS[name](value)
    except RegionError as error:
        raise RegionError(f"--{name} {value!r}: {error}") from error


def _read_box(value: str) -> list[Region]:
    from gar.regions import Region

    rows, settings = _numbers(value, "whole")
    numbers = [number for row in rows for number in row]
    if len(numbers) != 4:
        raise RegionError(f"{len(numbers)} numbers; a box has four, x1,y1,x2,y2")
    x1, y1, x2, y2 = numbers
    return [Region.box(x1, y1, x2, y2, whole=bool(settings.get("whole")))]


def _read_points(value: str) -> list[Region]:
    from gar.regions import Region

    rows, settings = _numbers(value, "radius")
    for row in rows:
        if len(row) not in (2, 3):
            raise RegionError(f"a place has {len(row)} numbers; it is x,y or, beside the thing, x,y,0")
    labels = [row[2] if len(row) == 3 else 1 for row in rows]
    return [Region.points([row[:2] for row in rows], labels, settings.get("radius"))]


def _read_scribble(value: str) -> list[Region]:
    from gar.regions import Region

    rows, settings = _numbers(value, "width")
    return [Region.scribble(_places(rows), settings.get("width"))]


def _read_polygon(value: str) -> list[Region]:
    from gar.regions import Region

    rings = [_places(_numbers(ring)[0]) for ring in value.split(";") if ring.strip()]
    return [Region.polygon(rings)]


def _read_mask(value: str) -> list[Region]:
    from gar.media import load_mask
    from gar.regions import Region

    return [Region.mask(load_mask(Path(value)))]


def _read_rle(value: str) -> list[Region]:
    from gar.regions import Region

    content = _read_json(Path(value))
    items = cast("list[Any]", content) if isinstance(content, list) else [content]
    if not 1 <= len(items) <= _MAX_JSON_REGIONS:
        raise RegionError(f"the list has {len(items)} entries; allowed are 1 to {_MAX_JSON_REGIONS}")
    return [Region.rle(item) if _is_rle(item) else Region.from_coco(item) for item in items]


_READERS: dict[str, Callable[[str], list[Region]]] = {
    "box": _read_box,
    "point": _read_points,
    "mask": _read_mask,
    "polygon": _read_polygon,
    "scribble": _read_scribble,
    "rle": _read_rle,
}


def _is_rle(item: Any) -> bool:
    return isinstance(item, dict) and "counts" in item


def _read_json(path: Path) -> Any:
    try:
        if (length := path.stat().st_size) > _MAX_JSON_BYTES:
            raise RegionError(f"the file has {length} bytes; allowed are {_MAX_JSON_BYTES}")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise RegionError(f"the file cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, RegionError):
            raise
        raise RegionError(f"the file is not JSON: {error}") from error


def _numbers(value: str, *settings: str) -> tuple[list[list[float]], dict[str, float]]:
    """Reads "1,2 3,4 radius=5" as rows of numbers and the allowed settings."""
    rows: list[list[float]] = []
    found: dict[str, float] = {}
    for word in value.split():
        name, equals, number = word.rpartition("=")
        if equals and name not in settings:
            allowed = f"allowed is {' and '.join(settings)}" if settings else "none is allowed here"
            raise RegionError(f"the setting {name!r} is unknown; {allowed}")
        try:
            if equals:
                found[name] = float(number)
            else:
                rows.append([float(part) for part in word.strip(",").split(",")])
        except ValueError:
            raise RegionError(f"{word!r} is not made of numbers, as in 120,90") from None
    if not rows:
        raise RegionError("there are no numbers; needed are places as in 120,90")
    return rows, found


def _places(rows: Sequence[Sequence[float]]) -> Sequence[Sequence[float]]:
    for row in rows:
        if len(row) != 2:
            raise RegionError(f"a place has {len(row)} numbers; it is x,y, and places are apart by spaces")
    return rows
