"""`gar ask`: a question about one or several regions of a picture."""

from __future__ import annotations

from typing import Annotated

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

__all__ = ["ask"]


def ask(
    ctx: typer.Context,
    picture: Picture,
    question: Annotated[
        str,
        typer.Argument(
            metavar="QUESTION",
            help="Names the regions `<Prompt0>`, `<Prompt1>`, … in the order of the flags.",
            show_default=False,
        ),
    ],
    box: Boxes = None,
    point: Points = None,
    mask: Masks = None,
    polygon: Polygons = None,
    scribble: Scribbles = None,
    rle: Rles = None,
    choice: Annotated[
        list[str] | None,
        typer.Option(
            "--choice",
            metavar="TEXT",
            help="A possible answer (repeat it); each is scored, the likeliest is the answer.",
            show_default=False,
        ),
    ] = None,
    model: Model = "nano",
    device: Device = None,
    dtype: Dtype = None,
    max_new_tokens: MaxNewTokens = None,
    as_json: AsJson = False,
    draw: Draw = None,
    allow_host: AllowedHosts = None,
) -> None:
    """Ask a question about regions of a picture; several regions can be related to one another.

    **Examples**

    `gar ask street.jpg "What is <Prompt0> doing to <Prompt1>?" --box 40,60,200,220 --mask dog.png`

    `gar ask shirt.jpg "What color is <Prompt0>?" --point 120,90 --choice red --choice blue --choice green`
    """
    import gar
    from gar.cli.reporting import answer_record, bar, print_json, print_notes, stdout
    from gar.cli.view import open_view

    flags = {"box": box, "point": point, "mask": mask, "polygon": polygon, "scribble": scribble, "rle": rle}
    view = open_view(ctx, picture, allow_host, draw, **flags)
    assistant = gar.load(model, device=device, dtype=dtype)
    answer = assistant.ask(
        view.image, question, view.regions, choices=choice or None, **sampling_options(max_new_tokens)
    )
    if as_json:
        about = {"picture": picture, "size": view.size, "model": model, "question": question}
        print_json(about | {"answer": answer_record(answer, view.size)})
    else:
        console = stdout()
        console.print(answer.text, markup=False)
        for text, share in (answer.probabilities or {}).items():
            console.print(f"  {bar(share)} {share:6.1%}  {text}", markup=False)
        print_notes(answer)
    view.write_drawing()
