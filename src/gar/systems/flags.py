"""Settings that a user writes as NAME=VALUE, checked by name and type before anything is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from gar.errors import InputError

__all__ = ["ENDPOINT_FLAGS", "INTEGER", "NUMBER", "SWITCH", "TEXT", "Types", "checked"]

Types: TypeAlias = tuple[type, ...]

TEXT: Types = (str,)
INTEGER: Types = (int,)
NUMBER: Types = (int, float)
SWITCH: Types = (bool,)

ENDPOINT_FLAGS: Mapping[str, Types] = {
    "base_url": TEXT,
    "key": TEXT,
    "key_variable": TEXT,
    "api_version": TEXT,
    "timeout": NUMBER,
    "attempts": INTEGER,
    "first_wait": NUMBER,
    "concurrency": INTEGER,
    "token_limit": INTEGER,
}
"""Of `gar.systems.endpoint.Endpoint`."""


def checked(whose: str, given: Mapping[str, Any], known: Mapping[str, Types]) -> dict[str, Any]:
    """The settings that were given, without those that are None.

    Args:
        whose: Whom they are for, for the message.
        given: Name and value.
        known: Name and allowed types.

    Raises:
        InputError: A name is not known, or a value is of another type; values of `key` are not repeated.

    Example:
        >>> checked("nano", {"batch_size": 4, "device": None}, {"batch_size": INTEGER, "device": TEXT})
        {'batch_size': 4}
    """
    settings = {name: value for name, value in given.items() if value is not None}
    if unknown := sorted(set(settings) - set(known)):
        raise InputError(f"{whose} does not take {', '.join(unknown)}; it takes: {', '.join(known) or 'nothing'}")
    for name, value in settings.items():
        if type(value) not in known[name]:  # a bool is no number here
            told = type(value).__name__ if name == "key" else repr(value)
            kinds = " or ".join(kind.__name__ for kind in known[name])
            raise InputError(f"{name} of {whose} is {told}; needed is {kinds}")
    return settings
