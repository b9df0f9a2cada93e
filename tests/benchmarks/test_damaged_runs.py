"""A run's folder that somebody has edited is scored, or refused in one line that names file and line."""

import contextlib
import json
import shutil

import pytest
from bench_data import RuleJudge, RuleSystem, write_vqa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gar.benchmarks.comparing import compare
from gar.benchmarks.registry import find_benchmark
from gar.benchmarks.report import write_report
from gar.benchmarks.results import score_run
from gar.benchmarks.running import load_benchmark, run
from gar.benchmarks.verdicts import judge_run
from gar.errors import GARError, InputError

NAMES = ["gar-bench-vqa", "gar-bench-simple", "ferret-bench", "dlc-bench"]
VERDICT = {"gar-bench-simple": "True", "ferret-bench": "8 4", "dlc-bench": "A"}
FILES = {
    "manifest": "manifest.json",
    "answers": "answers.jsonl",
    "verdicts": "verdicts/*.jsonl",
    "judge": "verdicts/*.json",
}
WRONG = [None, True, 5, -1, 10**400, float("nan"), "x", "", [], [{}], ["x"], [5], {}, {"x": {}}]
"""Values of every kind, put in the place of each value of a file."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory, shared):
    """Runs of two items, with verdicts where there is a judge, by the benchmark's name."""
    base = tmp_path_factory.mktemp("sound")
    write_vqa(base / "data", 4)
    for name in NAMES:
        benchmark, more = find_benchmark(name), {}
        if not benchmark.judgings:
            more = {"perturbations": ["permute-prompts"], "cyclic": True}
        data = shared / "bench" if benchmark.judgings else base / "data"
        run(benchmark, RuleSystem(), load_benchmark(benchmark, data), base / name, limit=2, **more)
        if benchmark.judgings:
            judge_run(base / name, RuleJudge(lambda messages, name=name: VERDICT[name]))
    return base


def values_of(path):
    """The values of a file: each of its lines, or the only one."""
    text = path.read_text()
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else [json.loads(text)]


def write_values(path, values):
    path.write_text("".join(json.dumps(value) + "\n" for value in values))


def places(value, path=()):
    """The path of each value within a JSON value."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*path, key))


def put(value, path, new):
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


def damaged(sound, folder, name, file, path, new):
    """A copy of a run with one value of a file's last line replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sound / name, folder)
    (found,) = folder.glob(FILES[file])
    values = values_of(found)
    put(values[-1], path, new)
    write_values(found, values)
    return folder


@pytest.mark.parametrize(
    ("name", "file", "path", "new", "said"),
    [
        ("gar-bench-vqa", "manifest", ("format",), 2, "manifest.json is not the manifest of a run of format 1: format"),
        ("gar-bench-vqa", "manifest", ("data", "missing"), [{}], "data.missing.0.items is missing"),
        ("gar-bench-vqa", "manifest", ("data", "notes"), [5], "data.notes.0 cannot be 5"),
        ("gar-bench-vqa", "manifest", ("perturbations",), [{}], "perturbations.0 cannot be {}"),
        ("gar-bench-vqa", "manifest", ("seed",), "x", 'seed cannot be "x"'),
        ("gar-bench-vqa", "answers", ("facts",), {}, "line 2 of FOLDER/answers.jsonl: facts.answer cannot be 'None'"),
        ("gar-bench-vqa", "answers", ("facts", "answer"), "E", "line 2 of FOLDER/answers.jsonl: facts.answer"),
        ("gar-bench-vqa", "answers", ("options",), ["x"] * 27, "line 2 of FOLDER/answers.jsonl: options cannot be"),
        ("gar-bench-vqa", "answers", ("order",), [0, 2], "line 2 of FOLDER/answers.jsonl: order cannot be [0, 2]"),
        (
            "gar-bench-vqa",
            "answers",
            ("replies", "letters", "probabilities", 1),
            float("nan"),
            "line 2 of FOLDER/answers.jsonl: replies.letters.probabilities cannot be [0.1, NaN, 0.1, 0.1]",
        ),
        ("gar-bench-vqa", "answers", ("replies", "letters", "probabilities"), ["a"] * 4, "probabilities cannot be"),
        ("gar-bench-vqa", "answers", ("replies", "written", "notes"), 5, "replies.written.notes cannot be 5"),
        ("gar-bench-simple", "answers", ("facts",), {}, "line 2 of FOLDER/answers.jsonl, facts: answer is missing"),
        (
            "dlc-bench",
            "answers",
            ("facts", "questions", 0, "scores"),
            [],
            "answers.jsonl, facts: questions.0 cannot be",
        ),
        ("dlc-bench", "verdicts", ("item",), "foo", "is about item 'foo', to which the run has no answer"),
        ("dlc-bench", "verdicts", ("request",), 0, "is out of order"),
        ("dlc-bench", "verdicts", ("reply",), 5, "reply cannot be 5"),
        ("dlc-bench", "judge", ("judging",), "ear", "'ear'"),
        ("dlc-bench", "judge", ("judge",), {}, "judge.name is missing"),
    ],
)
def test_a_wrong_value_is_named_with_its_file_and_line(sound, tmp_path, name, file, path, new, said):
    folder = damaged(sound, tmp_path / "run", name, file, path, new)
    with pytest.raises(InputError) as caught:
        score_run(folder)
    assert said.replace("FOLDER", str(folder)) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_any_place_is_used_or_refused(sound, tmp_path, data):
    name, file = data.draw(st.sampled_from(NAMES)), data.draw(st.sampled_from(list(FILES)))
    found = list((sound / name).glob(FILES[file]))
    if not found:
        return
    path = data.draw(st.sampled_from(list(places(values_of(found[0])[-1]))))
    folder = damaged(sound, tmp_path / "run", name, file, path, data.draw(st.sampled_from(WRONG)))
    judge = RuleJudge(lambda messages: "A")
    for use in (
        lambda: score_run(folder),
        lambda: compare([sound / name, folder]),
        lambda: write_report([folder], tmp_path / "report.html", max_megabytes=0.01),
        lambda: judge_run(folder, judge),
    ):
        with contextlib.suppress(GARError):
            use()


def test_more_verdicts_than_questions_are_refused(sound, tmp_path):
    folder = shutil.copytree(sound / "dlc-bench", tmp_path / "run")
    (path,) = folder.glob("verdicts/*.jsonl")
    values = values_of(path)
    write_values(path, [*values, {**values[-1], "request": values[-1]["request"] + 1}])
    with pytest.raises(InputError, match=r"has \d+ verdicts on \d+ questions"):
        score_run(folder)


def test_a_last_line_that_is_nested_too_deeply_is_cut_off_as_any_other_that_is_not_whole(sound, tmp_path):
    folder = shutil.copytree(sound / "gar-bench-vqa", tmp_path / "run")
    with (folder / "answers.jsonl").open("a") as stream:
        stream.write("[" * 200_000 + "\n")
    (table,) = score_run(folder)
    assert len(table.records) == 2
