"""A small benchmark of synthetic pictures, and systems and judges that answer by rule."""

import io
import json
import tarfile

import numpy as np
from PIL import Image

from gar.benchmarks.judge import Verdict
from gar.regions import Region
from gar.systems.protocol import Reply

TYPES = ("color", "shape")


class RuleSystem:
    """Answers multiple choice with one letter, all else with a sentence; fails where it is told to."""

    scores_choices = True

    def __init__(self, letter="B", failing=(), name="rule"):
        self.letter, self.failing, self.name = letter, set(failing), name
        self.settings = {"letter": letter}
        self.asked = []

    def answer(self, questions):
        for question in questions:
            self.asked.append(question)
            if question.key in self.failing:
                yield Reply(error="it did not answer")
            elif question.choices is None:
                yield Reply(text=self.letter if "Options:" in (question.text or "") else "A red thing.", seconds=0.0)
            else:  # sure of whatever stands at its letter
                place = "ABCD".index(self.letter)
                shares = [0.1] * len(question.choices)
                shares[place] = 1 - 0.1 * (len(shares) - 1)
                yield Reply(text=self.letter, probabilities=tuple(shares))


class RuleJudge:
    """Replies to every request by a function of its messages."""

    name = "rule judge"
    settings = {"model": "rule"}  # noqa: RUF012

    def __init__(self, reply):
        self.reply, self.asked = reply, []

    def ask(self, requests):
        for request in requests:
            self.asked.append(request)
            text = self.reply(request.messages)
            yield Verdict(text, None if text is not None else "no reply")


def vqa_entry(number, regions=2):
    """One entry in GAR-Bench-VQA's format; the right letter goes round."""
    masks = np.zeros((regions, 24, 32), bool)
    for place in range(regions):
        masks[place, 4:12, 2 + 8 * place : 8 + 8 * place] = True
    return {
        "image": f"images/vqa_{number}.png",
        "mask_rles": [Region.mask(mask).to_rle((24, 32)) for mask in masks],
        "question": "Which one among <Prompt0> or <Prompt1> is red?",
        "choices": ["A. <Prompt0>", "B. <Prompt1>", "C. both", "D. none"],
        "answer": "ABCD"[number % 4],
        "type": TYPES[number % 2],
    }


def picture_bytes(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()


def write_vqa(folder, items, pictures="folder"):
    annotations = folder / "annotations"
    (annotations / "images").mkdir(parents=True)
    entries = [vqa_entry(number) for number in range(items)]
    (annotations / "GAR-Bench-VQA.json").write_text(json.dumps(entries))
    if pictures == "folder":
        for number in range(items):
            (annotations / f"images/vqa_{number}.png").write_bytes(picture_bytes(number))
    else:
        with tarfile.open(annotations / "images.tar", "w") as tar:
            first = picture_bytes(0)
            info = tarfile.TarInfo("./images/vqa_0.png")
            info.size = len(first)
            tar.addfile(info, io.BytesIO(first))
            for number in range(1, items):  # the same picture again
                link = tarfile.TarInfo(f"./images/vqa_{number}.png")
                link.type, link.linkname = tarfile.LNKTYPE, "./images/vqa_0.png"
                tar.addfile(link)
    return folder
