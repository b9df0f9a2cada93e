import subprocess
import sys

import pytest

import gar

FACE = {
    "GAR",
    "Answer",
    "CheckpointError",
    "Dialogue",
    "EncodedScene",
    "GARConfig",
    "GARError",
    "GARForConditionalGeneration",
    "GARProcessor",
    "InputError",
    "MediaError",
    "MissingExtraError",
    "PromptError",
    "Region",
    "RegionError",
    "Request",
    "load",
    "load_image",
}


def test_the_public_face_is_exactly_this():
    assert set(gar.__all__) == FACE
    assert len(gar.__all__) == len(FACE)


@pytest.mark.parametrize("name", sorted(FACE))
def test_every_public_name_is_there_and_documented(name):
    value = getattr(gar, name)
    assert value.__doc__
    assert name in dir(gar)


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'gar' has no attribute 'segment'"):
        gar.segment  # noqa: B018


def test_importing_gar_imports_nothing_heavy():
    code = (
        "import sys, gar\n"
        "heavy = {'torch', 'transformers', 'numpy', 'PIL', 'tokenizers', 'safetensors', 'rich', 'typer'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_importing_gar_imports_few_modules():
    """What makes it quick, without a clock: torch alone is more than a thousand of them."""
    code = "import sys; bare = len(sys.modules); import gar; print(len(sys.modules) - bare)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert int(done.stdout) < 250, done.stderr  # 176 with Python 3.11


def test_every_error_is_one_of_ours_and_of_the_kind_that_callers_expect():
    errors = [getattr(gar, name) for name in FACE if name.endswith("Error")]
    assert all(issubclass(error, gar.GARError) for error in errors)
    assert issubclass(gar.InputError, ValueError)
    assert all(issubclass(e, gar.InputError) for e in (gar.RegionError, gar.MediaError, gar.PromptError))
    assert issubclass(gar.MissingExtraError, ImportError)


def test_a_missing_extra_names_the_command_that_brings_it():
    assert str(gar.MissingExtraError("fastapi", "serve")) == (
        "fastapi is not installed; run: pip install '.[serve]' in the repository of gar"
    )
    assert str(gar.MissingExtraError("wandb")) == "wandb is not installed; run: pip install wandb"
