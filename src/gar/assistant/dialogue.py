"""A conversation about a scene, of which every token is read once.

Keys and values of all turns are kept. A follow-up question costs its own tokens, and its answer is the one that the
same conversation would get if it were read whole: the tokens are the same, so this is no approximation.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

import torch

from gar.assistant.answer import Answer, Request
from gar.assistant.encoding import encode
from gar.assistant.pieces import text_pieces
from gar.assistant.prefill import Texts, keep, question_start, read_on, spoken_prompts
from gar.assistant.sampling import Sampling, SamplingOptions
from gar.assistant.writing import write
from gar.errors import InputError
from gar.processing.prompts import check_question, follow_up

if TYPE_CHECKING:
    from gar.assistant.caches import Slots
    from gar.assistant.engine import Engine
    from gar.assistant.reading import Job, Reader
    from gar.assistant.scene import EncodedScene

__all__ = ["Dialogue", "Turn"]


@dataclass(frozen=True)
class Turn:
    """A question and its answer."""

    question: str
    answer: Answer


class Dialogue:
    """A conversation about all regions of a scene; get one from `GAR.chat`.

    Questions name the regions as `<Prompt0>`, `<Prompt1>`, … A turn counts once its answer is complete: one that fails,
    or whose stream is not read to its end, is forgotten.

    Example:
        ```python
        dialogue = assistant.chat(assistant.encode("kitchen.jpg", [cup, table]))
        dialogue.ask("Is <Prompt0> on <Prompt1>?").text
        for piece in dialogue.stream("What color is it?"):
            print(piece, end="")
        ```
    """

    def __init__(self, engine: Engine, reader: Reader, scene: EncodedScene):
        self._engine, self._reader, self._scene = engine, reader, scene
        self._turns: list[Turn] = []
        self._first: Job | None = None
        self._ids: tuple[int, ...] = ()  # of all turns, the end of the last answer included
        self._slots: Slots | None = None  # filled with these ids but the last, or the last two
        self._busy = False

    @property
    def history(self) -> tuple[Turn, ...]:
        """The turns so far."""
        return tuple(self._turns)

    def ask(self, question: str, **options: Unpack[SamplingOptions]) -> Answer:
        """Asks the next question.

        Args:
            question: May name the regions.
            options: See `SamplingOptions`.

        Raises:
            PromptError: The question names a region that is not there, or the conversation is longer than the model
                can hold.
            InputError: An answer is still being streamed.
        """
        for _ in self._tokens(*self._prepare(question, options)):
            pass
        return self._turns[-1].answer

    def stream(self, question: str, **options: Unpack[SamplingOptions]) -> Iterator[str]:
        """Asks the next question and gives the answer piece by piece; see `GAR.stream` and `ask`."""
        return text_pieces(self._tokens(*self._prepare(question, options)), self._engine.processor.tokenizer)

    def _prepare(self, question: str, options: SamplingOptions) -> tuple[Turn | None, str, Job, Sampling]:
        """Checks a question and makes the text up to its answer."""
        self._check_idle()
        sampling, processor, reader = Sampling.checked(**options), self._engine.processor, self._reader
        asked = check_question(question, range(len(self._scene.regions)), processor.reserved_token)
        if self._first is None:
            job = reader.job(reader.plan(Request(self._scene, asked)))
        else:
            job = replace(self._first, ids=(*self._ids, *processor.token_ids(follow_up(asked), 0)))
        reader.check_length(len(job.ids), sampling.max_new_tokens)
        last = self._turns[-1] if self._turns else None
        return last, asked, replace(job, room=sampling.max_new_tokens), sampling

    def _check_idle(self) -> None:
        if self._busy:
            raise InputError("an answer of this dialogue is still being streamed; read it to its end, or close it")

    def _tokens(self, last: Turn | None, question: str, job: Job, sampling: Sampling) -> Iterator[int]:
        """Writes an answer, and takes it into the conversation once it is complete."""
        self._check_idle()
        if last is not (self._turns[-1] if self._turns else None):
            raise InputError(f"the dialogue went on after {question!r} was asked; ask again")
        engine, began = self._engine, time.perf_counter()
        past = 0 if self._slots is None else self._slots.length
        self._busy = True
        try:
            texts = self._read(job)
            written: list[int] = []
            for step in write(engine.model, texts, sampling, engine.ends):
                token = step[0][1]
                written.append(token)
                if token not in engine.ends:
                    yield token
            answer = engine.answer(job, written, sampling, time.perf_counter() - began)
            said = [token for token in written if token not in engine.ends]
            self._ids = (*job.ids, *said, int(engine.processor.tokenizer.eos_token_id))
            self._first = self._first or job
            self._turns.append(Turn(question, answer))
            past = texts.slots.length
        finally:
            self._busy = False
            if self._first is None:
                self._slots = None
            elif self._slots is not None:
                self._slots.fill(past)

    @torch.inference_mode()
    def _read(self, job: Job) -> Texts:
        """Reads what is new in the conversation."""
        model = self._engine.model
        encode(model, [job.shown])
        total = len(job.ids) + job.room
        # room for half as much again, so that a long conversation is copied a few times, and not at every turn
        room = min(total + total // 2, max(total, int(model.config.text_config.max_position_embeddings)))
        if self._slots is None:
            prefix = keep(model, job.shown, job.ids[: question_start(job.ids, model)])
            self._slots = prefix.slots.resized(room)
        elif self._slots.room.shape[-2] < total:
            self._slots = self._slots.resized(room)
        done = self._slots.length
        prompts = spoken_prompts([job.shown])
        new = torch.tensor([job.ids[done:]], device=model.device)
        # words alone: all features stand before the first question, even if the model wrote a token that has some
        logits = read_on(model, model.model.embed_words(new, prompts), self._slots)
        return Texts([job], self._slots, [0], logits, prompts)
