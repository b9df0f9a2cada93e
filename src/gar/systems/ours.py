"""Our models as a system: batches, descriptions, questions and scored choices.

More regions than the model has prompt tokens (10 of GAR-Bench-VQA's 424 items have 6 to 9, the models know 5) are
treated as in the published evaluation: the regions beyond the last token are not shown, and their names stand in the
text as plain words, here without the angle brackets. The reply says so in a note.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from gar.errors import GARError, InputError
from gar.processing.prompts import prompt_name, prompts_in
from gar.systems.protocol import Question, Reply

if TYPE_CHECKING:
    from gar.assistant import GAR, Answer, Request
    from gar.regions import Region

__all__ = ["OurModel"]


class OurModel:
    """A loaded model of ours.

    Args:
        assistant: From `gar.load`.
        batch_size: Questions answered at once.

    Raises:
        InputError: `batch_size` is below 1.
    """

    scores_choices = True

    def __init__(self, assistant: GAR, batch_size: int = 8):
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}; at least 1 is needed")
        self.assistant, self.batch_size = assistant, batch_size

    @property
    def name(self) -> str:
        """As it was loaded: `nano`, a folder or a hub id."""
        return self.assistant.name

    @property
    def settings(self) -> dict[str, Any]:
        """What answers depend on; the size of the batch is not among it."""
        from gar import __version__

        told = self.assistant.info()
        kept = ("path", "parameters", "max_num_tiles", "replay_spatial_scale", "dtype", "device")
        return {"version": __version__, **{key: told[key] for key in kept}}

    def answer(self, questions: Sequence[Question]) -> Iterator[Reply]:
        """Answers batch by batch; if a batch fails, its questions are asked one by one."""
        for start in range(0, len(questions), self.batch_size):
            batch = questions[start : start + self.batch_size]
            # a batch is written to one length, so that it ends with its own longest answer
            for length, group in groupby(batch, key=lambda question: question.max_new_tokens):
                yield from self._replies(list(group), length)

    def _replies(self, questions: list[Question], max_new_tokens: int) -> list[Reply]:
        import torch

        try:
            asked = [self._request(question) for question in questions]
            answers = self.assistant.batch(
                [request for request, _ in asked], batch_size=self.batch_size, max_new_tokens=max_new_tokens
            )
        except (GARError, torch.OutOfMemoryError) as error:
            if len(questions) == 1:
                return [Reply.failure(error)]
            return [reply for question in questions for reply in self._replies([question], max_new_tokens)]
        return [_reply(answer, notes) for answer, (_, notes) in zip(answers, asked, strict=True)]

    def _request(self, question: Question) -> tuple[Request, tuple[str, ...]]:
        from gar.assistant import Request

        if question.is_video:
            raise InputError(f"{self.name} answers about pictures, not about videos")
        regions = cast("Sequence[Region]", question.regions)
        limit = int(self.assistant.model.config.max_regions)
        text, choices, notes = question.text, question.choices, ()
        if text is not None and len(regions) > limit:
            text = _without_names(text, range(limit, len(regions)))
            choices = choices and tuple(_without_names(choice, range(limit, len(regions))) for choice in choices)
            last = len(regions) - 1
            hidden = f"region {last} was" if last == limit else f"regions {limit} to {last} were"
            notes = (f"{hidden} not shown: the model has {limit} prompt tokens",)
            regions = regions[:limit]
        return Request(cast("Any", question.picture), text, regions, choices), notes


def _without_names(text: str, numbers: range) -> str:
    """A text in which regions that are not shown are plain words."""
    for number in prompts_in(text):
        if number in numbers:
            text = text.replace(prompt_name(number), f"Prompt{number}")
    return text


def _reply(answer: Answer, notes: tuple[str, ...]) -> Reply:
    shares = answer.probabilities
    return Reply(
        text=answer.text,
        probabilities=None if shares is None else tuple(shares.values()),
        prompt_tokens=answer.prompt_tokens,
        new_tokens=answer.new_tokens,
        seconds=answer.seconds,
        notes=(*answer.notes, *notes),
    )
