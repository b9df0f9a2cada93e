"""VideoRefer and PixelRefer through small packages of the same names and calls."""

import sys

import numpy as np
import pytest
from PIL import Image

from gar.errors import CheckpointError, InputError
from gar.regions import Region
from gar.systems import Question, make_system

PACKAGE = """
import torch

def model_init(path):
    if "missing" in path:
        raise OSError("no weights here")
    return torch.nn.Linear(2, 2), "processor", "tokenizer"

def mm_infer(shown, instruct, model=None, tokenizer=None, **options):
    if "fail" in instruct:
        raise RuntimeError("out of luck")
    assert tokenizer == "tokenizer" and isinstance(model, torch.nn.Linear)
    masks = options.pop("masks")
    return f" {instruct}|{shown}|{list(masks.shape)}|{masks.sum().item():g}|{sorted(options.items())} "
"""
TOOLS = {
    "videorefer": """
import os

def process_video(path, processor, aspect_ratio, frame_idx):
    assert (processor, aspect_ratio) == ("processor", "square")
    return len(os.listdir(path)), f"frames {frame_idx}", 10, 20
""",
    "pixelrefer": """
import os
from PIL import Image

def load_images(path):
    with Image.open(path) as image:
        return image.size

def load_video(path, fps, max_frames, frame_ids):
    names = sorted(os.listdir(path))
    reds = []
    for name in names:
        with Image.open(os.path.join(path, name)) as image:
            reds.append(image.getpixel((0, 0))[0])
    return reds, fps, max_frames, frame_ids
""",
}


@pytest.fixture
def packages(tmp_path, monkeypatch):
    for name, tools in TOOLS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(PACKAGE)
        (tmp_path / name / "mm_utils.py").write_text(tools)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in TOOLS]:
        del sys.modules[name]


FRAMES = [Image.new("RGB", (20, 10), (n, 0, 0)) for n in range(4)]
SMALL, LARGE = Region.box(0, 0, 2, 2, whole=True), Region.box(0, 0, 5, 4, whole=True)


def answer(spec, question):
    (reply,) = make_system(spec, device="cpu").answer([question])
    assert reply.error is None
    return reply.text


@pytest.mark.usefixtures("packages")
def test_videorefer_sees_a_region_in_all_its_frames():
    question = Question(FRAMES, [[None, SMALL, None, LARGE], [LARGE, None, None, LARGE]],
                        "What is <Prompt1> to <Prompt0>? Does <Prompt1> move?", max_new_tokens=7)  # fmt: skip
    text, shown, shape, total, options = answer("videorefer:w", question).split("|")
    assert text == "What is <object1>[<region>] to <object0>[<region>]? Does <object1> move?"
    assert (shown, shape, total) == ("4", "[1, 4, 10, 20]", "64")
    assert options == (
        "[('ann_indices', [[[0, 2], [1, 2]]]), ('frame', 'frames [0, 1, 3]'), ('frame_nums', [3]), "
        "('max_new_tokens', 7)]"
    )


@pytest.mark.usefixtures("packages")
def test_videorefer_takes_a_picture_for_a_video_of_one_frame():
    text, shown, shape, _, options = answer("videorefer:w", Question(FRAMES[0], [LARGE])).split("|")
    assert text == "Please give a detailed description of the highlighted object [<region>] in the image."
    assert (shown, shape) == ("1", "[1, 1, 10, 20]")
    assert "('ann_indices', [[[0]]]), ('frame', 'frames [0]')" in options


@pytest.mark.usefixtures("packages")
def test_pixelrefer_sees_a_region_in_its_first_frame_and_all_frames_in_order():
    question = Question(FRAMES, [[None, SMALL, None, LARGE], [LARGE, None, None, LARGE]],
                        "What is <Prompt1> to <Prompt0>?", max_new_tokens=7)  # fmt: skip
    text, shown, shape, total, options = answer("pixelrefer:w", question).split("|")
    assert text == "<video>\nWhat is <object1><region> to <object0><region>?"
    assert shown == "([0, 1, 2, 3], None, 4, [0, 1])"
    assert (shape, total) == ("[2, 10, 20]", "24")
    assert options == "[('mask_ids', [0, 1]), ('max_new_tokens', 7)]"


@pytest.mark.usefixtures("packages")
def test_pixelrefer_takes_a_picture_as_a_picture():
    text, shown, shape, total, options = answer("pixelrefer:w", Question(FRAMES[0], [LARGE])).split("|")
    assert text == "Please describe the region <region> in the image in detail."
    assert (shown, shape, total) == ("(20, 10)", "[1, 10, 20]", "20")
    assert "('image_downsampling', 1)" in options
    assert "('mask_ids', [0])" in options
    assert "('modal', 'image')" in options


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("package", TOOLS)
def test_failures_are_recorded_one_by_one(package):
    questions = [
        Question(FRAMES[0], [LARGE], "fail at <Prompt0>"),
        Question(FRAMES[0], [LARGE, SMALL]),
        Question(FRAMES[0], [LARGE], "Is <Prompt1> red?"),
        Question(FRAMES, [[LARGE]]),
        Question(FRAMES, [[None] * 4]),
        Question(FRAMES[0], [LARGE], "Is <Prompt0> red?", ["yes", "no"]),
        Question(np.zeros((4, 4)), [Region.box(90, 90, 91, 91)]),
        Question(FRAMES[0], [LARGE], "What is this?"),
    ]
    replies = list(make_system(f"{package}:w", device="cpu").answer(questions))
    assert replies[0].error == "RuntimeError: out of luck"
    assert [(reply.error or "").split(":")[0] for reply in replies[1:]] == ["PromptError"] * 5 + ["RegionError", ""]
    assert "<region>" in replies[-1].text


@pytest.mark.parametrize("package", TOOLS)
def test_a_missing_package_is_named_with_its_source(package):
    with pytest.raises(
        InputError, match=f"'{package}' cannot be imported .* github.com/alibaba-damo-academy/PixelRefer"
    ):
        make_system(f"{package}:w")


@pytest.mark.usefixtures("packages")
def test_missing_weights_are_an_error_of_the_checkpoint():
    with pytest.raises(CheckpointError, match="cannot load videorefer from 'missing': no weights here"):
        make_system("videorefer:missing", device="cpu")
