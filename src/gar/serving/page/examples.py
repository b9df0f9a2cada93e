"""Pictures to begin with: scenes of the world that the embedded model knows, and photographs of the package."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from PIL import Image

from gar.graspworld.scene import render_scene
from gar.regions import Region

__all__ = ["Example", "list_examples"]

_SEEDS = (14, 11)
"""Held-out scenes, which no training sees, chosen by eye: several things, none hidden."""
_THUMBNAIL = (288, 216)


@dataclass(frozen=True, eq=False)
class Example:
    """A picture with regions marked on it."""

    title: str
    file_name: str
    data: bytes
    """The picture's file."""
    regions: tuple[Region, ...]
    thumbnail: str
    """A small version as a data URL."""


@cache
def list_examples() -> tuple[Example, ...]:
    """All examples: drawn scenes first, which the embedded model is good at."""
    return (*_scenes(), *_photographs())


def _scenes() -> Iterator[Example]:
    for number, seed in enumerate(_SEEDS, 1):
        scene = render_scene(seed, split="held-out")
        encoded = io.BytesIO()
        Image.fromarray(scene.image).save(encoded, "PNG")
        regions = tuple(Region.mask(item.mask) for item in scene.objects)
        yield _example(f"Drawn scene {number}", f"drawn-scene-{number}.png", encoded.getvalue(), regions)


def _photographs() -> Iterator[Example]:
    folder = files("gar") / "examples"
    for entry in json.loads((folder / "regions.json").read_text("utf-8")):
        name = entry["picture"]
        regions = tuple(_region(region) for region in entry["regions"])
        yield _example(name.removesuffix(".jpg").capitalize(), name, (folder / name).read_bytes(), regions)


def _example(title: str, file_name: str, data: bytes, regions: tuple[Region, ...]) -> Example:
    small, encoded = Image.open(io.BytesIO(data)).convert("RGB"), io.BytesIO()
    small.thumbnail(_THUMBNAIL)
    small.save(encoded, "JPEG", quality=80)
    url = f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"
    return Example(title, file_name, data, regions, url)


def _region(entry: Mapping[str, Any]) -> Region:
    if entry["kind"] == "box":
        return Region.box(*entry["box"])
    return getattr(Region, entry["kind"])(**{name: entry[name] for name in entry if name not in ("is", "kind")})
