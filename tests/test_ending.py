"""How commands end."""

import os
import signal
import subprocess
import sys

import pytest

from gar.ending import exit_status
from gar.errors import InputError
from gar.training.evaluate import app


def test_what_a_command_gives_is_its_status():
    assert exit_status(lambda: 3) == 3
    assert exit_status(lambda: None) == 0


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InputError("no\n such thing"), "gar: no such thing\n"),
        (FileNotFoundError(2, "No such file", "a.txt"), "gar: a.txt: No such file\n"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(capsys, error, told):
    def command():
        raise error

    assert exit_status(command) == 2
    assert capsys.readouterr().err == told


def test_ctrl_c_is_status_130():
    def command():
        raise KeyboardInterrupt

    assert exit_status(command) == 130


@pytest.mark.parametrize("error", [ValueError("ours"), OSError("of nothing")])
def test_a_bug_keeps_its_traceback(error):
    def command():
        raise error

    with pytest.raises(type(error)):
        exit_status(command)


def test_sigterm_ends_what_is_unfinished_and_is_status_143(tmp_path):
    before = signal.getsignal(signal.SIGTERM)

    def command():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            (tmp_path / "removed").touch()

    with pytest.raises(SystemExit) as ended:
        exit_status(command)
    assert ended.value.code == 143
    assert (tmp_path / "removed").exists()
    assert signal.getsignal(signal.SIGTERM) == before


def test_modules_end_as_commands_do(capsys):
    for arguments, said in ((["nowhere/at/all", "--scenes", "1"], "'nowhere/at/all'"), (["--bogus"], "No such option")):
        assert exit_status(lambda given=arguments: app(given, standalone_mode=False)) == 2
        assert capsys.readouterr().err.startswith(f"gar: {said}")


def test_a_reader_that_has_had_enough_is_no_mistake():
    code = "import sys; from gar.ending import exit_status; sys.exit(exit_status(lambda: print('a\\n' * 999999)))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""
