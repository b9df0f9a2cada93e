"""What a benchmark declares: where its items come from, how an answer is marked, how marks are pooled.

A benchmark is a value of plain functions:

    load(data)                     items that can be shown, and what is missing
    judgings[name].requests(...)   what a judge is asked about an answer, for benchmarks that need one
    mark(record, verdicts)         numbers of one item, such as {"exact": 1.0} or {"pos": 0.6, "neg": 1.0}
    metrics                        scores as functions of the mean marks

Every published score of these benchmarks is a function of mean marks, so intervals and paired differences
are the same few lines for all (`gar.benchmarks.scoring`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gar.benchmarks.items import Item, Loaded, Record
from gar.benchmarks.judge import JudgeRequest
from gar.benchmarks.reading import Shape

__all__ = ["Benchmark", "Cached", "Judging", "Mark", "Metric", "Replies", "View"]

Means = Mapping[str, NDArray[np.float64]]
"""The mean of each mark, over items; arrays of one value for each resample."""
Replies = Sequence[str | None]
"""A judge's replies to the requests about one item, None where it gave none."""


@dataclass(frozen=True)
class View:
    """A picture and its regions, read."""

    image: Image.Image
    masks: tuple[NDArray[np.bool_], ...]
    """(H, W) each, in the order of the prompts."""


@dataclass(frozen=True)
class Mark:
    """What one item contributes."""

    values: Mapping[str, float]
    """By name; NaN leaves the item out of that mean, as some published rules do."""
    unparsed: int = 0
    """Answers or verdicts of the item that could not be read."""


@dataclass(frozen=True)
class Metric:
    """A score."""

    name: str
    columns: tuple[str, ...]
    """The marks that it needs; without them it is left out."""
    value: Callable[[Means], NDArray[np.float64]]
    """From mean marks to the score."""
    percent: bool = True
    """Whether it is shown times 100."""
    by_group: bool = True
    """Whether each group gets one, too."""
    floors: Callable[[Sequence[Record]], Mapping[str, float]] = field(default=lambda records: {})
    """What systems reach that see nothing, on these items."""


@dataclass(frozen=True)
class Judging:
    """One way in which a judge grades a benchmark."""

    requests: Callable[[Record, View | None], list[JudgeRequest]]
    """All that is asked about one answer."""
    sees_pictures: bool
    """Whether `requests` needs the picture; always as published, whatever the system was shown."""
    published: str
    """The judge and settings of the published scores."""
    wording: str
    """Where the words of the requests come from."""


@dataclass(frozen=True)
class Cached:
    """Answers, and perhaps verdicts, read from files that others wrote."""

    records: tuple[Record, ...]
    verdicts: Mapping[str, Replies] | None = None
    """By item."""
    judging: str | None = None
    """Which of the benchmark's judgings the verdicts are of."""


@dataclass(frozen=True)
class Benchmark:
    """A benchmark; `gar.benchmarks.registry` holds them all."""

    name: str
    summary: str
    """What is shown and asked, in a line."""
    rule: str
    """How an answer is scored, in a line."""
    source: str
    """Where the data is to be had."""
    load: Callable[[Path | None], Loaded]
    """Reads the items from a folder."""
    mark: Callable[[Record, Replies | None], Mark]
    metrics: tuple[Metric, ...]
    read_cache: Callable[[Any, Any, Mapping[str, Item] | None], Cached]
    """From published files of answers and verdicts (None if not given) as JSON values, and the items if the data
    was given, to records."""
    facts: Shape = dict
    """What an item's facts must be (`gar.benchmarks.reading.Shape`), for they are read from runs' folders."""
    judgings: Mapping[str, Judging] = field(default_factory=dict)
    """By name, the usual one first; none where no judge is needed."""
    notes: tuple[str, ...] = ()
    """What the reader of a score should know."""
    needs_data: bool = True
    """Whether `load` needs a folder."""


def mean_of(column: str) -> Callable[[Means], NDArray[np.float64]]:
    """A score that is the mean of one mark."""
    return lambda means: means[column]
