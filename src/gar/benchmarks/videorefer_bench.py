"""VideoRefer-Bench: objects of videos described (D) and asked about by multiple choice (Q).

Data of huggingface.co/datasets/DAMO-NLP-SG/VideoRefer-Bench: `VideoRefer-Bench-D.json` or `-Q.json` in the folder,
videos under the paths that the records name, in the folder or in its `videos/`; a video is a file or a folder of
frames.

An object is shown as a track: its mask in each annotated frame, None where it is not to be seen. `<object3><region>` in
a question becomes the prompt of that object.

Rules: Q takes the first `(X)` of a reply, else the first `X)`, else its first character without dots; letters are
compared without case. D has a judge give 0 to 5 points for subject, appearance, temporal description and
hallucination; an aspect's score is its mean over the verdicts that could be read, the overall score the mean of the
four.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gar.benchmarks.answer_files import read_texts
from gar.benchmarks.benchmark import Benchmark, Cached, Judging, Mark, Means, Metric, Replies, View, mean_of
from gar.benchmarks.gar_bench import CHOICE_METRICS, mark_choice
from gar.benchmarks.items import LETTERS, Item, Loaded, Missing, Record, Shown
from gar.benchmarks.judge import JudgeRequest
from gar.benchmarks.messages import user_message
from gar.benchmarks.reading import entry_of, find_file, find_within, fingerprint, list_of, read_json, region_of, text_of
from gar.benchmarks.video_frames import MAX_FRAMES, read_frames
from gar.errors import InputError
from gar.systems.protocol import Track

__all__ = ["VIDEOREFER_D", "VIDEOREFER_Q", "letter_in"]

_SOURCE = "huggingface.co/datasets/DAMO-NLP-SG/VideoRefer-Bench (videos: Panda-70M, DAVIS, MeViS)"
_OBJECT = re.compile(r"<object(\d{1,6})>\s*<region>")
_OPTION = re.compile(r"\(([A-Z])\)\s*(.*)", re.DOTALL)
_ASPECTS = ("subject", "appearance", "temporal", "hallucination")


# Data


def _tracks(entry: dict[str, Any], where: str) -> tuple[tuple[int, ...], tuple[Track, ...]]:
    """Frame numbers in rising order, and each object's region in each of them."""
    objects = list_of(entry.get("annotation"), f"annotation of {where}")
    for one in objects:
        if not all(key.isdecimal() and len(key) < 10 and isinstance(value, dict) for key, value in one.items()):
            raise InputError(f"annotation of {where}: needed are masks by frame number")
    objects = [{int(key): value for key, value in one.items()} for one in objects]
    frames = sorted({frame for one in objects for frame in one})
    if not 0 < len(frames) <= MAX_FRAMES:
        raise InputError(f"annotation of {where} has {len(frames)} frames; allowed are 1 to {MAX_FRAMES}")
    tracks: list[Track] = []
    for one in objects:
        codes = [one.get(frame, {}).get("segmentation") for frame in frames]
        tracks.append(tuple(None if code is None else region_of(code, where) for code in codes))
    return tuple(frames), tuple(tracks)


def _loader(file: str, parse: Callable[[dict[str, Any], str, int], Record]) -> Callable[[Path | None], Loaded]:
    def load(data: Path | None) -> Loaded:
        assert data is not None, "the caller checks needs_data"
        path = find_file(data, "videorefer", file, _SOURCE)
        items: list[Item] = []
        sizes: dict[str, int | None] = {}
        lost: dict[str, str] = {}
        for number, entry in enumerate(list_of(read_json(path), str(path))):
            where = f"entry {number} of {path}"
            frames, tracks = _tracks(entry, where)
            record = parse(entry, where, len(tracks))
            name = text_of(entry, "video", where)
            video = find_within((path.parent, path.parent / "videos"), name, Path.exists)
            sizes[name] = None if video is None else video.stat().st_size if video.is_file() else 0
            if video is None:
                lost[record.id] = name
            place = video or path.parent / name
            shown = Shown(name, lambda place=place, frames=frames: read_frames(place, frames), frames)
            items.append(Item(record.id, shown, tracks, record.question, record.options, record.group, record.facts))
        return Loaded(tuple(items), fingerprint([path], sizes), Missing.pictures(lost, str(path.parent), _SOURCE))

    return load


def _described(entry: dict[str, Any], where: str, objects: int) -> Record:
    name = str(entry_of(entry, "id", where, (int, str)))
    if objects != 1:
        raise InputError(f"{where} has {objects} objects; a description is of exactly 1")
    return Record(name, "", {"reference": text_of(entry, "caption", where)})


def _asked(entry: dict[str, Any], where: str, objects: int) -> Record:
    name = str(entry_of(entry, "id", where, (int, str)))
    found = [_OPTION.fullmatch(option) for option in list_of(entry.get("options"), f"options of {where}", str)]
    options = [match[2] for match in found if match]
    right = _OPTION.match(text_of(entry, "Answer", where))
    letters = LETTERS[: len(options)]
    if [match and match[1] for match in found] != list(letters) or right is None or right[1] not in letters:
        raise InputError(f"{where}: needed are options '(A) …', '(B) …' and an answer that is one of them")
    question = _with_prompts(text_of(entry, "Question", where), objects, where)
    return Record(name, text_of(entry, "type", where), {"answer": right[1]}, tuple(options), question)


