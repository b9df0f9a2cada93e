"""The assistant itself: what can be asked, and how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Unpack, overload

from gar.assistant.answer import Answer, Request, as_regions
from gar.assistant.sampling import Sampling, SamplingOptions, whole_number
from gar.assistant.scene import EncodedScene, Way
from gar.errors import InputError, PromptError
from gar.media import ImageSource, load_image
from gar.regions import Region

if TYPE_CHECKING:
    from gar.assistant.dialogue import Dialogue
    from gar.assistant.reading import Reader
    from gar.model.modeling import GARForConditionalGeneration
    from gar.processing import GARProcessor

__all__ = ["GAR"]


class GAR:
    """A loaded model and its processor; get one from `load`.

    Args:
        model: The model, in evaluation mode, on its device.
        processor: Its processor.
        name: What it was loaded as.
        compile: Whether to decode with compiled graphs over a static cache.
    """

    def __init__(
        self, model: GARForConditionalGeneration, processor: GARProcessor, name: str, *, compile: bool = False
    ):
        from gar.assistant.engine import Engine

        self.model = model
        self.processor = processor
        self.name = name
        self._engine = Engine(model, processor, compiled=compile)

    # the verbs

    @overload
    def describe(
        self,
        picture: ImageSource | EncodedScene,
        regions: Region,
        *,
        batch_size: int | None = ...,
        max_batch_tokens: int | None = ...,
        **options: Unpack[SamplingOptions],
    ) -> Answer: ...
    @overload
    def describe(
        self,
        picture: ImageSource | EncodedScene,
        regions: Sequence[Region] | None = ...,
        *,
        batch_size: int | None = ...,
        max_batch_tokens: int | None = ...,
        **options: Unpack[SamplingOptions],
    ) -> list[Answer]: ...
    def describe(
        self,
        picture: ImageSource | EncodedScene,
        regions: Region | Sequence[Region] | None = None,
        *,
        batch_size: int | None = None,
        max_batch_tokens: int | None = None,
        **options: Unpack[SamplingOptions],
    ) -> Answer | list[Answer]:
        """Describes one region, or each of several.

        Each region is shown alone, unless they are those of a scene that was encoded in the shared way.

        Args:
            picture: Anything that `gar.load_image` takes, or a scene from `encode`.
            regions: One region, or a list of any length; by default those of the scene.
            batch_size: As in `batch`.
            max_batch_tokens: As in `batch`.
            options: See `SamplingOptions`.

        Returns:
            One `Answer`, or one for each region of a list.

        Raises:
            MediaError: The picture cannot be read.
            RegionError: A region does not fit the picture.
            PromptError: No regions are given, and the picture is no scene.
        """
        source = picture if isinstance(picture, EncodedScene) else load_image(picture)
        answers = self.batch(
            [Request(source, None, [region]) for region in _several(picture, regions)],
            batch_size=batch_size,
            max_batch_tokens=max_batch_tokens,
            **options,
        )
        return answers[0] if isinstance(regions, Region) else answers

    def ask(
        self,
        picture: ImageSource | EncodedScene,
        question: str,
        regions: Region | Sequence[Region] | None = None,
        *,
        choices: Sequence[str] | None = None,
        **options: Unpack[SamplingOptions],
    ) -> Answer:
        """Asks a question about regions; the first region is `<Prompt0>`, the next `<Prompt1>`, and so on.

        Args:
            picture: Anything that `gar.load_image` takes, or a scene from `encode`.
            question: May name the regions.
            regions: One region, or up to as many as the model has prompt tokens; by default those of the scene.
            choices: Options; the answer then holds the most probable one and all probabilities.
            options: See `SamplingOptions`.

        Raises:
            MediaError: The picture cannot be read.
            RegionError: A region does not fit the picture.
            PromptError: The question names a region that was not given, or there are too many regions.
        """
        return self.batch([Request(picture, question, _several(picture, regions), choices)], **options)[0]

    def stream(
        self,
        picture: ImageSource | EncodedScene,
        question: str | None,
        regions: Region | Sequence[Region] | None = None,
        **options: Unpack[SamplingOptions],
    ) -> Iterator[str]:
        """Answers piece by piece as the model writes; the pieces joined are the answer's text.

        Mistakes are raised at once, not at the first piece. The model writes as far as pieces are read: the first is
        there as soon as the text has been read, and when the iterator is closed or dropped its memory is free.

        Args:
            picture: Anything that `gar.load_image` takes, or a scene from `encode`.
            question: As in `ask`; None describes the only region.
            regions: As in `ask`.
            options: See `SamplingOptions`.
        """
        from gar.assistant.pieces import text_pieces

        sampling = Sampling.checked(**options)
        reader = self._reader(sampling.max_new_tokens)
        job = reader.job(reader.plan(Request(picture, question, _several(picture, regions))))
        return text_pieces(self._engine.tokens(job, sampling), self.processor.tokenizer)

    def batch(
        self,
        requests: Iterable[Request],
        *,
        batch_size: int | None = None,
        max_batch_tokens: int | None = None,
        **options: Unpack[SamplingOptions],
    ) -> list[Answer]:
        """Answers many requests; pictures, grids and numbers of regions may all differ.

        Args:
            requests: Any number, in a list or made as they are drawn, see `answers`. A picture that several requests
                of a list share is read once.
            batch_size: Most requests answered at once; by default as many as fit into memory.
            max_batch_tokens: Most tokens at once, each request counted as long as the longest beside it; by default
                found from the free memory. When memory is too small all the same, it is halved and what was not
                answered is asked again.
            options: See `SamplingOptions`.

        Returns:
            One `Answer` for each request, in their order.

        Raises:
            InputError: As `ask`; the message says which request it was, when there are several.
        """
        answers = dict(self.answers(requests, batch_size=batch_size, max_batch_tokens=max_batch_tokens, **options))
        return [answers[number] for number in range(len(answers))]

    def answers(
        self,
        requests: Iterable[Request],
        *,
        batch_size: int | None = None,
        max_batch_tokens: int | None = None,
        **options: Unpack[SamplingOptions],
    ) -> Iterator[tuple[int, Answer]]:
        """Answers requests as they come, and gives each answer as soon as it has ended.

        Args:
            requests: Any number, made as they are drawn if you like: only a few more are drawn than can be answered.
                Requests of a list are checked before the first is answered, as far as they can be without their
                pictures, and a picture that several of them share is read once.
            batch_size: As in `batch`.
            max_batch_tokens: As in `batch`.
            options: See `SamplingOptions`.

        Yields:
            The number of a request, counted from 0, and its answer.

        Raises:
            InputError: As `ask`, with the number of the request; the answers to earlier requests have been given out.
        """
        from gar.assistant.reading import ahead

        if not isinstance(requests, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"requests is {requests!r:.100}; needed is a list, or an iterator, of gar.Request")
        batch_size, max_batch_tokens = _limit(batch_size, "batch_size"), _limit(max_batch_tokens, "max_batch_tokens")
        sampling = Sampling.checked(**options)
        listed = isinstance(requests, Sequence)
        reader = self._reader(sampling.max_new_tokens, reuse=listed)
        jobs = reader.jobs(reader.check(requests) if listed else requests, named=not listed or len(requests) > 1)
        return self._engine.answers(
            jobs if listed and len(requests) == 1 else ahead(jobs),
            sampling,
            batch_size=batch_size,
            max_batch_tokens=max_batch_tokens,
        )

    # encode once, ask many

    def encode(
        self, picture: ImageSource, regions: Region | Sequence[Region] = (), *, way: Way = "exact"
    ) -> EncodedScene:
        """Looks at a picture and regions of it once; every verb takes the result in place of the picture.

        In both ways a picture is read, cut into tiles and put through the first layer once, and a tile that no region
        touches goes through the vision tower once. A question about all regions is read up to the question once.

        * "exact": a description shows its region alone, as the published single-region code does. Each region's tiles
          go through the tower here; its text is read when it is described.
        * "shared": a description shows all regions of its group, as GAR's multi-turn training does; a group is as many
          regions as the model has prompt tokens. The tower runs once a group, and the decoder reads the picture once a
          group, here; a description then costs its region's own tokens. Answers may differ from those of the exact way.

        Args:
            picture: Anything that `gar.load_image` takes.
            regions: What is asked about unless a verb is given other regions. Without any, in the exact way, only the
                picture is looked at.
            way: How regions are described.

        Raises:
            MediaError: The picture cannot be read.
            RegionError: A region does not fit the picture.
            PromptError: There is no region to share the picture.

        Example:
            ```python
            scene = assistant.encode("kitchen.jpg", regions, way="shared")
            for answer in assistant.describe(scene):
                print(answer.text)
            assistant.ask(scene, "Is <Prompt0> on <Prompt1>?")
            ```
        """
        from gar.assistant.encoding import read_picture
        from gar.assistant.scene_encoding import encode_scene

        several = as_regions(regions)
        if way not in ("exact", "shared"):
            raise InputError(f"way is {way!r}; allowed: 'exact', 'shared'")
        if way == "shared" and not several:
            raise PromptError("no region was given; the shared way needs at least 1")
        return encode_scene(self._reader(1), read_picture(load_image(picture), self.processor), several, way)

    def chat(self, picture: ImageSource | EncodedScene, regions: Region | Sequence[Region] | None = None) -> Dialogue:
        """Begins a conversation about a scene; each question costs its own tokens, see `Dialogue`.

        Args:
            picture: A scene from `encode`, or anything that `gar.load_image` takes.
            regions: With a picture: up to as many as the model has prompt tokens. A scene brings its own.

        Raises:
            InputError: As `encode`; or a scene was given with other regions; or there are none, or too many.
        """
        from gar.assistant.dialogue import Dialogue

        if isinstance(picture, EncodedScene):
            if regions is not None:
                raise InputError("a scene brings its own regions; encode one with those that you mean")
            scene = picture
        else:
            scene = self.encode(picture, _several(picture, regions))
        self.processor.check_prompts(range(len(scene.regions)))
        return Dialogue(self._engine, self._reader(1), scene)

    def info(self) -> dict[str, Any]:
        """What this model is: its folder or hub id, sizes and limits, as plain values."""
        from gar.assistant.quantization import parameter_count

        config, processor = self.model.config, self.processor
        vision, text = config.vision_config, config.text_config
        return {
            "name": self.name,
            "path": str(config.name_or_path),
            "parameters": parameter_count(self.model),
            "vision": f"{vision.stem} stem, {_count(vision.num_hidden_layers, 'block')} of width {vision.hidden_size}",
            "text": f"{_count(text.num_hidden_layers, 'layer')} of width {text.hidden_size}, {text.vocab_size} tokens",
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

    def _reader(self, max_new_tokens: int, *, reuse: bool = True) -> Reader:
        from gar.assistant.reading import Reader

        return Reader(self.model, self.processor, max_new_tokens, reuse=reuse)


def _several(picture: ImageSource | EncodedScene, regions: Region | Sequence[Region] | None) -> tuple[Region, ...]:
    """The regions that are meant."""
    if regions is None:
        if isinstance(picture, EncodedScene):
            return picture.regions
        raise PromptError("no regions were given; only a scene brings its own")
    return as_regions(regions)


def _limit(value: int | None, name: str) -> int | None:
    limit = None if value is None else whole_number(value, name)
    if limit is not None and limit < 1:
        raise InputError(f"{name} is {limit}; at least 1 is needed")
    return limit


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
