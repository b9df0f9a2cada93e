"""The page's own small elements, each with a name that a screen reader says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from gar.drawing import prompt_color, text_color
from gar.serving.page.canvas import css_color
from gar.serving.page.conversation import parts_of
from gar.serving.page.marks import Mark

__all__ = ["chip", "icon_button", "say", "text", "with_chips", "word_or_chip"]

Handler = Callable[[], Any]


def text(tag: str, words: str, classes: str = "") -> TextElement:
    """An HTML element that holds a text: h1, p, span, …."""
    return TextElement(tag=tag, text=words).classes(classes)


def icon_button(icon: str, label: str, on_click: Handler | None = None, *, on_browser: str = "") -> ui.button:
    """A button that shows an icon, and its label when it is pointed at.

    Args:
        icon: A name of Google's Material icons, which NiceGUI brings along.
        label: What it does.
        on_click: Called on the server.
        on_browser: JavaScript that is called in the browser instead.
    """
    button = ui.button(icon=icon, on_click=on_click, color=None).props("flat dense no-caps").classes("icon-button")
    button.props["aria-label"] = label
    if on_browser:
        button.on("click", js_handler=on_browser)
    with button:
        ui.tooltip(label).props("delay=400")
    return button


def chip(number: int, mark: Mark | None) -> TextElement:
    """A prompt's number on its color; it lights up its region while it is pointed at or has the focus."""
    title = "a region that is gone" if mark is None else mark.title
    element = text("span", str(number), "chip").style(
        f"background: {css_color(prompt_color(number))}; color: {css_color(text_color(prompt_color(number)))}"
    )
    element.props["role"], element.props["aria-label"] = "img", f"region {number}, {title}"
    element.props["title"] = title
    if mark is not None:
        element.props["data-mark"], element.props["tabindex"] = str(mark.id), "0"
    return element


def word_or_chip(part: str | int, marks: dict[int, Mark]) -> TextElement:
    """A part of a text (`parts_of`): words, or a prompt as a chip; one that is no region stays as it is written."""
    if isinstance(part, str):
        return text("span", part)
    return chip(part, marks[part]) if part in marks else text("span", f"<Prompt{part}>")


def with_chips(words: str, marks: dict[int, Mark]) -> None:
    """A text whose prompts are chips."""
    for part in parts_of(words):
        word_or_chip(part, marks)


_LONGEST = 400
"""Characters of what is said; some of it may be what a browser sent."""


def say(words: str) -> None:
    """Tells the visitor what went wrong; screen readers say it at once."""
    words = words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
    ui.notify(words[:1].upper() + words[1:], type="negative", position="top", timeout=8000, close_button="Close")
