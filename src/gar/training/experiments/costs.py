"""What showing regions costs: tokens, tiles and seconds.

All models are timed in turn on the same pictures, one question after the other, so that whatever else the machine does
meets them alike. A question is read and one token of the answer written: what follows costs the same in all arms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import track

from gar.assistant import GAR, load
from gar.graspworld import render_scene
from gar.regions import Region

__all__ = ["Cost", "measure_costs", "step_seconds"]

_PICTURES = 12
_REGIONS = 4
"""Regions of the longer question."""
_ASKED = "What is <Prompt0>?"


@dataclass(frozen=True)
class Cost:
    """What showing regions costs."""

    tokens: int
    """Tokens that a region takes in the text, its name left out."""
    tiles: int
    """Tiles that are looked at for a region, the picture's left out."""
    first_seconds: float
    """To read a picture, one region and a short question: the median."""
    further_seconds: float
    """For each further region: the median."""


def measure_costs(models: Mapping[str, Path]) -> dict[str, Cost]:
    """Times models against each other.

    Args:
        models: Name → model folder.
    """
    loaded = {name: load(folder) for name, folder in models.items()}
    one: dict[str, list[float]] = {name: [] for name in models}
    more: dict[str, list[float]] = {name: [] for name in models}
    scenes = (scene for scene in (render_scene(seed, split="held-out") for seed in range(1000, 2000)))
    crowded = (scene for scene in scenes if len(scene.objects) >= _REGIONS)
    for place in track(range(_PICTURES + 1), "timing", console=Console(stderr=True)):
        scene = next(crowded)
        regions = [Region.mask(item.mask) for item in scene.objects[:_REGIONS]]
        for name, assistant in loaded.items():
            first, all_ = _seconds(assistant, scene.image, regions[:1]), _seconds(assistant, scene.image, regions)
            if place:  # the first warms up
                one[name].append(first)
                more[name].append((all_ - first) / (_REGIONS - 1))
    return {
        name: Cost(
            tokens=assistant.model.config.replay_tokens,
            tiles=int(assistant.model.config.region_crops),
            first_seconds=median(one[name]),
            further_seconds=median(more[name]),
        )
        for name, assistant in loaded.items()
    }


def _seconds(assistant: GAR, image: object, regions: list[Region]) -> float:
    return assistant.ask(image, _ASKED, regions, max_new_tokens=1).seconds  # pyright: ignore[reportArgumentType]


def step_seconds(log: Path) -> float | None:
    """Seconds of a training step: the median over the lines of `log.jsonl`; None where none tells.

    Args:
        log: The file of a run.
    """
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    timed = [(line["step"], line["seconds"]) for line in lines if "seconds" in line]
    before = [0, *(step for step, _ in timed)]
    found = [seconds / (step - last) for (step, seconds), last in zip(timed, before, strict=False) if step > last]
    return median(found) if found else None
