"""`gar world`: pictures of GraspWorld with their masks and texts, written to a folder.

    scene-000007.png           the picture
    scene-000007-mask-2.png    what can be seen of object 2, white on black
    scene-000007.json          its objects in words, and questions with their answers
    sheet.png                  all scenes with their captions beside, to look at

Files are written whole or not at all.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gar.graspworld import Scene

__all__ = ["MOST_SCENES", "WorldSplit", "world"]

MOST_SCENES = 10_000
"""The most scenes that one command writes."""
_SHEET = 60  # scenes on the contact sheet

world = typer.Typer(
    name="world",
    help="Pictures of the made-up world, GraspWorld, with exact masks and truthful text.",
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


class WorldSplit(StrEnum):
    """The splits of the world, as in `gar.graspworld.SPLITS`."""

    TRAIN = "train"
    HELD_OUT = "held-out"
    HELD_OUT_NOUNS = "held-out-nouns"
    HELD_OUT_STYLE = "held-out-style"


class WorldStaging(StrEnum):
    """The stagings of the world, as in `gar.graspworld.STAGINGS`."""

    FREE = "free"
    ROWS = "rows"
    TOGETHER = "together"


@world.callback(invoke_without_command=True)
def _world(ctx: typer.Context) -> None:
    """Says what there is where no command is named."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@world.command()
def render(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write to; made if it is missing.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first scene.")] = 0,
    n: Annotated[int, typer.Option("--n", min=1, max=MOST_SCENES, help="How many scenes.")] = 12,
    split: Annotated[
        WorldSplit, typer.Option(help="Training; or scenes, nouns or a style that training never shows.")
    ] = WorldSplit.TRAIN,
    staging: Annotated[
        WorldStaging,
        typer.Option(help="Objects anywhere; the same thing in rows; or things that have to do with each other."),
    ] = WorldStaging.FREE,
) -> None:
    """Render scenes: pictures, a mask of each object, texts as JSON, and a contact sheet.

    **Examples**

    `gar world render --seed 0 --n 12 --out scenes`

    `gar world render --split held-out-style --n 3 --out scenes`

    `gar world render --staging together --n 3 --out scenes`
    """
    from rich.console import Console
    from rich.progress import track

    from gar.cli.reporting import say
    from gar.cli.writing import write_picture
    from gar.errors import InputError
    from gar.graspworld import render_scene
    from gar.graspworld.sheet import contact_sheet

    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InputError(f"--out {out}: {error.filename} is a file or a broken link; a folder is needed") from error
    shown: list[Scene] = []
    for number in track(range(seed, seed + n), "rendering", console=Console(stderr=True), transient=True):
        scene = render_scene(number, split=split.value, staging=staging.value)
        _write_scene(scene, out / f"scene-{number:06d}")
        if len(shown) < _SHEET:
            shown.append(scene)
    write_picture(out / "sheet.png", contact_sheet(shown))
    first = f" of the first {len(shown)}" if len(shown) < n else ""
    say(f"{n} scenes of split {split.value!r} are in {out}; sheet.png shows the captions{first}")


def _write_scene(scene: Scene, path: Path) -> None:
    """Writes the picture, the masks and the texts of a scene in place of a former one; `path` is without ending."""
    from PIL import Image

    from gar.cli.writing import write_picture
    from gar.files import write_whole

    write_picture(path.with_suffix(".png"), Image.fromarray(scene.image))
    masks = [path.with_name(f"{path.name}-mask-{number}.png") for number in range(len(scene.objects))]
    for item, mask in zip(scene.objects, masks, strict=True):
        write_picture(mask, Image.fromarray(item.mask))
    text = json.dumps(_texts(scene, path.with_suffix(".png").name, [mask.name for mask in masks]), indent=1)
    write_whole(path.with_suffix(".json"), f"{text}\n")
    for former in path.parent.glob(f"{path.name}-mask-*.png"):  # which had more objects
        if former not in masks and re.fullmatch(r".*-mask-\d+", former.stem):
            former.unlink()


def _texts(scene: Scene, picture: str, masks: list[str]) -> dict[str, Any]:
    """What is known of a scene, as JSON: objects in words, prompts, and questions about them."""
    import numpy as np

    from gar.graspworld import HELD_OUT_VERSION, KINDS, STAGED_KINDS, attribute_words, choose_prompts, write_turns
    from gar.graspworld.captions import write_caption

    rng = np.random.default_rng(scene.seed)
    objects: list[dict[str, Any]] = [
        {
            "mask": mask,
            "box": item.box,
            "words": attribute_words(item),
            "style": item.style,
            "depth": item.depth,
            "reflection_of": item.reflection_of,
            "inside": item.inside,
            "caption": write_caption(scene, number, rng),
        }
        for number, (item, mask) in enumerate(zip(scene.objects, masks, strict=True))
    ]
    prompts = choose_prompts(scene, rng)
    return {
        "version": HELD_OUT_VERSION,
        "split": scene.split,
        "staging": scene.staging,
        "seed": scene.seed,
        "picture": picture,
        "objects": objects,
        "rows": scene.rows,
        "ties": [{"a": tie.a, "verb": tie.verb, "b": tie.b} for tie in scene.ties],
        "prompts": {f"<Prompt{number}>": index for number, index in sorted(prompts.items())},
        "turns": [
            {"kind": turn.kind, "question": turn.question, "answer": turn.answer}
            for turn in write_turns(scene, prompts, rng, kinds=[*KINDS, *STAGED_KINDS.get(scene.staging, ())])
        ],
    }
