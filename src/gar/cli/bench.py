"""`gar bench`: benchmarks listed, run on a system, scored, compared, and reported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from gar.cli.options import AsJson

__all__ = ["bench"]

bench = typer.Typer(
    name="bench",
    help="Benchmarks of the field, asked and scored in the same way for every system.",
    rich_markup_mode="markdown",
)

_JUDGE = "Judge"

Data: TypeAlias = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="The benchmark's folder, as published.", show_default=False),
]
JudgeModel: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--judge",
        metavar="MODEL",
        help="Have this model judge the answers, such as gpt-4o-2024-11-20.",
        rich_help_panel=_JUDGE,
        show_default=False,
    ),
]
Judging: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--judging",
        metavar="NAME",
        help="How it judges, where a benchmark has several ways (dlc-bench: text, picture).",
        rich_help_panel=_JUDGE,
        show_default=False,
    ),
]
JudgeSettings: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--judge-set",
        metavar="NAME=VALUE",
        help="A setting of the judge, such as base_url=http://localhost:8000/v1.",
        rich_help_panel=_JUDGE,
        show_default=False,
    ),
]


@bench.callback(invoke_without_command=True)
def _bench(ctx: typer.Context) -> None:
    """Says what there is where no command is named."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@bench.command("list")
def list_benchmarks(as_json: AsJson = False) -> None:
    """List the benchmarks: what each shows and asks, how it is scored, where its data is to be had."""
    from gar.benchmarks.registry import BENCHMARKS
    from gar.cli.reporting import print_json, stdout

    if as_json:
        kept = ("name", "summary", "rule", "source", "notes")
        print_json(
            [
                {**{name: getattr(one, name) for name in kept}, "judgings": list(one.judgings)}
                for one in BENCHMARKS.values()
            ]
        )
        return

    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_edge=False)
    for column in ("benchmark", "judge", "what is asked"):
        table.add_column(column, overflow="fold")
    for one in BENCHMARKS.values():
        table.add_row(one.name, ", ".join(one.judgings) or "none", one.summary)
    stdout().print(table)


@bench.command("run")
def run_benchmark(
    name: Annotated[str, typer.Argument(metavar="BENCHMARK", help="A name from `gar bench list`.")],
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="The run's folder; a begun run is continued.")],
    system: Annotated[
        str,
        typer.Option(
            "--system",
            metavar="NAME",
            help='"nano", a checkpoint, openai:MODEL, dam:PATH, file:ANSWERS, … (see the docs).',
        ),
    ] = "nano",
    data: Data = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="A setting of the system, such as style=box.", show_default=False
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, help="Ask a sample of N items.", show_default=False),
    ] = None,
    perturb: Annotated[
        list[str] | None,
        typer.Option(
            "--perturb",
            metavar="HOW",
            help="erode:N, dilate:N, shift:X,Y, box, ellipse, shuffle-background:N, blur-background:N, "
            "permute-prompts; N in pixels, or N% of the region's size.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the perturbations.")] = 0,
    cyclic: Annotated[
        bool, typer.Option("--cyclic", help="Score multiple choice in every cyclic order of the options, too.")
    ] = False,
    max_new_tokens: Annotated[
        int | None,
        typer.Option("--max-new-tokens", metavar="N", min=1, help="The longest answer.", show_default=False),
    ] = None,
) -> None:
    """Ask a system every item of a benchmark; go on where an earlier call was stopped.

    **Examples**

    `gar bench run gar-bench-vqa --system nano --data GAR-Bench/ --out runs/nano`

    `gar bench run gar-bench-vqa --data GAR-Bench/ --out runs/nano-eroded --perturb erode:10% --cyclic`

    `gar bench run dlc-bench --system openai:gpt-4o --set style=box --data DLC-Bench/ --out runs/gpt-4o`
    """
    from gar.benchmarks.perturbations import parse_perturbation
    from gar.benchmarks.registry import find_benchmark
    from gar.benchmarks.run_folder import read_records
    from gar.benchmarks.running import load_benchmark, run
    from gar.cli.reporting import say
    from gar.systems.making import make_system

    benchmark = find_benchmark(name)
    for text in perturb or ():
        parse_perturbation(text)
    loaded = load_benchmark(benchmark, data)
    for missing in loaded.missing:
        say(f"{len(missing.items)} of {len(loaded.items)} items cannot be shown: {missing.what}")
    for note in loaded.notes:
        say(f"note: {note}")
    answering = make_system(system, **_settings(settings, "--set"))
    with _Bar(f"{benchmark.name}, {answering.name}") as bar:
        run(
            benchmark,
            answering,
            loaded,
            out,
            limit=limit,
            perturbations=perturb or (),
            seed=seed,
            cyclic=cyclic,
            max_new_tokens=max_new_tokens,
            on_progress=bar.show,
        )
    say(f"answers in {out / 'answers.jsonl'}")
    records = read_records(out)
    failed = [record for record in records if record.failed]
    if failed:
        reason = next(reply["error"] for reply in failed[0].replies.values() if reply["error"] is not None)
        say(f"{len(failed)} of {len(records)} items failed, such as {failed[0].id!r}: {reason}")
        say("they count as empty answers; the same command asks them again")
    if not benchmark.judgings:
        _score_folder(out, as_json=False)


