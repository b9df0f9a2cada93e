"""Making an `EncodedScene`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gar.assistant.answer import Request
from gar.assistant.encoding import Picture, encode, look
from gar.assistant.prefill import common_start, keep, question_start
from gar.assistant.scene import EncodedScene, Way

if TYPE_CHECKING:
    from gar.assistant.reading import Job, Reader
    from gar.regions import Region

__all__ = ["encode_scene"]

_REGIONS_AT_ONCE = 8
"""Regions that are encoded together in the exact way."""


def encode_scene(reader: Reader, picture: Picture, regions: tuple[Region, ...], way: Way) -> EncodedScene:
    """Encodes a picture and its regions; see `GAR.encode`."""
    model, most = reader.model, model_regions(reader)
    groups = () if way == "exact" else tuple(regions[at : at + most] for at in range(0, len(regions), most))
    scene = EncodedScene(picture.size, regions, way, model, picture, groups)
    look(model, [picture])
    jobs = [reader.job(reader.plan(Request(scene, None, [region])), number) for number, region in enumerate(regions)]
    for start in range(0, len(jobs), _REGIONS_AT_ONCE):
        encode(model, [job.shown for job in jobs[start : start + _REGIONS_AT_ONCE]])
    for job in jobs:
        scene.kept[job.shown.name] = job.shown
    if way == "shared":
        for group in _by_shown(jobs):
            texts = [job.ids for job in group]
            length = common_start(texts, model) if len(texts) > 1 else question_start(texts[0], model)
            keep(model, group[0].shown, texts[0][:length])
    return scene


def model_regions(reader: Reader) -> int:
    """Most regions that one question can name."""
    return int(reader.model.config.max_regions)


def _by_shown(jobs: list[Job]) -> list[list[Job]]:
    groups: dict[int, list[Job]] = {}
    for job in jobs:
        groups.setdefault(id(job.shown), []).append(job)
    return list(groups.values())