def _with_prompts(question: str, objects: int, where: str) -> str:
    """The question with each object's name, in order of first mention, replaced by its prompt."""
    names = list(dict.fromkeys(_OBJECT.findall(question)))
    if len(names) > objects:
        raise InputError(f"{where}: the question names {len(names)} objects, and {objects} are annotated")
    return _OBJECT.sub(lambda match: f"<Prompt{names.index(match[1])}>", question)


def _read_cache(answers: Any, verdicts: Any, items: Mapping[str, Item] | None) -> Cached:
    if items is None:
        raise InputError("these answers cannot be scored without the annotations; give --data")
    if verdicts is not None:
        raise InputError("there are no published verdicts in a known format; give --judge")
    return Cached(read_texts(answers, items))


# Q


def letter_in(reply: str) -> str:
    """The letter that a reply means by the published rule; empty for an empty reply.

    Example:
        >>> letter_in("It is (b), not (c)"), letter_in("a) red"), letter_in("..d"), letter_in("")
        ('B', 'A', 'D', '')
    """
    for pattern in (r"\(([A-Za-z])\)", r"([A-Za-z])\)"):
        if found := re.search(pattern, reply):
            return found[1].upper()
    return reply.strip().replace(".", "").strip()[:1].upper()


def _mark_letter(record: Record, verdicts: Replies | None) -> Mark:
    letter = letter_in(record.text)
    values = {**mark_choice(record).values, "exact": float(letter == record.facts["answer"])}
    known = letter != "" and letter in LETTERS[: len(record.options)]
    return Mark(values, unparsed=int(not known))


# D


def _requests(record: Record, view: View | None) -> list[JudgeRequest]:
    text = (
        "Two descriptions of the same object in a video follow: a reference, and one to be judged.\n\n"
        f"Reference: {record.facts['reference']}\nTo be judged: {record.text}\n\n"
        "Give 0 to 5 points, 5 the best, for each of four aspects. subject: is it about the same object? appearance: "
        "are color, shape, texture and the like as in the reference? temporal: are movement and action as in the "
        "reference? hallucination: 5 if nothing is said that the reference does not support, 0 if much is.\n"
        "Reply with one line of this form and nothing else:\n"
        "subject: 0, appearance: 0, temporal: 0, hallucination: 0"
    )
    return [JudgeRequest(user_message(text), max_tokens=300, temperature=0.0)]


def read_points(reply: str | None) -> dict[str, float]:
    """The points of each aspect, all NaN where one is missing or outside 0 to 5.

    Example:
        >>> read_points("Subject: 4, Appearance: 3.5, temporal: 2, hallucination: 5")
        {'subject': 4.0, 'appearance': 3.5, 'temporal': 2.0, 'hallucination': 5.0}
    """
    found = [re.search(rf"{aspect}\W{{1,8}}(\d+(?:\.\d+)?)", reply or "", re.IGNORECASE) for aspect in _ASPECTS]
    points = [float(match[1]) if match else math.nan for match in found]
    readable = all(0 <= point <= 5 for point in points)
    return {aspect: point if readable else math.nan for aspect, point in zip(_ASPECTS, points, strict=True)}


def _mark_points(record: Record, verdicts: Replies | None) -> Mark:
    points = read_points(verdicts[0] if verdicts else None)
    return Mark(points, unparsed=int(math.isnan(points["subject"])))


def _mean_of_four(means: Means) -> Any:
    return sum(means[aspect] for aspect in _ASPECTS) / len(_ASPECTS)


VIDEOREFER_D = Benchmark(
    name="videorefer-bench-d",
    summary="400 objects of videos described, rated by a judge in four aspects",
    rule="0 to 5 points for subject, appearance, temporal description and hallucination; means over readable verdicts.",
    source=_SOURCE,
    load=_loader("VideoRefer-Bench-D.json", _described),
    mark=_mark_points,
    metrics=(
        Metric("average of the aspects", _ASPECTS, _mean_of_four, percent=False),
        *(Metric(aspect, (aspect,), mean_of(aspect), percent=False) for aspect in _ASPECTS),
    ),
    read_cache=_read_cache,
    facts={"reference": str},
    judgings={
        "text": Judging(
            _requests, False, "GPT-4o", "ours; the published judge is asked for the same points in other words"
        )
    },
)
VIDEOREFER_Q = Benchmark(
    name="videorefer-bench-q",
    summary="1000 multiple-choice questions about objects of videos",
    rule="The letter in the reply, over all questions and per type.",
    source=_SOURCE,
    load=_loader("VideoRefer-Bench-Q.json", _asked),
    mark=_mark_letter,
    metrics=CHOICE_METRICS,
    read_cache=_read_cache,
    facts={"answer": str},
    notes=("The question is put in GAR-Bench's wording of multiple choice.",),
)
