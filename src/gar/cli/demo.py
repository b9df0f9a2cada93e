"""`gar demo`: pictures with regions, what a model says of each, and what they really are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gar.cli.options import Device, Dtype, MaxNewTokens, Model, sampling_options

if TYPE_CHECKING:
    from gar.assistant import GAR, Answer, SamplingOptions
    from gar.cli.demo_cases import Case
    from gar.cli.demo_results import Result

__all__ = ["demo"]


def demo(
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="The folder to write to; made if missing.", show_default=False),
    ],
    model: Model = "nano",
    device: Device = None,
    dtype: Dtype = None,
    max_new_tokens: MaxNewTokens = None,
    scenes: Annotated[int, typer.Option("--scenes", metavar="N", min=1, max=100, help="How many world scenes.")] = 8,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of the first world scene.")] = 0,
) -> None:
    """Show what a model says of held-out world scenes and of real photographs.

    Writes OUT/index.html (one file that holds everything) and one picture for each case, and prints a table.

    **Examples**

    `gar demo demo/`

    `gar demo demo/ --model HaochenWang/GAR-1B --scenes 4`
    """
    from gar.errors import InputError

    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; a folder is needed")
    out.mkdir(parents=True, exist_ok=True)

    import gar
    from gar.cli.demo_card import draw_card
    from gar.cli.demo_cases import photographs, world_scenes
    from gar.cli.demo_page import render_page
    from gar.cli.reporting import say, stdout
    from gar.cli.writing import write_picture
    from gar.files import write_whole

    assistant = gar.load(model, device=device, dtype=dtype)
    facts = assistant.info()
    cases = [*world_scenes(scenes, seed, facts["max_regions"]), *photographs()]
    results = _answer_all(assistant, cases, sampling_options(max_new_tokens))
    for result in results:
        write_picture(out / f"{result.case.name}.png", draw_card(result))
    write_whole(out / "index.html", render_page(results, model, facts))

    from gar.cli.demo_results import table

    stdout().print(table(results))
    say(f"{out / 'index.html'} and {len(results)} pictures written")


def _answer_all(assistant: GAR, cases: list[Case], options: SamplingOptions) -> list[Result]:
    """Asks everything, with a progress bar on stderr."""
    from rich.console import Console
    from rich.progress import Progress

    from gar.cli.demo_results import Result

    results: list[Result] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        todo = progress.add_task("Asking", total=sum(len(case.regions) + len(case.questions) for case in cases))
        for case in cases:
            described = assistant.describe(case.image, list(case.regions), **options)
            progress.advance(todo, len(described))
            replies: list[Answer] = []
            for question in case.questions:
                regions = list(case.regions[: question.regions])
                replies.append(assistant.ask(case.image, question.text, regions, choices=list(question.choices)))
                progress.advance(todo)
            results.append(Result(case, tuple(described), tuple(replies)))
    return results
