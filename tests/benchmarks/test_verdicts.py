"""What judges are asked, how their replies are read, and how verdicts are kept."""

import base64
import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from gar.benchmarks.benchmark import View
from gar.benchmarks.dlc_answers import match_option
from gar.benchmarks.given_answers import score_answers
from gar.benchmarks.items import Record, given
from gar.benchmarks.messages import crop_box
from gar.benchmarks.pair_rating import read_pair
from gar.benchmarks.registry import find_benchmark
from gar.benchmarks.results import score_run
from gar.benchmarks.running import load_benchmark, run, view_of
from gar.benchmarks.verdicts import judge_records, judge_run
from gar.benchmarks.videorefer_bench import read_points
from gar.errors import GARError, InputError

DLC = find_benchmark("dlc-bench")
OPTIONS = ["The tail is red.", "The tail is not mentioned.", "The tail"]


def pictures_of(messages):
    urls = [part["image_url"]["url"] for part in messages[0]["content"] if part["type"] == "image_url"]
    return [Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,")))) for url in urls]


def text_of(messages):
    content = messages[0]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


# DLC-Bench


@pytest.mark.parametrize(
    ("answers", "verdicts", "judging"),
    [
        ("model_outputs/gar_1b", "model_outputs/gar_1b_eval", "text"),
        ("model_outputs/gar_1b", "model_outputs/gar_1b_eval_gpt", "picture"),
        ("model_outputs_dam/dam_3b_v1", "model_outputs_dam/dam_3b_v1_eval", "text"),
    ],
)
def test_dlc_prompts_are_the_published_ones_to_the_letter(shared, answers, verdicts, judging):
    folder = shared / "bench/dlc-bench"
    captions = json.loads((folder / f"{answers}.json").read_text())
    told = json.loads((folder / f"{verdicts}.json").read_text())
    view = View(Image.new("RGB", (80, 80)), (np.ones((80, 80), bool),))
    for item in load_benchmark(DLC, folder).items:
        record = Record(item.id, "", item.facts, replies=given(captions[item.id]))
        requests = DLC.judgings[judging].requests(record, view)
        assert [text_of(request.messages) for request in requests] == told[item.id]["prompt"]
        assert {(request.temperature, request.max_tokens) for request in requests} == {(0.0, 300)}


def test_dlc_replies_are_read_as_published(shared):
    told = json.loads((shared / "bench/dlc-bench/model_outputs/gar_1b_eval.json").read_text())
    seen = 0
    for entry in told.values():
        if isinstance(entry, dict):
            for detail in entry["details_positives"] + entry["details_negatives"]:
                options = [option for option, _ in detail["choices"]]
                assert match_option(detail["pred_answer"], options) == detail["pred_index"]
                seen += 1
    assert seen == 892


@pytest.mark.parametrize(
    ("reply", "option"),
    [
        ("b", 1),
        (" B. The tail is not mentioned.\n", 1),
        ("THE TAIL IS RED.", 0),
        ("I think the tail is red.", 0),
        ("b. something else", 1),
        ("Not 'The tail is red.' but 'The tail is not mentioned.'", 1),
        ("mentioned", 1),
        ("A\nbecause it is", 0),
        ("C", 2),
        ("D", 1),  # the fifth rule finds the letter inside an option
        ("9", None),
        ("neither", None),
        ("", None),
    ],
)
def test_a_reply_of_the_judge_means_an_option(reply, option):
    assert match_option(reply, OPTIONS) == option


def test_without_recognition_no_score_is_above_0():
    questions = [
        {"question": "?", "options": ["yes", "no"], "scores": [1.0, -1.0], "positive": True},
        {"question": "?", "options": ["yes", "no"], "scores": [1.0, -1.0], "positive": False},
    ]
    record = Record("0", "", {"class": "cup", "questions": questions}, replies=given("a cup"))
    assert DLC.mark(record, ["Yes", "A", "A"]).values == {"pos": 1.0, "neg": 1.0, "recognized": 1.0}
    assert DLC.mark(record, ["No", "A", "B"]).values == {"pos": 0.0, "neg": -1.0, "recognized": 0.0}
    assert DLC.mark(record, ["Yes", None, "what?"]).unparsed == 2


# Crops and pictures


def test_the_crop_is_three_boxes_wide_and_small_regions_are_grown_first():
    mask = np.zeros((400, 500), bool)
    mask[200:210, 300:304] = True  # 4 x 10, grown to 56 x 56 around (302, 205)
    assert crop_box(mask) == (274 - 56, 177 - 56, 274 + 112, 177 + 112)
    assert crop_box(np.ones((30, 40), bool)) == (0, 0, 40, 30)


def test_the_judge_of_gar_bench_sees_the_picture_then_crop_and_mask_of_each_region(shared):
    benchmark = find_benchmark("gar-bench-simple")
    item = load_benchmark(benchmark, shared / "bench").items[0]
    record = Record(item.id, "", item.facts, question=item.question, replies=given("<Prompt1> is on <Prompt0>."))
    view = view_of(item.shown.read(), item.regions)
    (request,) = benchmark.judgings["picture"].requests(record, view)
    whole, *parts = pictures_of(request.messages)
    assert whole.size == view.image.size
    assert len(parts) == 2 * len(item.regions)
    assert {value for part in parts[1::2] for value in np.unique(np.asarray(part))} == {0, 255}
    assert all(crop.size == mask.size for crop, mask in zip(parts[::2], parts[1::2], strict=True))
    said = text_of(request.messages)
    assert item.facts["answer"] in said
    assert record.text in said
    assert item.question not in said
    assert (request.max_tokens, request.top_p) == (1000, 1.0)


@pytest.mark.parametrize(
    ("verdict", "value", "unparsed"), [("True", 1, 0), ("False", 0, 0), ("True.", 0, 1), (None, 0, 1)]
)
def test_only_true_itself_counts_on_gar_bench(verdict, value, unparsed):
    mark = find_benchmark("gar-bench-simple").mark(Record("0", "", {}, replies=given("x")), [verdict])
    assert (mark.values["true"], mark.unparsed) == (value, unparsed)


def test_the_judge_of_ferret_bench_reads_what_the_data_says(shared):
    benchmark = find_benchmark("ferret-bench")
    item = load_benchmark(benchmark, shared / "bench").items[0]
    record = Record(item.id, "", item.facts, replies=given("A sign [0.1, 0.2] with text."))
    (request,) = benchmark.judgings["text"].requests(record, None)
    said = text_of(request.messages)
    for part in ("context", "question", "reference", "prompt"):
        assert item.facts[part] in said
    assert "A sign  with text." in said
    assert said.index("[Context]") < said.index("[Question]") < said.index("[Assistant 1]") < said.index("[System]")


def test_the_judge_of_mdvp_bench_sees_each_region_with_its_own_picture(shared):
    benchmark = find_benchmark("mdvp-bench")
    item = load_benchmark(benchmark, shared / "bench").items[9]
    boxes = item.facts["boxes"]
    width, height = max(box[2] for box in boxes), max(box[3] for box in boxes)
    view = View(Image.new("RGB", (width, height), (200, 200, 200)), ())
    (request,) = benchmark.judgings["picture"].requests(Record("9", "", item.facts, replies=given("x")), view)
    (shown,) = pictures_of(request.messages)
    assert shown.size == (width, height)
    colors = {color for _, color in shown.getcolors(1 << 16)}
    assert (160, 160, 160) in colors  # darkened to 0.8
    assert len(colors) > len(boxes) // 2
    assert f"region {item.facts['mark'] + 1} only" in text_of(request.messages)


@pytest.mark.parametrize(
    ("reply", "pair"),
    [
        ("7 4\nbecause", (7, 4)),
        ("7, 4", (7, 4)),
        ("7,4  \n", (7, 4)),
        ("8.5 3", (8.5, 3)),
        ("Assistant 1: 7, Assistant 2: 4", (-1, -1)),
        ("7", (-1, -1)),
        ("7 4 3", (-1, -1)),
        ("nan 4", (-1, -1)),
        ("\n7 4", (-1, -1)),
        (None, (-1, -1)),
    ],
)
def test_points_stand_in_the_first_line(reply, pair):
    assert read_pair(reply) == pair


def test_points_of_videos_are_read_together_or_not_at_all():
    assert list(read_points("subject: 4\nappearance: 3\ntemporal: 2\nhallucination: 5").values()) == [4, 3, 2, 5]
    for reply in (None, "", "subject: 4, appearance: 3", "subject: 9, appearance: 3, temporal: 2, hallucination: 5"):
        assert all(math.isnan(point) for point in read_points(reply).values())


# Runs


@pytest.fixture
def ferret_run(shared, rule_system, tmp_path):
    benchmark = find_benchmark("ferret-bench")
    run(benchmark, rule_system(), load_benchmark(benchmark, shared / "bench"), tmp_path / "run", limit=20)
    return tmp_path / "run"


def test_verdicts_are_kept_with_prompt_and_reply(ferret_run, rule_judge):
    judge_run(ferret_run, rule_judge(lambda messages: "8 4"))
    (table,) = score_run(ferret_run)
    assert (table.scores[0].value, table.scores[0].n) == (0.5, 20)
    assert table.judge == "rule judge (text)"
    (path,) = (ferret_run / "verdicts").glob("*.jsonl")
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(kept) == 20
    assert {line["reply"] for line in kept} == {"8 4"}
    assert all("[Question]" in line["messages"][0]["content"] for line in kept)
    about = json.loads(path.with_suffix(".json").read_text())
    assert about["judge"] == {"name": "rule judge", "settings": {"model": "rule"}}
    assert (about["requests"], about["failed"]) == (20, 0)


def test_a_run_that_needs_a_judge_says_so(ferret_run):
    with pytest.raises(InputError, match="--judge"):
        score_run(ferret_run)


def test_two_judges_stand_side_by_side(ferret_run, rule_judge):
    judge_run(ferret_run, rule_judge(lambda messages: "8 4"))
    other = rule_judge(lambda messages: "8 6")
    other.name = "another"
    judge_run(ferret_run, other)
    assert sorted(table.scores[0].value for table in score_run(ferret_run)) == [0.5, 0.75]


def test_requests_that_fail_are_counted(ferret_run, rule_judge):
    replies = iter(["8 4", None] * 10)
    judge_run(ferret_run, rule_judge(lambda messages: next(replies)))
    (table,) = score_run(ferret_run)
    assert table.scores[0].unparsed == 10
    assert table.scores[0].value == pytest.approx((4 - 1) / (8 - 1))
    assert any("10 requests to the judge failed" in note for note in table.notes)


def test_a_judge_that_says_nothing_at_all_gives_no_score(ferret_run, rule_judge, shared):
    """By the published rule of Ferret-Bench the score would be 100 %: -1 points for both."""
    silent = rule_judge(lambda messages: None)
    with pytest.raises(GARError, match="rule judge answered none of 20 requests: no reply"):
        judge_run(ferret_run, silent)
    assert not (ferret_run / "verdicts").exists()
    answers = shared / "bench/ferret-bench/model_outputs/gar_1b.json"
    with pytest.raises(GARError, match="rule judge answered none of 40 requests: no reply"):
        score_answers(find_benchmark("ferret-bench"), answers, data=shared / "bench", judge=silent)


def test_an_answer_that_failed_is_judged_as_an_empty_one(shared, rule_system, rule_judge, tmp_path):
    benchmark = find_benchmark("ferret-bench")
    loaded = load_benchmark(benchmark, shared / "bench")
    run(benchmark, rule_system(failing={"3"}), loaded, tmp_path / "run")
    judge = rule_judge(lambda messages: "8 1" if "[Assistant 2]\n\n\n[End" in text_of(messages) else "8 8")
    judge_run(tmp_path / "run", judge)
    (table,) = score_run(tmp_path / "run")
    assert table.scores[0].failed == 1
    assert table.marks["3"].values["system"] == 1


def test_a_picture_that_is_gone_costs_its_own_verdict_only(shared, rule_system, rule_judge, tmp_path):
    benchmark = find_benchmark("gar-bench-detailed")
    data = tmp_path / "data/annotations"
    (data / "images").mkdir(parents=True)
    entries = json.loads((shared / "bench/gar-bench/annotations/GAR-Bench-Caption-Detailed.json").read_text())[:3]
    (data / "GAR-Bench-Caption-Detailed.json").write_text(json.dumps(entries))
    for entry in entries:
        Image.new("RGB", entry["mask_rles"][0]["size"][::-1]).save(data / entry["image"], "PNG")
    broken = data / entries[1]["image"]
    broken.write_bytes(b"\0" * broken.stat().st_size)
    run(benchmark, rule_system(), load_benchmark(benchmark, tmp_path / "data"), tmp_path / "run")
    judge_run(tmp_path / "run", rule_judge(lambda messages: "True"))
    (table,) = score_run(tmp_path / "run")
    score = table.scores[0]
    assert (score.value, score.n, score.unparsed, score.failed) == (pytest.approx(2 / 3), 3, 1, 1)
    assert any("1 requests to the judge failed" in note and broken.name in note for note in table.notes)


def test_a_verdict_on_an_answer_that_was_asked_again_does_not_count(shared, rule_system, rule_judge, tmp_path):
    benchmark = find_benchmark("ferret-bench")
    loaded = load_benchmark(benchmark, shared / "bench")
    run(benchmark, rule_system(failing={"3"}), loaded, tmp_path / "run")
    judge = rule_judge(lambda messages: "8 1" if "[Assistant 2]\n\n\n[End" in text_of(messages) else "8 8")
    judge_run(tmp_path / "run", judge)
    run(benchmark, rule_system(), loaded, tmp_path / "run")
    (table,) = score_run(tmp_path / "run")
    assert (table.scores[0].value, table.scores[0].n) == (1.0, 39)
    assert any("1 of 40 answers were not judged" in note for note in table.notes)
    judge_run(tmp_path / "run", judge)
    (table,) = score_run(tmp_path / "run")
    assert (table.scores[0].value, table.scores[0].n) == (1.0, 40)


def test_pictures_in_kept_messages_are_digests(shared, rule_system, rule_judge, tmp_path):
    benchmark = find_benchmark("gar-bench-detailed")
    run(benchmark, rule_system(), load_benchmark(benchmark, shared / "bench"), tmp_path / "run", limit=2)
    judge_run(tmp_path / "run", rule_judge(lambda messages: "True"))
    (path,) = (tmp_path / "run/verdicts").glob("*.jsonl")
    assert path.stat().st_size < 20_000
    assert "sha256:" in path.read_text()


def test_judges_see_published_masks_in_the_order_of_the_answer(shared, rule_system, rule_judge, tmp_path):
    benchmark = find_benchmark("gar-bench-detailed")
    loaded = load_benchmark(benchmark, shared / "bench")
    perturbations = ["permute-prompts", "box"]
    run(benchmark, rule_system(), loaded, tmp_path / "run", limit=6, perturbations=perturbations)
    judge = rule_judge(lambda messages: "True")
    judge_run(tmp_path / "run", judge)
    lines = [json.loads(line) for line in (tmp_path / "run/answers.jsonl").read_text().splitlines()]
    assert {tuple(line.get("order", (0, 1))) for line in lines} == {(0, 1), (1, 0)}
    for line, request in zip(lines, judge.asked, strict=True):
        item = next(item for item in loaded.items if item.id == line["item"])
        masks = pictures_of(request.messages)[2::2]
        image = item.shown.read()
        for shown, place in zip(masks, line.get("order", (0, 1)), strict=True):
            published = item.regions[place].to_mask((image.height, image.width))
            x1, y1, x2, y2 = crop_box(published)
            assert (np.asarray(shown) > 0).tolist() == published[y1:y2, x1:x2].tolist()


def test_a_judge_that_sees_pictures_needs_them(rule_judge):
    record = Record("0", "", {"answer": "x"}, replies=given("y"))
    with pytest.raises(InputError, match="give --data"):
        judge_records(find_benchmark("gar-bench-simple"), [record], rule_judge(lambda messages: "True"))
    with pytest.raises(InputError, match="text, picture"):
        judge_records(DLC, [record], rule_judge(lambda messages: "A"), judging="ear")
    with pytest.raises(InputError, match="no judge"):
        judge_records(find_benchmark("gar-bench-vqa"), [record], rule_judge(lambda messages: "A"))


def test_cached_captions_of_all_100_regions_can_be_judged_by_text(shared, rule_judge):
    folder = shared / "bench/dlc-bench"
    judge = rule_judge(lambda messages: "A")
    found = score_answers(DLC, folder / "model_outputs/gar_1b.json", data=folder, judge=judge)
    assert len(judge.asked) == 992
    assert found.scores[0].n == 100


@pytest.mark.parametrize(
    ("name", "answers", "said"),
    [
        ("gar-bench-vqa", {"0": "A"}, "list"),
        ("gar-bench-vqa", [], "list of 0"),
        ("gar-bench-vqa", [{"question": "?"}], "choices"),
        ("dlc-bench", ["a"], "list"),
        ("dlc-bench", {"1": "a"}, "--verdicts"),
        ("ferret-bench", [{"caption": 3}], "caption"),
        ("mdvp-bench", [{"caption": "x"}], "--data"),
        ("videorefer-bench-q", {"0": "A"}, "--data"),
    ],
)
def test_files_of_another_format_are_refused(tmp_path, name, answers, said):
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    with pytest.raises(InputError, match=said):
        score_answers(find_benchmark(name), tmp_path / "answers.json")


def test_verdicts_on_other_answers_are_refused(shared):
    folder = shared / "bench/dlc-bench"
    with pytest.raises(InputError, match="another caption"):
        score_answers(
            DLC,
            folder / "model_outputs_dam/dam_3b_v1.json",
            verdicts=folder / "model_outputs/gar_1b_eval.json",
        )
