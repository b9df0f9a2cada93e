"""The rows of `inference.py`: each function does one job, compares it and adds what it found."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from figures import Figures
from measuring import Times, clock, clock_in_turns, memory_mb
from setups import (
    GAR_1B,
    MID_SIZE,
    bench_requests,
    embedded,
    endless,
    in_numbers,
    photographs,
    random_assistant,
    regions_of,
)
from shares import prompt_length, share_of_the_memory, shares_of_the_processor
from ways import agreement, alone, regions_of_one_picture, texts

from gar import GAR, Request
from gar.assistant.caches import Slots
from gar.assistant.encoding import Shown, read_picture, show

__all__ = ["ALONE", "CHILDREN", "FOR_MODELS", "Settings", "mid_size"]

_REGIONS = 8


@dataclass(frozen=True)
class Settings:
    """How much is done."""

    repeats: int
    """How often a job is timed."""
    new: int
    """Tokens of an answer."""
    quick: bool
    """Whether long rows are cut short."""
    bench: Path
    """A folder with `gar-bench`: real pictures with regions and options."""


def mid_size(*, eight_bits: bool = False) -> GAR:
    """The model of the targets, with five tiles a picture."""
    return endless(random_assistant(MID_SIZE, max_num_tiles=4, eight_bits=eight_bits))


def one_picture(figures: Figures, settings: Settings, name: str, assistant: GAR) -> None:
    """Regions of one picture, in both ways, from the picture to the last token."""
    picture = photographs(1)[0]
    regions = regions_of(picture, _REGIONS)
    regions_of_one_picture(
        figures,
        name,
        assistant,
        picture,
        regions,
        new=settings.new,
        repeats=settings.repeats,
        checked=_REGIONS,
        least=(8.0, 3.0),
        same=True,
    )


def _requests(pictures: int) -> list[Request]:
    made = photographs(pictures)
    each = [regions_of(picture, 4, seed) for seed, picture in enumerate(made)]
    return [Request(picture, None, [region]) for picture, own in zip(made, each, strict=True) for region in own]


def many_pictures(figures: Figures, settings: Settings, name: str, assistant: GAR) -> None:
    """64 regions of 16 pictures through `batch`."""
    requests = _requests(4 if settings.quick else 16)
    every = len(requests) // 8
    jobs: list[tuple[Any, Any]] = [(request.picture, request.regions[0]) for request in requests[::every]]
    said, before = alone(assistant, jobs[:4], settings.new)
    answers: list[Any] = []
    times = clock(lambda: answers.append(assistant.batch(requests, max_new_tokens=settings.new)), 1, warm_up=0)
    more, after = alone(assistant, jobs[4:], settings.new)
    one = Times((*before, *after))
    equal, words = agreement(texts(answers[-1])[::every], [*said, *more])
    per_region = times.median / len(requests)
    figures.ratio(
        f"{len(requests)} regions of {len(requests) // 4} pictures, exact",
        name,
        one.median / per_region,
        one.spread,
        3.0,
        f"reference {one.median:.3f} s a region ({len(jobs)} timed), ours {per_region:.3f} s; {words}",
        equal=equal,
    )


def growth(figures: Figures, settings: Settings, name: str, assistant: GAR) -> None:
    """Whether a region takes longer when there are more requests."""
    few, many = _requests(4), _requests(16 if settings.quick else 64)
    new = settings.new if name == "nano" else 4  # what grows would grow with any number of tokens
    before = clock(lambda: assistant.batch(few, max_new_tokens=new), 1)
    long = clock(lambda: assistant.batch(many, max_new_tokens=new), 1, warm_up=0)
    after = clock(lambda: assistant.batch(few, max_new_tokens=new), 1, warm_up=0)
    short = Times((*before.seconds, *after.seconds))
    each = [times.median / len(requests) for times, requests in ((short, few), (long, many))]
    ratio = each[1] / each[0]
    how = f"{each[0]:.3f} s a region of {len(few)}, {each[1]:.3f} s of {len(many)}; {new} tokens"
    found = f"{ratio:.2f} × ± {100 * short.spread:.0f} %"
    figures.add(f"time a region, {len(few)} → {len(many)}", name, found, "≤ 1.10 ×", ratio <= 1.1, how)


def shares(figures: Figures, settings: Settings, name: str, assistant: GAR) -> None:
    """Vision tower and reading, as shares of the fastest matrix product."""
    shares_of_the_processor(figures, name, assistant, photographs(1)[0], repeats=4 * settings.repeats, least=0.7)


def decode(figures: Figures, settings: Settings, name: str, assistant: GAR) -> None:
    """Writing one answer, as a share of the memory's rate."""
    share_of_the_memory(
        figures,
        name,
        assistant,
        photographs(1)[0],
        rounds=1 + settings.repeats,
        new=33 if settings.quick else 65,
        least=0.6,
    )


