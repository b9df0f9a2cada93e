"""The examples of docs/serving.md run as they stand there."""

import re
import runpy
from pathlib import Path

import pytest
from live_server import live

import gar

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def nano():
    with live(gar.load("nano", device="cpu")) as server:
        yield server


def test_the_example_of_the_openai_client_runs(nano, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    example = tmp_path / "example.py"
    example.write_text(code.replace("http://127.0.0.1:8000", nano.url), encoding="utf-8")
    runpy.run_path(str(example))["client"].close()
    chosen = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"(white|black|red) \{'.*\}", chosen)


def test_the_table_of_limits_tells_the_defaults():
    from gar.serving.limits import Limits

    limits = Limits()
    for value in (limits.max_body_bytes, limits.max_pixels, limits.max_tokens):
        assert f"| {value:,} |" in GUIDE
    for value in (limits.max_body_seconds, limits.max_seconds):
        assert f"| {value:g} |" in GUIDE
    assert f"| {limits.max_answers} |" in GUIDE
    assert f"| {limits.max_requests} |" in GUIDE


def test_every_status_that_the_document_announces_is_in_the_table(nano):
    cells = re.findall(r"^\| (\d{3}(?:, \d{3})*) \|", GUIDE, re.MULTILINE)
    told = {status for cell in cells for status in cell.split(", ")}
    paths = nano.client.get("/openapi.json").json()["paths"]
    announced = {status for path in paths.values() for operation in path.values() for status in operation["responses"]}
    assert announced - {"200"} <= told
