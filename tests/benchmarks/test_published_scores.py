"""The published answers give the published scores, at full precision."""

import json

import pytest

from gar.benchmarks.given_answers import score_answers
from gar.benchmarks.registry import find_benchmark

GAR = "gar-bench/model_outputs"
DLC = "dlc-bench/model_outputs"
DAM = "dlc-bench/model_outputs_dam"


@pytest.fixture(scope="module")
def bench(shared):
    return shared / "bench"


@pytest.fixture(scope="module")
def expected(bench):
    return json.loads((bench / "expected_scores_1b.json").read_text())


def scores(bench, name, answers, verdicts=None):
    found = score_answers(find_benchmark(name), bench / answers, verdicts=verdicts and bench / verdicts)
    return {(score.metric, score.group): score for score in found.scores}, found


def same(value):
    return pytest.approx(value, rel=1e-14, abs=0)  # the order of summation may move the last bit


def test_vqa_is_203_of_424_and_each_type_is_as_published(bench, expected):
    found, _ = scores(bench, "gar-bench-vqa", f"{GAR}/gar_1b_vqa.json")
    published = expected["recomputed_from_cache"]["gar_bench_vqa"]
    assert found["exact match", None].value == published["overall"][2] == 203 / 424
    assert found["exact match", None].n == 424
    for group, (right, n, share) in published["by_type"].items():
        assert found["exact match", group].value == share == right / n
        assert found["exact match", group].n == n


def test_vqa_floors_are_uniform_guess_and_best_letter(bench):
    found, _ = scores(bench, "gar-bench-vqa", f"{GAR}/gar_1b_vqa.json")
    floors = found["exact match", None].floors
    assert round(100 * floors["uniform"], 2) == 25.71
    assert round(100 * floors["best letter"], 2) == 30.90
    assert round(100 * floors["best letter per group"], 2) == 37.03
    best = {group: round(100 * score.floors["best letter"], 2) for (_, group), score in found.items() if group}
    assert best == {
        "color": 42.03,
        "material": 36.11,
        "shape": 31.25,
        "texture/pattern": 34.48,
        "mirror": 32.79,
        "ordering": 51.56,
        "relation": 31.68,
    }
    assert round(100 * found["exact match", "mirror"].floors["uniform"], 2) == 29.92


@pytest.mark.parametrize(("name", "right"), [("simple", 54), ("detailed", 71)])
def test_captions_of_gar_bench_are_as_published(bench, expected, name, right):
    found, table = scores(bench, f"gar-bench-{name}", f"{GAR}/gar_1b_{name}.json", f"{GAR}/gar_1b_{name}_eval.json")
    score = found["accuracy", None]
    told = expected["recomputed_from_cache"][f"gar_bench_caption_{name}"]
    assert [round(score.value * score.n), score.n, score.value] == told
    assert told[0] == right
    assert table.judge == f"as in gar_1b_{name}_eval.json (picture)"


@pytest.mark.parametrize(
    ("answers", "verdicts", "judging", "key"),
    [
        (f"{DLC}/gar_1b.json", f"{DLC}/gar_1b_eval.json", "text", "dlc_llama31_8b_text"),
        (f"{DLC}/gar_1b.json", f"{DLC}/gar_1b_eval_gpt.json", "picture", "dlc_gpt4o_with_images"),
        (f"{DAM}/dam_3b_v1.json", f"{DAM}/dam_3b_v1_eval.json", "text", None),
    ],
)
def test_dlc_bench_is_as_published(bench, expected, answers, verdicts, judging, key):
    found, table = scores(bench, "dlc-bench", answers, verdicts)
    told = expected["dam_3b_v1_dlc_llama"] if key is None else expected["recomputed_from_cache"][key]
    assert found["positive", None].value == same(told["pos"])
    assert found["negative", None].value == same(told["neg"])
    assert found["average", None].value == same(told["avg"])
    assert found["average", None].n == 100
    assert found["average", None].floors == {"names the class, says nothing else": 0.5}
    assert table.judged.judging == judging


def test_ferret_bench_is_as_published(bench, expected):
    verdicts = "ferret-bench/gpt4_result/gar_1b/review_refer_desc.jsonl"
    found, table = scores(bench, "ferret-bench", "ferret-bench/model_outputs/gar_1b.json", verdicts)
    told = expected["recomputed_from_cache"]["ferret_refer_desc"]
    score = found["relative to the reference", None]
    assert 100 * score.value == same(told["score"])
    assert score.n == told["n"]
    means = {name: sum(mark.values[name] for mark in table.marks.values()) / 40 for name in ("reference", "system")}
    assert means == {"reference": told["mean_reference"], "system": told["mean_model"]}


def test_no_published_answer_is_unparsed_or_failed(bench):
    for name, answers, verdicts in (
        ("gar-bench-vqa", f"{GAR}/gar_1b_vqa.json", None),
        ("dlc-bench", f"{DLC}/gar_1b.json", f"{DLC}/gar_1b_eval.json"),
    ):
        found, _ = scores(bench, name, answers, verdicts)
        assert {(score.unparsed, score.failed) for score in found.values()} == {(0, 0)}


def test_published_answers_with_their_data_become_a_run(bench, tmp_path):
    score_answers(
        find_benchmark("ferret-bench"),
        bench / "ferret-bench/model_outputs/gar_1b.json",
        verdicts=bench / "ferret-bench/gpt4_result/gar_1b/review_refer_desc.jsonl",
        data=bench,
        out=tmp_path / "run",
    )
    told = json.loads((tmp_path / "run/scores.json").read_text())["tables"][0]
    assert 100 * told["scores"][0]["value"] == same(55.98591549295775)
    lines = [json.loads(line) for line in (tmp_path / "run/answers.jsonl").read_text().splitlines()]
    assert len(lines) == 40
    assert all(line["regions"] and line["size"] for line in lines)
