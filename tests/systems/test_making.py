"""From what a user writes to a system."""

import subprocess
import sys

import pytest

from gar.errors import CheckpointError, InputError
from gar.systems import make_system


def test_the_embedded_model_is_made_by_name():
    system = make_system("nano", device="cpu", style=None)
    assert (system.name, system.scores_choices) == ("nano", True)


def test_azure_is_a_kind_of_its_own():
    system = make_system("azure:my-gpt", base_url="https://me.openai.azure.com/", key="k", style="contour")
    assert system.name == "azure:my-gpt (contour)"
    assert system.settings["base_url"] == "https://me.openai.azure.com"
    assert system.settings["api_version"] == "2024-10-21"


@pytest.mark.parametrize(
    ("spec", "flags", "said"),
    [
        ("", {}, "names no system"),
        ("openai:", {}, "names no system"),
        ("gpt:4o", {}, "'gpt:4o' is of no known kind; allowed: openai, azure, dam, "),
        ("nano", {"style": "marks"}, "'nano' does not take style; it takes: device, dtype"),
        ("file:a.json", {"device": "cpu"}, "takes: nothing"),
        ("openai:m", {"api_version": "1", "base_url": "http://localhost:1"}, "does not take api_version"),
        ("file:none.json", {}, "cannot read"),
    ],
)
def test_mistakes_say_what_is_allowed(spec, flags, said):
    with pytest.raises(InputError, match=said):
        make_system(spec, **flags)


def test_a_model_that_is_not_there_is_an_error_of_the_checkpoint():
    with pytest.raises(CheckpointError, match="neither 'nano', nor a folder"):
        make_system("no-such-model")


def test_importing_systems_imports_no_torch():
    code = "import sys, gar.systems; sys.exit('torch' in sys.modules or 'openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"timeout": "soon"}, "timeout of 'openai:m' is 'soon'; needed is int or float"),
        ({"attempts": 2.5}, "attempts of 'openai:m' is 2.5; needed is int"),
        ({"attempts": True}, "attempts of 'openai:m' is True"),
        ({"style": 3}, "style of 'openai:m' is 3; needed is str"),
        ({"key": 12345}, "key of 'openai:m' is int; needed is str"),
    ],
)
def test_flags_of_another_type_are_refused_and_keys_are_not_repeated(flags, said):
    with pytest.raises(InputError, match=said) as raised:
        make_system("openai:m", base_url="http://localhost:1/v1", **flags)
    assert "12345" not in str(raised.value)
