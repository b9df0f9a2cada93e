"""`gar world export`, without the command line around it."""

import pytest
import typer
from typer.testing import CliRunner

from gar.cli.world_export import export
from gar.training.sources.published import PublishedSource


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(export)
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


def test_scenes_are_written_as_training_data(run, tmp_path):
    result = run("--n", 2, "--seed", 4, "--out", tmp_path / "world")
    assert result.exit_code == 0
    assert "2 scenes (train, seeds 4 to 5)" in " ".join(result.output.split())
    assert len(PublishedSource(tmp_path / "world/data.json")) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["world"]


def test_mistakes_leave_nothing_behind(run, tmp_path):
    result = run("--n", 1, "--split", "test", "--out", tmp_path / "world")
    assert "test" in str(result.exception)
    assert result.exit_code != 0
    assert list(tmp_path.iterdir()) == []
    assert run("--n", 0, "--out", tmp_path / "world").exit_code == 2
