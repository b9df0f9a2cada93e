"""Describe Anything: tiny random weights that bring their own code, and a server that speaks its protocol."""

import base64
import io
import json

import numpy as np
import pytest
import torch
from chat_server import Fails
from PIL import Image
from safetensors.torch import save_file

from gar.errors import CheckpointError, InputError
from gar.regions import Region
from gar.systems import Question, make_system

# What the published weights bring: a model with `init_dam`, whose `get_description` takes picture, mask and query.
TINY_DAM = """
import torch
from transformers import PretrainedConfig, PreTrainedModel


class TinyConfig(PretrainedConfig):
    model_type = "tiny-dam"


class TinyDam(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.scale = torch.nn.Parameter(torch.zeros(1))
        self.post_init()

    def init_dam(self, conv_mode, prompt_mode):
        assert (conv_mode, prompt_mode) == ("v1", "full+focal_crop")
        return self

    def get_description(self, image_pil, mask_pil, query, streaming=False, temperature=0.2, top_p=0.5, num_beams=1,
                        max_new_tokens=512):
        assert image_pil.size == mask_pil.size and mask_pil.mode == "L" and set(mask_pil.tobytes()) <= {0, 255}
        if "fail" in query:
            raise RuntimeError("no such luck")
        drawn = torch.rand(1).item() * self.scale.item()
        inside = sum(value > 0 for value in mask_pil.tobytes())
        return f" {query!r} {inside} {temperature} {top_p} {num_beams} {max_new_tokens} {drawn:.6f} "
"""


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    folder = tmp_path / "dam"
    folder.mkdir()
    (folder / "modeling_tiny.py").write_text(TINY_DAM)
    auto = {"AutoConfig": "modeling_tiny.TinyConfig", "AutoModel": "modeling_tiny.TinyDam"}
    (folder / "config.json").write_text(json.dumps({"model_type": "tiny-dam", "auto_map": auto}))
    save_file({"scale": torch.ones(1)}, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_code_that_comes_with_weights_is_not_run_unless_allowed(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "evil.Model"}}))
    (tmp_path / "evil.py").write_text("raise SystemExit('it was run')")
    with pytest.raises(InputError, match="allow_remote_code"):
        make_system(f"dam:{tmp_path}")


def test_the_weights_are_asked_as_published(weights, picture):
    system = make_system(f"dam:{weights}", allow_remote_code=True, device="cpu")
    region = Region.box(10, 10, 30, 20, whole=True)
    questions = [
        Question(picture, [region]),
        Question(picture, [region], "What color is <Prompt0>?", max_new_tokens=9),
        Question(picture, [region]),
        Question(picture, [region], "fail"),
        Question(picture, [region, region], "Is <Prompt0> left of <Prompt1>?"),
        Question(picture, [Region.box(9000, 0, 9001, 1)]),
        Question([picture], [[region]]),
        Question(picture, [region], "Is <Prompt1> red?"),
        Question(picture, [region], "Is <Prompt0> red?", ["yes", "no"]),
    ]
    replies = list(system.answer(questions))
    assert replies[0].error is None
    query, rest = replies[0].text.rsplit("'", 1)
    assert query == r"'<image>\nDescribe the masked region in detail."
    assert rest.split()[:5] == ["200", "0.2", "0.5", "1", "512"]
    assert replies[1].text.startswith(r"'<image>\nWhat color is the masked region?' 200 0.2 0.5 1 9 ")
    assert replies[2].text == replies[0].text  # the same seed for each
    assert replies[3].error == "RuntimeError: no such luck"
    assert [reply.error.split(":")[0] for reply in replies[4:]] == [
        "PromptError",
        "RegionError",
        "PromptError",
        "PromptError",
        "PromptError",
    ]


def test_weights_that_are_not_there_or_not_dam_say_so(tmp_path, tiny_model_folder):
    with pytest.raises(CheckpointError, match="cannot load DAM"):
        make_system(f"dam:{tmp_path / 'none'}", allow_remote_code=True, device="cpu")
    with pytest.raises(CheckpointError, match="cannot load DAM"):
        make_system(f"dam:{tiny_model_folder}", allow_remote_code=True, device="cpu")


def pictures_in(body):
    urls = [part["image_url"]["url"] for part in body["messages"][0]["content"] if part["type"] == "image_url"]
    assert all(url.startswith("data:image/png;base64,") for url in urls)
    return [Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) for url in urls]


def test_the_server_gets_the_region_as_alpha(serve, picture):
    server = serve(lambda number, body: " A cup. ")
    system = make_system(f"dam-server:{server.url.removesuffix('/v1')}")
    region = Region.box(10, 10, 100, 60)
    (reply,) = system.answer([Question(picture, [region])])
    assert reply.text == "A cup."
    assert server.paths == ["/chat/completions"]
    (body,) = server.requests
    assert body["model"] == "describe_anything_model"
    assert body["messages"][0]["content"][-1]["text"] == "Describe the masked region in detail."
    (sent,) = pictures_in(body)
    assert sent.mode == "RGBA"
    assert np.array_equal(np.asarray(sent)[..., 3] > 0, region.to_mask((picture.height, picture.width)))
    assert np.array_equal(np.asarray(sent)[..., :3], np.asarray(picture))


def test_the_server_gets_eight_frames_in_which_the_region_is_seen(serve):
    server = serve(lambda number, body: "It moves.")
    frames = [Image.new("RGB", (20, 10), (n, 0, 0)) for n in range(30)]
    track = [Region.box(1, 1, 5, 5) if n % 2 else None for n in range(30)]
    short = [Region.box(1, 1, 5, 5) if n == 3 else None for n in range(30)]
    system = make_system(f"dam-server:{server.url}")
    replies = list(system.answer([Question(frames, [track]), Question(frames, [short]), Question(frames, [track[1:]])]))
    assert [reply.error is None for reply in replies] == [True, True, False]
    reds = [[image.getpixel((0, 0))[0] for image in pictures_in(body)] for body in server.requests]
    assert reds == [[1, 5, 9, 13, 17, 21, 25, 29], [3] * 8]
    assert server.requests[0]["messages"][0]["content"][-1]["text"].startswith("Given the video in the form of")


def test_the_servers_failures_are_recorded(serve, picture, regions):
    server = serve(lambda number, body: Fails(500))
    system = make_system(f"dam-server:{server.url}", attempts=1)
    replies = list(system.answer([Question(picture, regions[:1]), Question(picture, regions, "How do they relate?")]))
    assert "InternalServerError" in replies[0].error
    assert replies[1].error == "PromptError: 2 regions were given; Describe Anything takes exactly 1"
