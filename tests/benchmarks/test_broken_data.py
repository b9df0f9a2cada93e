"""Whatever stands in a file of answers or verdicts, it is scored or refused with an error of ours."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gar.benchmarks.registry import BENCHMARKS
from gar.benchmarks.results import table
from gar.benchmarks.verdicts import Judged
from gar.errors import GARError

KEYS = ["0", "item", "text", "caption", "model_output", "eval_result", "question", "choices", "answer", "type", "pred"]
SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=4) | st.sampled_from(["A", "A. x"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)
JUDGED = {
    "gar-bench-simple": (
        "gar-bench/model_outputs/gar_1b_simple.json",
        "gar-bench/model_outputs/gar_1b_simple_eval.json",
    ),
    "dlc-bench": ("dlc-bench/model_outputs/gar_1b.json", "dlc-bench/model_outputs/gar_1b_eval.json"),
    "ferret-bench": (
        "ferret-bench/model_outputs/gar_1b.json",
        "ferret-bench/gpt4_result/gar_1b/review_refer_desc.jsonl",
    ),
}


def score(benchmark, answers, verdicts):
    try:
        cached = benchmark.read_cache(answers, verdicts, None)
        judged = cached.verdicts and Judged(cached.judging, {"name": "x", "settings": {}}, cached.verdicts)
        return table(benchmark, "x", cached.records, judged)
    except GARError:
        return None


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if name != "graspworld"])
@settings(max_examples=60, deadline=None)
@given(answers=VALUES, verdicts=VALUES)
def test_any_json_is_scored_or_refused(name, answers, verdicts):
    score(BENCHMARKS[name], answers, verdicts)


@pytest.mark.parametrize("name", JUDGED)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_published_files_with_one_value_changed_are_scored_or_refused(name, shared, data):
    def read(path):
        text = (shared / "bench" / path).read_text()
        if path.endswith("l"):
            return [json.loads(line) for line in text.splitlines()[:3]]
        told = json.loads(text)
        return told[:3] if isinstance(told, list) else dict(list(told.items())[:3])

    answers, verdicts = (read(path) for path in JUDGED[name])
    if isinstance(answers, dict):  # the verdicts stand in another order
        answers = {key: entry["pred"] for key, entry in verdicts.items()}
    assert score(BENCHMARKS[name], answers, verdicts) is not None
    changed = copy.deepcopy(verdicts if data.draw(st.booleans()) else answers)
    place, depth = changed, data.draw(st.integers(0, 5))
    for _ in range(depth):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        inner = place[data.draw(st.sampled_from(keys))]
        if not isinstance(inner, (dict, list)) or not inner:
            break
        place = inner
    key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
    place[key] = data.draw(VALUES)
    score(BENCHMARKS[name], changed, verdicts)
    score(BENCHMARKS[name], answers, changed)
