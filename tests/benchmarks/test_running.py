"""Runs: every item once, whatever happens in between."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from gar.benchmarks.comparing import compare
from gar.benchmarks.given_answers import score_answers
from gar.benchmarks.graspworld_bench import GRASPWORLD, items_of_scene
from gar.benchmarks.items import Loaded, Record
from gar.benchmarks.registry import find_benchmark
from gar.benchmarks.results import score_run
from gar.benchmarks.run_folder import AnswerLog, open_log, read_manifest, read_records
from gar.benchmarks.running import load_benchmark, run
from gar.errors import InputError

VQA = find_benchmark("gar-bench-vqa")


def lines(folder):
    return [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]


@pytest.fixture
def loaded(vqa_folder):
    return load_benchmark(VQA, vqa_folder)


def test_every_item_is_asked_once_in_each_way(loaded, rule_system, tmp_path):
    system, steps = rule_system(), []
    run(VQA, system, loaded, tmp_path / "run", cyclic=True, on_progress=lambda *step: steps.append(step))
    told = lines(tmp_path / "run")
    assert sorted(int(line["item"]) for line in told) == list(range(20))
    ways = ("written", "letters", "letters/1", "letters/2", "letters/3", "options")
    assert {tuple(line["replies"]) for line in told} == {ways}
    assert len(system.asked) == 20 * 6
    assert steps[0] == (0, 20)
    assert steps[-1] == (20, 20)


def test_all_ways_of_choosing_are_scored(loaded, rule_system, tmp_path):
    run(VQA, rule_system("B"), loaded, tmp_path / "run", cyclic=True)
    (table,) = score_run(tmp_path / "run")
    found = {(score.metric, score.group): score.value for score in table.scores}
    assert found["exact match", None] == found["letters scored", None] == 0.25
    # a system that knows only its letter finds all options equally likely, and then the first is taken
    assert found["letters scored, all orders", None] == 0.25
    assert found["options scored", None] == 0.25
    assert found["exact match", "shape"] == 0.5
    assert json.loads((tmp_path / "run/scores.json").read_text())["tables"][0]["marks"]["1"]["exact"] == 1.0


def test_a_limited_run_is_the_beginning_of_a_longer_one(loaded, rule_system, tmp_path):
    run(VQA, rule_system(), loaded, tmp_path / "run", limit=5)
    first = [line["item"] for line in lines(tmp_path / "run")]
    system = rule_system()
    run(VQA, system, loaded, tmp_path / "run", limit=8)
    assert [line["item"] for line in lines(tmp_path / "run")][:5] == first
    assert len({question.key for question in system.asked}) == 3
    assert len(set(first)) == 5
    assert first != sorted(first, key=int)


def test_a_torn_last_line_is_dropped_and_asked_again(loaded, rule_system, tmp_path):
    out = tmp_path / "run"
    run(VQA, rule_system(), loaded, out, limit=6)
    whole = (out / "answers.jsonl").read_bytes()
    for torn in (whole[:-1], whole[:-40], whole + b'{"item": "1', whole[:-30] + b"\n"):
        (out / "answers.jsonl").write_bytes(torn)
        run(VQA, rule_system(), loaded, out, limit=6)
        assert (out / "answers.jsonl").read_bytes() == whole


def test_a_line_that_is_damaged_in_the_middle_is_named(loaded, rule_system, tmp_path):
    out = tmp_path / "run"
    run(VQA, rule_system(), loaded, out, limit=3)
    first, second, third = (out / "answers.jsonl").read_bytes().splitlines()
    (out / "answers.jsonl").write_bytes(b"\n".join([first, second[:20], third, b""]))
    with pytest.raises(InputError, match="line 2"):
        run(VQA, rule_system(), loaded, out)
    (out / "answers.jsonl").write_bytes(b"\n".join([first, first, third, b""]))
    with pytest.raises(InputError, match="twice"):
        read_records(out)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cyclic": True}, "cyclic"),
        ({"perturbations": ["box"]}, "perturbations"),
        ({"seed": 1}, "seed"),
        ({"max_new_tokens": 3}, "max_new_tokens"),
    ],
)
def test_a_run_is_not_continued_with_other_settings(loaded, rule_system, tmp_path, changes, said):
    run(VQA, rule_system(), loaded, tmp_path / "run", limit=2)
    with pytest.raises(InputError, match=said):
        run(VQA, rule_system(), loaded, tmp_path / "run", **changes)
    assert len(lines(tmp_path / "run")) == 2


def test_a_run_is_not_continued_with_another_system_or_other_data(loaded, rule_system, make_vqa, tmp_path):
    run(VQA, rule_system(), loaded, tmp_path / "run", limit=2)
    with pytest.raises(InputError, match="system"):
        run(VQA, rule_system("C"), loaded, tmp_path / "run")
    with pytest.raises(InputError, match="data"):
        run(VQA, rule_system(), load_benchmark(VQA, make_vqa(tmp_path / "other", 5)), tmp_path / "run")


def test_a_folder_with_something_else_in_it_is_left_alone(loaded, rule_system, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not the folder of a run"):
        run(VQA, rule_system(), loaded, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "thesis.txt"]


def test_a_run_is_written_by_one_process_at_a_time(loaded, rule_system, tmp_path):
    out = tmp_path / "run"
    run(VQA, rule_system(), loaded, out, limit=2)
    told = read_manifest(out)
    with open_log(out, told), pytest.raises(InputError, match="another process"), open_log(out, told):
        pass


def test_failures_are_recorded_and_the_count_adds_up(loaded, rule_system, vqa_folder, tmp_path):
    (vqa_folder / "annotations/images/vqa_5.png").write_bytes(b"no picture")
    out = tmp_path / "run"
    run(VQA, rule_system("A", failing={"0", "4"}), loaded, out)
    told = {line["item"]: line["replies"]["written"] for line in lines(out)}
    assert len(told) == 20
    assert {item for item, reply in told.items() if reply["error"]} == {"0", "4", "5"}
    assert "vqa_5.png" in told["5"]["error"]
    (table,) = score_run(out)
    score = table.scores[0]
    assert (score.n, score.failed, score.value) == (20, 3, 3 / 20)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full on this system")
def test_a_full_disk_is_told_with_the_name_of_the_file():
    with Path("/dev/full").open("ab", buffering=0) as stream, pytest.raises(OSError, match="No space") as caught:
        AnswerLog(stream, []).append(Record("0", "", {}))
    assert caught.value.filename == "/dev/full"


def test_a_system_that_gives_too_few_replies_is_found_out(loaded, rule_system, tmp_path):
    from gar.errors import GARError

    system = rule_system()
    system.answer = lambda questions: iter(())
    with pytest.raises(GARError, match="fewer replies"):
        run(VQA, system, loaded, tmp_path / "run")


def test_perturbed_masks_are_what_the_system_sees_and_what_is_written(loaded, rule_system, tmp_path):
    from gar.regions import Region

    system = rule_system()
    run(VQA, system, loaded, tmp_path / "run", perturbations=["shift:1,2", "box"], limit=1)
    (line,) = lines(tmp_path / "run")
    seen = system.asked[0].regions
    before = loaded.items[int(line["item"])].regions
    for shown, now, published in zip(line["regions"], seen, before, strict=True):
        x1, y1, x2, y2 = published.to_box((24, 32))
        assert now.to_box((24, 32)) == (x1 + 1, y1 + 2, x2 + 1, y2 + 2)
        assert Region.rle(shown).to_box((24, 32)) == now.to_box((24, 32))


def test_permuted_prompts_name_the_same_regions_everywhere(loaded, rule_system, tmp_path):
    system = rule_system()
    run(VQA, system, loaded, tmp_path / "run", perturbations=["permute-prompts"])
    orders = set()
    for line in lines(tmp_path / "run"):
        item = loaded.items[int(line["item"])]
        order = line.get("order", [0, 1])
        orders.add(tuple(order))
        asked = next(question for question in system.asked if question.key == item.id)
        assert list(asked.regions) == [item.regions[place] for place in order]
        if order == [1, 0]:
            assert line["options"] == ["<Prompt1>", "<Prompt0>", "both", "none"]
            assert asked.text.startswith("Question: Which one among <Prompt1> or <Prompt0> is red?")
    assert orders == {(0, 1), (1, 0)}


def test_graspworld_is_run_like_any_other(rule_system, tmp_path):
    items = tuple(item for number in range(2) for item in items_of_scene(number))
    system = rule_system("A")
    run(GRASPWORLD, system, Loaded(items, "two scenes"), tmp_path / "run", perturbations=["ellipse", "permute-prompts"])
    (table,) = score_run(tmp_path / "run")
    found = {score.metric: score for score in table.scores if score.group is None}
    assert found["exact match"].n + found["attributes described"].n == len(items)
    assert found["exact match"].failed == 0
    assert 0 < found["letters scored"].floors["uniform"] < 1
    assert {type(question.picture) for question in system.asked} == {Image.Image}


def test_comparing_a_run_with_itself_finds_no_difference_and_with_a_better_one_its_gain(loaded, rule_system, tmp_path):
    for letter in "AB":
        run(VQA, rule_system(letter, name=letter), loaded, tmp_path / letter)
    run(VQA, rule_system("B", name="B", failing={"1", "5", "9"}), loaded, tmp_path / "worse")
    comparison = compare([tmp_path / "B", tmp_path / "A", tmp_path / "worse", tmp_path / "B"])
    assert comparison.items == 20
    overall = next(entries for metric, group, entries in comparison.rows if (metric, group) == ("exact match", None))
    first, other, worse, again = overall
    assert first.difference is None
    assert other.difference == 0
    assert other.low < 0 < other.high
    assert worse.difference == pytest.approx(-0.15)
    assert worse.low < -0.15 < worse.high <= 0
    assert (again.difference, again.low, again.high) == (0, 0, 0)


def test_runs_of_other_data_are_not_compared(loaded, rule_system, make_vqa, tmp_path):
    run(VQA, rule_system(), loaded, tmp_path / "a")
    run(VQA, rule_system(), load_benchmark(VQA, make_vqa(tmp_path / "other", 5)), tmp_path / "b")
    with pytest.raises(InputError, match="different benchmarks or data"):
        compare([tmp_path / "a", tmp_path / "b"])


def test_what_failed_is_asked_again_and_the_last_answer_counts(loaded, rule_system, tmp_path):
    system = rule_system("C")
    system.failing = {item.id for item in loaded.items[:3]}
    run(VQA, system, loaded, tmp_path / "run")
    assert {record.id for record in read_records(tmp_path / "run") if record.failed} == system.failing
    again = rule_system("C")
    run(VQA, again, loaded, tmp_path / "run")
    assert {question.key for question in again.asked} == system.failing
    records = read_records(tmp_path / "run")
    assert len(records) == len({record.id for record in records}) == len(lines(tmp_path / "run")) - 3
    assert not any(record.failed for record in records)


def test_an_option_that_was_asked_about_and_not_answered_counts_as_wrong(loaded, rule_system, tmp_path):
    """The picture of one item cannot be read, of another the probabilities are no numbers."""
    system = rule_system("A", failing={"0"})
    answer = system.answer

    def with_nan(questions):
        for question, reply in zip(questions, answer(questions), strict=True):
            broken = question.key == "4" and question.choices is not None
            yield replace(reply, probabilities=(float("nan"),) * 4) if broken else reply

    system.answer = with_nan
    run(VQA, system, loaded, tmp_path / "run", cyclic=True)
    (table,) = score_run(tmp_path / "run")
    assert {(score.n, score.failed) for score in table.scores if score.group is None} == {(20, 2)}
    assert table.marks["0"].values == dict.fromkeys(("exact", "letters", "averaged", "options"), 0.0)
    assert table.marks["4"].values == {**table.marks["0"].values, "exact": 1.0}


def test_the_answers_of_a_run_are_scored_as_a_file_and_one_that_failed_is_one_that_failed(rule_system, tmp_path):
    loaded = Loaded(tuple(items_of_scene(0)), "one scene")
    failing = loaded.items[0].id
    run(GRASPWORLD, rule_system(failing={failing}), loaded, tmp_path / "run")
    (whole,) = score_run(tmp_path / "run")

    def scored():
        table = score_answers(GRASPWORLD, tmp_path / "run/answers.jsonl")
        return {(score.metric, score.group): (score.value, score.n, score.failed) for score in table.scores}

    found = scored()
    for score in whole.scores:
        if score.metric == "exact match":
            assert found[score.metric, score.group] == (score.value, score.n, score.failed)
    assert found["exact match", None][2] == 1
    run(GRASPWORLD, rule_system(), loaded, tmp_path / "run")  # its line takes the place of the former one
    assert scored()["exact match", None][2] == 0


def test_where_a_file_of_answers_is_the_published_one_a_run_is_said_to_be_scored_by_its_folder(
    loaded, rule_system, tmp_path
):
    run(VQA, rule_system(), loaded, tmp_path / "run", limit=1)
    with pytest.raises(InputError, match="is scored by its folder: gar bench score RUN"):
        score_answers(VQA, tmp_path / "run/answers.jsonl")


def test_a_run_that_is_continued_is_asked_in_the_batches_of_one_that_was_not_stopped(loaded, rule_system, tmp_path):
    batches = []

    class Watched(rule_system):
        def answer(self, questions):
            batches.append([question.key for question in questions if question.choices is None])
            return super().answer(questions)

    run(VQA, Watched(), loaded, tmp_path / "whole")
    whole = batches.copy()
    run(VQA, rule_system(), loaded, tmp_path / "run", limit=5)
    batches.clear()
    run(VQA, Watched(), loaded, tmp_path / "run")
    assert batches == [whole[0][5:], *whole[1:]]


def killed_and_resumed(command, out, wait_for):
    """Kills a process once it has written some lines, then lets it run to its end; both leave whole items."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    path = out / "answers.jsonl"
    deadline = time.monotonic() + 240
    while not path.exists() or path.read_bytes().count(b"\n") < wait_for:
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline, "nothing was written"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()
    before = path.read_bytes()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return before, path.read_bytes()


