"""Builds the sprite atlas of GraspWorld from three npm tarballs (`SOURCES.md` in the package says which).

    npm pack @lobehub/fluent-emoji-3d@1.1.0 emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0
    python scripts/build_sprites.py --tarballs . [--sheets sheets]

`nouns.tsv` in the package, written by hand, says which pictures show which noun. This script cuts each picture
to what is opaque, makes it at most as large as its style's size, and stores it as WebP in one zip a style,
named `noun/view.webp`; `colors.json` has the color word of each. `--sheets` draws a contact sheet a style, to
check with one's own eyes that names and pictures agree.
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from gar.graspworld.color_names import color_of
from gar.graspworld.nouns import NOUNS, Noun

PACKAGE = Path(__file__).parent.parent / "src/gar/graspworld/sprites"
TARBALLS = {
    "fluent": ("lobehub-fluent-emoji-3d-*.tgz", "package/assets/", ".webp"),
    "noto": ("emoji-datasource-google-*.tgz", "package/img/google/64/", ".png"),
    "twemoji": ("emoji-datasource-twitter-*.tgz", "package/img/twitter/64/", ".png"),
}
SIZES = {"fluent": 128, "noto": 64, "twemoji": 64}
"""Longest side in pixels; the sources have 256, 64 and 64 px."""
QUALITIES = {"fluent": 78, "noto": 85, "twemoji": 85}
"""Of lossy WebP; alpha is kept as it is."""
MORE_THAN_THE_NOUN = frozenset({"boat", "canoe", "sailboat", "ferry", "ship", "golf flag", "fried egg"})
"""Nouns whose pictures show much else, such as water; they have no color word."""


def code(text: str) -> str:
    """The code points of an emoji or file name in one form: no leading zeros, no variation selector."""
    return "-".join(part for part in (item.lstrip("0") for item in text.lower().split("-")) if part != "fe0f")


def read_pictures(tarball: Path, prefix: str, suffix: str) -> dict[str, bytes]:
    """All picture files of a tarball by their `code`."""
    with tarfile.open(tarball) as archive:
        return {
            code(member.name.removeprefix(prefix).removesuffix(suffix)): archive.extractfile(member).read()
            for member in archive
            if member.name.startswith(prefix) and member.name.endswith(suffix)
        }


def make_sprite(data: bytes, size: int) -> Image.Image:
    """Cuts a picture to its opaque part and shrinks it to `size` on its longest side."""
    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    picture = picture.crop(picture.getchannel("A").point(lambda alpha: 255 * (alpha > 24)).getbbox())
    picture.thumbnail((size, size), Image.Resampling.LANCZOS)
    return picture


def build_style(style: str, pictures: dict[str, bytes]) -> tuple[bytes, dict[str, list[str | None]], dict]:
    """Makes the zip of a style, the color words, and the decoded sprites by (noun, view) for the sheet."""
    buffer, colors, sprites = io.BytesIO(), {}, {}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as atlas:
        for noun in NOUNS.values():
            found = [pictures[key] for key in picture_codes(noun, style) if key in pictures]
            for view, data in enumerate(found):
                encoded = io.BytesIO()
                make_sprite(data, SIZES[style]).save(
                    encoded, "WEBP", quality=QUALITIES[style], method=6, alpha_quality=90
                )
                atlas.writestr(zipfile.ZipInfo(f"{noun.name}/{view}.webp"), encoded.getvalue())
                sprite = np.asarray(Image.open(encoded).convert("RGBA"))
                sprites[noun.name, view] = sprite
                color = None if noun.name in MORE_THAN_THE_NOUN else color_of(sprite[..., :3], sprite[..., 3] > 127)
                colors.setdefault(noun.name, []).append(color)
    return buffer.getvalue(), colors, sprites


def picture_codes(noun: Noun, style: str) -> list[str]:
    """The `code` of each emoji that shows a noun in a style; "🎾@twemoji" shows it in that style only."""
    split = [entry.split("@") for entry in noun.pictures]
    return [code("-".join(f"{ord(char):x}" for char in emoji)) for emoji, *only in split if not only or style in only]


def write(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all."""
    partial = path.with_suffix(path.suffix + ".partial")
    partial.write_bytes(data)
    partial.replace(path)


def draw_sheet(sprites: dict, colors: dict[str, list[str | None]], columns: int = 16, cell: int = 104) -> Image.Image:
    """Every sprite of a style on gray with its noun and color word."""
    rows = -(-len(sprites) // columns)
    sheet = Image.new("RGB", (columns * cell, rows * (cell + 6)), (170, 176, 182))
    draw = ImageDraw.Draw(sheet)
    for number, ((noun, view), sprite) in enumerate(sprites.items()):
        x, y = number % columns * cell, number // columns * (cell + 6)
        picture = Image.fromarray(sprite)
        picture.thumbnail((cell - 24, cell - 24))
        sheet.paste(picture, (x + (cell - picture.width) // 2, y + 2), picture)
        draw.text((x + 2, y + cell - 22), noun[:17], fill=(0, 0, 0))
        draw.text((x + 2, y + cell - 11), colors[noun][view] or "-", fill=(90, 0, 0))
    return sheet


def main() -> None:
    """Builds all styles."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tarballs", type=Path, required=True, help="folder with the three tarballs")
    parser.add_argument("--sheets", type=Path, help="folder for the contact sheets")
    arguments = parser.parse_args()
    colors = {}
    for style, (pattern, prefix, suffix) in TARBALLS.items():
        tarball = next(iter(sorted(arguments.tarballs.glob(pattern))), None)
        if tarball is None:
            parser.error(f"no {pattern} in {arguments.tarballs}")
        atlas, colors[style], sprites = build_style(style, read_pictures(tarball, prefix, suffix))
        write(PACKAGE / f"{style}.zip", atlas)
        named = sum(color is not None for views in colors[style].values() for color in views)
        print(f"{style}: {len(colors[style])} nouns, {len(sprites)} sprites, {named} with a color, {len(atlas)} bytes")
        if arguments.sheets:
            arguments.sheets.mkdir(parents=True, exist_ok=True)
            draw_sheet(sprites, colors[style]).save(arguments.sheets / f"{style}.png")
    write(PACKAGE / "colors.json", (json.dumps(colors, separators=(",", ":")) + "\n").encode())


if __name__ == "__main__":
    main()
