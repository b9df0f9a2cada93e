"""VideoRefer-7B and PixelRefer: region models for videos and pictures, through their own packages.

    videorefer:PATH    DAMO-NLP-SG/VideoRefer-7B; needs the package `videorefer`
    pixelrefer:PATH    Alibaba-DAMO-Academy/PixelRefer-7B and -2B; needs the package `pixelrefer`

Neither package is on PyPI; both come from github.com/alibaba-damo-academy/PixelRefer and expect a GPU. They are called
as their published evaluation calls them:

* both read a video from a folder of frames, so frames are written to a temporary one; a picture is a video of one frame
  for VideoRefer, and a picture for PixelRefer;
* a region is a `<region>` in the text, and the masks come in the order of these; so `<PromptK>` becomes
  `<objectK>[<region>]` (PixelRefer: `<objectK><region>`, it writes the brackets itself) where it is named first, and
  `<objectK>` from then on. Regions that the text does not name are not shown;
* VideoRefer reads a region's masks in all frames that have one, PixelRefer its first.
"""

from __future__ import annotations

import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np

from gar.errors import CheckpointError, InputError, PromptError
from gar.media import ImageSource, load_image
from gar.processing.prompts import prompt_name, prompts_in
from gar.regions import Region
from gar.systems.protocol import Question, Reply, Track

__all__ = ["PixelRefer", "VideoRefer"]

_SOURCE = "github.com/alibaba-damo-academy/PixelRefer"


@dataclass(frozen=True)
class _Scene:
    """A question as both packages want it: frames on disk, masks in the order in which the text names them."""

    folder: Path
    files: tuple[Path, ...]
    masks: tuple[dict[int, np.ndarray], ...]
    """For each named region, frame -> (H, W) bool."""
    text: str | None
    """With `{region}` for each mask; None asks for a description."""


class _PackageModel(ABC):
    """What both have in common."""

    scores_choices = False
    package: str

    def __init__(self, path: str, *, device: str = "cuda"):
        self.path, self.device = path, device
        try:
            self._package: Any = import_module(self.package)
            self._tools: Any = import_module(f"{self.package}.mm_utils")
        except ImportError as error:
            raise InputError(
                f"the package {self.package!r} cannot be imported ({error}); it is at {_SOURCE}"
            ) from error
        try:
            model, self._processor, self._tokenizer = self._package.model_init(path)
            self._model: Any = self._placed(model)
        except Exception as error:  # whatever code of others raises
            raise CheckpointError(f"cannot load {self.package} from {path!r}: {error}") from error

    @property
    def name(self) -> str:
        """As it was asked for."""
        return f"{self.package}:{self.path}"

    @property
    def settings(self) -> dict[str, Any]:
        """The weights; decoding is greedy."""
        return {"path": self.path}

    def answer(self, questions: Sequence[Question]) -> Iterator[Reply]:
        """Answers one by one."""
        return map(self._reply, questions)

    def _reply(self, question: Question) -> Reply:
        began = time.perf_counter()
        try:
            with tempfile.TemporaryDirectory(prefix="gar-frames-") as folder:
                said = self._infer(_scene(question, Path(folder)), question)
        except Exception as error:  # ours of the question, or whatever code of others raises
            return Reply.failure(error)
        return Reply(text=str(said).strip(), seconds=time.perf_counter() - began)

    @abstractmethod
    def _placed(self, model: Any) -> Any:
        """The model where it runs."""

    @abstractmethod
    def _infer(self, scene: _Scene, question: Question) -> str:
        """What it says, calling the package as its own examples do."""


class VideoRefer(_PackageModel):
    """VideoRefer-7B.

    Args:
        path: Folder or hub id of the weights.
        device: Where it runs; the package itself expects "cuda".

    Raises:
        InputError: The package is not installed.
        CheckpointError: The weights cannot be loaded.
    """

    package = "videorefer"

    def _placed(self, model: Any) -> Any:
        import torch

        for module in model.modules():  # its region encoder looks for the tokenizer there
            module.tokenizer = self._tokenizer
        return model.to(device=self.device, dtype=torch.float16)

    def _infer(self, scene: _Scene, question: Question) -> str:
        import torch

        shown = sorted({frame for masks in scene.masks for frame in masks})
        video, frames, _, _ = self._tools.process_video(
            str(scene.folder), processor=self._processor, aspect_ratio="square", frame_idx=shown
        )
        stacked = np.stack([mask for masks in scene.masks for mask in masks.values()])
        medium = "video" if question.is_video else "image"
        asked = (
            scene.text or f"Please give a detailed description of the highlighted object {{region}} in the {medium}."
        )
        return self._package.mm_infer(
            video,
            asked.replace("{region}", "[<region>]"),
            model=self._model,
            tokenizer=self._tokenizer,
            masks=torch.from_numpy(stacked.astype(np.float32))[None].to(self.device),  # (1, M, H, W)
            frame=frames,
            ann_indices=[[[shown.index(frame) for frame in masks] for masks in scene.masks]],
            frame_nums=[len(shown)],
            max_new_tokens=question.max_new_tokens,
        )


