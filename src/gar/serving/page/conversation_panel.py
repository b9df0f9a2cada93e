"""The conversation: questions, and answers as they come."""

from __future__ import annotations

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from gar.serving.page.controls import text, with_chips, word_or_chip
from gar.serving.page.conversation import Turn, parts_of

__all__ = ["ConversationPanel"]


class ConversationPanel:
    """All turns of the visit, the newest at the bottom."""

    def __init__(self, advice: str = "") -> None:
        """Builds it, with a word of advice to read before the first turn."""
        self._views: dict[int, _TurnView] = {}
        with ui.element("section").classes("conversation").props('role=log aria-label="Conversation"'):
            with ui.element("div").classes("nothing-said") as self._empty:
                text("p", "Answers appear here.", "faint")
                text(
                    "p",
                    "Have a region described, or ask about several: how they relate, which of them is red, "
                    "what they have in common.",
                    "faint small",
                )
                text("p", advice, "faint small")
            self._log = ui.element("ol").classes("turns")

    def show(self, turn: Turn) -> None:
        """Shows a turn that is new or has changed."""
        if id(turn) not in self._views:
            self._empty.visible = False
            with self._log:
                self._views[id(turn)] = _TurnView(turn)
        self._views[id(turn)].refresh()

    def clear(self) -> None:
        """Forgets all turns."""
        self._views.clear()
        self._log.clear()
        self._empty.visible = True


class _TurnView:
    """One question and its answer."""

    def __init__(self, turn: Turn):
        self._turn = turn
        self._parts: list[str | int] = []  # of the answer, as far as they are on the page
        self._elements: list[TextElement] = []  # one for each
        with ui.element("li").classes("turn") as self._element:
            if turn.begins:
                text("p", "New conversation", "begins")
            with ui.element("div").classes("question"):
                with_chips(_question(turn), turn.marks)
            self._said = ui.element("div").classes("answer")
            self._facts = text("p", "", "faint small facts")
        self._element.client.run_javascript(  # a moment later, when it is there
            f"setTimeout(() => getHtmlElement({self._element.id})?.scrollIntoView({{ block: 'nearest' }}), 100)"
        )

    def refresh(self) -> None:
        """Shows the turn as it is now."""
        turn = self._turn
        self._element.props["aria-busy"] = "true" if turn.running else "false"
        self._facts.text = _facts(turn)
        if turn.state == "failed":
            self._said.clear()
            with self._said:
                text("p", turn.error[:1].upper() + turn.error[1:], "failed").props('role="alert"')
        elif turn.answer is not None and turn.answer.probabilities:
            self._said.clear()
            with self._said:
                _build_bars(turn)
        else:
            self._show_words(turn)

    def _show_words(self, turn: Turn) -> None:
        """Shows what is new of the answer's words; an answer of thousands is not made anew with each."""
        parts = parts_of(turn.text)
        pairs = list(zip(self._parts, parts, strict=False))
        kept = next((at for at, (shown, part) in enumerate(pairs) if shown != part), len(pairs))
        if kept < len(pairs) and isinstance(self._parts[kept], str) and isinstance(parts[kept], str):
            self._elements[kept].text = str(parts[kept])
            kept += 1
        for element in self._elements[kept:]:
            element.delete()
        with self._said:
            new = [word_or_chip(part, turn.marks) for part in parts[kept:]]
            if not turn.text and turn.state == "done":
                text("span", "The model said nothing.", "faint")
        self._parts, self._elements = parts, [*self._elements[:kept], *new]


def _question(turn: Turn) -> str:
    if turn.question is not None:
        return turn.question
    (number,) = turn.marks
    return f"Describe <Prompt{number}>"


def _facts(turn: Turn) -> str:
    """The line under an answer: where it is, or what it cost."""
    if turn.state == "waiting":
        return f"Waiting: number {turn.place} in the queue" if turn.place else "Looking at the picture …"
    if turn.state == "stopped":
        return "Stopped"
    if turn.answer is None:
        return ""
    answer = turn.answer
    facts = [f"{answer.seconds:.{2 if answer.seconds < 1 else 1}f} s"]
    if turn.waited >= 0.1:
        facts.append(f"waited {turn.waited:.1f} s")
    if answer.probabilities:
        facts.append(f"{len(answer.probabilities)} choices scored")
    else:
        facts.append(f"{answer.new_tokens} {'token' if answer.new_tokens == 1 else 'tokens'}")
    facts.append(f"{answer.prompt_tokens} tokens read")
    if answer.finish_reason == "length":
        facts.append("cut there: choose a longer answer to read on")
    return " · ".join([*facts, *answer.notes])


def _build_bars(turn: Turn) -> None:
    """The choices with their probabilities, the most probable first."""
    assert turn.answer is not None
    assert turn.answer.probabilities is not None
    with ui.element("dl").classes("bars"):
        for choice, probability in sorted(turn.answer.probabilities.items(), key=lambda each: -each[1]):
            best = "best" if choice == turn.answer.choice else ""
            with text("dt", "", best):
                with_chips(choice, turn.marks)
            with ui.element("dd").classes(best):
                with ui.element("span").classes("track").props('aria-hidden="true"'):
                    ui.element("i").style(f"width: {100 * probability:.1f}%")
                text("span", f"{100 * probability:.0f} %", "share")