@bench.command("score")
def score(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="The folder of a run.", show_default=False)
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", metavar="FILE", help="Score this file of answers instead.", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--benchmark", metavar="NAME", help="What the file answers.", show_default=False),
    ] = None,
    verdicts: Annotated[
        Path | None,
        typer.Option("--verdicts", metavar="FILE", help="Published verdicts on the file.", show_default=False),
    ] = None,
    data: Data = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="RUN", help="Keep the file's answers as a run.", show_default=False),
    ] = None,
    judge: JudgeModel = None,
    judging: Judging = None,
    judge_settings: JudgeSettings = None,
    as_json: AsJson = False,
) -> None:
    """Score a run, or a file of answers as others published it.

    **Examples**

    `gar bench score runs/nano`

    `gar bench score runs/nano-captions --judge gpt-4o-2024-11-20`

    `gar bench score --answers gar_1b_vqa.json --benchmark gar-bench-vqa`

    `gar bench score --answers gar_1b.json --verdicts gar_1b_eval.json --benchmark dlc-bench`
    """
    from gar.errors import InputError

    if (run is None) == (answers is None):
        raise InputError("give either the folder of a run, or --answers FILE")
    if answers is not None:
        if name is None:
            raise InputError("--answers needs --benchmark NAME: what the file answers")
        _score_file(name, answers, verdicts, data, out, _judge(judge, judge_settings), judging, as_json)
        return
    assert run is not None, "one of the two is given"
    if given := [flag for flag, value in (("--benchmark", name), ("--verdicts", verdicts), ("--out", out)) if value]:
        raise InputError(f"{', '.join(given)} belong to --answers; a run's folder holds what they say")
    judging_model = _judge(judge, judge_settings)
    if judging_model is not None:
        _judge_folder(run, judging_model, judging, data)
    _score_folder(run, as_json)


@bench.command("compare")
def compare_runs(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN …", help="Folders of runs.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Set runs of one benchmark side by side, with differences to the first (paired bootstrap, common items).

    **Examples**

    `gar bench compare runs/nano runs/nano-eroded`
    """
    from gar.benchmarks.comparing import compare
    from gar.cli.bench_tables import comparison_to_json, print_comparison
    from gar.cli.reporting import print_json

    comparison = compare(runs)
    if as_json:
        print_json(comparison_to_json(comparison, runs))
    else:
        print_comparison(comparison, runs)


@bench.command("report")
def report_runs(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN …", help="Folders of runs.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The page.")] = Path("report.html"),
    data: Data = None,
    max_megabytes: Annotated[
        float, typer.Option("--max-megabytes", metavar="N", min=0, help="Of all pictures together.")
    ] = 40.0,
) -> None:
    """Write one self-contained HTML page: scores, plots, and every item with its picture, answers and verdicts.

    **Examples**

    `gar bench report runs/nano --out report.html`

    `gar bench report runs/nano runs/nano-eroded runs/gar-1b --out report.html`
    """
    from gar.benchmarks.report import write_report
    from gar.cli.reporting import say

    with _Bar("pictures") as bar:
        report = write_report(runs, out, data=data, max_megabytes=max_megabytes, on_progress=bar.show)
    for note in report.left_out:
        say(f"note: {note}")
    say(f"{report.items} items, {report.pictures} pictures, {report.size / 1e6:.1f} MB in {report.path}")


# What the commands share


def _settings(pairs: list[str] | None, flag: str) -> dict[str, Any]:
    """NAME=VALUE flags as keyword arguments; numbers, true, false and null as in JSON, the rest as text."""
    import json

    from gar.errors import InputError

    found: dict[str, Any] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"{flag} {pair!r}: needed is NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _judge(model: str | None, settings: list[str] | None) -> Any:
    """The judge; its verdicts are kept for all runs of this user, so that none is paid for twice."""
    from gar.errors import InputError

    if model is None:
        if settings:
            raise InputError("--judge-set needs --judge MODEL")
        return None
    from gar.benchmarks.judge import open_judge
    from gar.benchmarks.judge_cache import usual_cache

    return open_judge(model, **{"cache": usual_cache(), **_settings(settings, "--judge-set")})


def _judge_folder(run: Path, judge: Any, judging: str | None, data: Path | None) -> None:
    from gar.benchmarks.verdicts import judge_run

    with _Bar(f"judged by {judge.name}") as bar:
        judge_run(run, judge, judging=judging, data=data, on_progress=bar.show)


def _score_folder(run: Path, as_json: bool) -> None:
    from gar.benchmarks.results import score_run
    from gar.cli.bench_tables import print_tables

    print_tables(score_run(run), as_json=as_json)


def _score_file(
    name: str,
    answers: Path,
    verdicts: Path | None,
    data: Path | None,
    out: Path | None,
    judge: Any,
    judging: str | None,
    as_json: bool,
) -> None:
    from gar.benchmarks.given_answers import score_answers
    from gar.benchmarks.registry import find_benchmark
    from gar.cli.bench_tables import print_tables

    benchmark = find_benchmark(name)
    with _Bar("judged") as bar:
        table = score_answers(
            benchmark,
            answers,
            verdicts=verdicts,
            data=data,
            judge=judge,
            judging=judging,
            out=out,
            on_progress=bar.show,
        )
    print_tables([table], as_json=as_json)


class _Bar:
    """A progress bar on stderr that shows itself with the first news."""

    def __init__(self, title: str):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._title, self._task = title, None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._progress.stop()

    def show(self, done: int, total: int) -> None:
        """Moves the bar."""
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task(self._title, total=total)
        self._progress.update(self._task, completed=done, total=total)
