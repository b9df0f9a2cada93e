"""After `import gar`, transformers' Auto classes know our models, whichever was imported first."""

import subprocess
import sys

import pytest

CHECK = """
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
folder = sys.argv[1]
assert type(AutoConfig.from_pretrained(folder)).__name__ == "GARConfig"
assert type(AutoModelForImageTextToText.from_pretrained(folder)).__name__ == "GARForConditionalGeneration"
assert type(AutoProcessor.from_pretrained(folder)).__name__ == "GARProcessor"
"""


@pytest.mark.parametrize(
    "first",
    [
        pytest.param("import gar", marks=pytest.mark.slow),  # each takes a fresh Python eight seconds
        pytest.param("import transformers, gar", marks=pytest.mark.slow),
        "from transformers import AutoModelForImageTextToText, AutoProcessor; import gar",
        "import gar; from transformers import Trainer",
        "import gar; gar.GARProcessor",
    ],
)
def test_the_auto_classes_load_our_folders_in_every_order_of_imports(tiny_model_folder, first):
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{first}\n{CHECK}", str(tiny_model_folder)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_loading_a_processor_alone_needs_no_model_class(tiny_model_folder):
    load = "print(type(AutoProcessor.from_pretrained(sys.argv[1])))"
    code = f"import sys, gar\nfrom transformers import AutoProcessor\n{load}"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_model_folder)], capture_output=True, text=True, timeout=120
    )
    assert "GARProcessor" in done.stdout, done.stderr
