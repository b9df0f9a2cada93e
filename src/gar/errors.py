"""Every error that a user can meet, as one tree.

    GARError
    ├── InputError (also ValueError)      what the caller gave is wrong
    │   ├── RegionError                   a region: empty, outside, not finite, wrong size or order
    │   ├── MediaError                    a picture: missing, truncated, not a picture, over a limit
    │   └── PromptError                   a question: unknown prompt names, too many regions, no choices
    ├── CheckpointError                   a folder or file that does not hold a usable model
    └── MissingExtraError (also ImportError)   an optional dependency; the message names the pip command

A message says what was given and what is allowed. Catch `GARError` to catch them all; anything else that
escapes from this library is a bug.
"""

from __future__ import annotations

__all__ = [
    "CheckpointError",
    "GARError",
    "InputError",
    "MediaError",
    "MissingExtraError",
    "PromptError",
    "RegionError",
]


class GARError(Exception):
    """Base of every error that this library raises on purpose."""


class InputError(GARError, ValueError):
    """What the caller gave cannot be used; the message holds the offending values."""


class RegionError(InputError):
    """A region is empty, outside the picture, not finite, or of the wrong size or order."""


class MediaError(InputError):
    """A picture is missing, truncated, not a picture, or over the pixel or byte limit."""


class PromptError(InputError):
    """A question names regions that were not given, or there are more regions than prompt tokens."""


class CheckpointError(GARError):
    """A folder or file does not hold a model that can be loaded."""


class MissingExtraError(GARError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str | None = None):
        """Names the missing `package` and the `extra` of this distribution that brings it, if one does."""
        what = package if extra is None else f"'.[{extra}]' in the repository of gar"
        super().__init__(f"{package} is not installed; run: pip install {what}")
