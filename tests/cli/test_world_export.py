"""`gar world export`: what is written, what is refused, and what is left when it is ended."""

import signal
import subprocess
import sys
import time

import pytest

from gar.cli import main
from gar.training.sources.published import PublishedSource


@pytest.fixture
def run(capsys):
    """Runs the command and gives its status and stderr on one line."""

    def run(*arguments):
        status = main(["world", "export", *map(str, arguments)])
        return status, " ".join(capsys.readouterr().err.split())

    return run


def test_scenes_are_written_as_training_data(run, tmp_path):
    status, said = run("--n", 2, "--seed", 4, "--split", "held-out", "--out", tmp_path / "world")
    assert status == 0
    assert "2 scenes of split 'held-out' (seeds 4 to 5)" in said
    assert len(PublishedSource(tmp_path / "world/data.json")) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["world"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--split", "test"), "held-out-nouns"),
        (("--n", 0), "--n"),
        (("--n", 10_001), "10000"),
        (("--seed", -1), "--seed"),
    ],
)
def test_mistakes_leave_nothing_behind(run, tmp_path, arguments, message):
    status, said = run("--out", tmp_path / "world", *arguments)
    assert status == 2
    assert said.startswith("gar: ")
    assert message in said
    assert list(tmp_path.iterdir()) == []


def test_sigterm_leaves_nothing_behind(tmp_path):
    arguments = ["world", "export", "--n", "10000", "--out", str(tmp_path / "world")]
    code = f"import sys; from gar.cli import main; sys.exit(main({arguments}))"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None and not list(tmp_path.glob(".world.*/images/*")):
                time.sleep(0.02)
            process.terminate()
            assert process.wait(20) == 128 + signal.SIGTERM
        finally:
            process.kill()
    assert list(tmp_path.iterdir()) == []


def test_world_lists_the_command_and_its_help_has_examples(capsys):
    assert main(["world"]) == 0
    assert "export" in capsys.readouterr().out
    assert main(["world", "export", "--help"]) == 0
    assert "gar world export --n 1000 --out world/" in capsys.readouterr().out
