"""Holds our model against golden data of the published code, number for number.

    python tests/golden/check.py FOLDER

FOLDER holds what the published code gave: model folders with samples, `preproc/`, `images/`, `roi_align/`; whatever of
them is there is compared. This data is not part of the repository. Prints the largest deviation for each sample and
kind of quantity. Exit 0: all within the tolerances; 1: something is outside; 2: the data is missing or cannot be read.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import golden_data
from golden_deviation import Deviation
from golden_outputs import compare_roi_align, compare_rope, compare_sample
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from transformers.utils import logging

from gar import GARError, GARForConditionalGeneration

COLUMNS = (
    *("pixels", "masks", "boxes", "text", "ids"),
    *("vision", "features", "RoI", "embeds", "logits", "generated", "buggy"),
    *("loss", "gradients"),
)
"""The groups of `golden_deviation.Deviation`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares a folder and prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="golden data")
    root = parser.parse_args(arguments).folder
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        return _report(root)
    except (golden_data.GoldenDataError, GARError, OSError, KeyError, ValueError) as error:
        reason = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        print(f"check.py: {' '.join(reason.split())}", file=sys.stderr)
        return 2


def _report(root: Path) -> int:
    console = Console(width=None if sys.stdout.isatty() else 180)
    outside = compared = 0
    notes: list[str] = []
    for title, rows in _tables(root):
        present = {deviation.group for _, deviations in rows for deviation in deviations}
        columns = [column for column in COLUMNS if column in present]
        table = Table("sample", *columns, title=title, title_justify="left")
        for name, deviations in rows:
            table.add_row(name, *(_cell([d for d in deviations if d.group == column]) for column in columns))
            compared += len(deviations)
            for deviation in deviations:
                if not deviation.is_fine:
                    outside += 1
                    text = f"{deviation.largest:.3g} where {deviation.allowed:.3g} is allowed"
                    notes.append(f"[red]outside[/red] {title}/{name}: {deviation.quantity}: {text}")
                if deviation.note:
                    notes.append(f"{title}/{name}: {deviation.quantity}: {deviation.note}")
        console.print(table)
    for note in notes:
        console.print(note, highlight=False)
    console.print(f"{compared} quantities compared, {outside} outside their tolerance", highlight=False)
    return 1 if outside else 0


def _tables(root: Path) -> Iterator[tuple[str, list[tuple[str, list[Deviation]]]]]:
    """A title and rows (name, deviations) for each model folder, and for the RoIAlign cases."""
    if not root.is_dir():
        raise golden_data.GoldenDataError(f"no folder {root}")
    folders = golden_data.model_folders(root)
    cases = compare_roi_align(root)
    if not folders and not cases:
        raise golden_data.GoldenDataError(f"{root} holds no model folder (config.json and samples/) and no roi_align/")
    for folder in folders:
        tokenizer = golden_data.shared_tokenizer()
        model = GARForConditionalGeneration.from_pretrained(folder, dtype="float32").eval()
        rows = [("rotary tables", rope)] if (rope := compare_rope(model, folder)) else []
        with Progress(transient=True, disable=not sys.stderr.isatty(), console=Console(stderr=True)) as progress:
            tracked = progress.track(golden_data.samples(root, folder), description=folder.name)
            rows.extend((sample.name, compare_sample(model, tokenizer, sample)) for sample in tracked)
        yield folder.name, rows
    if cases:
        yield "roi_align", [(f"{len(cases)} values and gradients", cases)]


def _cell(deviations: list[Deviation]) -> str:
    if not deviations:
        return ""
    worst = max(deviations, key=lambda d: (not d.is_fine, d.largest))
    text = "0" if worst.largest == 0 else f"{worst.largest:.1e}"
    return text if worst.is_fine else f"[bold red]{text}[/]"


if __name__ == "__main__":
    sys.exit(main())