class PixelRefer(_PackageModel):
    """PixelRefer-7B and -2B.

    Args:
        path: Folder or hub id of the weights.
        device: Where it runs; the package itself expects "cuda".

    Raises:
        InputError: The package is not installed.
        CheckpointError: The weights cannot be loaded.
    """

    package = "pixelrefer"

    def _placed(self, model: Any) -> Any:
        return model.to(self.device)

    def _infer(self, scene: _Scene, question: Question) -> str:
        import torch

        first = [next(iter(masks.items())) for masks in scene.masks]
        stacked = np.stack([mask for _, mask in first]).astype(np.uint8)  # (M, H, W)
        options: dict[str, Any] = {
            "model": self._model,
            "tokenizer": self._tokenizer,
            "masks": torch.from_numpy(stacked),
            "mask_ids": list(range(len(first))),
            "max_new_tokens": question.max_new_tokens,
        }
        if not question.is_video:
            asked = scene.text or "Please describe the region {region} in the image in detail."
            options |= {"mask_ids": [0] * len(first), "modal": "image", "image_downsampling": 1}
            picture = self._tools.load_images(str(scene.files[0]))
            return self._package.mm_infer(picture, asked.replace("{region}", "<region>"), **options)
        asked = scene.text or "Please describe in detail the marked object {region} in the video."
        video = self._tools.load_video(
            str(scene.folder), fps=None, max_frames=len(scene.files), frame_ids=[frame for frame, _ in first]
        )
        asked = "<video>\n" + asked.replace("{region}", "<region>")
        return self._package.mm_infer(video, asked, **options)


def _scene(question: Question, folder: Path) -> _Scene:
    """Writes the frames and puts masks and text in order."""
    if question.choices is not None:
        raise PromptError("this system gives no probabilities of choices; ask without them")
    if question.is_video:
        pictures = cast("Sequence[ImageSource]", question.picture)
        tracks = cast("Sequence[Track]", question.regions)
    else:
        pictures = [cast("ImageSource", question.picture)]
        tracks = [[region] for region in cast("Sequence[Region]", question.regions)]
    for number, track in enumerate(tracks):
        if len(track) != len(pictures) or not any(track):
            seen = sum(region is not None for region in track)
            raise PromptError(
                f"{prompt_name(number)} has {len(track)} places for {len(pictures)} frames and is seen in {seen}; "
                "needed is a place for each frame, and at least one in which it is seen"
            )
    text, order = _named(question.text, len(tracks))
    files: list[Path] = []
    masks: list[dict[int, np.ndarray]] = [{} for _ in order]
    for frame, picture in enumerate(pictures):
        image = load_image(picture)
        files.append(folder / f"{frame:05d}.png")
        image.save(files[-1])
        for own, number in zip(masks, order, strict=True):
            region = tracks[number][frame]
            if region is not None:
                own[frame] = region.to_mask((image.height, image.width))
    return _Scene(folder, tuple(files), tuple(masks), text)


def _named(text: str | None, count: int) -> tuple[str | None, list[int]]:
    """The text with `{region}` behind each region's first name, and the regions in that order.

    Example:
        >>> _named("Is <Prompt1> before <Prompt0>? Is <Prompt1> red?", 2)
        ('Is <object1>{region} before <object0>{region}? Is <object1> red?', [1, 0])
    """
    if text is None or not prompts_in(text):
        if count != 1:
            raise PromptError(f"{count} regions, and none is named; name those that are meant, or give exactly 1")
        return (None, [0]) if text is None else (f"{{region}} {text.strip()}", [0])
    if max(prompts_in(text)) >= count:
        raise PromptError(f"the question names {prompt_name(max(prompts_in(text)))}; there are {count} regions")
    first = {number: text.find(prompt_name(number)) for number in prompts_in(text)}
    order = sorted(first, key=first.__getitem__)
    for number in order:
        text = text.replace(prompt_name(number), f"<object{number}>{{region}}", 1)
        text = text.replace(prompt_name(number), f"<object{number}>")
    return text.strip(), order
