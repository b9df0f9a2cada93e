"""Where a question is written, with its choices and how long the answer may be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from gar.serving.page.asking import LENGTHS, MAX_QUESTION
from gar.serving.page.controls import icon_button, text

__all__ = ["QuestionBox"]


class QuestionBox:
    """Question, choices, length, ask and stop.

    Args:
        ask: Given the question and its choices; asks, waits for the answer, and says whether it could be asked.
        stop: Gives up what is asked.
        begin_afresh: Lets the next question begin a new conversation.
        choose_length: Told the longest answer in tokens.
    """

    def __init__(
        self,
        *,
        ask: Callable[[str, list[str]], Awaitable[bool]],
        stop: Callable[[], Any],
        begin_afresh: Callable[[], Any],
        choose_length: Callable[[int], Any],
    ):
        self._ask = ask
        with ui.element("section").classes("asking").props('aria-label="Question"') as self._section:
            with ui.element("div").classes("follows") as self._follows:
                self._follows_text = text("span", "", "faint small")
                ui.button("New conversation", on_click=begin_afresh, color=None).props("flat dense no-caps")
            self._question = ui.textarea(placeholder="Ask about the regions; click one to name it")
            self._question.props(f'outlined dense autogrow maxlength={MAX_QUESTION} aria-label="Question"')
            self._question.classes("question-input")
            self._question.on("keydown.enter.exact.prevent", self._send)
            self._choices = ui.textarea(placeholder="Choices, one a line: yes, no, …")
            self._choices.props(f'outlined dense autogrow maxlength={MAX_QUESTION} aria-label="Choices, one a line"')
            self._choices.visible = False
            with ui.element("div").classes("asking-bar"):
                self._toggle = ui.button("Choices", icon="checklist", on_click=self._toggle_choices, color=None)
                self._toggle.props('flat dense no-caps aria-expanded="false"')
                lengths = {tokens: f"{name}: {tokens} tokens" for name, tokens in LENGTHS.items()}
                select = ui.select(lengths, value=LENGTHS["Medium"], on_change=lambda event: choose_length(event.value))
                select.props('dense borderless options-dense aria-label="Longest answer"').classes("length")
                ui.element("div").classes("space")
                self._stop = icon_button("stop_circle", "Stop answering", stop)
                self._send_button = ui.button("Ask", icon="send", on_click=self._send).props("unelevated no-caps dense")
                self._send_button.classes("ask")
        self.refresh(earlier=0, busy=False)

    def insert(self, words: str) -> None:
        """Puts words where the cursor stands in the question."""
        # The cursor is the browser's: only there is known where it stands.
        self._question.client.run_javascript(
            "const field = document.querySelector('.question-input textarea');"
            "const before = field.value.slice(0, field.selectionStart);"
            f"field.setRangeText((before && !/\\s$/.test(before) ? ' ' : '') + {words!r} + ' ',"
            " field.selectionStart, field.selectionEnd, 'end');"
            "field.dispatchEvent(new Event('input', { bubbles: true }));"
            "if (matchMedia('(pointer: fine)').matches) field.focus();"
        )

    def refresh(self, *, earlier: int, busy: bool) -> None:
        """Shows whether the next question follows others, and whether an answer is on its way."""
        self._follows.visible = earlier > 0
        self._follows_text.text = f"Follows up {earlier} {'question' if earlier == 1 else 'questions'}"
        self._stop.visible = busy
        self._send_button.set_enabled(not busy)

    async def _send(self) -> None:
        if not self._send_button.enabled:
            return
        question = str(self._question.value or "")
        choices = str(self._choices.value or "").splitlines() if self._choices.visible else []
        self._question.value = ""
        if not await self._ask(question, choices) and not self._question.value:
            self._question.value = question

    def _toggle_choices(self) -> None:
        self._choices.visible = not self._choices.visible
        self._section.classes(toggle="with-choices")
        self._toggle.props["aria-expanded"] = "true" if self._choices.visible else "false"
