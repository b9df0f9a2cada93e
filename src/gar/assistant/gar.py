"""The assistant itself: from requests to answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Unpack, cast, overload

from gar.assistant.answer import Answer, Request
from gar.assistant.sampling import Sampling, SamplingOptions
from gar.errors import InputError, PromptError
from gar.media import ImageSource, load_image
from gar.regions import Region

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from gar.model.modeling import GARForConditionalGeneration
    from gar.processing import GARProcessor, ModelInputs

__all__ = ["GAR"]


@dataclass(frozen=True)
class _Job:
    """A request whose picture is read and whose text is written."""

    image: Image.Image
    text: str
    regions: tuple[Region, ...]
    prompts: tuple[int, ...]
    choices: tuple[str, ...] | None
    notes: tuple[str, ...]


class GAR:
    """A loaded model and its processor; get one from `load`.

    Args:
        model: The model, in evaluation mode, on its device.
        processor: Its processor.
        name: What it was loaded as.
    """

    def __init__(self, model: GARForConditionalGeneration, processor: GARProcessor, name: str):
        self.model = model
        self.processor = processor
        self.name = name
        ends: Any = model.config.text_config.eos_token_id
        listed: list[int] = [] if ends is None else [*ends] if isinstance(ends, list) else [ends]  # pyright: ignore
        self._ends = sorted({*listed, int(processor.tokenizer.eos_token_id)})

    # the verbs

    @overload
    def describe(
        self, picture: ImageSource, regions: Region, *, batch_size: int = ..., **options: Unpack[SamplingOptions]
    ) -> Answer: ...
    @overload
    def describe(
        self,
        picture: ImageSource,
        regions: Sequence[Region],
        *,
        batch_size: int = ...,
        **options: Unpack[SamplingOptions],
    ) -> list[Answer]: ...
    def describe(
        self,
        picture: ImageSource,
        regions: Region | Sequence[Region],
        *,
        batch_size: int = 8,
        **options: Unpack[SamplingOptions],
    ) -> Answer | list[Answer]:
        """Describes one region, or each of several alone.

        Args:
            picture: Anything that `gar.load_image` takes.
            regions: One region, or a list of any length.
            batch_size: Regions described at once.
            options: See `SamplingOptions`.

        Returns:
            One `Answer`, or one a region.

        Raises:
            MediaError: The picture cannot be read.
            RegionError: A region does not fit the picture.
        """
        image = load_image(picture)
        several = [regions] if isinstance(regions, Region) else list(regions)
        answers = self.batch(
            [Request(image, None, [region]) for region in several],
            **options,
            batch_size=batch_size,
        )
        return answers[0] if isinstance(regions, Region) else answers

    def ask(
        self,
        picture: ImageSource,
        question: str,
        regions: Region | Sequence[Region],
        *,
        choices: Sequence[str] | None = None,
        **options: Unpack[SamplingOptions],
    ) -> Answer:
        """Asks a question about regions; the first region is `<Prompt0>`, the next `<Prompt1>`, and so on.

        Args:
            picture: Anything that `gar.load_image` takes.
            question: May name the regions.
            regions: One region, or up to as many as the model has prompt tokens.
            choices: Options; the answer then holds the most probable one and all probabilities.
            options: See `SamplingOptions`.

        Raises:
            MediaError: The picture cannot be read.
            RegionError: A region does not fit the picture.
            PromptError: The question names a region that was not given, or there are too many regions.
        """
        several = [regions] if isinstance(regions, Region) else list(regions)
        return self.batch(
            [Request(picture, question, several, choices)],
            **options,
        )[0]

    def stream(
        self,
        picture: ImageSource,
        question: str | None,
        regions: Region | Sequence[Region],
        **options: Unpack[SamplingOptions],
    ) -> Iterator[str]:
        """Answers piece by piece as the model writes; the pieces joined are the answer's text.

        Mistakes are raised at once, not at the first piece. Stop reading and the model stops writing.

        Args:
            picture: Anything that `gar.load_image` takes.
            question: As in `ask`; None describes the only region.
            regions: As in `ask`.
            options: See `SamplingOptions`.
        """
        several = [regions] if isinstance(regions, Region) else list(regions)
        sampling = Sampling.checked(**options)
        job = self._prepare(Request(picture, question, several))
        return self._pieces(self._inputs([job], sampling.max_new_tokens), sampling)

    def batch(
        self,
        requests: Sequence[Request],
        *,
        batch_size: int = 8,
        **options: Unpack[SamplingOptions],
    ) -> list[Answer]:
        """Answers many requests; pictures, grids and numbers of regions may all differ.

        Args:
            requests: Any number.
            batch_size: Requests answered at once.
            options: See `SamplingOptions`.

        Returns:
            One `Answer` a request, in their order.

        Raises:
            InputError: As `ask`; the message says which request it was, when there are several.
        """
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}; at least 1 is needed")
        sampling = Sampling.checked(**options)
        jobs: list[_Job] = []
        for number, request in enumerate(requests):
            try:
                jobs.append(self._prepare(request))
            except InputError as error:
                if len(requests) == 1:
                    raise
                raise type(error)(f"request {number}: {error}") from error
        answers: dict[int, Answer] = {}
        free = [number for number, job in enumerate(jobs) if job.choices is None]
        for start in range(0, len(free), batch_size):
            numbers = free[start : start + batch_size]
            answers.update(zip(numbers, self._generate([jobs[n] for n in numbers], sampling), strict=True))
        for number, job in enumerate(jobs):
            if job.choices is not None:
                answers[number] = self._choose(job, job.choices)
        return [answers[number] for number in range(len(jobs))]

    def info(self) -> dict[str, Any]:
        """What this model is: sizes, limits and where it came from, as plain values."""
        config, processor = self.model.config, self.processor
        vision, text = config.vision_config, config.text_config
        return {
            "name": self.name,
            "path": str(config.name_or_path),
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "vision": f"{vision.stem} stem, {vision.num_hidden_layers} blocks of width {vision.hidden_size}",
            "text": f"{text.num_hidden_layers} layers of width {text.hidden_size}, {text.vocab_size} tokens",
            "tile_size": vision.image_size,
            "max_num_tiles": processor.max_num_tiles,
            "tokens_per_tile": config.tokens_per_tile,
            "replay_tokens": config.replay_tokens,
            "max_regions": config.max_regions,
            "replay_spatial_scale": config.replay_spatial_scale,
            "context_length": text.max_position_embeddings,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "device": str(self.model.device),
        }

    # how it is done

    def _prepare(self, request: Request) -> _Job:
        regions, processor = tuple(request.regions), self.processor
        image = load_image(request.picture)
        size = (image.height, image.width)
        if request.question is None:
            if len(regions) != 1:
                raise PromptError(f"{len(regions)} regions without a question; give exactly 1 to describe it")
            prompts = (processor.single_prompt,)
            text = processor.describe_text()
        else:
            prompts = tuple(range(len(regions)))
            text = processor.question_text(request.question, prompts)
        notes = tuple(
            note if len(regions) == 1 else f"<Prompt{prompt}>: {note}"
            for prompt, region in zip(prompts, regions, strict=True)
            if (note := region.note(size)) is not None
        )
        choices = None if request.choices is None else self._checked_choices(request.choices)
        return _Job(image, text, regions, prompts, choices, notes)

    def _checked_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        options = tuple(choice.strip() for choice in choices)
        if len(options) < 2 or len(set(options)) != len(options) or not all(options):
            raise PromptError(f"choices {list(options)}: give at least 2, all different, none empty")
        for option in options:
            token = self.processor.reserved_token(option)
            if token is not None:
                raise PromptError(f"the choice {option!r} holds the reserved token {token!r}")
        return options

    def _inputs(self, jobs: Sequence[_Job], max_new_tokens: int) -> ModelInputs:
        inputs = self.processor(
            [job.image for job in jobs],
            [job.text for job in jobs],
            [job.regions for job in jobs],
            [job.prompts for job in jobs],
        )
        limit = self.model.config.text_config.max_position_embeddings
        length = int(inputs["input_ids"].shape[1])
        if length + max_new_tokens > limit:
            raise PromptError(
                f"{length} tokens to read and max_new_tokens {max_new_tokens} are more than the {limit} "
                f"that this model can hold; ask for fewer new tokens, or load it with a smaller max_num_tiles"
            )
        inputs.to(self.model.device)
        return inputs

    def _generate(self, jobs: Sequence[_Job], sampling: Sampling) -> list[Answer]:
        began = time.perf_counter()
        inputs = self._inputs(jobs, sampling.max_new_tokens)
        length = int(inputs["input_ids"].shape[1])
        generated = cast("Any", self.model.generate(**inputs, **self._generate_options(sampling)))
        seconds = time.perf_counter() - began
        answers: list[Answer] = []
        lengths: list[int] = inputs["attention_mask"].sum(1).tolist()
        rows = cast("list[list[int]]", generated[:, length:].tolist())
        for job, read, row in zip(jobs, lengths, rows, strict=True):
            end = next((place for place, token in enumerate(row) if token in self._ends), None)
            written = row if end is None else row[:end]
            answers.append(
                Answer(
                    text=self._decode(written),
                    regions=job.regions,
                    finish_reason="length" if end is None else "stop",
                    prompt_tokens=read,
                    new_tokens=len(written) if end is None else end + 1,
                    seconds=seconds,
                    notes=job.notes,
                    seed=sampling.seed,
                )
            )
        return answers

    def _generate_options(self, sampling: Sampling) -> dict[str, Any]:
        return {
            **sampling.options(),
            "eos_token_id": self._ends,
            "pad_token_id": int(self.processor.tokenizer.pad_token_id),
        }

    def _decode(self, ids: Sequence[int]) -> str:
        # special tokens are kept: an answer may name a region, and "<Prompt2>" is one token
        return str(self.processor.tokenizer.decode(ids, skip_special_tokens=False)).strip()

    def _pieces(self, inputs: ModelInputs, sampling: Sampling) -> Iterator[str]:
        from transformers import StoppingCriteriaList, TextIteratorStreamer

        ends, stopped = self._ends, Event()
        failure: list[BaseException] = []

        class Pieces(TextIteratorStreamer):
            def put(self, value: Any) -> None:
                if self.next_tokens_are_prompt or int(value.reshape(-1)[0]) not in ends:
                    super().put(value)

        def has_stopped(input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
            return input_ids.new_full((len(input_ids),), int(stopped.is_set())).bool()

        streamer = Pieces(self.processor.tokenizer, skip_prompt=True, skip_special_tokens=False)

        def write() -> None:
            try:
                self.model.generate(
                    **inputs,
                    **self._generate_options(sampling),
                    streamer=streamer,
                    stopping_criteria=StoppingCriteriaList([has_stopped]),
                )
            except BaseException as error:
                failure.append(error)
                streamer.end()

        def read() -> Iterator[str]:
            thread = Thread(target=write, name="gar-stream", daemon=True)
            thread.start()
            begun, blanks = False, ""  # blanks around the answer are not part of it, so they wait for what follows
            try:
                for piece in cast("Iterator[str]", streamer):
                    text = blanks + piece if begun else piece.lstrip()
                    kept = text.rstrip()
                    blanks = text[len(kept) :]
                    if kept:
                        begun = True
                        yield kept
            finally:
                stopped.set()
                thread.join()
            if failure:
                raise failure[0]

        return read()

    def _choose(self, job: _Job, choices: Sequence[str]) -> Answer:
        import torch

        began = time.perf_counter()
        processor, model = self.processor, self.model
        end = int(processor.tokenizer.eos_token_id)
        options = [processor.answer_ids(choice) for choice in choices]
        longest = max(map(len, options))
        inputs = self._inputs([job], longest)
        with torch.inference_mode():
            first = model(**inputs, use_cache=True, logits_to_keep=1)  # the picture and question are read once
            cache = first.past_key_values
            cache.batch_repeat_interleave(len(options))
            ids = processor.pad(options, end, "right").to(model.device)  # (C, M)
            read = inputs["attention_mask"].expand(len(options), -1)
            prompts = first.prompt_features
            rest = model(
                input_ids=ids[:, :-1],
                attention_mask=torch.cat([read, torch.ones_like(ids[:, :-1])], 1),
                past_key_values=cache,
                prompt_features=None if prompts is None else prompts.expand(len(options), -1, -1),
            )
            start = first.logits.expand(len(options), -1, -1)
            logits = torch.cat([start, rest.logits], 1).float().log_softmax(-1)  # (C, M, V)
            likely = logits.gather(2, ids[..., None])[..., 0].cpu()
            scores = torch.stack([row[: len(own)].sum() for row, own in zip(likely, options, strict=True)])
            shares = cast("list[float]", scores.double().softmax(0).tolist())
        probabilities = dict(zip(choices, shares, strict=True))
        best = max(probabilities, key=probabilities.__getitem__)
        return Answer(
            text=best,
            regions=job.regions,
            finish_reason="choice",
            prompt_tokens=int(inputs["attention_mask"].sum()),
            new_tokens=0,
            seconds=time.perf_counter() - began,
            notes=job.notes,
            choice=best,
            probabilities=probabilities,
        )
