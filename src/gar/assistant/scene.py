"""Encode once, ask many: what `GAR.encode` returns, and every verb takes in place of a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from gar.regions import Region

if TYPE_CHECKING:
    from gar.assistant.encoding import Picture, Shown
    from gar.model.modeling import GARForConditionalGeneration

__all__ = ["EncodedScene", "Way"]

Way = Literal["exact", "shared"]
"""How regions are described: each alone in the mask, or all that one question can name in one mask."""


@dataclass(frozen=True, eq=False, repr=False)
class EncodedScene:
    """A picture and regions of it, looked at once; made by `GAR.encode`, for that model alone.

    It is immutable to its user: whatever is asked, the answers to come are the same. Inside it keeps what has been
    computed: features of the picture without a mask and of the regions in the ways in which they were asked about, and
    what the decoder has read up to a question about them all.
    """

    size: tuple[int, int]
    """(H, W) of the picture in pixels."""
    regions: tuple[Region, ...]
    """What is asked about unless a verb is given other regions."""
    way: Way
    """ "exact": a description shows its region alone, as the published single-region code does. "shared": it shows all
    regions of its group, as GAR's multi-turn training does; a group is as many regions, in order, as the model has
    prompt tokens. Questions about several regions are the same in both."""
    model: GARForConditionalGeneration
    picture: Picture
    groups: tuple[tuple[Region, ...], ...] = ()
    """In the shared way: the regions that are shown together."""
    kept: dict[tuple[tuple[Region, ...], tuple[int, ...]], Shown] = field(default_factory=dict)  # pyright: ignore
    """By regions and prompt numbers: what was encoded. At most one entry a region, a group, and one for all."""

    def group_of(self, region: Region) -> tuple[tuple[Region, ...], int] | None:
        """In the shared way, the group of a region of the scene and its prompt number in there; otherwise None."""
        for group in self.groups:
            if region in group:
                return group, group.index(region)
        return None

    def __repr__(self) -> str:
        height, width = self.size
        return f"<EncodedScene of {height} x {width}, {len(self.regions)} regions, {self.way}>"
