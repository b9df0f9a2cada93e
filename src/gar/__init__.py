"""Grasp Any Region: point at something in a picture and get it described.

    import gar

    assistant = gar.load("nano")
    answer = assistant.describe("picture.jpg", gar.Region.box(40, 60, 200, 220))
    answer = assistant.ask("picture.jpg", "What is <Prompt0> doing to <Prompt1>?", [region_a, region_b])

Importing this package is cheap: torch and transformers are imported when something needs them. The model classes are
registered with transformers' Auto classes as soon as both packages are imported, in either order.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gar.errors import (
    CheckpointError,
    GARError,
    InputError,
    MediaError,
    MissingExtraError,
    PromptError,
    RegionError,
)

if TYPE_CHECKING:
    from gar.assistant import GAR, Answer, EncodedScene, Request, load
    from gar.assistant.dialogue import Dialogue
    from gar.media import load_image
    from gar.model.configuration import GARConfig
    from gar.model.modeling import GARForConditionalGeneration
    from gar.processing import GARProcessor
    from gar.regions import Region

__version__ = "0.1.0"

__all__ = [
    "GAR",
    "Answer",
    "CheckpointError",
    "Dialogue",
    "EncodedScene",
    "GARConfig",
    "GARError",
    "GARForConditionalGeneration",
    "GARProcessor",
    "InputError",
    "MediaError",
    "MissingExtraError",
    "PromptError",
    "Region",
    "RegionError",
    "Request",
    "load",
    "load_image",
]

_HOMES = {
    "GAR": "gar.assistant",
    "Answer": "gar.assistant",
    "Dialogue": "gar.assistant.dialogue",
    "EncodedScene": "gar.assistant",
    "Request": "gar.assistant",
    "load": "gar.assistant",
    "Region": "gar.regions",
    "load_image": "gar.media",
    "GARConfig": "gar.model.configuration",
    "GARForConditionalGeneration": "gar.model.modeling",
    "GARProcessor": "gar.processing",
}
"""Where each public name that is not imported at once lives."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gar' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


import_module("gar.registration").register_when_imported()
