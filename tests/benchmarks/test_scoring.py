"""Means, intervals and paired differences."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from gar.benchmarks.benchmark import Metric, mean_of
from gar.benchmarks.comparing import Compared, Comparison
from gar.benchmarks.items import Record
from gar.benchmarks.pair_rating import RATIO
from gar.benchmarks.results import Table
from gar.benchmarks.scoring import Score, bootstrap, difference, interval, letter_floors, value_of
from gar.cli.bench_tables import comparison_to_json

MEAN = Metric("mean", ("right",), mean_of("right"))


def column(values):
    return np.array(values, np.float64)[:, None]


def test_the_interval_of_a_proportion_is_that_of_the_normal_law_when_there_are_many_items():
    values = column([1.0] * 240 + [0.0] * 160)
    low, high = interval(MEAN, values)
    half = 1.96 * math.sqrt(0.6 * 0.4 / 400)
    assert (low, high) == pytest.approx((0.6 - half, 0.6 + half), abs=0.006)


def test_the_interval_is_the_same_every_time():
    values = column(np.random.default_rng(3).random(50))
    assert interval(MEAN, values) == interval(MEAN, values)


def test_about_95_of_100_intervals_hold_the_true_value():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        low, high = interval(MEAN, column(rng.random(80) < 0.4))
        held += low <= 0.4 <= high
    assert 53 <= held <= 60


def test_items_without_a_value_are_left_out():
    values = column([1.0, math.nan, 0.0, math.nan])
    assert value_of(MEAN, values) == 0.5
    assert np.nanmean(bootstrap(MEAN, values)) == pytest.approx(0.5, abs=0.02)


def test_a_ratio_is_of_means_not_a_mean_of_ratios():
    values = np.array([[8.0, 4.0], [4.0, 4.0]])
    assert value_of(RATIO, values) == pytest.approx(8 / 12)


def test_a_paired_difference_is_narrower_than_the_two_intervals():
    rng = np.random.default_rng(1)
    easy = rng.random(300)
    ours, theirs = column(easy < 0.55), column(easy < 0.5)  # right on the same items and some more
    change, low, high = difference(MEAN, ours, theirs)
    assert change == pytest.approx(value_of(MEAN, ours) - value_of(MEAN, theirs))
    assert 0 < low < change < high
    assert high - low < 0.5 * (interval(MEAN, ours)[1] - interval(MEAN, ours)[0])


def test_no_difference_to_oneself():
    values = column([1, 0, 1, 1])
    assert difference(MEAN, values, values) == (0.0, 0.0, 0.0)


def test_a_difference_to_what_has_no_score_is_none_that_json_knows():
    none = column([math.nan, math.nan])
    assert all(math.isnan(one) for one in difference(MEAN, column([1, 0]), none))
    score = Score("mean", None, math.nan, math.nan, math.nan, 0, True)
    comparison = Comparison(
        [Table("b", "s", None, [], {}, [])], [("mean", None, [Compared(score, math.nan, math.nan, math.nan)])], 2
    )
    told = comparison_to_json(comparison, [Path("run")])
    assert json.loads(json.dumps(told, allow_nan=False))["rows"][0]["runs"][0]["difference"] is None


def test_the_best_letter_per_group_is_no_worse_than_the_best_letter():
    answers = [("x", "A"), ("x", "A"), ("y", "B"), ("y", "B"), ("y", "C")]
    records = [Record(str(k), group, {"answer": letter}, ("1", "2", "3")) for k, (group, letter) in enumerate(answers)]
    assert letter_floors(records) == {
        "uniform": pytest.approx(1 / 3),
        "best letter": 2 / 5,
        "best letter per group": 4 / 5,
    }
