"""From jobs to answers, batch by batch.

* Jobs are drawn as they are needed and gathered in windows; within one, those of one picture stay together, and
  batches are made of jobs of similar length. The first window is one batch, so that the first answers come soon, and
  none has more pictures than memory is sure to hold.
* A batch has at most so many tokens, read and to be written (`max_batch_tokens`). If memory is too small all the same,
  the number is halved and what was not answered is asked again; see `gar.assistant.memory`.
* Answers are given out as soon as they have ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from gar.assistant.answer import Answer
from gar.assistant.compiled import CompiledDecoder
from gar.assistant.linear import use_onednn
from gar.assistant.memory import BatchLimit, batch_tokens, is_out_of_memory
from gar.assistant.prefill import Texts, read
from gar.assistant.scoring import score
from gar.assistant.writing import write

if TYPE_CHECKING:
    from gar.assistant.reading import Job
    from gar.assistant.sampling import Sampling
    from gar.model.modeling import GARForConditionalGeneration
    from gar.processing import GARProcessor

__all__ = ["Engine", "batches", "windows"]

_WINDOW = 4
"""Batches from which those of similar length are chosen."""

_WINDOW_BYTES = 1 << 30
"""Most bytes of the pictures of a window: 28 photographs of 12 megapixels, or a hundred pictures of 17 tiles."""


class Engine:
    """Answers jobs with one model.

    Args:
        model: The model.
        processor: Its processor.
        compiled: Whether to decode with compiled graphs, see `gar.assistant.compiled`.
    """

    def __init__(self, model: GARForConditionalGeneration, processor: GARProcessor, *, compiled: bool = False):
        self.model = model
        self.processor = processor
        self.compiled = CompiledDecoder(model) if compiled else None
        use_onednn(model)
        ends: Any = model.config.text_config.eos_token_id
        listed: list[int] = [] if ends is None else [*ends] if isinstance(ends, list) else [ends]  # pyright: ignore
        self.ends = frozenset({*listed, int(processor.tokenizer.eos_token_id)})
        self._limit: BatchLimit | None = None

    @property
    def max_batch_tokens(self) -> int:
        """Tokens of a batch that fit into memory, as estimated when first asked and corrected since."""
        return self._found_limit().tokens

    def _found_limit(self) -> BatchLimit:
        if self._limit is None:
            self._limit = BatchLimit(batch_tokens(self.model))
        return self._limit

    def answers(
        self, jobs: Iterable[Job], sampling: Sampling, *, batch_size: int | None, max_batch_tokens: int | None
    ) -> Iterator[tuple[int, Answer]]:
        """Answers jobs, in no certain order.

        Args:
            jobs: Drawn as they are needed.
            sampling: How free answers are written.
            batch_size: Most jobs answered at once; None for as many as fit.
            max_batch_tokens: Most tokens at once, if a single job has no more; None for what fits into memory.

        Yields:
            The number of each request and its answer.
        """
        limit = BatchLimit(max_batch_tokens) if max_batch_tokens else self._found_limit()
        for window in windows(jobs, limit.tokens, batch_size):
            waiting = batches(window, limit.tokens, batch_size)
            window.clear()  # so that what was answered is freed
            while waiting:
                batch = waiting.pop(0)
                done: set[int] = set()
                try:
                    for number, answer in self._answer(batch, sampling):
                        done.add(number)
                        yield number, answer
                    limit.went_well(_tokens(batch))
                    continue
                except Exception as error:
                    if len(batch) == 1 or not is_out_of_memory(error):
                        raise
                # here, where the error and all that it holds is gone
                limit.failed(_tokens(batch))
                if self.model.device.type == "cuda":
                    torch.cuda.empty_cache()
                left = [job for job in batch if job.number not in done]
                waiting = batches([*left, *(job for later in waiting for job in later)], limit.tokens, batch_size)

    def tokens(self, job: Job, sampling: Sampling) -> Iterator[int]:
        """Answers one job token by token, those that end a turn left out."""
        texts = read(self.model, [job])
        for written in write(self.model, texts, sampling, self.ends, self.compiled):
            for _, token in written:
                if token not in self.ends:
                    yield token

    def answer(
        self, job: Job, tokens: Sequence[int], sampling: Sampling, seconds: float, *, prompt_tokens: int | None = None
    ) -> Answer:
        """An answer from the tokens that were written, the one that ended the turn included."""
        ended = bool(tokens) and tokens[-1] in self.ends
        said = tokens[:-1] if ended else tokens
        return Answer(
            text=str(self.processor.tokenizer.decode(said, skip_special_tokens=False)).strip(),
            regions=job.regions,
            finish_reason="stop" if ended else "length",
            prompt_tokens=len(job.ids) if prompt_tokens is None else prompt_tokens,
            new_tokens=len(tokens),
            seconds=seconds,
            notes=job.notes,
            seed=sampling.seed,
        )

    def _answer(self, jobs: Sequence[Job], sampling: Sampling) -> Iterator[tuple[int, Answer]]:
        """Answers jobs at once, all of them with options or none."""
        began = time.perf_counter()
        texts = read(self.model, jobs)
        if texts.jobs[0].options is not None:
            yield from self._choose(texts, began)
            return
        written: list[list[int]] = [[] for _ in texts.jobs]
        for step in write(self.model, texts, sampling, self.ends, self.compiled):
            for row, token in step:
                own, job = written[row], texts.jobs[row]
                own.append(token)
                if token in self.ends or len(own) == sampling.max_new_tokens:
                    yield job.number, self.answer(job, own, sampling, time.perf_counter() - began)

    def _choose(self, texts: Texts, began: float) -> Iterator[tuple[int, Answer]]:
        found = score(self.model, texts)
        seconds = time.perf_counter() - began
        for job, probabilities in zip(texts.jobs, found, strict=True):
            best = max(probabilities, key=probabilities.__getitem__)
            yield (
                job.number,
                Answer(
                    text=best,
                    regions=job.regions,
                    finish_reason="choice",
                    prompt_tokens=len(job.ids),
                    new_tokens=0,
                    seconds=seconds,
                    notes=job.notes,
                    choice=best,
                    probabilities=probabilities,
                ),
            )


def windows(jobs: Iterable[Job], tokens: int, size: int | None) -> Iterator[list[Job]]:
    """Gathers jobs: first as many as one batch has, then some times as many; fewer, if their pictures are large.

    An error that drawing a job raises is raised after what came before has been given out.

    Args:
        jobs: Drawn as they are needed.
        tokens: Most tokens of a batch.
        size: Most jobs of a batch; None for any number.
    """
    window: list[Job] = []
    pictures: dict[int, int] = {}  # bytes of each
    gathered, several = 0, 1
    drawn = iter(jobs)
    failure: Exception | None = None
    while failure is None:
        try:
            job = next(drawn)
        except StopIteration:
            break
        except Exception as error:
            failure = error
            break
        window.append(job)
        gathered += len(job.ids) + job.room
        pictures[id(job.shown.picture)] = job.shown.picture.bytes
        del job  # the window alone holds it
        full = gathered >= several * tokens or (size is not None and len(window) >= several * size)
        if full or sum(pictures.values()) >= _WINDOW_BYTES:
            yield window
            window, pictures, gathered, several = [], {}, 0, _WINDOW
    if window:
        yield window
    if failure is not None:
        raise failure


def batches(jobs: Sequence[Job], tokens: int, size: int | None) -> list[list[Job]]:
    """Makes batches: free answers apart from options, jobs that show the same together, by length otherwise.

    Args:
        jobs: Any number.
        tokens: Most tokens of a batch, each row counted as long as the longest; a single job may have more.
        size: Most jobs of a batch; None for any number.
    """
    longest: dict[int, int] = {}
    for job in jobs:
        longest[id(job.shown)] = max(longest.get(id(job.shown), 0), len(job.ids))
    order = {shown: place for place, shown in enumerate(longest)}
    ordered = sorted(
        jobs,
        key=lambda job: (job.options is not None, longest[id(job.shown)], order[id(job.shown)], len(job.ids)),
    )
    made: list[list[Job]] = []
    for job in ordered:
        last = made[-1] if made else []
        fits = (
            bool(last)
            and (last[0].options is None) == (job.options is None)
            and (size is None or len(last) < size)
            and _tokens([*last, job]) <= tokens
        )
        if fits:
            last.append(job)
        else:
            made.append([job])
    return made


def _tokens(jobs: Sequence[Job]) -> int:
    """Slots that a batch takes."""
    return len(jobs) * (max(len(job.ids) for job in jobs) + max(job.room for job in jobs))
