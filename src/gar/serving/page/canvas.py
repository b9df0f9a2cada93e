"""The picture with its regions as an element of the page; draws and reports strokes, see `canvas.js`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from nicegui import ui

from gar.drawing import prompt_color, text_color
from gar.media import FORMATS
from gar.serving.page.marks import Mark
from gar.serving.page.picture import Picture

__all__ = ["Canvas", "css_color"]

_ACCEPT = ",".join(f"image/{name.lower()}" for name in FORMATS if name != "PPM") + ",.ppm,.pgm"


def css_color(color: tuple[int, int, int]) -> str:
    """A color as CSS writes it."""
    return f"rgb({color[0]} {color[1]} {color[2]})"


class Canvas(ui.element, component="canvas.js"):
    """The picture, its regions, and the tool in the visitor's hand.

    Args:
        url: Where the visitor's picture and masks are, see `gar.serving.page.routes`.
        max_bytes: Of a file that the visitor sends.
    """

    def __init__(self, url: str, max_bytes: int):
        super().__init__()
        self._url = url
        self._opened = 0
        self._props |= {
            "picture": None,
            "marks": [],
            "tool": "point",
            "opacity": 0.45,
            "uploadUrl": f"{url}/upload",
            "maxBytes": max_bytes,
            "accept": _ACCEPT,
        }

    def show_picture(self, picture: Picture) -> None:
        """Shows another picture."""
        height, width = picture.size
        self._opened += 1  # another URL, so that the browser asks again
        url = f"{self._url}/picture/{self._opened}"
        self._props["picture"] = {"url": url, "name": picture.name, "width": width, "height": height}

    def show_marks(self, marks: Sequence[Mark]) -> None:
        """Shows the regions, each in its prompt's color."""
        self._props["marks"] = [
            {
                "id": mark.id,
                "number": number,
                "hidden": mark.hidden,
                "box": mark.box,
                "url": f"{self._url}/mask/{mark.id}",
                "color": css_color(prompt_color(number)),
                "ink": css_color(text_color(prompt_color(number))),
            }
            for number, mark in enumerate(marks)
        ]

    def take(self, tool: str) -> None:
        """Gives the visitor a tool, one of `TOOLS`."""
        self._props["tool"] = tool

    def set_opacity(self, opacity: float) -> None:
        """Sets how much of a region's color covers it, 0 to 1."""
        self._props["opacity"] = opacity

    def on_event(self, name: str, handler: Callable[[dict[str, Any]], Any]) -> None:
        """Calls `handler` with what the browser reports as `name`: stroke, refer, undo, refused or unsent."""
        self.on(name, lambda event: handler(_mapping(event.args)))

    def chooser(self, what: str) -> str:
        """JavaScript that lets the visitor choose a file: a "picture" or a "mask".

        It runs in the browser at the click itself, since browsers open their file dialog only then.
        """
        return f"() => getElement({self.id}).choose('{what}')"


def _mapping(value: Any) -> dict[str, Any]:
    """What the browser reported; nothing if it is not what our own script reports."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
