"""One self-contained HTML page about runs: scores, plots, and every item with its picture, answers and verdicts.

    write_report([Path("runs/nano"), Path("runs/gar-1b")], Path("report.html"))

Choices:

* the page needs no other file and no network, and its policy forbids both: pictures, plots, style and script are in it;
* whatever comes from systems, judges and data is escaped, or is JSON that the script shows as text only;
* runs of one benchmark and its data are shown together, item by item; runs that were shown the same share a picture;
* the page has a largest size. Pictures of answers that are not right come first, and what was left out is said;
* it is written whole or not at all.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from gar import __version__
from gar.benchmarks.comparing import Comparison, compare
from gar.benchmarks.report_items import Entry, entries_of, entry_to_json
from gar.benchmarks.report_pictures import Picture, draw_picture, find_items
from gar.benchmarks.report_plots import Plot, draw_plots
from gar.benchmarks.report_runs import FLAGS, Reported, read_reported
from gar.benchmarks.scoring import Score, part_of
from gar.drawing import PROMPT_COLORS, prompt_color, text_color
from gar.errors import GARError, InputError
from gar.files import write_whole

__all__ = ["MAX_MEGABYTES", "Report", "write_report"]

MAX_MEGABYTES = 40.0
"""Of all pictures in a page: 424 pictures have about 20."""


@dataclass(frozen=True)
class Report:
    """What was written."""

    path: Path
    items: int
    pictures: int
    left_out: tuple[str, ...]
    """Why pictures are missing."""
    size: int
    """Bytes."""


@dataclass(frozen=True)
class _Subject:
    """Runs of one benchmark and its data."""

    runs: Sequence[Reported]
    numbers: Sequence[int]
    """Of the runs in the page."""
    plots: Sequence[Plot]
    comparison: Comparison | None
    not_compared: str | None
    """Why there is no comparison, where there could be one."""

    @property
    def overall(self) -> list[tuple[tuple[str, str], Score]]:
        """The scores of all items, each with its run and metric."""
        scores = [(run.label, score) for run in self.runs for score in run.table.scores if score.group is None]
        return [((label, score.metric), score) for label, score in scores]


def write_report(
    folders: Sequence[Path],
    out: Path,
    *,
    data: Path | None = None,
    max_megabytes: float = MAX_MEGABYTES,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Writes a page about runs.

    Args:
        folders: Of runs, of one benchmark or of several.
        out: The HTML file; one that exists is replaced.
        data: The benchmarks' folder, if it is no longer where it was when the runs were begun.
        max_megabytes: Of the pictures together; 0 for none.
        on_progress: Called with pictures drawn and in all.

    Raises:
        InputError: There is no run, one of the folders is no run or is damaged, or `out` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    if not out.parent.is_dir() or out.is_dir():
        raise InputError(f"{out} cannot be written: needed is a file's name in a folder that exists")
    if not max_megabytes >= 0:
        raise InputError(f"pictures may have {max_megabytes} MB together; needed is 0 or more")
    runs = read_reported(folders)
    subjects = _subjects(runs)
    entries = [entry for number, one in enumerate(subjects) for entry in entries_of(one.runs, number, one.numbers)]
    pictures, places, left_out = _pictures(subjects, entries, data, int(1e6 * max_megabytes), on_progress)
    content = {
        "runs": [{"label": run.label, "system": run.table.system} for run in runs],
        "subjects": [one.runs[0].benchmark.name for one in subjects],
        "flags": [flag for flag in (*FLAGS, "differ") if any(flag in entry.flags for entry in entries)],
        "colors": [[_css(prompt_color(k)), _css(text_color(prompt_color(k)))] for k in range(len(PROMPT_COLORS))],
        "items": [entry_to_json(entry, places) for entry in entries],
        "pictures": [[one.url, one.width, one.height] for one in pictures],
    }
    page = _render(subjects, runs, content, left_out)
    write_whole(out, page)
    return Report(out, len(entries), len(pictures), tuple(left_out), out.stat().st_size)


def _subjects(runs: Sequence[Reported]) -> list[_Subject]:
    together: dict[object, list[int]] = {}
    for number, run in enumerate(runs):
        together.setdefault(run.subject, []).append(number)
    subjects: list[_Subject] = []
    for place, numbers in enumerate(together.values()):
        own = [runs[number] for number in numbers]
        comparison, problem = _compared(own)
        subjects.append(_Subject(own, numbers, draw_plots(own, f"plot{place}"), comparison, problem))
    return subjects


def _compared(runs: Sequence[Reported]) -> tuple[Comparison | None, str | None]:
    folders = list(dict.fromkeys(run.folder for run in runs))
    if len(folders) < 2:
        return None, None
    try:
        return compare(folders), None
    except InputError as error:
        return None, str(error)


# Pictures


def _pictures(
    subjects: Sequence[_Subject],
    entries: Sequence[Entry],
    data: Path | None,
    most: int,
    on_progress: Callable[[int, int], None],
) -> tuple[list[Picture], dict[int, int], list[str]]:
    """Draws as many pictures as fit.

    Returns:
        The pictures, the number of each view's picture by the view's `id`, and what is left out and why.
    """
    found = [find_items(one.runs[0].manifest, data) for one in subjects]
    left_out = [
        f"{one.runs[0].benchmark.name}: no pictures, for {problem}"
        for one, (_, problem) in zip(subjects, found, strict=True)
        if problem is not None
    ]
    # what went wrong is looked at first
    ordered = sorted(entries, key=lambda entry: entry.flags == ["right"])
    wanted = [
        (items[entry.name], view)
        for entry in ordered
        for items in (found[entry.subject][0],)
        for view in entry.views
        if entry.name in items
    ]
    pictures: list[Picture] = []
    places: dict[int, int] = {}
    size, broken, beyond = 0, [], 0
    for number, (item, view) in enumerate(wanted, 1):
        if not beyond:
            try:
                picture = draw_picture(item, view.record, view.shows)
            except GARError as error:
                broken.append(f"{item.id} ({error})")
            else:
                size += len(picture.url)
                beyond += size > most
                if not beyond:
                    places[id(view)] = len(pictures)
                    pictures.append(picture)
        else:
            beyond += 1
        on_progress(number, len(wanted))
    if beyond:
        left_out.append(
            f"{beyond} of {len(wanted)} pictures are left out, since all together may have {most / 1e6:g} MB; "
            "those of answers that are not right come first"
        )
    if broken:
        listed = "; ".join(broken[:3]) + ("; …" if len(broken) > 3 else "")
        left_out.append(f"{len(broken)} pictures cannot be drawn: {listed}")
    return pictures, places, left_out


def _css(color: tuple[int, int, int]) -> str:
    return f"rgb({color[0]}, {color[1]}, {color[2]})"


# The page


def _render(
    subjects: Sequence[_Subject], runs: Sequence[Reported], content: Mapping[str, Any], left_out: Sequence[str]
) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": _number, "compared": _difference, "part": part_of, "plain": _plain}
    folder = files("gar.benchmarks")
    style, script = ((folder / name).read_text("utf-8") for name in ("report.css", "report.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return environment.from_string((folder / "report.html.j2").read_text("utf-8")).render(
        title=", ".join(dict.fromkeys(run.label for run in runs)),
        subjects=subjects,
        content=content,
        left_out=left_out,
        style=Markup(style),  # both are ours
        script=Markup(script),
        script_digest=digest,
        version=__version__,
    )


def _number(value: float, score: Score) -> str:
    return f"{100 * value:.2f}" if score.percent else f"{value:.4f}"


def _difference(entry: Any) -> str:
    """The difference to the first run with its interval; empty for the first."""
    if entry.difference is None or entry.low is None or entry.high is None:
        return ""
    scale, digits = (100, 2) if entry.score.percent else (1, 4)
    change, low, high = (f"{scale * value:+.{digits}f}" for value in (entry.difference, entry.low, entry.high))
    return f"{change} ({low} to {high})"


def _plain(value: Any) -> str:
    """A setting as a person reads it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
