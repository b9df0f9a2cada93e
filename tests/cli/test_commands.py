"""The commands, run on a tiny random model: what is printed and written, not whether the answers are true."""

import json
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

import gar
from gar.cli import main

CAT = str(files("gar") / "examples" / "chelsea.jpg")
POINTING = ["--point", "170,115 radius=30", "--box=-60,0,365,285", "--polygon", "232,228 291,231 257,265"]


@pytest.fixture
def run(tiny_model_folder, capsys):
    """Runs a command on the tiny model and gives its status, stdout and stderr."""

    def run(*arguments):
        status = main([*arguments, "--model", str(tiny_model_folder)])
        return status, *capsys.readouterr()

    return run


def test_describe_prints_one_line_a_region_in_the_order_of_the_flags(run):
    status, out, err = run("describe", CAT, *POINTING, "--max-new-tokens", "1")
    assert status == 0
    lines = out.splitlines()
    assert [line.split(":")[0].split() for line in lines] == [["0", "points"], ["1", "box"], ["2", "polygon"]]
    assert "60 px beyond the left edge" in err


def test_describe_as_json_says_what_the_assistant_says(run, tiny_model_folder):
    status, out, _ = run("describe", CAT, *POINTING, "--max-new-tokens", "4", "--json")
    assert status == 0
    found = json.loads(out)
    regions = [
        gar.Region.points([(170, 115)], radius=30),
        gar.Region.box(-60, 0, 365, 285),
        gar.Region.polygon([(232, 228), (291, 231), (257, 265)]),
    ]
    answers = gar.load(tiny_model_folder).describe(CAT, regions, max_new_tokens=4)
    assert found["size"] == [300, 451]
    assert [answer["text"] for answer in found["answers"]] == [answer.text for answer in answers]
    for record, region in zip(found["answers"], regions, strict=True):
        (given,) = record["regions"]
        assert (given["kind"], tuple(given["box"])) == (region.kind, region.to_box((300, 451)))
        assert (gar.Region.rle(given["rle"]).to_mask((300, 451)) == region.to_mask((300, 451))).all()
    assert "60 px" in found["answers"][1]["notes"][0]


def test_describe_draws_the_regions(run, tmp_path):
    status, _, err = run("describe", CAT, *POINTING, "--max-new-tokens", "1", "--draw", str(tmp_path / "seen.png"))
    assert status == 0
    assert "seen.png" in err
    with Image.open(tmp_path / "seen.png") as drawn, Image.open(CAT) as picture:
        assert drawn.size == picture.size
        assert (np.asarray(drawn) != np.asarray(picture)).any()
    assert [path.name for path in tmp_path.iterdir()] == ["seen.png"]


def test_ask_with_choices_prints_the_likeliest_first_and_a_bar_for_each(run):
    status, out, _ = run("ask", CAT, "What color is <Prompt0>?", *POINTING[:2], "--choice", "red", "--choice", "green")
    assert status == 0
    first, *bars = out.splitlines()
    assert first in ("red", "green")
    assert [line.split()[-1] for line in bars] == ["red", "green"]
    assert sum(float(line.split()[-2].removesuffix("%")) for line in bars) == pytest.approx(100, abs=0.2)


def test_ask_without_choices_answers_freely(run):
    question = "Where is <Prompt0> relative to <Prompt1>?"
    status, out, _ = run("ask", CAT, question, *POINTING[:3], "--max-new-tokens", "2", "--json")
    answer = json.loads(out)["answer"]
    assert status == 0
    assert len(answer["regions"]) == 2
    assert answer["new_tokens"] <= 2
    assert "probabilities" not in answer


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ask", CAT, "What is <Prompt1>?", "--point", "5,5"], "<Prompt1>"),
        (["ask", CAT, "What is it?", *(["--point", "5,5"] * 9)], "9 regions"),
        (["ask", CAT, "What is <Prompt0>?", "--point", "5,5", "--choice", "one"], "at least 2"),
        (["describe", CAT, "--point", "5,5", "--device", "abacus"], "abacus"),
    ],
)
def test_what_only_the_model_can_refuse_is_one_line_and_status_2_too(run, arguments, said):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert said in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_model_that_is_missing_is_one_line_and_status_2(capsys):
    assert main(["info", "no/such/model"]) == 2
    assert "no/such/model" in capsys.readouterr().err


def test_info_prints_the_facts_of_a_model(tiny_model_folder, capsys):
    assert main(["info", str(tiny_model_folder), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts == gar.load(tiny_model_folder).info()
    assert main(["info", str(tiny_model_folder)]) == 0
    assert f"{facts['parameters']:,}" in capsys.readouterr().out


def test_demo_writes_a_page_and_a_picture_for_each_case(run, tmp_path):
    status, out, _ = run("demo", str(tmp_path / "new" / "demo"), "--scenes", "1", "--max-new-tokens", "4")
    assert status == 0
    written = {path.name for path in (tmp_path / "new" / "demo").iterdir()}
    assert {"index.html", "world-0.png", "photograph-chelsea.png"} <= written
    assert not any(name.startswith(".") for name in written)
    page = (tmp_path / "new" / "demo" / "index.html").read_text("utf-8")
    assert page.count("<img ") == len(written) - 1
    assert "http" not in page  # it needs no network
    assert "a cat&#39;s green eye" in page
    assert "words right" in out


def test_the_demo_page_escapes_what_a_model_says_and_shows_prompts_as_chips():
    from gar.cli.demo_cases import world_scenes
    from gar.cli.demo_page import render_page
    from gar.cli.demo_results import Result, score

    (case,) = world_scenes(1, seed=0, max_regions=5)
    said = gar.Answer("<script>alert(1)</script> beside <Prompt1>", case.regions[:1], "stop", 1, 1, 0.1)
    truths = [question.truth for question in case.questions]
    replies = [
        gar.Answer(truth, case.regions, "choice", 1, 0, 0.1, choice=truth, probabilities={truth: 1.0})
        for truth in truths
    ]
    result = Result(case, (said,) * len(case.regions), tuple(replies))
    page = render_page([result], "nano", {"parameters": 1234567, "device": "cpu", "dtype": "float32"})
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "Prompt1" not in page
    assert "1,234,567" in page
    assert score([result]).questions == len(case.questions)
    assert score([result]).words == 0
