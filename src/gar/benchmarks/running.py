"""Runs a benchmark on a system: every item asked once, every answer written down as it comes.

Items are asked in an order that is drawn once for all (seed 0), so that a run with a limit is a fair sample of the
benchmark, a longer one continues it, and two systems with equal limits were asked the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gar.benchmarks.asking import Asked, ways_of_asking
from gar.benchmarks.benchmark import Benchmark, View
from gar.benchmarks.items import Item, Loaded, Record
from gar.benchmarks.perturbations import Perturbation, generator, parse_perturbation, rename_prompts
from gar.benchmarks.run_folder import open_log
from gar.errors import GARError, InputError
from gar.regions import Region
from gar.systems.protocol import Question, Reply, System, Track

__all__ = ["BATCH", "in_order", "load_benchmark", "run", "shown_of", "view_of"]

BATCH = 16
"""Items that are read and given to the system at once; what a kill can cost."""


@dataclass(frozen=True)
class _Job:
    """An item as it is shown and asked, read into memory."""

    item: Item
    picture: Any
    regions: Sequence[Region] | Sequence[Track]
    question: str | None
    options: tuple[str, ...]
    facts: Mapping[str, Any]
    shown: Mapping[str, Any]
    order: tuple[int, ...]
    """Published number of the region that each prompt now names."""
    problem: str | None = None


def load_benchmark(benchmark: Benchmark, data: Path | None) -> Loaded:
    """Reads a benchmark's items.

    Raises:
        InputError: It needs a folder and none is given, the folder does not hold it, or two items have one id.
    """
    if benchmark.needs_data and data is None:
        raise InputError(f"{benchmark.name} needs its data: give the folder, from {benchmark.source}")
    loaded = benchmark.load(data)
    name, count = Counter(item.id for item in loaded.items).most_common(1)[0]
    if count > 1:
        raise InputError(f"{benchmark.name} in {data} has two items {name!r}")
    return replace(loaded, folder=data)


def in_order(items: Sequence[Item]) -> list[Item]:
    """The items in the order in which every run asks them."""
    return [items[place] for place in np.random.default_rng(0).permutation(len(items)).tolist()]


def run(
    benchmark: Benchmark,
    system: System,
    loaded: Loaded,
    out: Path,
    *,
    limit: int | None = None,
    perturbations: Sequence[str] = (),
    seed: int = 0,
    cyclic: bool = False,
    max_new_tokens: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Asks a system all items of a benchmark that it was not asked before, and writes its answers into a folder.

    Args:
        benchmark: From `find_benchmark`.
        system: From `gar.systems.make_system`, or anything with its three properties and its method.
        loaded: From `load_benchmark`.
        out: The run's folder; one with the same settings is continued.
        limit: Items in all; the first of the common order.
        perturbations: See `gar.benchmarks.perturbations`; applied in this order.
        seed: Of the perturbations.
        cyclic: Whether multiple choice is also scored in every cyclic order of the options.
        max_new_tokens: Longest answer, in place of the benchmark's own.
        on_progress: Called with items done and items in all.

    Raises:
        InputError: A perturbation or the folder cannot be used, or no picture is there.
    """
    changes = [parse_perturbation(text) for text in perturbations]
    if limit is not None and limit < 1:
        raise InputError(f"the limit is {limit} items; at least 1 is needed")
    if not loaded.showable:
        raise InputError(f"nothing of {benchmark.name} can be shown: {loaded.missing[0].what}")
    manifest = {
        "benchmark": benchmark.name,
        "data": loaded.to_manifest(),
        "system": {"name": system.name, "settings": dict(system.settings)},
        "perturbations": list(perturbations),
        "seed": seed,
        "cyclic": cyclic,
        "max_new_tokens": max_new_tokens,
    }
    items = in_order(loaded.showable)[:limit]
    with open_log(out, manifest) as log:
        done = sum(item.id in log.done for item in items)
        on_progress(done, len(items))
        for start in range(0, len(items), BATCH):  # also of what is continued, since an answer may depend on its batch
            left = [item for item in items[start : start + BATCH] if item.id not in log.done]
            jobs = [_prepare(item, changes, seed) for item in left]
            for record in _answer(system, jobs, cyclic, max_new_tokens):
                log.append(record)
                done += 1
                on_progress(done, len(items))


# One batch


def _answer(system: System, jobs: Sequence[_Job], cyclic: bool, max_new_tokens: int | None) -> Iterator[Record]:
    """The records of some items, in their order, each as soon as its last reply is there."""
    asked = [
        ways_of_asking(job.question, job.options, scores_choices=system.scores_choices, cyclic=cyclic) for job in jobs
    ]
    questions = [
        _question(job, one, max_new_tokens)
        for job, ways in zip(jobs, asked, strict=True)
        if job.problem is None
        for one in ways
    ]
    replies = system.answer(questions) if questions else iter(())
    for job, ways in zip(jobs, asked, strict=True):
        if job.problem is not None:
            yield _record(job, {one.way: Reply(error=job.problem) for one in ways})
            continue
        found: dict[str, Reply] = {}
        for one in ways:
            reply = next(replies, None)
            if reply is None:
                raise GARError(
                    f"{system.name} gave fewer replies than the {len(questions)} questions that it was asked"
                )
            found[one.way] = reply
        yield _record(job, found)


