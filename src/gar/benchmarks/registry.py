"""All benchmarks by name."""

from __future__ import annotations

from gar.benchmarks.benchmark import Benchmark
from gar.benchmarks.dlc_bench import DLC
from gar.benchmarks.ferret_bench import FERRET
from gar.benchmarks.gar_bench import DETAILED, SIMPLE, VQA
from gar.benchmarks.graspworld_bench import GRASPWORLD
from gar.benchmarks.mdvp_bench import MDVP
from gar.benchmarks.videorefer_bench import VIDEOREFER_D, VIDEOREFER_Q
from gar.errors import InputError

__all__ = ["BENCHMARKS", "find_benchmark"]

BENCHMARKS: dict[str, Benchmark] = {
    one.name: one for one in (VQA, SIMPLE, DETAILED, DLC, FERRET, MDVP, VIDEOREFER_D, VIDEOREFER_Q, GRASPWORLD)
}
"""By name, in the order in which they are listed."""


def find_benchmark(name: str) -> Benchmark:
    """The benchmark of a name.

    Raises:
        InputError: There is none.
    """
    if name not in BENCHMARKS:
        raise InputError(f"there is no benchmark {name!r}; allowed: {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]
