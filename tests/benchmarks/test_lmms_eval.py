"""The tasks for lmms-eval: the files load, and their functions give what `gar bench` shows, asks and scores."""

import importlib
import json
import math
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from gar.benchmarks.answer_files import read_texts
from gar.benchmarks.items import item_text
from gar.benchmarks.lmms_eval import PATH, functions
from gar.benchmarks.reading import read_json
from gar.benchmarks.registry import BENCHMARKS, find_benchmark
from gar.benchmarks.results import table
from gar.benchmarks.running import in_order, load_benchmark
from gar.errors import InputError
from gar.graspworld import CAPTION_KINDS, KINDS
from gar.systems.protocol import Question
from gar.systems.visual_prompts import show

yaml = pytest.importorskip("yaml", reason="pyyaml is not installed")
datasets = pytest.importorskip("datasets", reason="datasets is not installed")

TASKS = sorted(PATH.glob("*.yaml"))


class Loader(yaml.SafeLoader):
    """Reads task files as lmms-eval does: `!function` is an import, `include` is laid under."""


def _function(loader, node):
    module, _, name = loader.construct_scalar(node).rpartition(".")
    return getattr(importlib.import_module(module), name)


Loader.add_constructor("!function", _function)


def read_task(path):
    task = yaml.load(path.read_text(), Loader)
    return {**yaml.load((path.parent / task.pop("include")).read_text(), Loader), **task}


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """No data, judge or verdicts of the user, and none of another test."""
    for variable in (functions.DATA, functions.JUDGE, "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for kept in (functions._loaded, functions._items, functions._shown, functions._judge):
        kept.cache_clear()


def documents(name):
    task = read_task(PATH / f"{name}.yaml")
    (line,) = (PATH / task["dataset_kwargs"]["data_files"]["test"]).read_text().splitlines()
    return task, list(task["process_docs"](datasets.Dataset.from_list([json.loads(line)])))


def scores_of(task, docs, answers):
    """What lmms-eval reports: results of each document collected by metric, then pooled."""
    collected = {}
    for doc in docs:
        for metric, entry in task["process_results"](doc, [answers[doc["item"]]]).items():
            collected.setdefault(metric, []).append(entry)
    pools = {one["metric"]: one["aggregation"] for one in task["metric_list"]}
    assert set(collected) <= set(pools)
    return {metric: pools[metric](entries) for metric, entries in collected.items()}


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.stem)
def test_a_task_file_names_what_there_is(path):
    task = read_task(path)
    assert task["task"] == path.stem
    assert all(callable(task[name]) for name in ("process_docs", "doc_to_visual", "doc_to_text", "process_results"))
    seed = json.loads((PATH / task["dataset_kwargs"]["data_files"]["test"]).read_text())
    benchmark = find_benchmark(seed["benchmark"])
    assert seed.get("judging") in {*(benchmark.judgings or {None})}
    named = {functions._named(metric) for metric in benchmark.metrics}
    listed = [one["metric"] for one in task["metric_list"]]
    assert len(listed) == len(set(listed))
    assert all(any(metric == name or metric.startswith(f"{name}_") for name in named) for metric in listed[:-1])
    assert listed[-1] == "unparsed"


def test_every_benchmark_is_a_task():
    seeds = [json.loads(path.with_suffix(".jsonl").read_text()) for path in TASKS]
    assert {seed["benchmark"] for seed in seeds} == set(BENCHMARKS)


@pytest.mark.parametrize("style", ["marks", "box-text-1000", "crop"])
def test_a_model_sees_and_reads_what_a_generalist_is_sent_by_gar_bench(vqa_folder, monkeypatch, style):
    monkeypatch.setenv(functions.DATA, str(vqa_folder))
    task, docs = documents("gar_bench_vqa")
    items = load_benchmark(find_benchmark("gar-bench-vqa"), vqa_folder).items
    assert [doc["item"] for doc in docs] == [item.id for item in in_order(items)]
    settings = {"style": style}
    for doc in docs[:4]:
        item = items[int(doc["item"])]
        parts = show(Question(item.shown.read(), item.regions, item_text(item.question, item.options)), style)
        pictures = task["doc_to_visual"](doc, settings)
        assert [one.tobytes() for one in pictures] == [one.tobytes() for one in parts[:-1]]
        assert task["doc_to_text"](doc, settings) == parts[-1]
        ((content),) = [one["content"] for one in task["doc_to_messages"](doc, settings)]
        assert [part["type"] for part in content] == ["image"] * len(pictures) + ["text"]
        assert doc["target"] == item.facts["answer"]
    assert task["doc_to_text"](docs[0]) == task["doc_to_text"](docs[0], {"style": "marks"})
    with pytest.raises(InputError, match="halo"):
        task["doc_to_text"](docs[0], {"style": "halo"})


