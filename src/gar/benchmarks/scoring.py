"""From marks to scores: means, 95 % intervals and paired differences.

Choices:

* intervals are percentile intervals of the bootstrap over items (Efron, 1979): items are drawn with replacement,
  and the score is computed anew from each draw, so that ratios and means of means need no formula of their own;
* the seed is fixed, so that equal marks give equal intervals on every machine;
* an item without a value (NaN) is left out of that mean only.

Shapes: n items, C marks, B resamples.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gar.benchmarks.benchmark import Benchmark, Mark, Metric, Replies
from gar.benchmarks.items import Record

__all__ = [
    "RESAMPLES",
    "Score",
    "bootstrap",
    "difference",
    "letter_floors",
    "mark_all",
    "or_null",
    "part_of",
    "score_all",
    "score_to_json",
]

RESAMPLES = 2000
_SEED = 0


@dataclass(frozen=True)
class Score:
    """One number, with what is needed to read it."""

    metric: str
    group: str | None
    """The part of the benchmark; None for all of it."""
    value: float
    low: float
    high: float
    """Bounds of the 95 % interval."""
    n: int
    """Items that it is made of."""
    percent: bool
    floors: Mapping[str, float] = field(default_factory=dict)
    unparsed: int = 0
    """Answers or verdicts that could not be read."""
    failed: int = 0
    """Items to which the system gave an error in place of an answer."""


def mark_all(
    benchmark: Benchmark, records: Sequence[Record], verdicts: Mapping[str, Replies] | None = None
) -> dict[str, Mark]:
    """The mark of each item; one that the judge was not asked about gets none where a judge is needed."""
    if verdicts is None:
        return {record.id: benchmark.mark(record, None) for record in records}
    return {record.id: benchmark.mark(record, verdicts[record.id]) for record in records if record.id in verdicts}


def score_all(benchmark: Benchmark, records: Sequence[Record], marks: Mapping[str, Mark]) -> list[Score]:
    """The scores of a benchmark: of all items, then of each group.

    Args:
        benchmark: Which.
        records: Items and answers.
        marks: The marks of those items that have one.
    """
    marked = [record for record in records if record.id in marks]
    groups = sorted({record.group for record in marked})
    parts: list[tuple[str | None, list[Record]]] = [(None, marked)]
    if len(groups) > 1:
        parts += [(group, [record for record in marked if record.group == group]) for group in groups]
    scores = [
        _score(metric, group, part, marks)
        for metric in benchmark.metrics
        for group, part in parts
        if group is None or metric.by_group
    ]
    return [score for score in scores if score is not None]


def _score(metric: Metric, group: str | None, records: Sequence[Record], marks: Mapping[str, Mark]) -> Score | None:
    own = [record for record in records if all(column in marks[record.id].values for column in metric.columns)]
    if not own:
        return None
    values = columns_of(metric, [marks[record.id] for record in own])
    counted = int((~np.isnan(values)).any(axis=1).sum())
    low, high = interval(metric, values)
    return Score(
        metric=metric.name,
        group=group,
        value=value_of(metric, values),
        low=low,
        high=high,
        n=counted,
        percent=metric.percent,
        floors=metric.floors(own),
        unparsed=sum(marks[record.id].unparsed for record in own),
        failed=sum(record.failed for record in own),
    )


def columns_of(metric: Metric, marks: Sequence[Mark]) -> NDArray[np.float64]:
    """(n, C) The marks that a metric needs."""
    return np.array([[mark.values[column] for column in metric.columns] for mark in marks], np.float64)


def value_of(metric: Metric, values: NDArray[np.float64]) -> float:
    """The score of marks (n, C), means taken by exact summation."""
    means: dict[str, NDArray[np.float64]] = {}
    for column, row in zip(metric.columns, values.T, strict=True):
        known = [float(value) for value in row if not math.isnan(value)]
        means[column] = np.asarray(math.fsum(known) / len(known) if known else math.nan)
    return float(metric.value(means))


def bootstrap(metric: Metric, values: NDArray[np.float64], resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """(B,) The score of each of B draws of n items with replacement.

    Args:
        metric: From means to the score.
        values: (n, C) marks.
        resamples: B.
    """
    n = len(values)
    rng = np.random.default_rng(_SEED)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)  # (B, n) how often each was drawn
    known = ~np.isnan(values)
    sums = drawn @ np.where(known, values, 0.0)  # (B, C)
    counts = drawn @ known.astype(np.float64)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return metric.value(dict(zip(metric.columns, means.T, strict=True)))


def interval(metric: Metric, values: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % interval of the score of marks (n, C)."""
    return _middle(bootstrap(metric, values))


def difference(metric: Metric, ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> tuple[float, float, float]:
    """The difference `ours - theirs` of two scores over the same items, with its 95 % interval.

    The same items are drawn for both, so that what is hard for both cancels out.

    Args:
        metric: The score.
        ours: (n, C) marks of one system.
        theirs: (n, C) marks of the other, item for item.
    """
    low, high = _middle(bootstrap(metric, ours) - bootstrap(metric, theirs))
    return value_of(metric, ours) - value_of(metric, theirs), low, high


def _middle(drawn: NDArray[np.float64]) -> tuple[float, float]:
    """Where the middle 95 % of resamples begin and end; NaN where none has a score."""
    low, high = np.nanpercentile(drawn, [2.5, 97.5]) if not np.isnan(drawn).all() else (np.nan, np.nan)
    return float(low), float(high)


def letter_floors(records: Sequence[Record]) -> dict[str, float]:
    """What multiple choice gives to a system that does not look.

    Returns:
        `uniform`: any option as likely as any other. `best letter`: always the letter that is right most often.
        `best letter per group`, where there are several groups.
    """
    asked = [record for record in records if record.options]
    if not asked:
        return {}
    floors = {
        "uniform": math.fsum(1 / len(record.options) for record in asked) / len(asked),
        "best letter": _most_common(asked) / len(asked),
    }
    groups = {record.group for record in asked}
    if len(groups) > 1:
        best = sum(_most_common([record for record in asked if record.group == group]) for group in groups)
        floors["best letter per group"] = best / len(asked)
    return floors


def _most_common(records: Sequence[Record]) -> int:
    return max(Counter(str(record.facts["answer"]) for record in records).values())


def part_of(group: str | None) -> str:
    """The part that a score is of as it is read: `all`, or a group's name, which may be empty.

    Example:
        >>> part_of(None), part_of("color"), part_of("")
        ('all', 'color', '–')
    """
    return "all" if group is None else group or "–"


def score_to_json(score: Score) -> dict[str, Any]:
    """A score as JSON values; NaN, which JSON lacks, as null."""
    plain = {**vars(score), "floors": dict(score.floors)}
    return {name: or_null(one) if isinstance(one, float) else one for name, one in plain.items()}


def or_null(value: float | None) -> float | None:
    """A number for JSON, which has no NaN."""
    return None if value is None or math.isnan(value) else value
