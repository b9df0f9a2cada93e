"""`gar describe`: what each region of a picture is."""

from __future__ import annotations

import typer

from gar.cli.options import (
    AllowedHosts,
    AsJson,
    Boxes,
    Device,
    Draw,
    Dtype,
    Masks,
    MaxNewTokens,
    Model,
    Picture,
    Points,
    Polygons,
    Rles,
    Scribbles,
    sampling_options,
)

__all__ = ["describe"]


def describe(
    ctx: typer.Context,
    picture: Picture,
    box: Boxes = None,
    point: Points = None,
    mask: Masks = None,
    polygon: Polygons = None,
    scribble: Scribbles = None,
    rle: Rles = None,
    model: Model = "nano",
    device: Device = None,
    dtype: Dtype = None,
    max_new_tokens: MaxNewTokens = None,
    as_json: AsJson = False,
    draw: Draw = None,
    allow_host: AllowedHosts = None,
) -> None:
    """Describe each region of a picture, by itself, in the order of the flags.

    **Examples**

    `gar describe cat.jpg --box 40,60,200,220`

    `gar describe cat.jpg --point 120,90 --mask ear.png --draw seen.png`

    `gar describe cat.jpg --polygon "10,10 90,12 80,70" --scribble "20,30 60,40 width=12"`

    `gar describe cat.jpg --rle regions.json --json > answers.json`
    """
    import gar
    from gar.cli.reporting import answer_record, print_json, print_notes, prompt_tag, stdout
    from gar.cli.view import open_view

    flags = {"box": box, "point": point, "mask": mask, "polygon": polygon, "scribble": scribble, "rle": rle}
    view = open_view(ctx, picture, allow_host, draw, **flags)
    assistant = gar.load(model, device=device, dtype=dtype)
    answers = assistant.describe(view.image, view.regions, **sampling_options(max_new_tokens))
    if as_json:
        records = [answer_record(answer, view.size) for answer in answers]
        print_json({"picture": picture, "size": view.size, "model": model, "answers": records})
    else:
        console = stdout()
        for index, (region, answer) in enumerate(zip(view.regions, answers, strict=True)):
            console.print(prompt_tag(index), f"{region.kind}: {answer.text}", markup=False)
            print_notes(answer)
    view.write_drawing()
