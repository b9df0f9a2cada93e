"""Measuring: the clock, the machine's own limits, memory.

* A figure is a median with its spread. What is compared is measured in turns, so that a machine that slows down slows
  both.
* Limits are the best of some tries: what the machine can do, to which shares are related.

Used by `inference.py` and `gpu.py`.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from gar.assistant.linear import OneDNNLinear

__all__ = [
    "Limits",
    "Times",
    "clock",
    "clock_in_turns",
    "find_limits",
    "machine_name",
    "memory_mb",
    "pin_threads",
    "synchronize",
]


@dataclass(frozen=True)
class Times:
    """Seconds that some work took, each time."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The one in the middle."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance of the shortest and the longest, as a share of the median."""
        return (max(self.seconds) - min(self.seconds)) / 2 / self.median


@dataclass(frozen=True)
class Limits:
    """What the machine can do."""

    multiply: float
    """Floating-point operations a second of torch's own matrix product, at its fastest."""
    fastest: float
    """The same of the fastest product that is there: on a CPU, oneDNN's may be faster."""
    copy: float
    """Bytes read and written a second in copying a large tensor."""


def pin_threads(threads: int) -> None:
    """Fixes the number of threads, and the cores that they run on."""
    torch.set_num_threads(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def machine_name(device: torch.device) -> str:
    """What the machine calls what it computes with."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    instructions = torch.backends.cpu.get_cpu_capability()
    return f"{name} ({instructions}), {torch.get_num_threads()} threads, torch {torch.__version__}"


def synchronize(device: torch.device) -> None:
    """Waits for a device that computes by itself."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - began


_CPU = torch.device("cpu")


def clock(work: Callable[[], object], repeats: int, *, warm_up: int = 1, device: torch.device = _CPU) -> Times:
    """Does some work again and again."""
    return clock_in_turns([work], repeats, warm_up=warm_up, device=device)[0]


def clock_in_turns(
    works: list[Callable[[], object]], repeats: int, *, warm_up: int = 1, device: torch.device = _CPU
) -> list[Times]:
    """Does several kinds of work in turns, again and again."""
    for _ in range(warm_up):
        for work in works:
            _seconds(work, device)
    rounds = [[_seconds(work, device) for work in works] for _ in range(repeats)]
    return [Times(tuple(column)) for column in zip(*rounds, strict=True)]


def find_limits(device: torch.device = _CPU, dtype: torch.dtype = torch.float32, *, tries: int = 10) -> Limits:
    """Measures the machine: the fastest of some matrix products, and of copying more than any cache holds."""
    large = device.type == "cuda"
    best = {"torch": 0.0, "oneDNN": 0.0}
    for side in (4096, 8192) if large else (1024, 2048):
        a, b = torch.randn(side, side, device=device, dtype=dtype), torch.randn(side, side, device=device, dtype=dtype)
        out = torch.empty_like(a)
        layer = OneDNNLinear(side, side, bias=False, device=device, dtype=dtype).requires_grad_(False)
        works: dict[str, Callable[[], object]] = {
            "torch": lambda a=a, b=b, out=out: torch.mm(a, b, out=out),
            "oneDNN": lambda a=a, layer=layer: layer(a),
        }
        for name, times in zip(works, clock_in_turns([*works.values()], tries, device=device), strict=True):
            best[name] = max(best[name], 2 * side**3 / min(times.seconds))
    source = torch.ones((1 << 31 if large else 1 << 28) // 4, device=device)
    target = torch.empty_like(source)
    times = clock(lambda: target.copy_(source), tries, device=device)
    return Limits(best["torch"], max(best.values()), 2 * source.nbytes / min(times.seconds))


def memory_mb(entry: str) -> float:
    """MB of this process: "VmRSS" now, or "VmHWM" at most so far (Linux)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{entry}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"/proc/self/status has no {entry}")
