"""A picture and the regions pointed at in it, as the flags of a command give them.

Everything that can be wrong with them is found here, before a model is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gar.cli.pointing import regions_from_flags
from gar.cli.writing import check_picture_path, write_picture
from gar.errors import InputError

if TYPE_CHECKING:
    import typer
    from PIL import Image

    from gar.regions import Region

__all__ = ["View", "open_view"]


@dataclass(frozen=True)
class View:
    """A picture with regions that fit it."""

    image: Image.Image
    """RGB, upright."""
    regions: list[Region]
    """In the order of the flags: the first is `<Prompt0>`."""
    draw: Path | None
    """Where the picture with its regions shall be written."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the picture."""
        return self.image.height, self.image.width

    def write_drawing(self) -> None:
        """Writes the picture with its regions, if that was asked for."""
        if self.draw is None:
            return
        from gar.cli.reporting import say
        from gar.drawing import draw_regions

        write_picture(self.draw, draw_regions(self.image, self.regions))
        say(f"drawn: {self.draw}")


def open_view(
    ctx: typer.Context,
    picture: str,
    allow_host: Sequence[str] | None,
    draw: Path | None,
    **region_flags: Sequence[str] | None,
) -> View:
    """Reads the regions and the picture of a command and checks that they fit.

    Args:
        ctx: The context of a `RegionCommand`.
        picture: A path or URL.
        allow_host: Hosts that a URL may name.
        draw: Where to write the picture with its regions.
        region_flags: The values of each region flag, by its name.

    Raises:
        InputError: If there is no region, a region is malformed or does not fit, the picture cannot be read,
            or `draw` cannot be written, or would replace the picture or a mask.
    """
    regions = regions_from_flags(ctx, region_flags)
    if draw is not None:
        check_picture_path(draw)
        for given in (picture, *(region_flags.get("mask") or ())):
            if _same_file(draw, given):
                raise InputError(f"--draw {draw} is the same file as {given}, which it would replace")

    from gar.media import load_image

    image = load_image(picture, allow_hosts=allow_host or ())
    for region in regions:
        region.to_mask((image.height, image.width))
    return View(image, regions, draw)


def _same_file(path: Path, given: str) -> bool:
    try:
        return path.samefile(given)
    except (OSError, ValueError):  # one of them is not there, or is a URL
        return False
