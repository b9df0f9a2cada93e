"""Small pictures, masks and records in a folder."""

import json

import numpy as np
import pytest
from PIL import Image

from gar.regions import Region


@pytest.fixture
def boxes():
    """Makes masks (H, W): number i is a box of its own in a picture of 24 x 32."""

    def make(count, size=(24, 32)):
        masks = [np.zeros(size, dtype=bool) for _ in range(count)]
        for number, mask in enumerate(masks):
            mask[2 * number : 2 * number + 3, 3 * number : 3 * number + 4] = True
        return masks

    return make


@pytest.fixture
def picture(make_picture):
    return make_picture(24, 32)


@pytest.fixture
def record(boxes):
    """Makes a record: captions of `masks` regions, or a conversation about them; anything may be changed."""

    def make(masks=1, conversation=None, **changed):
        rles = [Region.mask(mask).to_rle(mask.shape) for mask in boxes(masks)]
        said = conversation or [text for number in range(masks) for text in ("Describe it.", f"Thing number {number}.")]
        turns = [{"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(said)]
        return {"image": "a.png", "mask_rle": rles, "conversations": turns, **changed}

    return make


@pytest.fixture
def write(tmp_path, picture):
    """Writes records beside the picture `a.png`, as JSON, and gives the path."""

    def make(*records, name="data.json"):
        Image.fromarray(picture).save(tmp_path / "a.png")
        path = tmp_path / name
        if path.suffix == ".jsonl":
            path.write_text("\n".join(map(json.dumps, records)))
        else:
            path.write_text(json.dumps(list(records)))
        return path

    return make
