"""Writing samples in the published data format, so that any tool that reads it can learn from them.

A folder is written whole or not at all: everything goes to a folder beside it that takes its name at the end.

* as JSON: `data.json`, a list of records, and their pictures as PNG in `images/`, to which it refers by relative paths;
* as Arrow: what `datasets.load_from_disk` reads, the pictures inside.

The format numbers the masks of a record from 0 in the order of its list, and tells captions from questions by whether
the text names a region; so prompts are renumbered in their order, and every region of a question has to be named.
That the turns of a sample stand each alone is written as `"dialogue": false`, which the published loader does not
read: it takes them for one conversation.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

import numpy as np
from PIL import Image

from gar.errors import InputError
from gar.files import whole_folder
from gar.graspworld import choose_prompts, render_scene, write_turns
from gar.processing.prompts import prompt_name, prompts_in
from gar.regions import Region
from gar.training.samples import Sample

__all__ = ["Format", "export_published", "published_record", "scene_samples"]

Format = Literal["json", "arrow"]


def scene_samples(seed: int, count: int, split: str = "train") -> Iterator[Sample]:
    """Samples of GraspWorld, one a scene: a question of each kind, each standing alone.

    Each region is named by some question. Questions about regions that are not there are left out: the format can't
    tell them from mistakes.

    Args:
        seed: Of the first scene; the others follow by one.
        count: How many scenes.
        split: Of the world, see `gar.graspworld.render_scene`.

    Raises:
        InputError: The split is unknown.
    """
    for number in range(seed, seed + count):
        scene = render_scene(number, split=cast(Any, split))  # which says what is allowed
        rng = np.random.default_rng([number, 2])
        prompts = choose_prompts(scene, rng)
        turns: dict[str, str] = {}
        while _named(turns.items()) != set(prompts):
            written = [(turn.question, turn.answer) for turn in write_turns(scene, prompts, rng)]
            turns |= dict(turn for turn in written if _named([turn]) <= set(prompts))
        masks = tuple(scene.objects[index].mask for index in prompts.values())
        yield Sample(
            f"graspworld {split} {number}", masks, tuple(prompts), tuple(turns.items()), "several", False, scene.image
        )


def published_record(sample: Sample) -> dict[str, Any]:
    """A sample as a record of the published format, without its picture.

    Questions about regions that are not there, which are drawn when captions are read, are left out of captions.

    Raises:
        InputError: A question's region is never named, or a named one has no mask.

    Example:
        >>> mask = np.ones((1, 2), bool)
        >>> record = published_record(Sample("x", (mask,), (3,), (("What is <Prompt3>?", "A cat."),)))
        >>> record["mask_rle"], record["conversations"][0]
        ([{'size': [1, 2], 'counts': '02'}], {'from': 'human', 'value': 'What is <Prompt0>?'})
    """
    masks = dict(zip(sample.prompts, sample.masks, strict=True))
    turns = list(sample.turns)
    if sample.wording == "several":
        if (named := _named(turns)) != set(masks):
            raise InputError(
                f"{sample.name}: its regions are {_names(masks)}, its turns name {_names(named)}; the format shows the "
                "regions that are named, and no others"
            )
        masks = dict(sorted(masks.items()))
        places = {prompt_name(number): prompt_name(place) for place, number in enumerate(masks)}
        turns = [(_renamed(question, places), _renamed(answer, places)) for question, answer in turns]
    else:
        turns = [turn for turn in turns if not re.match(r"<Prompt\d+>: ", turn[0])]
    return {
        "name": sample.name,
        "mask_rle": [Region.mask(mask).to_rle(mask.shape[:2]) for mask in masks.values()],
        "conversations": [
            {"from": speaker, "value": text}
            for turn in turns
            for speaker, text in zip(("human", "gpt"), turn, strict=True)
        ],
        "dialogue": sample.dialogue,
    }


def _named(turns: Iterable[tuple[str, str]]) -> set[int]:
    """The prompt numbers that turns name."""
    return set(prompts_in("\n".join(text for turn in turns for text in turn)))


def _names(numbers: Iterable[int]) -> str:
    return ", ".join(map(prompt_name, sorted(numbers))) or "none"


def _renamed(text: str, places: dict[str, str]) -> str:
    """The text with the names of prompts changed, all at once."""
    return re.sub(r"<Prompt\d+>", lambda name: places[name.group()], text)


def export_published(
    samples: Iterable[Sample], folder: str | Path, format: Format = "json", *, advance: Callable[[], object] = int
) -> int:
    """Writes samples in the published format.

    Args:
        samples: With their pictures; read one by one.
        folder: Where to; must not exist yet, or be empty. Of a link, what it leads to.
        format: "json" or "arrow".
        advance: Called after each sample.

    Returns:
        How many were written.

    Raises:
        InputError: The folder holds something, there is no sample, or one has no picture or can't be written.
        MissingExtraError: Arrow is asked for, and the package `datasets` is not installed.
    """
    folder = Path(os.path.realpath(folder))
    if format not in ("json", "arrow"):
        raise InputError(f"format {format!r}; it must be json or arrow")
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder} exists already; needed is a folder that is new or empty")
    if format == "arrow":
        from gar.training.sources.arrow import import_datasets

        import_datasets()
    with whole_folder(folder) as unfinished:
        count = (_write_json if format == "json" else _write_arrow)(_counted(samples, advance), unfinished)
        if not count:
            raise InputError("there is no sample to write")
        if folder.exists():
            folder.rmdir()  # unless somebody has put something there meanwhile
    return count


def _counted(samples: Iterable[Sample], advance: Callable[[], object]) -> Iterator[Sample]:
    for sample in samples:
        yield sample
        advance()


def _png(sample: Sample) -> bytes:
    if sample.picture is None:
        raise InputError(f"{sample.name} has no picture, only its features")
    encoded = io.BytesIO()
    Image.fromarray(sample.picture).save(encoded, "PNG", compress_level=1)  # a tenth larger, five times as fast
    return encoded.getvalue()


def _write_json(samples: Iterable[Sample], folder: Path) -> int:
    count = 0
    (folder / "images").mkdir()
    with (folder / "data.json").open("w", encoding="utf-8") as data:
        for sample in samples:
            name = f"images/{count:07}.png"
            (folder / name).write_bytes(_png(sample))
            record = {"image": name, **published_record(sample)}
            data.write(f"{',' if count else '['}\n{json.dumps(record, ensure_ascii=False)}")
            count += 1
        data.write("\n]\n")
    return count


def _write_arrow(samples: Iterable[Sample], folder: Path) -> int:
    from gar.training.sources.arrow import import_datasets, quietly

    datasets = import_datasets()
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "name": datasets.Value("string"),
            "mask_rle": [{"size": [datasets.Value("int64")], "counts": datasets.Value("string")}],
            "conversations": [{"from": datasets.Value("string"), "value": datasets.Value("string")}],
            "dialogue": datasets.Value("bool"),
        }
    )
    # `datasets` writes only whole data sets, and never over what it reads
    with TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as beside:
        rows = str(Path(beside) / "rows.arrow")
        with datasets.arrow_writer.ArrowWriter(features=features, path=rows) as writer:
            for sample in samples:
                writer.write({"image": {"bytes": _png(sample), "path": None}, **published_record(sample)})
            count, _ = writer.finalize()
        with quietly(datasets):
            datasets.Dataset.from_file(rows).save_to_disk(str(folder))
    return count