def dialogue(figures: Figures, settings: Settings, name: str, assistant: GAR) -> None:
    """How long a question waits for its first token: the first about a scene, and the next."""
    picture = photographs(1)[0]
    regions = regions_of(picture, 3)

    def first_token(chat: Any, question: str) -> float:
        began = time.perf_counter()
        next(pieces := chat.stream(question, max_new_tokens=16))
        waited = time.perf_counter() - began
        for _ in pieces:
            pass
        return waited

    waits: list[tuple[float, float]] = []
    for _ in range(1 + settings.repeats):
        chat = assistant.chat(assistant.encode(picture, regions))
        first = first_token(chat, "What is <Prompt0> next to?")
        waits.append((first, first_token(chat, "And what color is <Prompt1>?")))
    first, second = (Times(tuple(column)) for column in zip(*waits[1:], strict=True))
    ratio = second.median / first.median
    how = f"first {1e3 * first.median:.0f} ms, second {1e3 * second.median:.0f} ms, until the first piece of text"
    figures.add(
        "dialogue: second question",
        name,
        f"{100 * ratio:.1f} % ± {100 * ratio * second.spread:.1f}",
        "≤ 15 %",
        ratio <= 0.15,
        how,
    )


def preprocessing(figures: Figures, settings: Settings) -> None:
    """A large photograph with five regions, as GAR-1B wants it."""
    sizes = {**GAR_1B, "text_config": {**MID_SIZE["text_config"]}}  # the decoder takes no part
    assistant = random_assistant(sizes, max_num_tiles=16)
    picture = photographs(1, (4000, 3000))[0]
    regions = tuple(regions_of(picture, 5))
    shown: list[Shown] = []

    def prepare() -> None:
        shown[:] = [show(read_picture(picture, assistant.processor), regions, tuple(range(5)), assistant.processor)]

    times = clock(prepare, max(3, settings.repeats))
    tiles = 1 + shown[0].picture.grid[0] * shown[0].picture.grid[1]
    features, masks = torch.randn(1, 1024, 1024), torch.ones(1, 1, 448, 448, dtype=torch.uint8)

    def tower() -> None:
        with torch.inference_mode():
            assistant.model.model.encode_tiles(features, masks)

    tower_times = clock(tower, max(2, settings.repeats))
    share = times.median / (tiles * tower_times.median)
    how = f"{tiles} tiles; tower {tower_times.median:.2f} s for one of them, taken so many times"
    what = "preprocessing: 12 megapixels, 5 regions"
    figures.add(
        what, "1B", f"{1e3 * times.median:.0f} ms ± {100 * times.spread:.0f} %", "≤ 500 ms", times.median <= 0.5, how
    )
    figures.add(f"{what}, of the tower's time", "1B", f"{100 * share:.1f} %", "≤ 10 %", share <= 0.1, how)


