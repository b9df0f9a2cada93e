"""The questions that are being answered, as the worker's thread sees them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gar.assistant.answer import Answer
from gar.assistant.prefill import read
from gar.assistant.scoring import score
from gar.assistant.writing import Rows

if TYPE_CHECKING:
    from gar.assistant.engine import Engine
    from gar.assistant.reading import Job
    from gar.serving.ticket import Ticket

__all__ = ["Batch"]

_log = logging.getLogger(__name__)


class Batch:
    """Rows that are written together, and the tickets they belong to.

    Args:
        engine: Of the model.
        max_rows: Most rows at once.
    """

    def __init__(self, engine: Engine, max_rows: int):
        self._engine, self._max_rows = engine, max_rows
        self._rows: Rows | None = None
        self._tickets: dict[Job, Ticket] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    def fits(self, tickets: Sequence[Ticket]) -> bool:
        """Whether these may join; a question that has the model for itself always may."""
        jobs = [*self._tickets, *(ticket.job for ticket in tickets)]
        slots = len(jobs) * (max(len(job.ids) for job in jobs) + max(job.room for job in jobs))
        return len(jobs) == 1 or (len(jobs) <= self._max_rows and slots <= self._engine.max_batch_tokens)

    def join(self, tickets: Sequence[Ticket]) -> None:
        """Reads questions, scores those with options, and lets the others be written from the next step on.

        A failure is that of the questions that it happened to; several are tried again one by one.
        """
        try:
            scored = [ticket for ticket in tickets if ticket.job.options is not None]
            if scored:
                self._score(scored)
            written = [ticket for ticket in tickets if ticket.job.options is None]
            if written:
                self._read(written)
        except Exception as error:
            if len(tickets) == 1:
                _log.exception("a question failed")
                tickets[0].finish(error)
                return
            for ticket in tickets:
                if not ticket.ended and ticket.job not in self._tickets:
                    self.join([ticket])

    def step(self) -> None:
        """Writes one token of each row, and lets rows go that have ended or that nobody waits for."""
        rows = self._rows
        if rows is None:
            return
        try:
            written = rows.step()
        except Exception as error:
            _log.exception("a batch of %d failed", len(self))
            self.fail(error)
            return
        for job, token in written:
            try:
                self._take(self._tickets[job], token)
            except Exception as error:  # of this answer alone, such as tokens that are no text
                _log.exception("an answer failed")
                self._tickets[job].finish(error)
        gone = {job for job, ticket in self._tickets.items() if ticket.cancelled or ticket.ended}
        rows.leave(gone)
        for job in gone:
            del self._tickets[job]
        if not self._tickets:
            self._rows = None

    def fail(self, error: Exception) -> None:
        """Ends all rows with an error."""
        for ticket in self._tickets.values():
            ticket.finish(error)
        self._tickets, self._rows = {}, None

    def _read(self, tickets: Sequence[Ticket]) -> None:
        texts = read(self._engine.model, [ticket.job for ticket in tickets])
        by_job = {ticket.job: ticket for ticket in tickets}
        samplings = [by_job[job].sampling for job in texts.jobs]
        if self._rows is None:
            self._rows = Rows(self._engine.model, texts, samplings, self._engine.ends)
        else:
            self._rows.join(texts, samplings)
        self._tickets |= by_job

    def _score(self, tickets: Sequence[Ticket]) -> None:
        texts = read(self._engine.model, [ticket.job for ticket in tickets])
        by_job = {ticket.job: ticket for ticket in tickets}
        for job, probabilities in zip(texts.jobs, score(self._engine.model, texts), strict=True):
            best, ticket = max(probabilities, key=probabilities.__getitem__), by_job[job]
            seconds = time.perf_counter() - ticket.taken
            answer = Answer(best, job.regions, "choice", len(job.ids), 0, seconds, job.notes, best, probabilities)
            ticket.finish(answer)

    def _take(self, ticket: Ticket, token: int) -> None:
        """Takes the next token of a row."""
        ticket.tokens.append(token)
        ended = token in self._engine.ends
        if not ended and (piece := ticket.spoken.push(token)):
            ticket.say(piece)
        sampling = ticket.sampling
        if not (ended or ticket.spoken.stopped or len(ticket.tokens) == sampling.max_new_tokens):
            return
        seconds = time.perf_counter() - ticket.taken
        answer = self._engine.answer(ticket.job, ticket.tokens, sampling, seconds)
        whole, rest = ticket.spoken.end(answer.text)
        if rest:
            ticket.say(rest)
        reason = "stop" if ticket.spoken.stopped else answer.finish_reason
        ticket.finish(replace(answer, text=whole, finish_reason=reason))
