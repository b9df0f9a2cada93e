"""Puts a visitor's questions to the model's worker, and keeps the conversation up to date while it answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from gar.assistant import Request
from gar.assistant.sampling import Sampling
from gar.errors import GARError, InputError, PromptError
from gar.serving.page.conversation import Turn, earlier_turns
from gar.serving.page.marks import Mark
from gar.serving.page.visit import Visit
from gar.serving.ticket import Asked, Ticket
from gar.serving.worker import Worker

__all__ = ["LENGTHS", "MAX_QUESTION", "Asking"]

LENGTHS = {"Short": 64, "Medium": 256, "Long": 1024}
"""Longest answers that a visitor can choose, in tokens."""
MAX_QUESTION = 4_000
"""Most characters of a question, and of all its choices together."""

_LOOK_SECONDS = 0.3
"""How often the place in the queue is looked up."""

_SHOW_SECONDS = 0.15
"""How often an answer that grows is shown; a model can write faster than a browser draws."""

_log = logging.getLogger(__name__)


class Asking:
    """Asks for one visitor.

    Args:
        visit: Whose regions are asked about; each question becomes one of its turns.
        workers: By the names of their models.
        changed: Told of each turn that is new or has changed; runs in the event loop.
        max_tokens: Of one answer, whatever length is chosen.
    """

    def __init__(self, visit: Visit, workers: dict[str, Worker], changed: Callable[[Turn], None], *, max_tokens: int):
        self._visit, self._workers, self._changed, self._max_tokens = visit, workers, changed, max_tokens
        self._tasks: set[asyncio.Task[None]] = set()
        self.model = next(iter(workers))
        """Which model is asked."""
        self.length = LENGTHS["Medium"]
        """Longest answer in tokens."""
        self.afresh = False
        """Whether the next question begins a new conversation."""

    async def describe(self, marks: Sequence[tuple[int, Mark]]) -> None:
        """Has regions described, each for itself, and waits for it.

        Args:
            marks: Each with its prompt number.
        """
        picture = self._image()
        turns = [Turn(None, {number: mark}, self.model) for number, mark in marks]
        await self._put(turns, [Request(picture, None, [mark.region]) for _, mark in marks], [])

    async def ask(self, question: str, choices: Sequence[str] = ()) -> None:
        """Asks about all regions of the visit, and waits for the answer.

        Args:
            question: May name regions as `<Prompt0>`, `<Prompt1>`, …; follows up those before it, as long as the
                regions are the same.
            choices: Answers to choose from; the model says how probable each is.

        Raises:
            InputError: No picture is open.
            PromptError: The question is empty or too long, there is a single choice, or no region is marked.
        """
        question, choices = question.strip(), tuple(choice.strip() for choice in choices if choice.strip())
        letters = max(len(question), sum(map(len, choices)))
        if not question:
            raise PromptError("the question is empty")
        if letters > MAX_QUESTION:
            raise PromptError(f"the question or its choices have {letters} characters; allowed are {MAX_QUESTION}")
        if len(choices) == 1:
            raise PromptError("there is one choice; give two or more, or none for an answer in words")
        picture, marks = self._image(), self._visit.marks
        if not marks:
            raise PromptError("no region is marked; mark the thing that you ask about first")
        turn = Turn(question, dict(enumerate(marks)), self.model, choices, begins=self.afresh)
        earlier = [] if self.afresh else earlier_turns(self._visit.turns, marks, self.model)
        self.afresh = False
        request = Request(picture, question, [mark.region for mark in marks], choices or None)
        await self._put([turn], [request], earlier)

    def stop(self) -> None:
        """Gives up what is asked; the model stops at its next token."""
        for task in self._tasks:
            task.cancel()

    def forget(self) -> None:
        """Gives up what is asked, and lets the models forget the picture; the visitor leaves, or opens another."""
        self.stop()
        if self._visit.picture is not None:
            for worker in self._workers.values():
                worker.forget(self._visit.picture.image)

    def _image(self) -> Any:
        if self._visit.picture is None:
            raise InputError("no picture is open; open one, or choose an example")
        return self._visit.picture.image

    async def _put(self, turns: Sequence[Turn], requests: Sequence[Request], earlier: list[tuple[str, str]]) -> None:
        """Asks, and follows all answers to their ends."""
        self._visit.turns.extend(turns)
        for turn in turns:
            self._changed(turn)
        sampling = Sampling.checked(max_new_tokens=min(self.length, self._max_tokens))
        asked = [Asked(request, sampling, earlier) for request in requests]
        submitted: list[Ticket] = []

        async def submit() -> None:
            submitted.extend(await self._workers[turns[0].model].submit(asked))

        # One task asks for all; then each answer has its own. Each can be given up at any time.
        await self._guarded(turns, submit())
        followers = [
            self._guarded([turn], self._follow(turn, ticket)) for turn, ticket in zip(turns, submitted, strict=False)
        ]
        await asyncio.gather(*followers)

    async def _guarded(self, turns: Sequence[Turn], work: Coroutine[Any, Any, None]) -> None:
        """Does work that can be stopped; what goes wrong is told in the turns."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        error, state = "", "failed"
        try:
            await asyncio.shield(task)
            return
        except asyncio.CancelledError:
            state = "stopped"
            task.cancel()
        except GARError as problem:
            error = str(problem)
        except Exception:
            _log.exception("a question of the page failed")
            error = "the model could not answer; the server's log says why"
        finally:
            self._tasks.discard(task)
        for turn in turns:
            turn.state, turn.error = state, error
            self._changed(turn)

    async def _follow(self, turn: Turn, ticket: Ticket) -> None:
        """Takes an answer piece by piece into its turn."""
        watch = asyncio.ensure_future(self._watch(turn, ticket))
        shown = 0.0
        try:
            async for piece in ticket:
                turn.state = "answering"
                turn.text += piece
                if time.monotonic() - shown >= _SHOW_SECONDS:
                    self._changed(turn)
                    shown = time.monotonic()
            turn.answer = await ticket.answer()
            turn.text, turn.state = turn.answer.text, "done"
        finally:
            watch.cancel()
            turn.waited = ticket.seconds.waited
            if turn.answer is None:
                ticket.cancel()
        self._changed(turn)

    async def _watch(self, turn: Turn, ticket: Ticket) -> None:
        """Keeps the place in the queue up to date until the answer begins."""
        while turn.state == "waiting":
            place = ticket.position
            if place != turn.place:
                turn.place = place
                self._changed(turn)
            await asyncio.sleep(_LOOK_SECONDS)
