"""The list of regions: name, describe, hide, delete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from gar.drawing import prompt_color, text_color
from gar.serving.page.canvas import css_color
from gar.serving.page.controls import icon_button, text
from gar.serving.page.marks import Mark
from gar.serving.page.visit import Visit

__all__ = ["RegionActions", "RegionsPanel"]


@dataclass(frozen=True)
class RegionActions:
    """What can be done with regions; each is given the region's id."""

    refer: Callable[[int], Any]
    """Names it in the question."""
    describe: Callable[[int], Any]
    rename: Callable[[int, str], Any]
    hide: Callable[[int, bool], Any]
    delete: Callable[[int], Any]
    describe_all: Callable[[], Any]
    clear: Callable[[], Any]


class RegionsPanel:
    """The list; rows stay what they are while others come and go, so that the keyboard's focus does."""

    def __init__(self, visit: Visit, actions: RegionActions):
        self._visit, self._actions = visit, actions
        self._rows: dict[int, _Row] = {}
        with ui.element("section").classes("regions").props('aria-label="Regions"'):
            with ui.element("div").classes("panel-head"):
                text("h2", "Regions")
                self._count = text("span", "", "faint")
                ui.element("div").classes("space")
                self._clear = ui.button("Clear", on_click=actions.clear, color=None).props("flat dense no-caps")
                self._all = ui.button("Describe all", on_click=actions.describe_all).props("unelevated dense no-caps")
            self._empty = text("p", "None yet. Choose a tool and mark something on the picture.", "faint")
            self._list = ui.element("ul").classes("rows")

    def refresh(self, busy: bool) -> None:
        """Shows the regions as they are now.

        Args:
            busy: Whether an answer is on its way.
        """
        marks, limit = self._visit.marks, self._visit.max_regions
        self._count.text = f"{len(marks)} of {limit}"
        self._empty.visible = not marks
        self._clear.set_enabled(bool(marks))
        self._all.set_enabled(bool(marks) and not busy)
        for id in [id for id in self._rows if self._visit.number_of(id) is None]:
            self._rows.pop(id).element.delete()
        for number, mark in enumerate(marks):
            if mark.id not in self._rows:
                with self._list:
                    self._rows[mark.id] = _Row(mark, self._actions)
            row = self._rows[mark.id]
            row.show(number, mark, busy)
            if self._list.default_slot.children[number] is not row.element:  # one that came back by undoing
                row.element.move(target_index=number)


class _Row:
    """One region of the list."""

    def __init__(self, mark: Mark, actions: RegionActions):
        id = mark.id
        self._hidden, self._named = mark.hidden, ""
        with ui.element("li").classes("region-row") as self.element:
            self.element.props["data-mark"] = str(id)
            self._tag = ui.element("button").props("type=button").classes("chip big")
            self._tag.on("click", lambda: actions.refer(id))
            with self._tag:
                self._number = text("span", "")
            with ui.element("div").classes("row-words"):
                self._name = ui.input(placeholder="name it, if you like").props("borderless dense maxlength=80")
                for leaving in ("blur", "keydown.enter"):
                    self._name.on(leaving, lambda: actions.rename(id, str(self._name.value or "")))
                self._facts = text("span", "", "faint small")
            self._describe = icon_button("chat_bubble_outline", "", lambda: actions.describe(id))
            self._hide = icon_button("visibility", "", lambda: actions.hide(id, not self._hidden))
            self._delete = icon_button("delete_outline", "", lambda: actions.delete(id))

    def show(self, number: int, mark: Mark, busy: bool) -> None:
        """Shows the region as it is now."""
        paper = prompt_color(number)
        self._number.text = str(number)
        self._tag.style(f"background: {css_color(paper)}; color: {css_color(text_color(paper))}")
        self._tag.props["aria-label"] = f"Name region {number} in the question"
        self._name.props["aria-label"] = f"Name of region {number}"
        if self._named != mark.name:  # else the field stays as it is: somebody may be writing
            self._name.value = self._named = mark.name
        self._facts.text = f"{mark.kind} · covers {_percent(mark.share)}"
        self._hidden = mark.hidden
        self.element.classes(add="is-hidden") if mark.hidden else self.element.classes(remove="is-hidden")
        self._hide.props["icon"] = "visibility_off" if mark.hidden else "visibility"
        for button, does in (
            (self._describe, "Describe"),
            (self._hide, "Show" if mark.hidden else "Hide"),
            (self._delete, "Delete"),
        ):
            button.props["aria-label"] = f"{does} region {number}"
            tooltip = button.default_slot.children[0]
            if isinstance(tooltip, ui.tooltip):
                tooltip.text = does
        self._describe.set_enabled(not busy)


def _percent(share: float) -> str:
    """A part in percent, in as few digits as tell it.

    Example:
        >>> _percent(0.0312)
        '3.1 %'
    """
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"
