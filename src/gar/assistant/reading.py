"""From requests to jobs: pictures read and cut, regions drawn, texts tokenised. The model takes no part in it.

What can be checked without the picture is checked for all requests of a list before anything is done. Pictures are
read one after the other as they are needed, by a thread that runs a little ahead of the model.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any, cast

from gar.assistant.answer import Request, as_regions
from gar.assistant.encoding import Picture, Shown, read_picture, show
from gar.assistant.scene import EncodedScene
from gar.errors import InputError, PromptError
from gar.media import ImageSource, load_image
from gar.processing.prompts import DESCRIBE, Message, check_text, one_of_several, prompt_name
from gar.regions import Region

if TYPE_CHECKING:
    from gar.model.modeling import GARForConditionalGeneration
    from gar.processing import GARProcessor

__all__ = ["Job", "Reader", "ahead"]

PICTURES_KEPT = 32
"""Most pictures of a list of requests that are kept for later requests about them."""

_BYTES_KEPT = 1 << 28
"""Most bytes that these take, if there are several: seven photographs of 12 megapixels."""

JOBS_AHEAD = 16
"""Most requests that are prepared while the model answers others."""

_BYTES_AHEAD = 1 << 28
"""No further request is prepared while the pictures of those take so many bytes."""

_MOST_CHOICES, _MOST_CHOICE_TOKENS = 256, 2048
"""Choices of one question, and their tokens together: all are read at once, each pair of tokens taking memory."""


@dataclass(frozen=True, eq=False)
class Job:
    """A request that is ready for the model."""

    number: int
    """Of the request."""
    shown: Shown
    """What the decoder is shown."""
    ids: tuple[int, ...]
    """The text."""
    room: int
    """Most tokens that follow: those written, or those of all options."""
    regions: tuple[Region, ...]
    """The regions asked about."""
    notes: tuple[str, ...] = ()
    options: dict[str, tuple[int, ...]] | None = None
    """Token ids of each option, end of turn included."""
    kept: bool = False
    """Whether what is read up to the question is kept with what is shown, for the next question."""


@dataclass(frozen=True)
class _Plan:
    """A request that was checked as far as it can be without its picture."""

    picture: ImageSource | EncodedScene
    regions: tuple[Region, ...]
    """Those asked about."""
    shown: tuple[Region, ...]
    """Those shown, of which the former are some."""
    prompts: tuple[int, ...]
    """The prompt number of each region shown."""
    text: str
    options: dict[str, tuple[int, ...]] | None

    def asks_about(self, regions: tuple[Region, ...]) -> bool:
        """Whether it is a question about these regions, and not a description of one of them."""
        return self.regions == regions and self.prompts == tuple(range(len(regions)))


class Reader:
    """Prepares requests for one model.

    Args:
        model: Only its configuration is read.
        processor: Its processor.
        max_new_tokens: Longest free answer.
        reuse: Whether equal sources of pictures hold the same picture, as in a list of requests. They may not where
            requests are made one by one: a file may be written anew, and an array filled again.
    """

    def __init__(
        self, model: GARForConditionalGeneration, processor: GARProcessor, max_new_tokens: int, *, reuse: bool = True
    ):
        self.model = model
        self.processor = processor
        self.max_new_tokens = max_new_tokens
        self._reuse = reuse
        # by identity, the source kept with its picture so that no other object can take its place
        self._pictures: OrderedDict[Any, tuple[Any, Picture]] = OrderedDict()

    def check(self, requests: Sequence[Request]) -> list[_Plan]:
        """Checks a list of requests before the first of them is read.

        Raises:
            InputError: As `plan`; the message says which request it was, when there are several.
        """
        plans: list[_Plan] = []
        for number, request in enumerate(requests):
            with _naming(number if len(requests) > 1 else None):
                plans.append(self.plan(request))
        return plans

    def jobs(self, requests: Iterable[Request | _Plan], *, named: bool) -> Iterator[Job]:
        """Prepares requests one after the other.

        Args:
            requests: Checked or not.
            named: Whether messages say which request it was.
        """
        for number, request in enumerate(requests):
            with _naming(number if named else None):
                yield self.job(request if isinstance(request, _Plan) else self.plan(request), number)

    def plan(self, request: Request) -> _Plan:
        """Checks what can be checked without the picture.

        Raises:
            InputError: The question, the regions, the options or the scene are not as they must be.
        """
        if not isinstance(request, Request):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"{request!r:.100} is no gar.Request(picture, question, regions)")
        processor, picture = self.processor, request.picture
        scene = picture if isinstance(picture, EncodedScene) else None
        if scene is not None and scene.model is not self.model:
            raise InputError(f"{scene!r} was encoded by another model; encode it again")
        given = request.regions if request.regions is not None else scene.regions if scene else ()
        regions = as_regions(given)
        options = None if request.choices is None else self._options(request.choices)
        if request.question is not None:
            prompts = tuple(range(len(regions)))
            return _Plan(
                picture, regions, regions, prompts, processor.question_text(request.question, prompts), options
            )
        if len(regions) != 1:
            raise PromptError(f"{len(regions)} regions without a question; give exactly 1 to describe it")
        group = None if scene is None else scene.group_of(regions[0])
        if group is None:
            return _Plan(picture, regions, regions, (processor.single_prompt,), processor.describe_text(), options)
        shown, number = group
        prompts = tuple(range(len(shown)))
        asked = one_of_several(DESCRIBE, number, prompts, processor.crop_tokens)
        return _Plan(picture, regions, shown, prompts, processor.chat_text([Message("user", asked)]), options)

    def job(self, plan: _Plan, number: int = 0) -> Job:
        """Reads the picture, draws the regions and tokenises the text.

        Raises:
            InputError: The picture cannot be read, a region does not fit it, or the text is too long for the model.
        """
        processor, source = self.processor, plan.picture
        scene = source if isinstance(source, EncodedScene) else None
        picture = self._picture(source) if not isinstance(source, EncodedScene) else source.picture
        shown = show(picture, plan.shown, plan.prompts, processor)
        # a question about all regions of a scene is likely to be followed by another
        together = scene is not None and plan.asks_about(scene.regions)
        if scene is not None and together:
            scene.kept[shown.name] = shown
        room = self.max_new_tokens if plan.options is None else sum(len(ids) - 1 for ids in plan.options.values())
        written = self.max_new_tokens if plan.options is None else max(map(len, plan.options.values()))
        ids = self.ids(plan.text, picture)
        self.check_length(len(ids), written)
        notes = [
            note if len(plan.regions) == 1 else f"{prompt_name(place)}: {note}"
            for place, region in enumerate(plan.regions)
            if (note := region.note(picture.size)) is not None
        ]
        return Job(number, shown, ids, room, plan.regions, tuple(notes), plan.options, together)

    def ids(self, text: str, picture: Picture) -> tuple[int, ...]:
        """Token ids of a chat text about a picture."""
        processor = self.processor
        first = [int(processor.tokenizer.bos_token_id)] * (processor.bos_tokens - 1)
        return (*first, *processor.token_ids(text, processor.tile_count(picture.grid)))

    def check_length(self, read: int, written: int) -> None:
        """Checks that the model can hold a text and its answer.

        Raises:
            PromptError: It cannot.
        """
        limit = int(self.model.config.text_config.max_position_embeddings)
        if read + written > limit:
            fewer_tiles = ", or load it with a smaller max_num_tiles" if self.processor.max_num_tiles > 1 else ""
            raise PromptError(
                f"{read} tokens to read and max_new_tokens {written} are more than the {limit} "
                f"that this model can hold; ask for fewer new tokens{fewer_tiles}"
            )

    def _options(self, choices: Sequence[str]) -> dict[str, tuple[int, ...]]:
        iterable = isinstance(choices, Iterable) and not isinstance(choices, str)  # pyright: ignore
        given = tuple(choices) if iterable else (None,)
        if not all(isinstance(choice, str) for choice in given):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise PromptError(f"choices is {choices!r:.100}; needed is a list of strings")
        options = tuple(check_text(choice.strip(), "a choice") for choice in cast("tuple[str, ...]", given))
        if len(options) > _MOST_CHOICES:
            raise PromptError(f"{len(options)} choices; at most {_MOST_CHOICES} are scored")
        if len(options) < 2 or len(set(options)) != len(options) or not all(options):
            raise PromptError(f"choices {list(options)}: give at least 2, all different, none empty")
        for option in options:
            token = self.processor.reserved_token(option)
            if token is not None:
                raise PromptError(f"the choice {option!r} holds the reserved token {token!r}")
        ids = {option: tuple(self.processor.answer_ids(option)) for option in options}
        if (count := sum(map(len, ids.values()))) > _MOST_CHOICE_TOKENS:
            raise PromptError(f"the choices have {count} tokens together; at most {_MOST_CHOICE_TOKENS} are scored")
        return ids

    def _picture(self, source: ImageSource) -> Picture:
        if not self._reuse:
            return read_picture(load_image(source), self.processor)
        name = source if isinstance(source, (str, Path)) else id(source)
        if name in self._pictures:
            self._pictures.move_to_end(name)
            return self._pictures[name][1]
        picture = read_picture(load_image(source), self.processor)
        self._pictures[name] = (source, picture)
        while len(self._pictures) > 1 and (
            len(self._pictures) > PICTURES_KEPT or _bytes(kept for _, kept in self._pictures.values()) > _BYTES_KEPT
        ):
            self._pictures.popitem(last=False)
        return picture


def _bytes(pictures: Iterable[Picture]) -> int:
    """What pictures take, each counted once."""
    return sum(picture.bytes for picture in {id(picture): picture for picture in pictures}.values())


@contextmanager
def _naming(number: int | None) -> Generator[None]:
    """Puts the number of a request, if there is one, before the message of a mistake in it."""
    try:
        yield
    except InputError as error:
        if number is None:
            raise
        raise type(error)(f"request {number}: {error}") from error


def ahead(jobs: Iterator[Job]) -> Iterator[Job]:
    """Draws jobs in a thread of their own, a few before they are needed.

    An error that drawing raises is raised where the job is missing. Stop reading, and the thread ends.
    """
    ready: deque[Job] = deque()
    changed = Condition()
    ended = stopped = False
    failure: BaseException | None = None

    def has_room() -> bool:
        full = len(ready) >= JOBS_AHEAD or _bytes(job.shown.picture for job in ready) >= _BYTES_AHEAD
        return stopped or not full

    def draw() -> None:
        nonlocal ended, failure
        try:
            for job in jobs:
                with changed:
                    ready.append(job)
                    del job  # what is taken is not held here
                    changed.notify_all()
                    changed.wait_for(has_room)
                    if stopped:
                        return
        except BaseException as error:
            failure = error
        finally:
            with changed:
                ended = True
                changed.notify_all()

    thread = Thread(target=draw, name="gar-read", daemon=True)
    thread.start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: ready or ended)
                if not ready:
                    break
                job = ready.popleft()
                changed.notify_all()
            yield job
            del job
        if failure is not None:
            raise failure
    finally:
        with changed:
            stopped = True
            changed.notify_all()
        thread.join()
