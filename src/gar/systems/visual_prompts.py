"""How a region is shown to a system that has no regions: drawn on the picture, or written into the question.

    marks          a translucent numbered mask on each region (Set-of-Mark, arXiv 2310.11441)
    contour        a numbered outline
    box            a numbered box
    box-text       the box in words, [x1, y1, x2, y2] in pixels; nothing is drawn
    box-text-1000  the same with width and height scaled to 1000 each, which Qwen3-VL was trained on
    crop           the outlined picture, then each region enlarged together with what is around it; no videos

`<PromptK>` in a question becomes the region's name: its number and how it is shown, as `object 0 (red mask)` or
`object 0 (box [40, 60, 200, 220])`. `unnamed` turns such names in an answer back into `<PromptK>`, so that every
system's answers read alike.

Choices:

* numbers and colors are those of `gar.drawing`: what a person sees in a report is what the system saw;
* a crop is three boxes wide and high, cut at the picture's edge, and no box counts for less than 48 px: the focal crop
  of Describe Anything (arXiv 2504.16072);
* all frames of a video are sent, each announced by its number. Those in which all regions are to be seen are drawn on,
  since numbers and colors go by place; there must be one. `box-text` says for each region in which frames it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from PIL import Image

from gar.drawing import PROMPT_COLORS, draw_regions
from gar.errors import PromptError
from gar.media import ImageSource, load_image
from gar.processing.prompts import prompt_name, prompts_in
from gar.regions import Region
from gar.systems.protocol import Question, Track

__all__ = ["STYLES", "Part", "Style", "show", "unnamed"]

Style: TypeAlias = Literal["marks", "contour", "box", "box-text", "box-text-1000", "crop"]
STYLES: tuple[Style, ...] = get_args(Style)

Part: TypeAlias = str | Image.Image
"""A piece of what a system is sent: text, or a picture (RGB)."""

_COLOR_NAMES = ("red", "green", "blue", "yellow", "purple", "orange", "cyan", "pink")
"""Of `gar.drawing.PROMPT_COLORS`."""
_LEAST_BOX = 48
"""Pixels of a side that a box counts for at least, when it is cropped."""
_LEAST_CROP = 512
"""Pixels of the longer side that a crop is enlarged to at least."""
_DESCRIBE = "Describe <Prompt0> in detail."
_NAME = re.compile(r"object (\d{1,4})( \((?:[a-z]+ (?:mask|outline|box)|box \[[\d, ]*\])\))?(?!\d)", re.IGNORECASE)


@dataclass(frozen=True)
class _Drawing:
    """How a style draws."""

    mark: str
    """What the mark is called."""
    opacity: float
    """Of the fill; 0 leaves the outline."""


_DRAWINGS = {
    "marks": _Drawing("mask", 0.45),
    "contour": _Drawing("outline", 0.0),
    "crop": _Drawing("outline", 0.0),
    "box": _Drawing("box", 0.0),
}


def show(question: Question, style: Style) -> list[Part]:
    """What is sent to a system for a question: pictures with regions marked, and the text that speaks of them.

    Args:
        question: About a picture or a video.
        style: How the regions are shown.

    Raises:
        MediaError: A picture cannot be read.
        RegionError: A region does not fit its picture.
        PromptError: No region, a name in the text without a region, several regions without a text, a track of another
            length than the video, no frame that shows all regions, or a style that cannot show a video.

    Example:
        >>> question = Question(Image.new("RGB", (100, 50)), [Region.box(10, 10, 30, 20)], "Is <Prompt0> red?")
        >>> print(show(question, "box-text-1000")[-1].splitlines()[-1])
        Is object 0 (box [100, 200, 300, 400]) red?
    """
    count = len(question.regions)
    if not count:
        raise PromptError("no region was given; at least 1 is needed")
    if question.text is None and count != 1:
        raise PromptError(f"{count} regions without a question; give exactly 1 to describe it")
    text = _DESCRIBE if question.text is None else question.text.strip()
    for number in prompts_in(text):
        if number >= count:
            raise PromptError(f"the question names {prompt_name(number)}; there are {count} regions, numbered from 0")
    if question.is_video:
        frames = [load_image(frame) for frame in cast("Sequence[ImageSource]", question.picture)]
        return _show_video(frames, cast("Sequence[Track]", question.regions), text, style)
    image = load_image(cast("ImageSource", question.picture))
    return _show_picture(image, cast("Sequence[Region]", question.regions), text, style)


def unnamed(answer: str, count: int) -> str:
    """An answer with `<PromptK>` in place of the names under which `count` regions were shown.

    Example:
        >>> unnamed("Object 1 (green mask) is left of object 0, not of object 7.", 2)
        '<Prompt1> is left of <Prompt0>, not of object 7.'
    """

    def back(found: re.Match[str]) -> str:
        number = int(found[1])
        return prompt_name(number) if number < count else found[0]

    return _NAME.sub(back, answer)


def _show_picture(image: Image.Image, regions: Sequence[Region], text: str, style: Style) -> list[Part]:
    size = (image.height, image.width)
    drawing = _DRAWINGS.get(style)
    if drawing is None:
        thousand = style == "box-text-1000"
        names = [_name(number, f"box {_box(region, size, thousand)}") for number, region in enumerate(regions)]
        about = f"The picture shows {_listed(names)}. {_box_rule('its', size, thousand)}"
        return [image, f"{about}\n\n{_renamed(text, names)}"]
    names = [_drawn_name(number, drawing) for number in range(len(regions))]
    drawn = _drawn(image, regions, style)
    about = f"In the picture {_are_marked(names)}. {_not_real(drawing)}"
    pictures: list[Part] = [drawn]
    if style == "crop":
        pictures += [_focal_crop(drawn, region) for region in regions]
        enlarged = " ".join(f"Picture {number} shows {name} enlarged." for number, name in enumerate(names, 2))
        about = f"In picture 1 {_are_marked(names)}. {_not_real(drawing)} {enlarged}"
    return [*pictures, f"{about}\n\n{_renamed(text, names)}"]


def _show_video(frames: Sequence[Image.Image], tracks: Sequence[Track], text: str, style: Style) -> list[Part]:
    if not frames:
        raise PromptError("the video has no frames")
    if style == "crop":
        raise PromptError("the style 'crop' shows pictures only; choose another for videos")
    for number, track in enumerate(tracks):
        if len(track) != len(frames):
            raise PromptError(f"{prompt_name(number)} has {len(track)} places for {len(frames)} frames")
        if not any(track):
            raise PromptError(f"{prompt_name(number)} is to be seen in no frame")
    drawing = _DRAWINGS.get(style)
    parts: list[Part] = []
    if drawing is None:
        thousand = style == "box-text-1000"
        names = [f"object {number}" for number in range(len(tracks))]
        size = (frames[0].height, frames[0].width)
        places = "\n".join(
            f"{name}: {_boxes(track, frames, thousand)}" for name, track in zip(names, tracks, strict=True)
        )
        about = f"The pictures are the frames of a video. {_box_rule('a frame’s', size, thousand)}\n{places}"
        shown = list(frames)
    else:
        names = [_drawn_name(number, drawing) for number in range(len(tracks))]
        here = [[track[place] for track in tracks] for place in range(len(frames))]
        if not any(all(regions) for regions in here):
            raise PromptError(f"no frame shows all {len(tracks)} regions; the style 'box-text' can say where each is")
        shown = [
            _drawn(frame, cast("list[Region]", regions), style) if all(regions) else frame
            for frame, regions in zip(frames, here, strict=True)
        ]
        about = (
            f"The pictures are the frames of a video. In some of them {_are_marked(names)}; "
            f"the objects are the same in the others. {_not_real(drawing)}"
        )
    for place, frame in enumerate(shown):
        parts += [f"Frame {place}:", frame]
    return [*parts, f"{about}\n\n{_renamed(text, names)}"]


def _drawn(image: Image.Image, regions: Sequence[Region], style: Style) -> Image.Image:
    if style == "box":
        size = (image.height, image.width)
        regions = [Region.box(*region.to_box(size), whole=True) for region in regions]
    return draw_regions(image, regions, opacity=_DRAWINGS[style].opacity)


def _focal_crop(image: Image.Image, region: Region) -> Image.Image:
    x1, y1, x2, y2 = region.to_box((image.height, image.width))
    width, height = max(x2 - x1, _LEAST_BOX), max(y2 - y1, _LEAST_BOX)
    left, top = int((x1 + x2 - width) / 2), int((y1 + y2 - height) / 2)
    crop = image.crop(
        (
            max(left - width, 0),
            max(top - height, 0),
            min(left + 2 * width, image.width),
            min(top + 2 * height, image.height),
        )
    )
    scale = _LEAST_CROP / max(crop.size)
    if scale <= 1:
        return crop
    size = (max(1, round(crop.width * scale)), max(1, round(crop.height * scale)))
    return crop.resize(size, Image.Resampling.BICUBIC)


def _box(region: Region, size: tuple[int, int], thousand: bool) -> list[int]:
    """[x1, y1, x2, y2] in pixels or, with `thousand`, in thousandths of width and height."""
    box = region.to_box(size)
    if not thousand:
        return list(box)
    height, width = size
    return [round(1000 * value / side) for value, side in zip(box, (width, height) * 2, strict=True)]


def _boxes(track: Track, frames: Sequence[Image.Image], thousand: bool) -> str:
    return ", ".join(
        f"{_box(region, (frame.height, frame.width), thousand)} in frame {place}"
        for place, (region, frame) in enumerate(zip(track, frames, strict=True))
        if region is not None
    )


def _box_rule(whose: str, size: tuple[int, int], thousand: bool) -> str:
    rule = f"Boxes are [x1, y1, x2, y2] from {whose} top left corner"
    height, width = size
    if thousand:
        return f"{rule}, with its width and height scaled to 1000 each."
    return f"{rule}, in pixels; it is {width} wide and {height} high."


def _name(number: int, shown: str) -> str:
    return f"object {number} ({shown})"


def _drawn_name(number: int, drawing: _Drawing) -> str:
    return _name(number, f"{_COLOR_NAMES[number % len(PROMPT_COLORS)]} {drawing.mark}")


def _are_marked(names: Sequence[str]) -> str:
    marked = "is marked, with its" if len(names) == 1 else "are marked, each with its"
    return f"{_listed(names)} {marked} number beside it"


def _not_real(drawing: _Drawing) -> str:
    return f"{drawing.mark.capitalize()} and number are drawn on top and are not part of the scene."


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _renamed(text: str, names: Sequence[str]) -> str:
    """The text with names in place of `<PromptK>`."""
    for number in prompts_in(text):
        text = text.replace(prompt_name(number), names[number])
    return text
