"""From questions to jobs: pictures read, regions drawn, texts made; the model takes no part in it.

Pictures that were asked about lately are kept, with what the model made of them: the next question about one, such as
the next region or the next turn, costs only what is new. They are known again by their pixels.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from PIL import Image

from gar.assistant import GAR, EncodedScene
from gar.assistant.encoding import Picture, read_picture
from gar.assistant.reading import Reader
from gar.errors import PromptError
from gar.media import ImageSource, load_image
from gar.processing.prompts import DESCRIBE, check_question, follow_up

if TYPE_CHECKING:
    from gar.assistant.reading import Job
    from gar.serving.ticket import Asked

__all__ = ["Preparer"]

_BYTES_KEPT = 512_000_000
"""Of pictures and their features: some hundred pictures of a small model, a few of a large one."""


class Preparer:
    """Makes jobs for one model; may be used from several threads.

    Args:
        assistant: The model.
    """

    def __init__(self, assistant: GAR):
        self._model, self._processor = assistant.model, assistant.processor
        self._scenes: OrderedDict[bytes, EncodedScene] = OrderedDict()
        self._lock = Lock()

    def jobs(self, several: Sequence[Asked]) -> list[Job]:
        """Makes jobs; those about one and the same picture object share it.

        Raises:
            InputError: As `gar.GAR.ask`; nothing is prepared then.
        """
        scenes: dict[int, EncodedScene] = {}
        jobs: list[Job] = []
        for asked in several:
            picture = asked.request.picture
            if not isinstance(picture, EncodedScene) and id(picture) not in scenes:
                scenes[id(picture)] = self._scene(picture)
            jobs.append(self._job(asked, scenes.get(id(picture), picture)))
        return jobs

    def forget(self, picture: ImageSource) -> None:
        """Keeps a picture, and what was made of it, no longer."""
        name = _name_of(load_image(picture))
        with self._lock:
            self._scenes.pop(name, None)

    def _scene(self, picture: ImageSource) -> EncodedScene:
        """A picture without regions, whose features are kept by whoever computes them first."""
        image = load_image(picture)
        name = _name_of(image)
        with self._lock:
            if name in self._scenes:
                self._scenes.move_to_end(name)
                return self._scenes[name]
        read = read_picture(image, self._processor)
        scene = EncodedScene(size=read.size, regions=(), way="exact", model=self._model, picture=read)
        with self._lock:
            self._scenes[name] = scene
            # what the model makes of a picture comes later, so all are measured anew
            sizes = [_bytes_of(one.picture) for one in self._scenes.values()]
            while len(sizes) > 1 and sum(sizes) > _BYTES_KEPT:
                self._scenes.popitem(last=False)
                sizes.pop(0)
        return scene

    def _job(self, asked: Asked, scene: ImageSource | EncodedScene) -> Job:
        """One question, earlier turns included: they are the same tokens that a `Dialogue` would have read."""
        processor, request = self._processor, replace(asked.request, picture=scene)
        reader = Reader(self._model, processor, asked.sampling.max_new_tokens)
        if not asked.earlier:
            return reader.job(reader.plan(request))
        questions = [*(question for question, _ in asked.earlier), request.question or DESCRIBE]
        job = reader.job(reader.plan(replace(request, question=questions[0])))
        ids = list(job.ids)
        for (_, answer), question in zip(asked.earlier, questions[1:], strict=True):
            if (token := processor.reserved_token(answer)) is not None:
                raise PromptError(f"an earlier answer holds the reserved token {token!r}")
            following = check_question(question, range(len(job.regions)), processor.reserved_token)
            ids += [*processor.answer_ids(answer), *processor.token_ids(follow_up(following), 0)]
        reader.check_length(len(ids), max(map(len, job.options.values())) if job.options else job.room)
        return replace(job, ids=tuple(ids))


def _name_of(image: Image.Image) -> bytes:
    return hashlib.sha256(b"%d %d " % image.size + image.tobytes()).digest()


def _bytes_of(picture: Picture) -> int:
    """Memory of a picture and of what was made of it so far."""
    features = [
        picture.tiles,
        picture.patch_features,
        *(tensor for cells in list(picture.untouched.values()) for tensor in cells),
    ]
    kept = sum(tensor.nbytes for tensor in features if tensor is not None)
    return kept + (0 if picture.pixels is None else picture.pixels.nbytes)
