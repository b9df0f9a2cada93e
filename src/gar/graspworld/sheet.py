"""A picture of many scenes with what is said about them, to judge by eye whether the words are true.

Choices:
- Regions are marked by their contour and number only, so that colors and patterns stay as they are.
- The numbers are those of the objects in `scene.objects`, in the colors of the prompts.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gar.drawing import draw_regions, prompt_color
from gar.errors import InputError
from gar.graspworld.captions import write_caption
from gar.graspworld.scene import Scene
from gar.regions import Region

__all__ = ["contact_sheet"]

_GAP = 12
_FONT_SIZE = 13
_LINE = 16
_MOST = 6  # captions beside a picture; rows hold up to thirty things
_LETTER = 6.4  # mean width of a letter in pixels


def _captions(scene: Scene, width: int) -> list[tuple[int, str]]:
    """Writes captions of objects, the same for the same scene, and their ties: (number of the object, line of text)."""
    rng = np.random.default_rng(scene.seed or 0)
    texts = [(number, write_caption(scene, number, rng)) for number in range(min(len(scene.objects), _MOST))]
    texts += [(tie.a, f"is {tie.verb} {tie.b}") for tie in scene.ties]
    lines: list[tuple[int, str]] = []
    for number, text in texts:
        wrapped = textwrap.wrap(f"{number}  {text}", int(width / _LETTER), subsequent_indent="    ")
        lines.extend((number, line) for line in wrapped)
    if (more := len(scene.objects) - _MOST) > 0:
        lines.append((0, f"… and {more} more"))
    return lines


def contact_sheet(scenes: Sequence[Scene], *, columns: int = 3, side: int = 320, text_width: int = 250) -> Image.Image:
    """Puts scenes into a grid: each with its regions marked, and their captions beside.

    Args:
        scenes: One or more scenes.
        columns: Scenes in a row.
        side: Side in pixels of the square that each picture is fitted into.
        text_width: Pixels beside each picture for its captions.

    Returns:
        RGB picture on white.

    Raises:
        InputError: There is no scene, or a number is not positive.

    Example:
        >>> from gar.graspworld.scene import render_scene
        >>> contact_sheet([render_scene(0)], columns=1, side=200, text_width=150).mode
        'RGB'
    """
    if not scenes:
        raise InputError("there is no scene to show; give at least one")
    if min(columns, side, text_width) < 1:
        raise InputError(f"columns={columns}, side={side}, text_width={text_width}; each must be 1 or more")
    columns = min(columns, len(scenes))
    texts = [_captions(scene, text_width) for scene in scenes]
    cell_width = side + text_width + 2 * _GAP
    rows = -(-len(scenes) // columns)
    heights = [
        max(side, *(_LINE * len(text) for text in texts[row * columns : (row + 1) * columns])) + _GAP
        for row in range(rows)
    ]
    sheet = Image.new("RGB", (columns * cell_width + _GAP, sum(heights) + _GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT_SIZE)
    for index, (scene, text) in enumerate(zip(scenes, texts, strict=True)):
        left = _GAP + index % columns * cell_width
        top = _GAP + sum(heights[: index // columns])
        picture = Image.fromarray(scene.image)
        marked = draw_regions(picture, [Region.mask(item.mask) for item in scene.objects], opacity=0.0)
        marked.thumbnail((side, side))
        sheet.paste(marked, (left, top))
        for row, (number, line) in enumerate(text):
            at = (left + side + _GAP, top + _LINE * row)
            shade = tuple(value * 2 // 3 for value in prompt_color(number))  # dark enough to read on white
            pen.text(at, line, fill=shade, font=font)
    return sheet