def test_published_answers_get_the_published_scores(shared, monkeypatch):
    monkeypatch.setenv(functions.DATA, str(shared / "bench"))
    task, docs = documents("gar_bench_vqa")
    published = read_json(shared / "bench/gar-bench/model_outputs/gar_1b_vqa.json")
    scores = scores_of(task, docs, {str(number): entry["model_output"] for number, entry in enumerate(published)})
    assert scores["exact_match"] == 203 / 424
    assert scores["exact_match_texture/pattern"] == 17 / 29
    assert scores["unparsed"] == 0
    assert set(scores) == {one["metric"] for one in task["metric_list"]}


def test_names_of_visual_prompts_are_read_as_prompts(vqa_folder, monkeypatch):
    monkeypatch.setenv(functions.DATA, str(vqa_folder))
    _, docs = documents("gar_bench_vqa")
    (entry,) = (functions.process_results(doc, [" b "])["exact_match"] for doc in docs if doc["item"] == "1")
    assert (entry["marks"], entry["score"]) == ({"exact": 1.0}, 1.0)


def test_all_kinds_of_questions_of_graspworld_have_a_metric():
    task = read_task(PATH / "graspworld.yaml")
    kinds = {one["metric"].removeprefix("exact_match_") for one in task["metric_list"]}
    assert set(KINDS) - set(CAPTION_KINDS) <= kinds


@pytest.mark.slow
def test_all_parts_of_graspworld_have_a_metric():
    task, docs = documents("graspworld")
    assert set(scores_of(task, docs, dict.fromkeys((doc["item"] for doc in docs), "A"))) == {
        one["metric"] for one in task["metric_list"]
    }


class Says(BaseHTTPRequestHandler):
    """A judge that says True to every other request."""

    asked = 0

    def do_POST(self):
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = "True" if Says.asked % 2 == 0 else "False"
        Says.asked += 1
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
        reply = {"id": "1", "object": "chat.completion", "created": 0, "model": told["model"], "choices": [choice]}
        content = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def test_a_judge_is_asked_once_for_each_answer(shared, monkeypatch):
    pytest.importorskip("openai", reason="judges need openai, from the extra `eval`")
    monkeypatch.setenv(functions.DATA, str(shared / "bench"))
    with pytest.raises(InputError, match=functions.JUDGE):
        documents("gar_bench_simple")
    Says.asked = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Says) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(functions.JUDGE, "m")
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
        task, docs = documents("gar_bench_simple")
        answers = {doc["item"]: "It is beside it." for doc in docs}
        first = scores_of(task, docs[:4], answers)
        assert (first, Says.asked) == ({"accuracy": 0.5, "unparsed": 0.0}, 4)
        assert scores_of(task, docs[:4], answers) == first
        assert Says.asked == 4
        server.shutdown()


def test_a_ratio_is_pooled_as_in_gar_bench():
    ferret = find_benchmark("ferret-bench")
    column = ferret.metrics[0].columns
    marks = [dict(zip(column, pair, strict=True)) for pair in ((8.0, 4.0), (6.0, 5.0), (7.0, math.nan))]
    entries = [{"benchmark": "ferret-bench", "metric": ferret.metrics[0].name, "marks": one} for one in marks]
    values = functions.columns_of(ferret.metrics[0], [functions.Mark(one) for one in marks])
    assert functions.pool(entries) == functions.value_of(ferret.metrics[0], values)


def test_missing_data_is_said(vqa_folder, monkeypatch):
    with pytest.raises(InputError, match=functions.DATA):
        documents("gar_bench_vqa")
    (vqa_folder / "annotations/images/vqa_3.png").unlink()
    monkeypatch.setenv(functions.DATA, str(vqa_folder))
    with pytest.warns(UserWarning, match="1 items of gar-bench-vqa cannot be shown"):
        _, docs = documents("gar_bench_vqa")
    assert len(docs) == 19


def test_lmms_eval_itself_loads_and_scores_the_task(vqa_folder, monkeypatch, tmp_path):
    tasks = pytest.importorskip("lmms_eval.tasks", reason="lmms-eval is not installed", exc_type=ImportError)
    monkeypatch.setenv(functions.DATA, str(vqa_folder))
    monkeypatch.setenv("LMMS_EVAL_DATASETS_CACHE", str(tmp_path / "datasets"))
    manager = tasks.TaskManager(include_path=str(PATH), include_defaults=False)
    assert manager.all_subtasks == [path.stem for path in TASKS]
    task = tasks.get_task_dict(["gar_bench_vqa"], manager, "chat")["gar_bench_vqa"]
    answers = {doc["item"]: "B" for doc in task.eval_docs}
    collected = [task.process_results(doc, [answers[doc["item"]]])["exact_match"] for doc in task.eval_docs]
    assert task.aggregation()["exact_match"](collected) == 0.25
    ((message),) = task.doc_to_messages(task.eval_docs[0])
    assert message["content"][-1]["text"] == task.doc_to_text(task.eval_docs[0])
    records = read_texts(answers, {item.id: item for item in functions._loaded("gar-bench-vqa").items})
    assert table(find_benchmark("gar-bench-vqa"), "b", list(records)).scores[0].value == 0.25
    assert Path(manager.task_index["gar_bench_vqa"]["yaml_path"]).parent == PATH
