"""From what a user writes to a system: `make_system("openai:gpt-4o", style="box")`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gar.errors import InputError
from gar.systems.flags import ENDPOINT_FLAGS, INTEGER, NUMBER, SWITCH, TEXT, Types, checked
from gar.systems.protocol import System

__all__ = ["KINDS", "make_system"]


def make_system(spec: str, **flags: Any) -> System:
    """Makes a system.

    Args:
        spec: What it is:

            * `nano`, a folder or a hub id such as `HaochenWang/GAR-1B`: a model of ours. Flags: `device`, `dtype`,
              `max_num_tiles` and `replay_spatial_scale` of `gar.load`, and `batch_size`;
            * `openai:MODEL`: a model behind an OpenAI-style API. Flags: `style`, `temperature` and those of
              `gar.systems.endpoint.Endpoint`;
            * `azure:DEPLOYMENT`: the same on Azure, with `api_version`;
            * `dam:PATH`: Describe Anything's weights. Flags: `allow_remote_code`, `device`, `seed`;
            * `dam-server:URL`: Describe Anything's server. Flags: `model`, and the endpoint's patience;
            * `videorefer:PATH`, `pixelrefer:PATH`: through their packages. Flag: `device`;
            * `file:PATH`: answers given earlier, see `gar.systems.answers_file`.
        flags: Settings of the kind; None stands for the default.

    Raises:
        InputError: The spec is empty or of no known kind, or a flag is not the kind's, of another type or out of range.
        CheckpointError: There is no such model, or it cannot be loaded.
        MissingExtraError: A package that the kind needs is not installed.

    Example:
        >>> make_system("openai:gpt-4o", style="box", base_url="http://localhost:8000/v1").name
        'openai:gpt-4o (box)'
    """
    name, _, rest = spec.partition(":")
    kind = KINDS.get(name)
    if kind is None:
        if ":" in spec and not Path(spec).exists():
            raise InputError(f"{spec!r} is of no known kind; allowed: {', '.join(KINDS)}, or a model's name or folder")
        kind, rest = _OURS, spec
    if not rest:
        raise InputError(f"{spec!r} names no system; give 'nano', a folder, a hub id, or one such as openai:MODEL")
    return kind.make(rest, checked(repr(spec), flags, kind.flags))


@dataclass(frozen=True)
class _Kind:
    """A kind of system."""

    make: Callable[[str, dict[str, Any]], System]
    """Makes one from what stands behind the colon and the flags that were given."""
    flags: Mapping[str, Types]


def _ours(name: str, flags: dict[str, Any]) -> System:
    from gar.assistant import load
    from gar.systems.ours import OurModel

    own = {flag: flags.pop(flag) for flag in ("batch_size",) if flag in flags}
    return OurModel(load(name, **flags), **own)


def _openai(model: str, flags: dict[str, Any]) -> System:
    from gar.systems.endpoint import Endpoint
    from gar.systems.openai_api import Generalist

    own = {flag: flags.pop(flag) for flag in ("style", "temperature") if flag in flags}
    return Generalist(Endpoint(model, **flags), **own)


def _azure(deployment: str, flags: dict[str, Any]) -> System:
    return _openai(deployment, {"api_version": AZURE_API_VERSION, **flags})


def _dam(path: str, flags: dict[str, Any]) -> System:
    from gar.systems.dam import DamWeights

    return DamWeights(path, **flags)


def _dam_server(url: str, flags: dict[str, Any]) -> System:
    from gar.systems.dam import DamServer
    from gar.systems.endpoint import Endpoint

    flags.setdefault("concurrency", 1)  # it answers one request at a time; more would wait there and time out
    return DamServer(Endpoint(flags.pop("model", "describe_anything_model"), base_url=url, **flags))


def _videorefer(path: str, flags: dict[str, Any]) -> System:
    from gar.systems.videorefer import VideoRefer

    return VideoRefer(path, **flags)


def _pixelrefer(path: str, flags: dict[str, Any]) -> System:
    from gar.systems.videorefer import PixelRefer

    return PixelRefer(path, **flags)


def _file(path: str, flags: dict[str, Any]) -> System:
    from gar.systems.answers_file import AnswersFile

    return AnswersFile(path, **flags)


AZURE_API_VERSION = "2024-10-21"
"""The version of Azure's API that is spoken unless another is given."""

_OURS = _Kind(
    _ours,
    {"device": TEXT, "dtype": TEXT, "max_num_tiles": INTEGER, "replay_spatial_scale": NUMBER, "batch_size": INTEGER},
)
_ASKING: Mapping[str, Types] = {"style": TEXT, "temperature": NUMBER}
_PATIENCE = ("timeout", "attempts", "concurrency", "token_limit")
_NOT_AZURE = {name: types for name, types in ENDPOINT_FLAGS.items() if name != "api_version"}
_OF_SERVER: Mapping[str, Types] = {"model": TEXT, **{name: ENDPOINT_FLAGS[name] for name in _PATIENCE}}

KINDS: Mapping[str, _Kind] = {
    "openai": _Kind(_openai, {**_ASKING, **_NOT_AZURE}),
    "azure": _Kind(_azure, {**_ASKING, **ENDPOINT_FLAGS}),
    "dam": _Kind(_dam, {"allow_remote_code": SWITCH, "device": TEXT, "seed": INTEGER}),
    "dam-server": _Kind(_dam_server, _OF_SERVER),
    "videorefer": _Kind(_videorefer, {"device": TEXT}),
    "pixelrefer": _Kind(_pixelrefer, {"device": TEXT}),
    "file": _Kind(_file, {}),
}
"""What may stand before the colon of a system that is not ours."""
