"""Describe Anything (DAM-3B, arXiv 2504.16072): its published weights in this process, or its server.

DAM describes one masked region; a question about it may be given, in which `<Prompt0>` reads "the masked region".

    dam:PATH          the weights of nvidia/DAM-3B-Self-Contained, which bring their own code. That code is run only if
                      the user allows it; it wants a GPU. It takes picture and mask and itself cuts the focal crop
                      (`full+focal_crop`).
    dam-server:URL    the server of the describe-anything repository (`dam_server.py`), OpenAI-style, in a process and
                      environment of its own. Each picture is an RGBA PNG whose alpha says where the region is (> 0).
                      One picture, or eight frames with DAM-3B-Video; sampling is what the server was started with.

Prompts and sampling (temperature 0.2, top-p 0.5, 512 tokens at most) are those of the published examples.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from threading import Event
from typing import Any, cast

import numpy as np
from PIL import Image

from gar.errors import CheckpointError, GARError, InputError, PromptError
from gar.media import ImageSource, load_image
from gar.processing.prompts import prompt_name, prompts_in
from gar.regions import Region
from gar.systems.endpoint import Chat, Endpoint
from gar.systems.in_order import map_in_order
from gar.systems.openai_api import data_url
from gar.systems.protocol import Question, Reply, Track

__all__ = ["DAM_FRAMES", "DamServer", "DamWeights"]

DAM_FRAMES = 8
"""Frames of a video that DAM-3B-Video reads."""
TEMPERATURE = 0.2
TOP_P = 0.5
MOST_TOKENS = 512

_DESCRIBE = "Describe the masked region in detail."
_DESCRIBE_VIDEO = (
    "Given the video in the form of a sequence of frames above, describe the object in the masked region in the video "
    "in detail."
)


class DamWeights:
    """DAM's self-contained weights.

    Args:
        path: A folder or hub id that holds them.
        allow_remote_code: Run the code that comes with the weights.
        device: Where they run; their code expects "cuda".
        seed: Of the sampling, set anew for each question.

    Raises:
        InputError: Remote code is not allowed.
        CheckpointError: There are no such weights, or they are not DAM's.
    """

    scores_choices = False

    def __init__(self, path: str, *, allow_remote_code: bool = False, device: str = "cuda", seed: int = 0):
        if not allow_remote_code:
            raise InputError(
                f"the weights {path!r} bring Python code of their own that would be run; read it, then allow it "
                "(allow_remote_code=True), or run DAM's own server and use dam-server:URL"
            )
        import torch
        from transformers import AutoModel

        self.path, self.device, self.seed = path, device, seed
        try:
            model: Any = AutoModel.from_pretrained(
                path, trust_remote_code=True, use_safetensors=True, dtype=torch.float16
            )
            self._dam: Any = model.to(device).init_dam(conv_mode="v1", prompt_mode="full+focal_crop")
        except Exception as error:  # whatever code of others raises
            raise CheckpointError(f"cannot load DAM from {path!r}: {error}") from error

    @property
    def name(self) -> str:
        """As it was asked for."""
        return f"dam:{self.path}"

    @property
    def settings(self) -> dict[str, Any]:
        """Weights and sampling."""
        return {
            "path": self.path,
            "prompt_mode": "full+focal_crop",
            "temperature": TEMPERATURE,
            "top_p": TOP_P,
            "seed": self.seed,
        }

    def answer(self, questions: Sequence[Question]) -> Iterator[Reply]:
        """Answers one by one."""
        return map(self._reply, questions)

    def _reply(self, question: Question) -> Reply:
        import torch

        began = time.perf_counter()
        try:
            text = _query(question)
            if question.is_video:
                raise PromptError("the self-contained weights describe pictures; for videos use dam-server")
            ((image, mask),) = _views(question)
            with torch.random.fork_rng():
                torch.manual_seed(self.seed)
                said = self._dam.get_description(
                    image,
                    Image.fromarray(mask.astype(np.uint8) * 255),
                    f"<image>\n{text}",
                    temperature=TEMPERATURE,
                    top_p=TOP_P,
                    num_beams=1,
                    max_new_tokens=min(question.max_new_tokens, MOST_TOKENS),
                )
        except Exception as error:  # ours of the question, or whatever code of others raises
            return Reply.failure(error)
        return Reply(text=str(said).strip(), seconds=time.perf_counter() - began)


class DamServer:
    """DAM's own server.

    Args:
        endpoint: With the server's address and the model's name; `describe_anything_model` means the one it runs.
    """

    scores_choices = False

    def __init__(self, endpoint: Endpoint):
        self.endpoint = endpoint

    @property
    def name(self) -> str:
        """With the server's address."""
        return f"dam-server:{self.endpoint.base_url}"

    @property
    def settings(self) -> dict[str, Any]:
        """Address and model; sampling is the server's own."""
        return {**self.endpoint.settings, "regions": "alpha of RGBA"}

    def answer(self, questions: Sequence[Question]) -> Iterator[Reply]:
        """Asks several at once, as far as the endpoint's `concurrency` allows."""
        return map_in_order(self._reply, questions, self.endpoint.concurrency)

    def _reply(self, question: Question, stop: Event) -> Reply:
        try:
            text = _query(question)
            urls = [data_url(_with_alpha(image, mask)) for image, mask in _views(question)]
        except GARError as error:
            return Reply.failure(error)
        content = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        messages = [{"role": "user", "content": [*content, {"type": "text", "text": text}]}]
        limit = min(question.max_new_tokens, MOST_TOKENS)
        completion = self.endpoint.complete(Chat(messages, limit, TEMPERATURE, TOP_P), stop)
        return Reply((completion.text or "").strip(), error=completion.error, seconds=completion.seconds)