def test_a_killed_run_goes_on_and_asks_no_item_twice(loaded, vqa_folder, rule_system, tmp_path):
    script = tmp_path / "slow.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys, time
            from pathlib import Path
            sys.path.insert(0, {str(Path(__file__).parent)!r})
            from bench_data import RuleSystem
            from gar.benchmarks.registry import find_benchmark
            from gar.benchmarks.running import load_benchmark, run

            class Slow(RuleSystem):
                def answer(self, questions):
                    for reply in super().answer(questions):
                        time.sleep(0.01)
                        yield reply

            vqa = find_benchmark("gar-bench-vqa")
            run(vqa, Slow("C"), load_benchmark(vqa, Path({str(vqa_folder)!r})), Path({str(tmp_path / "run")!r}))
            """
        )
    )
    before, after = killed_and_resumed([sys.executable, str(script)], tmp_path / "run", 3)
    run(VQA, rule_system("C"), loaded, tmp_path / "whole")
    assert 3 <= before.count(b"\n") < 20
    assert after.startswith(before[: before.rfind(b"\n") + 1])
    assert after == (tmp_path / "whole/answers.jsonl").read_bytes()


@pytest.mark.slow
def test_the_embedded_model_killed_and_resumed_gives_what_it_gives_at_once(vqa_folder, tmp_path):
    def command(name):
        flags = ["--system", "nano", "--data", str(vqa_folder), "--out", str(tmp_path / name), "--limit", "20"]
        code = "import sys; from gar.cli import main; sys.exit(main())"
        return [sys.executable, "-c", code, "bench", "run", "gar-bench-vqa", *flags, "--set", "batch_size=2"]

    before, _ = killed_and_resumed(command("run"), tmp_path / "run", 2)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    subprocess.run(command("whole"), env=environment, check=True, capture_output=True)
    assert before.count(b"\n") < 20
    resumed, whole = ({line["item"]: line for line in lines(tmp_path / name)} for name in ("run", "whole"))
    assert len(lines(tmp_path / "run")) == len(resumed) == 20
    for item, line in whole.items():
        for way, reply in line["replies"].items():
            again = resumed[item]["replies"][way]
            assert again["text"] == reply["text"]
            assert again["probabilities"] == pytest.approx(reply["probabilities"], abs=1e-4)
    scores = [score_run(tmp_path / name)[0].scores for name in ("run", "whole")]
    assert [score.value for score in scores[0]] == [score.value for score in scores[1]]
