"""What a model answers while it is trained: short answers that are counted, and a page for people to look at.

Held-out samples are asked greedily, question by question, in the wording of training; in a dialogue the true answers
of earlier turns are given. Only answers of at most three words are counted (yes, a color, a letter, a prompt), as
exactly right or not; captions are shown and not counted.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from numpy.typing import NDArray
from PIL import Image

from gar.drawing import draw_regions, prompt_color
from gar.files import write_whole
from gar.processing import GARProcessor, Message
from gar.processing.prompts import prompt_name
from gar.regions import Region
from gar.training.collator import SampleCollator, conversation
from gar.training.samples import Sample, Skipped

__all__ = ["Examination"]

_SHORT = 3
"""Words of an answer that is counted, at most."""
_LONGEST = 96
"""Tokens of an answer, at most."""
_LOOKED_AT = 10
"""Samples that are looked at for each that could be needed."""
_SIDE = 400
"""Longer side of a picture on the page, at most."""


@dataclass(frozen=True)
class _Question:
    sample: int
    messages: tuple[Message, ...]
    asked: str
    answer: str
    counted: bool


class Examination:
    """Asks a model about held-out samples and writes down what it answered.

    Args:
        samples: Held-out samples with their pictures; those that cannot be used are passed over, and at most ten are
            looked at for each that could be needed.
        processor: The model's.
        answers: Questions with short answers to ask, at most.
        page: Samples on the page, all of whose questions are asked.
        folder: Where pages are written; none if left out.
        batch_size: Questions asked at once.
    """

    def __init__(
        self,
        samples: Iterable[Sample | Skipped],
        processor: GARProcessor,
        *,
        answers: int,
        page: int,
        folder: Path | None,
        batch_size: int = 16,
    ):
        self.processor = processor
        self.page = page
        self.folder = folder
        self.batch_size = batch_size
        self.samples: list[Sample] = []
        self.questions: list[_Question] = []
        collator = SampleCollator(processor)
        counted = 0
        for sample in islice(samples, _LOOKED_AT * (page + answers)):
            if len(self.samples) >= page and counted >= answers:
                break
            if isinstance(sample, Skipped) or not collator.length(sample):
                continue
            on_page = len(self.samples) < page
            taken: list[_Question] = []
            for question in self._questions(sample):
                take = question.counted and counted < answers
                if take or on_page:
                    taken.append(replace(question, counted=take))
                    counted += take
            if taken:
                self.questions += taken
                self.samples.append(sample)

    def _questions(self, sample: Sample) -> list[_Question]:
        number = len(self.samples)
        questions: list[_Question] = []
        for turn, (asked, answer) in enumerate(sample.turns):
            if sample.dialogue:
                messages = conversation(sample, self.processor.crop_tokens)[: 2 * turn + 1]
            else:
                alone = replace(sample, turns=((asked, answer),))
                messages = conversation(alone, self.processor.crop_tokens)[:1]
            short = len(answer.split()) <= _SHORT
            questions.append(_Question(number, tuple(messages), asked, answer, short))
        return questions

    @torch.no_grad()
    def __call__(self, model: Any, step: int) -> dict[str, float]:
        """Asks everything, writes a page, and measures.

        Args:
            model: The model, in evaluation mode.
            step: Steps trained.

        Returns:
            `exact_match` (share of short answers exactly right) and `answers` (their number); empty if there is none.
        """
        replies: list[str] = []
        for start in range(0, len(self.questions), self.batch_size):
            replies += self._ask(model, self.questions[start : start + self.batch_size])
        if self.folder is not None and self.page:
            self._write_page(step, replies)
        right = [reply == q.answer.strip() for q, reply in zip(self.questions, replies, strict=True) if q.counted]
        return {"exact_match": sum(right) / len(right), "answers": float(len(right))} if right else {}

    def _ask(self, model: Any, questions: Sequence[_Question]) -> list[str]:
        processor, tokenizer = self.processor, self.processor.tokenizer
        texts = [processor.chat_text(question.messages) for question in questions]
        shown = [self._shown(self.samples[q.sample], text) for q, text in zip(questions, texts, strict=True)]
        inputs = processor(
            [self.samples[question.sample].picture for question in questions],
            texts,
            [[Region.mask(mask) for mask in masks.values()] for masks in shown],
            [list(masks) for masks in shown],
        ).to(model.device)
        end = int(tokenizer.eos_token_id)
        generated = model.generate(
            **inputs,
            max_new_tokens=_LONGEST,
            do_sample=False,
            use_cache=True,
            eos_token_id=end,
            pad_token_id=int(tokenizer.pad_token_id),
        )
        rows = generated[:, inputs["input_ids"].shape[1] :].tolist()
        written = [row[: row.index(end)] if end in row else row for row in rows]
        return [tokenizer.decode(row, skip_special_tokens=False).strip() for row in written]

    def _shown(self, sample: Sample, text: str) -> dict[int, NDArray[np.bool_]]:
        """The masks that a text shows, by prompt number: of captions in turns, those asked about so far."""
        known = zip(sample.prompts, sample.masks, strict=True)
        return {number: mask for number, mask in known if self.processor.crop_tokens[number] in text}

    def _write_page(self, step: int, replies: Sequence[str]) -> None:
        cards = [
            {
                "name": sample.name,
                "picture": _picture_url(sample),
                "turns": [
                    {
                        "asked": _named(q.asked, sample),
                        "answer": _named(q.answer, sample),
                        "reply": _named(reply, sample),
                        "right": reply == q.answer.strip() if q.counted else None,
                    }
                    for q, reply in zip(self.questions, replies, strict=True)
                    if q.sample == number
                ],
            }
            for number, sample in enumerate(self.samples[: self.page])
        ]
        html = _TEMPLATES.get_template("examination.html.j2").render(step=step, cards=cards)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / f"step-{step:06d}.html", html)


_TEMPLATES = Environment(
    loader=PackageLoader("gar.training", "."), autoescape=select_autoescape(default=True), undefined=StrictUndefined
)


def _named(text: str, sample: Sample) -> list[dict[str, str]]:
    """A text in pieces, the names of the sample's prompts with the number and color that they have in the picture."""
    places = {prompt_name(number): place for place, number in enumerate(sample.prompts)}
    return [
        {"text": str(places[piece]), "color": "rgb({}, {}, {})".format(*prompt_color(places[piece]))}
        if piece in places
        else {"text": piece, "color": ""}
        for piece in re.split(r"(<Prompt\d+>)", text)
        if piece
    ]


def _picture_url(sample: Sample) -> str:
    """The picture with its regions drawn, as a data URL."""
    drawn = draw_regions(Image.fromarray(sample.picture), [Region.mask(mask) for mask in sample.masks])
    drawn.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    drawn.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
