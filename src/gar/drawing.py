"""Regions drawn onto a picture, so that a person sees what was pointed at.

Choices:
    - One color a prompt, in the order of the prompts: `<Prompt0>` is red, `<Prompt1>` green, and so on. The
      tag carries the number of the prompt, so that nobody has to tell red from green.
    - A translucent fill, a contour with a thin white rim (seen on any background), and the tag beside the
      region rather than on it: a tag must not hide a small thing. Contours of small regions lie on those of large ones.
    - Every length grows with the picture, because large pictures are looked at scaled down.
    - Pillow and numpy only, and Pillow's own scalable font: nothing to install, the same picture everywhere.

Shapes: `H`, `W` are the picture's height and width in pixels; masks are bool `(H, W)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gar.regions import Region

    Mask = NDArray[np.bool_]

__all__ = ["PROMPT_COLORS", "draw_regions", "prompt_color", "text_color"]

Color = tuple[int, int, int]
Box = tuple[int, int, int, int]

PROMPT_COLORS: tuple[Color, ...] = (
    (230, 46, 57),  # red
    (34, 176, 80),  # green
    (45, 125, 255),  # blue
    (255, 204, 0),  # yellow
    (158, 76, 230),  # purple
    (255, 128, 20),  # orange
    (0, 190, 212),  # cyan
    (240, 98, 176),  # pink
)
"""RGB of each prompt, 0–255, in the order of the prompts."""

_WHITE: Color = (255, 255, 255)
_BLACK: Color = (20, 20, 20)


def prompt_color(index: int) -> Color:
    """The RGB color of `<Prompt{index}>`; colors repeat after the last of `PROMPT_COLORS`.

    Example:
        >>> prompt_color(0)
        (230, 46, 57)
    """
    return PROMPT_COLORS[index % len(PROMPT_COLORS)]


def draw_regions(
    image: Image.Image, regions: Sequence[Region], *, opacity: float = 0.45, numbers: bool = True
) -> Image.Image:
    """Draws each region in its prompt's color: fill, contour and a tag with the prompt's number.

    Args:
        image: The picture, any mode; it is not changed.
        regions: The regions in the order of their prompts, in pixels of `image`.
        opacity: How much of the color covers the inside of a region: 0 is none, 1 hides the picture.
        numbers: Whether each region gets a tag with its number.

    Returns:
        A new RGB picture of the same size.

    Raises:
        ValueError: If `opacity` is outside [0, 1].
        RegionError: If a region does not fit the picture (from `Region.to_mask`).

    Example:
        >>> from gar.regions import Region
        >>> draw_regions(Image.new("RGB", (64, 48)), [Region.box(8, 8, 40, 40)]).size
        (64, 48)
    """
    if not 0.0 <= opacity <= 1.0:
        raise ValueError(f"opacity is {opacity}; it must be between 0 and 1")
    drawn = image.convert("RGB")
    if drawn is image:
        drawn = image.copy()
    width, height = drawn.size
    masks = [region.to_mask((height, width)) for region in regions]
    side = (width * height) ** 0.5  # of the square with as many pixels
    line = max(2, round(0.004 * side))
    for index, mask in enumerate(masks):
        drawn.paste(prompt_color(index), mask=_alpha(mask, opacity))
    for index in sorted(range(len(masks)), key=lambda index: -np.count_nonzero(masks[index])):
        _draw_contour(drawn, masks[index], prompt_color(index), line)
    if numbers and masks:
        _draw_tags(drawn, masks, font_size=max(12, round(0.03 * side)), gap=line)
    return drawn


def _alpha(mask: Mask, opacity: float) -> Image.Image:
    return Image.fromarray(mask.astype(np.uint8) * round(255 * opacity))


def _draw_contour(drawn: Image.Image, mask: Mask, color: Color, line: int) -> None:
    """Draws a line of `line` pixels along the edge of `mask`, half of it inside, with a white rim outside."""
    rim = max(1, line // 3)
    inside, outside = line - line // 2, line // 2
    pad = inside + outside + rim  # work on the mask's own box only, with room to grow
    x1, y1, x2, y2 = _mask_box(mask)
    part = np.pad(mask[y1:y2, x1:x2], pad)
    kept = ~_grown(~part, inside)
    band = _grown(part, outside)
    rimmed = _grown(band, rim)
    corner = (x1 - pad, y1 - pad)
    for area, paint in ((rimmed & ~band, _WHITE), (band & ~kept, color)):
        smooth = Image.fromarray(area.astype(np.uint8) * 255).filter(ImageFilter.BoxBlur(0.5))
        drawn.paste(paint, corner, smooth)


def _grown(mask: Mask, steps: int) -> Mask:
    """Grows a mask by `steps` pixels; crosses and squares in turn make an octagon, nearly a disc.

    Example, one step (a cross)::

        . . . .      . # . .
        . # . .  →   # # # .
        . . . .      . # . .
    """
    grown = mask.copy()
    for step in range(steps):
        before = grown.copy()
        grown[1:] |= before[:-1]
        grown[:-1] |= before[1:]
        across = grown.copy() if step % 2 else before
        grown[:, 1:] |= across[:, :-1]
        grown[:, :-1] |= across[:, 1:]
    return grown


def _mask_box(mask: Mask) -> Box:
    """The smallest `(x1, y1, x2, y2)` around the true pixels, `x2` and `y2` exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _draw_tags(drawn: Image.Image, masks: Sequence[Mask], font_size: int, gap: int) -> None:
    """Draws the numbers, each where it hides the least of any region and of the other tags."""
    font = ImageFont.load_default(font_size)
    pen = ImageDraw.Draw(drawn)
    taken = np.logical_or.reduce(masks).astype(np.float32)
    for index, mask in enumerate(masks):
        text = str(index)
        left, top, right, bottom = font.getbbox(text)
        tag_height = round(1.3 * font_size)
        tag_width = max(tag_height, round(right - left + 0.6 * font_size))
        x1, y1, x2, y2 = _best_place(taken, mask, tag_width, tag_height, gap)
        taken[y1:y2, x1:x2] += 100.0  # another tag here would hide this one
        color = prompt_color(index)
        pen.rounded_rectangle(
            (x1, y1, x2 - 1, y2 - 1),
            radius=tag_height // 3,
            fill=color,
            outline=_WHITE,
            width=max(1, font_size // 12),
        )
        at = ((x1 + x2 - left - right) / 2, (y1 + y2 - top - bottom) / 2)
        pen.text(at, text, fill=text_color(color), font=font)


def _best_place(taken: NDArray[np.float32], mask: Mask, width: int, height: int, gap: int) -> Box:
    """The box for a tag: above, below, left, right of the region or inside, where the least is hidden."""
    picture_height, picture_width = mask.shape
    x1, y1, x2, y2 = _mask_box(mask)
    top, bottom = _middle(mask[y1]), _middle(mask[y2 - 1])
    left, right = _middle(mask[:, x1]), _middle(mask[:, x2 - 1])
    corners = [
        (top - width // 2, y1 - gap - height),
        (bottom - width // 2, y2 + gap),
        (x1 - gap - width, left - height // 2),
        (x2 + gap, right - height // 2),
        (top - width // 2, y1 + gap),
    ]
    boxes: list[Box] = []
    for x, y in corners:
        x1 = max(0, min(x, picture_width - width))  # kept inside the picture
        y1 = max(0, min(y, picture_height - height))
        boxes.append((x1, y1, x1 + width, y1 + height))
    return min(boxes, key=lambda box: float(taken[box[1] : box[3], box[0] : box[2]].sum()))


def _middle(line: Mask) -> int:
    """The middle one of a line's true pixels."""
    return int(np.median(np.flatnonzero(line)))


def text_color(color: Color) -> Color:
    """Black on light colors and white on dark ones (luma of ITU-R BT.601)."""
    red, green, blue = color
    return _BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 150 else _WHITE