def _query(question: Question) -> str:
    """What DAM is asked, without the `<image>` placeholders."""
    if len(question.regions) != 1:
        raise PromptError(f"{len(question.regions)} regions were given; Describe Anything takes exactly 1")
    if question.choices is not None:
        raise PromptError("Describe Anything gives no probabilities of choices; ask without them")
    if question.text is None:
        return _DESCRIBE_VIDEO if question.is_video else _DESCRIBE
    if any(prompts_in(question.text)):
        raise PromptError(f"the question names {prompt_name(max(prompts_in(question.text)))}; there is only <Prompt0>")
    return question.text.strip().replace(prompt_name(0), "the masked region")


def _views(question: Question) -> list[tuple[Image.Image, np.ndarray]]:
    """Picture and mask (H, W) bool; of a video eight pairs, evenly from the frames in which the region is seen."""
    if not question.is_video:
        image = load_image(cast("ImageSource", question.picture))
        return [(image, cast("Region", question.regions[0]).to_mask((image.height, image.width)))]
    frames, track = cast("Sequence[ImageSource]", question.picture), cast("Track", question.regions[0])
    if len(track) != len(frames):
        raise PromptError(f"<Prompt0> has {len(track)} places for {len(frames)} frames")
    seen = [place for place, region in enumerate(track) if region is not None]
    if not seen:
        raise PromptError("<Prompt0> is to be seen in no frame")
    views: list[tuple[Image.Image, np.ndarray]] = []
    for at in np.linspace(0, len(seen) - 1, DAM_FRAMES).astype(int).tolist():
        image = load_image(frames[seen[at]])
        views.append((image, cast("Region", track[seen[at]]).to_mask((image.height, image.width))))
    return views


def _with_alpha(image: Image.Image, mask: np.ndarray) -> Image.Image:
    """RGBA: the picture as it is, alpha 255 in the region and 0 outside."""
    drawn = image.copy()
    drawn.putalpha(Image.fromarray(mask.astype(np.uint8) * 255))
    return drawn
