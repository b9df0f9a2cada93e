"""Mistakes of users: one line on stderr, exit status 2, no traceback."""

import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from PIL import Image

from gar.cli import app, main
from gar.errors import GARError

CAT = str(files("gar") / "examples" / "chelsea.jpg")
COFFEE = str(files("gar") / "examples" / "coffee.jpg")
COMMANDS = ["describe", "ask", "info", "demo"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bogus"], "bogus"),
        (["--bogus"], "--bogus"),
        (["describe"], "PICTURE"),
        (["ask", CAT], "QUESTION"),
        (["describe", CAT], "no region"),
        (["describe", CAT, "--bogus"], "--bogus"),
        (["describe", CAT, "--box"], "--box"),
        (["describe", CAT, "--box", "1,2,3"], "--box '1,2,3'"),
        (["describe", CAT, "--box", "5000,1,6000,9"], "(5000, 1, 6000, 9)"),
        (["describe", "missing.jpg", "--point", "5,5"], "missing.jpg"),
        (["describe", "missing\n.jpg", "--point", "5,5"], "missing"),
        (["describe", "http://example.org/a.jpg", "--point", "5,5"], "or --allow-host example.org on the command line"),
        (["describe", CAT, "--mask", "missing.png"], "missing.png"),
        (["describe", CAT, "--mask", COFFEE], "400 x 600"),
        (["describe", CAT, "--rle", "missing.json"], "missing.json"),
        (["describe", CAT, "--point", "5,5", "--draw", "missing/seen.png"], "missing/seen.png"),
        (["describe", CAT, "--point", "5,5", "--draw", "seen.gif"], ".gif"),
        (["describe", CAT, "--point", "5,5", "--max-new-tokens", "0"], "--max-new-tokens"),
        (["describe", CAT, "--point", "5,5", "--dtype", "int3"], "int3"),
        (["demo"], "OUT"),
        (["demo", CAT], "chelsea.jpg is a file; a folder is needed"),
        (["demo", "out", "--scenes", "0"], "--scenes"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_status_2(capsys, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("gar: ")
    assert err.count("\n") == 1
    assert said in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["--help"], ["bench"], ["world"], *([name, "-h"] for name in COMMANDS)])
def test_help_is_printed_with_status_0(capsys, arguments):
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "Usage: gar" in out
    assert err == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_has_examples(capsys, name):
    main([name, "--help"])
    out = capsys.readouterr().out
    assert "Examples" in out
    assert f"gar {name}" in out.split("Examples")[1]


@pytest.mark.parametrize("drawn", ["cat.png", "link.png", "mask.png"])
def test_a_drawing_does_not_take_the_place_of_what_was_given(capsys, tmp_path, monkeypatch, drawn):
    monkeypatch.chdir(tmp_path)
    for name in ("cat.png", "mask.png"):
        Image.new("RGB", (20, 20), "white").save(name)
    (tmp_path / "link.png").symlink_to("cat.png")
    before = [Path(name).read_bytes() for name in ("cat.png", "mask.png")]
    assert main(["describe", "cat.png", "--mask", "mask.png", "--draw", drawn]) == 2
    assert capsys.readouterr().err.startswith(f"gar: --draw {drawn} is the same file as ")
    assert [Path(name).read_bytes() for name in ("cat.png", "mask.png")] == before


def test_the_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("gar 0.")


def test_a_bug_keeps_its_traceback():
    @app.command("fail", hidden=True)
    def fail():
        raise RuntimeError("a bug")

    try:
        with pytest.raises(RuntimeError, match="a bug"):
            main(["fail"])
    finally:
        app.registered_commands.pop()


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), 130), (GARError("no such thing"), 2), (BrokenPipeError(), 0)]
)
def test_interruptions_and_our_errors_have_their_status(error, status, capfd):
    @app.command("fail", hidden=True)
    def fail():
        raise error

    try:
        assert main(["fail"]) == status
    finally:
        app.registered_commands.pop()
    assert "Traceback" not in capfd.readouterr().err


def test_help_needs_neither_torch_nor_numpy():
    code = (
        "import sys; from gar.cli import main; main(['describe', '--help']);"
        "print({'torch', 'transformers', 'numpy', 'PIL', 'jinja2'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.stderr.strip() == "set()"