def _child(name: str, quick: bool) -> dict[str, Any]:
    """Runs one of `CHILDREN` in a process of its own."""
    script = Path(__file__).with_name("inference.py")
    command = [sys.executable, str(script), "--child", name, "--threads", str(torch.get_num_threads())]
    told = subprocess.run([*command, *(["--quick"] if quick else [])], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(told.stdout.splitlines()[-1])


def memory(figures: Figures, settings: Settings) -> None:
    """The peak of a batch of eight, and whether memory grows with requests."""
    for name in ("mid", "nano"):
        told = _child(f"peak-{name}", settings.quick)
        how = f"weights {told['weights']:.0f} MB; of it keys and values {told['cache']:.0f} MB"
        figures.add("peak over weights, batch 8", name, f"{told['over']:.0f} MB", "", None, how)
    told = _child("flat", settings.quick)
    grown = told["end"] - told["start"]
    how = f"{told['start']:.0f} MB in the second tenth of them, {told['end']:.0f} MB in the last"
    figures.add(f"growth over {told['last']} requests", "nano", f"{grown:+.1f} MB", "flat: < 10 MB", grown < 10, how)


def _peak(assistant: GAR) -> dict[str, float]:
    model: Any = assistant.model
    picture = photographs(1)[0]
    regions = regions_of(picture, 8)
    length = prompt_length(assistant, picture)  # warm too: what torch and the tokenizer keep is there now
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    before = memory_mb("VmRSS")
    assistant.describe(picture, regions, max_new_tokens=32)
    peak = memory_mb("VmHWM")
    cache = Slots.empty(model.config.text_config, 8, length + 32, model.dtype, model.device).room.nbytes / 1e6
    weights = sum(parameter.nbytes for parameter in model.parameters()) / 1e6
    return {"weights": weights, "cache": cache, "over": peak - before, "peak": peak}


def _flat(quick: bool) -> dict[str, float]:
    assistant = embedded()
    pictures = photographs(8)
    regions = [regions_of(picture, 1, seed) for seed, picture in enumerate(pictures)]
    last = 200 if quick else 1000
    part = last // 10
    found: list[float] = []
    for number in range(last):
        assistant.describe(pictures[number % 8], regions[number % 8], max_new_tokens=16)
        found.append(memory_mb("VmRSS"))
    # it goes up and down by some megabytes, so a tenth of the requests each
    start, end = statistics.median(found[part : 2 * part]), statistics.median(found[-part:])
    return {"start": start, "end": end, "last": last}


CHILDREN: dict[str, Callable[[bool], dict[str, float]]] = {
    "peak-mid": lambda quick: _peak(mid_size()),
    "peak-nano": lambda quick: _peak(endless(embedded())),
    "flat": _flat,
}
"""What needs a process of its own."""

_COLD = """
import time
began = time.perf_counter()
import gar.cli, gar.assistant.engine, gar.processing, gar.model.modeling
imported = time.perf_counter()
import gar
assistant = gar.load("nano", device="cpu")
loaded = time.perf_counter()
assistant.describe({picture!r}, gar.Region.box(40, 40, 200, 200))
print(imported - began, loaded - imported, time.perf_counter() - loaded)
"""


def cold_start(figures: Figures, settings: Settings) -> None:
    """`gar describe` from nothing to its answer, and what takes the time."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "picture.jpg")
        photographs(1)[0].save(path)
        command = [sys.executable, "-c", "import sys; from gar.cli import main; sys.exit(main())"]
        arguments = ["describe", path, "--box", "40,40,200,200"]
        done = clock(
            lambda: subprocess.run([*command, *arguments], check=True, stdout=subprocess.DEVNULL), settings.repeats
        )
        parts = [
            [float(part) for part in _run([sys.executable, "-c", _COLD.format(picture=path)]).split()]
            for _ in range(settings.repeats)
        ]
    imports, loading, answering = (Times(tuple(column)).median for column in zip(*parts, strict=True))
    how = f"importing {imports:.2f} s, loading {loading:.2f} s, answering {answering:.2f} s (apart, in one process)"
    figures.add(
        "gar describe, cold", "nano", f"{done.median:.2f} s ± {100 * done.spread:.0f} %", "≤ 4 s", done.median <= 4, how
    )


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def eight_bits(figures: Figures, settings: Settings) -> None:
    """8-bit linear layers: how much faster."""
    picture = photographs(1)[0]
    regions = regions_of(picture, _REGIONS)
    plain, small = mid_size(), mid_size(eight_bits=True)

    def work(assistant: GAR, way: Any) -> Callable[[], object]:
        return lambda: assistant.describe(assistant.encode(picture, regions, way=way), max_new_tokens=settings.new)

    for way in ("shared", "exact"):
        slow, fast = clock_in_turns([work(plain, way), work(small, way)], settings.repeats)
        how = f"float32 {slow.median:.2f} s, int8 {fast.median:.2f} s"
        figures.ratio(
            f"int8 against float32, 8 regions, {way}", "mid", slow.median / fast.median, fast.spread, None, how
        )


def eight_bits_agreement(figures: Figures, settings: Settings) -> None:
    """8-bit linear layers: how often the answers are the same on real pictures."""
    if not (settings.bench / "gar-bench").is_dir():
        figures.add("int8: agreement", "nano", "not measured", "", None, f"no gar-bench in {settings.bench}")
        return
    described, chosen = bench_requests(settings.bench, 40 if settings.quick else 150)
    both = in_numbers(embedded()), in_numbers(embedded(quantize="int8"))
    said, picked = (
        [assistant.batch(requests, max_new_tokens=32) for assistant in both] for requests in (described, chosen)
    )
    left, right = (texts(answers) for answers in said)
    alike = sum(a == b for a, b in zip(left, right, strict=True)) / len(described)
    how = f"{len(described)} regions of GAR-Bench; {agreement(right, left)[1]}"
    figures.add("int8: equal descriptions", "nano", f"{100 * alike:.1f} %", "", None, how)
    equal = sum(a.choice == b.choice for a, b in zip(*picked, strict=True)) / len(chosen)
    apart = [
        abs((a.probabilities or {})[option] - share)
        for a, b in zip(*picked, strict=True)
        for option, share in (b.probabilities or {}).items()
    ]
    how = f"{len(chosen)} questions of GAR-Bench; probabilities apart by {sum(apart) / len(apart):.4f} in the mean"
    figures.add("int8: equal choices", "nano", f"{100 * equal:.1f} %", "", None, how)


FOR_MODELS: dict[str, Callable[[Figures, Settings, str, GAR], None]] = {
    "regions": one_picture,
    "batch": many_pictures,
    "growth": growth,
    "shares": shares,
    "decode": decode,
    "dialogue": dialogue,
}
"""Rows that are made for each model."""

ALONE: dict[str, Callable[[Figures, Settings], None]] = {
    "preprocessing": preprocessing,
    "memory": memory,
    "cold": cold_start,
    "int8": eight_bits,
    "agreement": eight_bits_agreement,
}
"""Rows that bring their models."""
