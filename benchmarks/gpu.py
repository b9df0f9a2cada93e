"""How fast inference is on a GPU: one call, one table, in under eight minutes.

    python benchmarks/gpu.py                   # GAR-1B and GAR-8B in their true sizes, on CUDA
    python benchmarks/gpu.py --tiny            # tiny models, on the CPU: to try the script

Weights are random, in bfloat16; the picture has 16 tiles and the thumbnail. For each model:

* vision tower and prefill as shares of the fastest matrix product, writing one answer as a share of the copy rate,
  with compiled graphs too;
* 1, 8 and 64 regions, shared and exact, against the reference (`reference.py`), which describes two of them; in
  bfloat16 rounding changes tokens, so it is told how many are equal;
* regions a second at the best of some batch sizes, and the peak of memory.

What would begin after `--seconds` is left out, and said to be. Exit 1: a target is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from figures import Figures
from measuring import clock, find_limits, machine_name, memory_mb
from setups import GAR_1B, GAR_8B, TINY, endless, photographs, random_assistant, regions_of
from shares import share_of_the_memory, shares_of_the_processor
from ways import regions_of_one_picture

from gar import GAR

_COUNTS = (1, 8, 64)
_BATCHES = (8, 16, 32, 64)
_NEW = 32


def _jobs(figures: Figures, name: str, assistant: GAR) -> list[tuple[str, Callable[[], None]]]:
    """What is measured of a model, in order."""
    vision = assistant.model.config.vision_config
    picture = photographs(1, (4 * vision.image_size, 4 * vision.image_size))[0]
    regions = regions_of(picture, max(_COUNTS))

    def decode(model: GAR, called: str) -> None:
        share_of_the_memory(figures, called, model, picture, rounds=3, new=128, least=0.6)

    def count_of(count: int) -> Callable[[], None]:
        return lambda: regions_of_one_picture(
            figures,
            name,
            assistant,
            picture,
            regions[:count],
            new=_NEW,
            repeats=1 if count == max(_COUNTS) else 3,
            checked=min(count, 2),
            least=(None, None),
            same=False,
        )

    return [
        ("shares", lambda: shares_of_the_processor(figures, name, assistant, picture, repeats=10, least=0.55)),
        ("decode", lambda: decode(assistant, name)),
        *((f"{count} regions", count_of(count)) for count in _COUNTS),
        ("best batch", lambda: _best_batch(figures, name, assistant, picture, regions)),
        ("compiled decode", lambda: decode(endless(assistant, compile=True), f"{name}, compiled")),
    ]


def _best_batch(figures: Figures, name: str, assistant: GAR, picture: Any, regions: Any) -> None:
    """Regions a second, from the picture to the last token."""
    found: dict[int, float] = {}

    def describe(size: int) -> None:
        scene = assistant.encode(picture, regions, way="shared")
        assistant.describe(scene, max_new_tokens=_NEW, batch_size=size)

    for size in _BATCHES:
        times = clock(lambda size=size: describe(size), 1, device=assistant.model.device)
        found[size] = len(regions) / times.median
    best = max(found, key=found.__getitem__)
    how = ", ".join(f"{rate:.1f} at {size}" for size, rate in found.items())
    figures.add("regions a second, shared, best batch", name, f"{found[best]:.1f}", "", None, how)


def _peak(device: torch.device) -> float:
    """MB at most since it was last reset, or on a CPU since the process began."""
    return torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else memory_mb("VmHWM")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--tiny", action="store_true", help="tiny models on the CPU")
    parser.add_argument("--seconds", type=float, default=420.0, help="after so many nothing new is begun")
    arguments = parser.parse_args()
    if not arguments.tiny and not torch.cuda.is_available():
        parser.error("CUDA is not available; --tiny tries the script on a CPU")
    began = time.monotonic()
    device = torch.device("cpu" if arguments.tiny else "cuda")
    sizes = {"tiny": TINY} if arguments.tiny else {"1B": GAR_1B, "8B": GAR_8B}
    figures = Figures(machine_name(device), find_limits(device, torch.bfloat16))
    try:
        for name, model in sizes.items():
            if device.type == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats(device)
            assistant = endless(random_assistant(model, max_num_tiles=16, device=str(device), dtype=torch.bfloat16))
            weights = sum(parameter.nbytes for parameter in assistant.model.parameters()) / 1e6
            for what, job in _jobs(figures, name, assistant):
                if time.monotonic() - began > arguments.seconds:
                    figures.add(what, name, "not measured", "", None, f"{arguments.seconds:.0f} s had passed")
                else:
                    job()
            how = f"weights {weights:,.0f} MB; {max(_COUNTS)} regions of one picture at most"
            figures.add("peak of memory", name, f"{_peak(device):,.0f} MB", "", None, how)
            del assistant, job  # before the next one is made
    finally:
        figures.print()
    return int(figures.missed)


if __name__ == "__main__":
    sys.exit(main())
