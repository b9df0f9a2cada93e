"""Regions of one picture in both ways, against the reference.

Used by `inference.py` and `gpu.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from figures import Figures
from measuring import Times, clock_in_turns, synchronize
from PIL import Image
from reference import as_published, describe_alone, describe_plainly_shared

from gar import GAR, Answer, Region

__all__ = ["agreement", "alone", "regions_of_one_picture", "texts"]


def texts(answers: Sequence[Answer]) -> list[str]:
    """What was said; of an assistant from `setups.endless`, the numbers of the tokens."""
    return [answer.text for answer in answers]


def _numbers(ids: Sequence[int]) -> str:
    return " ".join(map(str, ids))


def alone(assistant: GAR, jobs: Sequence[tuple[Image.Image, Region]], new: int) -> tuple[list[str], list[float]]:
    """What the reference says of each region, and the seconds that each takes."""
    said: list[str] = []
    seconds: list[float] = []
    device = assistant.model.device
    with as_published(assistant):
        describe_alone(assistant, *jobs[0], 2, ignore_end=True)  # warm
        for picture, region in jobs:
            began = time.perf_counter()
            said.append(_numbers(describe_alone(assistant, picture, region, new, ignore_end=True)))
            synchronize(device)
            seconds.append(time.perf_counter() - began)
    return said, seconds


def agreement(ours: Sequence[str], theirs: Sequence[str]) -> tuple[bool, str]:
    """Whether all tokens are equal, and in words how many are, up to the first that differs of each answer."""
    equal = tokens = 0
    for mine, other in zip(ours, theirs, strict=True):
        left, right = mine.split(), other.split()
        tokens += max(len(left), len(right))
        equal += next(
            (n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right))
        )
    if equal == tokens:
        return True, f"all {tokens} tokens equal in {len(theirs)} answers"
    return False, f"{100 * equal / tokens:.0f} % of {tokens} tokens equal up to the first that differs"


def regions_of_one_picture(
    figures: Figures,
    name: str,
    assistant: GAR,
    picture: Image.Image,
    regions: Sequence[Region],
    *,
    new: int,
    repeats: int,
    checked: int,
    least: tuple[float | None, float | None],
    same: bool,
) -> None:
    """Describes regions from the picture to the last token: shared, exact, and as the reference does.

    Args:
        figures: The table.
        name: Of the model.
        assistant: From `setups.endless`.
        picture: The picture.
        regions: All that are described.
        new: Tokens of each answer.
        repeats: How often ours are timed.
        checked: How many of the regions the reference describes, half of them before and half after ours.
        least: Targets of shared and exact.
        same: Whether tokens must be equal.
    """
    jobs = [(picture, region) for region in regions]
    half = (checked + 1) // 2
    said, seconds = alone(assistant, jobs[:half], new)

    last: dict[str, list[str]] = {}

    def exact() -> None:
        last["exact"] = texts(assistant.describe(picture, regions, max_new_tokens=new))

    def shared() -> None:
        scene = assistant.encode(picture, regions, way="shared")
        last["shared"] = texts(assistant.describe(scene, max_new_tokens=new))

    works: list[Callable[[], object]] = [shared, exact]
    found = clock_in_turns(works, repeats, device=assistant.model.device)
    if checked > half:
        more, later = alone(assistant, jobs[half:checked], new)
        said, seconds = [*said, *more], [*seconds, *later]
    one = Times(tuple(seconds))
    most = assistant.model.config.max_regions
    groups = [regions[at : at + most] for at in range(0, len(regions), most)]
    plainly = [
        _numbers(describe_plainly_shared(assistant, picture, group, number, new, ignore_end=True))
        for group, number in [(group, number) for group in groups for number in range(len(group))][:checked]
    ]
    several = f"{len(regions)} region{'s' if len(regions) > 1 else ''}"
    for way, target, times, theirs in zip(("shared", "exact"), least, found, (plainly, said), strict=True):
        equal, words = agreement(last[way][:checked], theirs)
        per_region = times.median / len(regions)
        how = f"reference {one.median:.3f} s a region ({checked} timed), ours {per_region:.3f} s; {words}"
        spread = times.spread + one.spread
        figures.ratio(f"{several}, {way}", name, one.median / per_region, spread, target, how, equal=equal or not same)
