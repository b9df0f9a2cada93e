"""The head of the page: what it is, which model answers, opening and saving, light and dark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from nicegui import ui

from gar.serving.page.controls import icon_button, text
from gar.serving.page.examples import Example, list_examples

__all__ = ["build_header"]

_THEMES = {
    None: ("brightness_auto", "light or dark as the system"),
    False: ("light_mode", "light"),
    True: ("dark_mode", "dark"),
}


def build_header(
    models: Mapping[str, Mapping[str, Any]],
    *,
    choose_picture: str,
    open_example: Callable[[Example], Any],
    choose_model: Callable[[str], Any],
    save: Mapping[str, Callable[[], Any]],
) -> None:
    """Builds it.

    Args:
        models: By name, what each is (`GAR.info`).
        choose_picture: JavaScript that lets the visitor choose a file.
        open_example: Opens an example.
        choose_model: Asks another model from now on.
        save: By what the menu says, what makes the file.
    """
    with ui.element("header").classes("head"):
        text("h1", "Grasp Any Region")
        _build_models(models, choose_model)
        ui.element("div").classes("space")
        _labelled("Open", "folder_open").on("click", js_handler=choose_picture)
        with _labelled("Examples", "collections"), ui.menu().props('anchor="bottom right" self="top right"'):
            for example in list_examples():
                with (
                    ui.menu_item(on_click=partial(open_example, example)).props("role=menuitem").classes("example-item")
                ):
                    image = ui.element("img")
                    image.props["src"], image.props["alt"] = example.thumbnail, ""
                    text("span", example.title)
        with _labelled("Save", "download"), ui.menu().props('anchor="bottom right" self="top right"'):
            for title, handler in save.items():
                ui.menu_item(title, on_click=handler).props("role=menuitem")
        _build_theme()


def _labelled(label: str, icon: str) -> ui.button:
    """A button whose label goes where the page is narrow, but not for screen readers."""
    button = ui.button(label, icon=icon, color=None).props("flat dense no-caps").classes("head-button")
    button.props["aria-label"] = label
    return button


def _build_models(models: Mapping[str, Mapping[str, Any]], choose: Callable[[str], Any]) -> None:
    names = list(models)
    if len(names) > 1:
        select = ui.select(names, value=names[0], on_change=lambda event: choose(event.value))
        select.props('dense outlined options-dense aria-label="Model"').classes("model")
    else:
        facts = models[names[0]]
        text("span", f"{names[0]} · {facts['parameters'] / 1e6:,.1f} M parameters · {facts['device']}", "faint model")


def _build_theme() -> None:
    """Goes round: as the system, light, dark."""
    mode = ui.dark_mode(None)
    order = list(_THEMES)

    def label() -> str:
        return f"Colors: {_THEMES[mode.value][1]}"

    def turn() -> None:
        mode.value = order[(order.index(mode.value) + 1) % len(order)]
        button.props["icon"], button.props["aria-label"] = _THEMES[mode.value][0], label()

    button = icon_button(_THEMES[None][0], label(), turn)
