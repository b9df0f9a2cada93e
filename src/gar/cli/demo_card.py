"""A picture with its regions, and the answers beside it, as one picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from gar.drawing import draw_regions, prompt_color, text_color
from gar.regions import Region

if TYPE_CHECKING:
    from gar.cli.demo_results import Result

__all__ = ["draw_card", "enlarge"]

_SIDE = 520
"""Pictures are enlarged, by a whole factor, until their longest side has this many pixels."""
_TEXT_WIDTH = 520
_MARGIN = 24
_FONT_SIZE = 18
_LINE = 25
_PAPER, _INK, _FAINT = (255, 255, 255), (28, 30, 34), (106, 112, 122)

Color = tuple[int, int, int]


def enlarge(image: Image.Image, regions: Sequence[Region]) -> tuple[Image.Image, list[Region]]:
    """Enlarges a small picture with its regions, so that contours and numbers are crisp."""
    factor = -(-_SIDE // max(image.size))
    if factor <= 1:
        return image, list(regions)
    size = (image.height, image.width)
    masks = [region.to_mask(size).repeat(factor, axis=0).repeat(factor, axis=1) for region in regions]
    larger = image.resize((image.width * factor, image.height * factor), Image.Resampling.LANCZOS)
    return larger, [Region.mask(mask) for mask in masks]


def draw_card(result: Result) -> Image.Image:
    """Draws a case: the picture on the left; each region's answer and the truth on the right."""
    case = result.case
    picture = draw_regions(*enlarge(case.image, case.regions), opacity=0.0)
    truth = "true:" if case.kind == "world" else "a person says:"
    lines: list[tuple[int | None, str, Color]] = [
        (None, f"{case.title} ({case.kind})", _FAINT),
        (None, "", _INK),
    ]
    for index, answer in enumerate(result.described):
        lines += [(index, line, _INK) for line in _wrapped(answer.text or "(nothing)")[:1]]
        lines += [(None, line, _INK) for line in _wrapped(answer.text)[1:]]
        lines += [(None, line, _FAINT) for line in _wrapped(f"{truth} {case.known[index]}")]
        lines.append((None, "", _INK))
    for question, reply in zip(case.questions, result.replies, strict=True):
        lines += [(None, line, _FAINT) for line in _wrapped(_plain(question.text))]
        lines += [(None, line, _INK) for line in _wrapped(_plain(f"{reply.choice} (true: {question.truth})"))]
        lines.append((None, "", _INK))

    height = max(picture.height, len(lines) * _LINE) + 2 * _MARGIN
    card = Image.new("RGB", (picture.width + _TEXT_WIDTH + 3 * _MARGIN, height), _PAPER)
    card.paste(picture, (_MARGIN, _MARGIN))
    pen, font = ImageDraw.Draw(card), ImageFont.load_default(_FONT_SIZE)
    x = picture.width + 2 * _MARGIN
    for row, (index, text, color) in enumerate(lines):
        y = _MARGIN + row * _LINE
        pen.text((x + 30, y), text, fill=color, font=font)
        if index is not None:
            paper = prompt_color(index)
            pen.rounded_rectangle((x, y, x + 21, y + 21), radius=6, fill=paper)
            pen.text((x + 11, y + 11), str(index), fill=text_color(paper), font=font, anchor="mm")
    return card


def _plain(text: str) -> str:
    """Names prompts by their number, as the tags do."""
    return re.sub(r"<Prompt(\d)>", r"[\1]", text)


def _wrapped(text: str) -> list[str]:
    """Breaks a text into lines that fit beside the picture."""
    font = ImageFont.load_default(_FONT_SIZE)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > _TEXT_WIDTH - 30:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
