"""`gar bench`, from the command line."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from gar.benchmarks.registry import BENCHMARKS
from gar.cli import main


@pytest.fixture
def answers(vqa_folder, tmp_path):
    """Answers to the small benchmark, for the system `file:…`."""
    path = tmp_path / "answers.json"
    path.write_text(json.dumps({str(number): "B" for number in range(20)}))
    return path


def bench_run(vqa_folder, answers, out, *flags):
    return main(
        [
            "bench",
            "run",
            "gar-bench-vqa",
            "--system",
            f"file:{answers}",
            "--data",
            str(vqa_folder),
            "--out",
            str(out),
            *flags,
        ]
    )


def test_all_benchmarks_are_listed(capsys):
    assert main(["bench", "list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in BENCHMARKS)
    assert main(["bench", "list", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == list(BENCHMARKS)


def test_a_run_is_scored_and_continued(capsys, vqa_folder, answers, tmp_path):
    out = tmp_path / "run"
    assert bench_run(vqa_folder, answers, out, "--limit", "4") == 0
    assert "exact match" in capsys.readouterr().out
    assert bench_run(vqa_folder, answers, out) == 0
    assert len((out / "answers.jsonl").read_text().splitlines()) == 20
    assert main(["bench", "score", str(out), "--json"]) == 0
    capsys.readouterr()
    (told,) = json.loads((out / "scores.json").read_text())["tables"]
    assert told["scores"][0]["value"] == 0.25
    assert told["scores"][0]["floors"]["uniform"] == 0.25


def test_what_failed_is_told_with_a_reason_and_asked_again_by_the_same_command(capsys, vqa_folder, tmp_path):
    path = tmp_path / "answers.json"
    path.write_text(json.dumps({str(number): "B" for number in range(18)}))
    assert bench_run(vqa_folder, path, tmp_path / "run") == 0
    told = capsys.readouterr().err
    assert "2 of 20 items failed" in told
    assert "has no answer for item '1" in told
    assert "the same command asks them again" in told
    assert bench_run(vqa_folder, path, tmp_path / "sample", "--limit", "1") == 0
    assert "items failed" not in capsys.readouterr().err


def test_runs_are_compared(capsys, vqa_folder, answers, tmp_path):
    for name, flags in (("plain", ()), ("eroded", ("--perturb", "erode:1"))):
        assert bench_run(vqa_folder, answers, tmp_path / name, *flags) == 0
    capsys.readouterr()
    assert main(["bench", "compare", str(tmp_path / "plain"), str(tmp_path / "eroded")]) == 0
    captured = capsys.readouterr()
    assert "+0.00: +0.00 to +0.00" in captured.out
    assert "erode:1" in captured.err
    assert main(["bench", "compare", str(tmp_path / "plain"), str(tmp_path / "eroded"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["items"] == 20


def test_names_that_look_like_markup_are_only_names(capsys, vqa_folder, answers, tmp_path):
    path = vqa_folder / "annotations/GAR-Bench-VQA.json"
    entries = json.loads(path.read_text())
    for number, entry in enumerate(entries):
        entry["type"] = ("[/b]", "[red]:smile:", "")[number % 3]
    path.write_text(json.dumps(entries))
    answers = answers.rename(tmp_path / "[i].json")
    folders = [str(tmp_path / name) for name in ("[u]", "[bold]")]
    for folder in folders:
        assert bench_run(vqa_folder, answers, folder) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("file:[i].json", "[/b]", "[red]:smile:", "–"))
    assert main(["bench", "compare", *folders]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("[u]", "[bold]", "[/b]", "[red]:smile:", "–"))


def test_published_answers_are_scored_from_the_command_line(capsys, shared):
    folder = shared / "bench/dlc-bench/model_outputs"
    flags = ["--answers", str(folder / "gar_1b.json"), "--verdicts", str(folder / "gar_1b_eval.json")]
    assert main(["bench", "score", *flags, "--benchmark", "dlc-bench"]) == 0
    out = capsys.readouterr().out
    assert all(number in out for number in ("0.6795", "0.4889", "0.8700"))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["run", "no-bench", "--out", "o"], "no-bench"),
        (["run", "gar-bench-vqa", "--out", "o"], "needs its data"),
        (["run", "gar-bench-vqa", "--out", "o", "--data", "missing"], "missing"),
        (["run", "gar-bench-vqa", "--out", "o", "--data", "DATA", "--perturb", "melt:3"], "melt:3"),
        (["run", "gar-bench-vqa", "--out", "o", "--data", "DATA", "--set", "style"], "style"),
        (["run", "gar-bench-vqa", "--out", "o", "--data", "DATA", "--limit", "0"], "--limit"),
        (["run", "gar-bench-vqa", "--out", "o", "--data", "DATA", "--system", "file:none.json"], "none.json"),
        (["run", "gar-bench-vqa", "--data", "DATA"], "--out"),
        (["score"], "--answers"),
        (["score", "missing"], "missing"),
        (["score", "--answers", "a.json"], "--benchmark"),
        (["score", "--answers", "a.json", "--benchmark", "gar-bench-vqa"], "a.json"),
        (["score", "DATA", "--benchmark", "gar-bench-vqa"], "--benchmark"),
        (["score", "DATA", "--judge-set", "timeout=3"], "--judge"),
        (["score", "DATA", "--judge", "m", "--judge-set", "shoe=3"], "shoe"),
        (["compare", "DATA"], "at least 2"),
        (["compare", "DATA", "DATA"], "manifest.json"),
        (["melt"], "melt"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(capsys, vqa_folder, tmp_path, monkeypatch, flags, said):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    if "--judge" in flags:
        pytest.importorskip("openai")
    assert main(["bench", *(str(vqa_folder) if flag == "DATA" else flag for flag in flags)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("gar: ")
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert list(work.iterdir()) == []


class EveryOther(BaseHTTPRequestHandler):
    """Speaks the protocol of chat completions; every other request is answered with an error of the server."""

    asked = 0

    def do_POST(self):
        type(self).asked += 1
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fails = type(self).asked % 2 == 0
        reply = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": told["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "8 4\nso"}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
        }
        content = json.dumps({"error": {"message": "busy"}} if fails else reply).encode()
        self.send_response(500 if fails else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def judge_url():
    pytest.importorskip("openai")
    EveryOther.asked = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), EveryOther) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_a_run_is_judged_over_http_and_nothing_is_asked_twice(capsys, shared, tmp_path, monkeypatch, judge_url):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "answers.json").write_text(json.dumps({str(number): "A sign." for number in range(40)}))
    flags = ["--system", f"file:{tmp_path / 'answers.json'}", "--data", str(shared / "bench")]
    out = str(tmp_path / "run")
    assert main(["bench", "run", "ferret-bench", *flags, "--out", out, "--limit", "6"]) == 0
    judge = ["--judge", "m", "--judge-set", f"base_url={judge_url}", "--judge-set", "attempts=1"]
    rounds = 0
    while rounds < 12:  # without retries a failed request waits for the next call, and the cache keeps the others
        assert main(["bench", "score", out, *judge, "--judge-set", "concurrency=1", "--json"]) == 0
        capsys.readouterr()
        (table,) = json.loads((tmp_path / "run/scores.json").read_text())["tables"]
        (score,) = table["scores"]
        assert score["n"] == 6
        if score["unparsed"] == 0:
            break
        rounds += 1
        assert any("requests to the judge failed" in note for note in table["notes"])
    assert score["value"] == 0.5
    assert rounds > 0
    answered = EveryOther.asked - EveryOther.asked // 2
    assert answered == 6