def _question(job: _Job, asked: Asked, max_new_tokens: int | None) -> Question:
    return Question(
        picture=job.picture,
        regions=job.regions,
        text=asked.text,
        choices=asked.choices,
        max_new_tokens=max_new_tokens or job.item.max_new_tokens,
        key=job.item.id,
    )


def _record(job: _Job, replies: Mapping[str, Reply]) -> Record:
    plain = {way: _plain(reply) for way, reply in replies.items()}
    return Record(job.item.id, job.item.group, job.facts, job.options, job.question, plain, job.shown)


def _plain(reply: Reply) -> dict[str, Any]:
    if reply.probabilities is not None and not np.isfinite(reply.probabilities).all():
        reply = replace(reply, error=f"its probabilities are {reply.probabilities}", probabilities=None)
    found: dict[str, Any] = {
        "text": reply.text if reply.error is None else None,
        "error": reply.error,
        "probabilities": None if reply.probabilities is None else list(reply.probabilities),
    }
    told = {"prompt_tokens": reply.prompt_tokens, "new_tokens": reply.new_tokens, "seconds": reply.seconds}
    found |= {key: value for key, value in told.items() if value is not None}
    return found | ({"notes": list(reply.notes)} if reply.notes else {})


# One item


def _prepare(item: Item, changes: Sequence[Perturbation], seed: int) -> _Job:
    """Reads an item's picture and perturbs what is shown; what goes wrong becomes the item's problem."""
    shown: dict[str, Any] = {"picture": item.shown.name}
    order = tuple(range(len(item.regions)))
    job = _Job(item, None, item.regions, item.question, item.options, item.facts, shown, order)
    try:
        picture = item.shown.read()
        for place, change in enumerate(changes):
            rng = generator(seed, item.id, place)
            if change.change is None:
                job = _permuted(job, rng)
            else:
                picture, regions = _changed(picture, job.regions, change, rng)
                job = replace(job, regions=regions)
        shown |= _as_shown(picture, job.regions)
        if item.shown.frames:
            shown["frames"] = list(item.shown.frames)
        if job.order != order:
            shown["order"] = list(job.order)
        return replace(job, picture=picture, shown=shown)
    except GARError as error:
        return replace(job, problem=str(error))


def shown_of(item: Item) -> Mapping[str, Any]:
    """What a record says of an item that is shown as published: picture, size, regions."""
    return _prepare(item, (), 0).shown


def _permuted(job: _Job, rng: np.random.Generator) -> _Job:
    order = rng.permutation(len(job.regions)).tolist()
    return replace(
        job,
        regions=tuple(job.regions[place] for place in order),
        question=rename_prompts(job.question, order),
        options=rename_prompts(job.options, order),
        facts=rename_prompts(job.facts, order),
        order=tuple(job.order[place] for place in order),
    )


def _changed(
    picture: Any, regions: Sequence[Any], change: Perturbation, rng: np.random.Generator
) -> tuple[Any, tuple[Any, ...]]:
    """Picture and regions perturbed; of a video, each frame with the regions that are to be seen in it."""
    assert change.change is not None, "permuted prompts are not a change of the view"
    if not isinstance(picture, list):
        view = change.change(view_of(picture, regions), rng)
        return view.image, tuple(Region.mask(mask) for mask in view.masks)
    frames: list[Image.Image] = []
    tracks: list[list[Region | None]] = [[] for _ in regions]
    for place, frame in enumerate(picture):
        seen = [number for number, track in enumerate(regions) if track[place] is not None]
        view = view_of(frame, [regions[number][place] for number in seen])
        if seen:
            view = change.change(view, rng)
        frames.append(view.image)
        masks = dict(zip(seen, view.masks, strict=True))
        for number, track in enumerate(tracks):
            track.append(Region.mask(masks[number]) if number in masks else None)
    return frames, tuple(tuple(track) for track in tracks)


def view_of(picture: Image.Image, regions: Sequence[Region]) -> View:
    """A picture and the masks of its regions."""
    size = (picture.height, picture.width)
    return View(picture, tuple(region.to_mask(size) for region in regions))


def _as_shown(picture: Any, regions: Sequence[Any]) -> dict[str, Any]:
    """Size and run-length codes of what the system sees; of a video, a list for each region."""
    first = picture[0] if isinstance(picture, list) else picture
    size = (first.height, first.width)
    codes = [
        [None if one is None else one.to_rle(size) for one in region]
        if isinstance(picture, list)
        else region.to_rle(size)
        for region in regions
    ]
    return {"size": list(size), "regions": codes}
