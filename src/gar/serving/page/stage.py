"""The picture's side of the page: tools, the picture, and what to do with a tool."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from gar.serving.limits import Limits
from gar.serving.page.canvas import Canvas
from gar.serving.page.controls import icon_button, text
from gar.serving.page.examples import Example, list_examples
from gar.serving.page.visit import Visit

__all__ = ["Stage"]

_TOOLS = {
    "refer": ("near_me", "Pick", "Click a region to name it in your question."),
    "point": ("adjust", "Point", "Click the thing. A point stands for a disc around it."),
    "box": ("crop_free", "Box", "Drag from corner to corner. A box stands for the ellipse that touches its sides."),
    "scribble": ("gesture", "Scribble", "Draw over the thing with a round pen; a longer line has a thicker pen."),
    "polygon": ("pentagon", "Polygon", "Click corner by corner; click the first one again, or twice, to close it."),
}
_HELP = (
    "Arrow keys move a cross, with Shift by one pixel. Enter marks. Backspace takes the last corner back, "
    "Escape gives up, Control Z undoes."
)


class Stage:
    """Tools, picture, opacity.

    Args:
        visit: What is shown.
        url: Where the visitor's picture and masks are.
        limits: Of files.
        undo: Takes back the last change of the regions.
        open_example: Opens an example.
        set_opacity: Told the opacity that the visitor chose, 0 to 1.
    """

    def __init__(
        self,
        visit: Visit,
        url: str,
        limits: Limits,
        *,
        undo: Callable[[], Any],
        open_example: Callable[[Example], Any],
        set_opacity: Callable[[float], Any],
    ):
        self._visit, self._set_opacity = visit, set_opacity
        self._tools: dict[str, ui.button] = {}
        with ui.element("section").classes("stage-side").props('aria-label="Picture"'):
            self._bar = ui.element("div").classes("tools").props('role="toolbar" aria-label="Ways to mark a region"')
            self.canvas = Canvas(url, limits.max_body_bytes)
            with self.canvas:
                _build_empty(self.canvas, limits, open_example)
            with ui.element("div").classes("under"):
                self._hint = text("p", "", "faint hint").props('aria-live="polite"')
                text("p", _HELP, "spoken").props('id="canvas-help"')
                with ui.element("label").classes("opacity"):
                    text("span", "Opacity", "faint")
                    slider = ui.element("input").props("type=range min=0 max=1 step=0.05 value=0.45")
                    slider.props["aria-label"] = "Opacity of the regions"
                    slider.on("input", self._take_opacity, js_handler="(event) => emit(event.target.valueAsNumber)")
        with self._bar:
            for tool, (icon, label, _) in _TOOLS.items():
                button = ui.button(label, icon=icon, on_click=partial(self.take, tool), color=None)
                self._tools[tool] = button.props("flat dense no-caps").classes("tool")
                button.props["aria-label"] = label
            self._mask = ui.button("Mask", icon="upload_file", color=None).props("flat dense no-caps").classes("tool")
            self._mask.props["aria-label"] = "Upload a mask"
            self._mask.on("click", js_handler=self.canvas.chooser("mask"))
            ui.element("div").classes("space")
            self._undo = icon_button("undo", "Undo", undo)
        self.take("point")
        self.refresh()

    def take(self, tool: str) -> None:
        """Gives the visitor another tool."""
        self.canvas.take(tool)
        for name, button in self._tools.items():
            button.props["aria-pressed"] = "true" if name == tool else "false"
        self._hint.text = _TOOLS[tool][2]

    def _take_opacity(self, event: GenericEventArguments) -> None:
        if not isinstance(event.args, (int, float)):
            return
        opacity = min(1.0, max(0.0, float(event.args)))
        self.canvas.set_opacity(opacity)
        self._set_opacity(opacity)

    def refresh(self) -> None:
        """Shows the regions as they are now."""
        self.canvas.show_marks(self._visit.marks)
        for button in (*self._tools.values(), self._mask):
            button.set_enabled(self._visit.picture is not None)
        self._undo.set_enabled(self._visit.can_undo)


def _build_empty(canvas: Canvas, limits: Limits, open_example: Callable[[Example], Any]) -> None:
    """What stands where the picture will be."""
    with ui.element("div").classes("empty"):
        ui.icon("add_photo_alternate").classes("empty-icon").props('aria-hidden="true"')
        text("h2", "Point at something, and get it described")
        text("p", "Drop a picture here, paste one, or", "faint")
        ui.button("Open a picture").props("unelevated no-caps").on("click", js_handler=canvas.chooser("picture"))
        text(
            "p",
            f"up to {limits.max_body_bytes / 1e6:g} MB and {limits.max_pixels / 1e6:g} megapixels; it stays on this "
            "server and is forgotten when you leave",
            "faint small",
        )
        text("p", "or begin with an example", "faint")
        with ui.element("div").classes("examples"):
            for example in list_examples():
                with ui.element("button").classes("example").props("type=button") as card:
                    image = ui.element("img")
                    image.props["src"], image.props["alt"] = example.thumbnail, ""
                    text("span", example.title)
                card.on("click", partial(open_example, example))
