"""Pictures of the world's nouns in three rendering styles, cut out along their outlines.

Choices:
- One zip a style, of WebP files named `noun/view.webp`. It is read into memory whole, so that processes forked
  from one another share nothing but bytes, and each sprite is decoded once.
- "twemoji" is the style that training never sees.
- A noun has one view or several (a cat and a black cat). Not every noun has a picture in every style.

`SOURCES.md` says where the pictures come from and under which licences; `scripts/build_sprites.py` made them.
"""

from __future__ import annotations

import io
import json
import zipfile
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from gar.errors import InputError
from gar.graspworld.nouns import NOUNS, noun_entry

__all__ = ["HELD_OUT_STYLE", "SPRITE_STYLES", "load_sprite", "sprite_color", "sprite_nouns", "sprite_views"]

SPRITE_STYLES = ("fluent", "noto", "twemoji")
"""Rendering styles: three-dimensional at up to 112 px, drawn with shading and drawn flat at up to 64 px."""

HELD_OUT_STYLE = "twemoji"
"""The style that is kept out of training."""

_HERE = Path(__file__).parent


@lru_cache(maxsize=len(SPRITE_STYLES))
def _atlas(style: str) -> dict[str, bytes]:
    if style not in SPRITE_STYLES:
        raise InputError(f"{style!r} is not a style; allowed: {', '.join(SPRITE_STYLES)}")
    with zipfile.ZipFile(io.BytesIO((_HERE / f"{style}.zip").read_bytes())) as atlas:
        return {item.filename: atlas.read(item) for item in atlas.infolist()}


@lru_cache(maxsize=1)
def _colors() -> dict[str, dict[str, list[str | None]]]:
    return json.loads((_HERE / "colors.json").read_text(encoding="utf-8"))


def sprite_views(noun: str, style: str) -> int:
    """Counts the pictures of a noun in a style; 0 where it has none.

    Raises:
        InputError: Not a noun of the world, or not a style.
    """
    _atlas(style)
    return len(_colors()[style].get(noun_entry(noun).name, ()))


@lru_cache(maxsize=16)
def sprite_nouns(style: str | None = None, *, held_out: bool | None = None) -> tuple[str, ...]:
    """Lists the nouns that have a picture, in the order of the table.

    Args:
        style: One of `SPRITE_STYLES`; None for nouns with a picture in any.
        held_out: True for held-out nouns only, False for the others only, None for all.

    Raises:
        InputError: Not a style.
    """
    styles = SPRITE_STYLES if style is None else (style,)
    return tuple(
        noun.name
        for noun in NOUNS.values()
        if held_out in (None, noun.held_out) and any(sprite_views(noun.name, each) for each in styles)
    )


@cache
def load_sprite(noun: str, style: str, view: int = 0) -> np.ndarray:
    """Returns a picture of a noun: RGBA uint8 (h, w, 4), not premultiplied, read-only, cached.

    Args:
        noun: A noun with a picture in this style.
        style: One of `SPRITE_STYLES`.
        view: Which of its `sprite_views` pictures, from 0.

    Raises:
        InputError: Not a noun, not a style, or no such picture.
    """
    data = _atlas(style).get(f"{noun}/{view}.webp")
    if data is None:
        raise InputError(
            f"{noun!r} has {sprite_views(noun, style)} pictures in style {style!r}; there is no view {view}"
        )
    sprite = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
    sprite.flags.writeable = False
    return sprite


def sprite_color(noun: str, style: str, view: int = 0) -> str | None:
    """Names the color of a picture by `gar.graspworld.color_names.color_of`; None where none dominates.

    Raises:
        InputError: Not a noun, not a style, or no such picture.
    """
    load_sprite(noun, style, view)
    return _colors()[style][noun][view]
