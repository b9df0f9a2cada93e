"""How fast inference is, on this machine: every figure as a ratio within one run.

    python benchmarks/inference.py                    # all rows, both models; about 15 minutes on two quiet cores
    python benchmarks/inference.py --quick            # fewer repeats, and the longest rows cut short
    python benchmarks/inference.py --only regions,decode --model mid --json figures.json

Beside each row stands what it is compared with: the same job as the published code does it (`reference.py`, one region
at a time), or the machine's own limits, measured in the same run. Times are medians after a warm-up, with half the
distance of the shortest and the longest as the spread; what is compared runs in turns. Where there is a reference, the
greedy tokens must be those of the reference, or the ratio counts for nothing.

Models: `mid`, with random weights (`setups.MID_SIZE`), and `nano`, the embedded one. Rows (`--only`): regions, batch,
growth, shares, decode, dialogue, preprocessing, memory, cold, int8, agreement. The last needs real pictures with
regions and options: a folder that holds `gar-bench` (`--bench`). Exit 1: a target is missed, or tokens differ.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from figures import Figures
from inference_rows import ALONE, CHILDREN, FOR_MODELS, Settings, mid_size
from measuring import find_limits, machine_name, pin_threads
from setups import embedded, endless

from gar import GAR

MODELS: dict[str, Callable[[], GAR]] = {"mid": mid_size, "nano": lambda: endless(embedded())}
_BENCH = Path(__file__).resolve().parents[2] / "shared" / "bench"


def main() -> int:
    rows = [*FOR_MODELS, *ALONE]
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--only", help=f"some rows, by commas: {', '.join(rows)}")
    parser.add_argument("--model", choices=[*MODELS], help="one of the models, for rows made for each")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--new", type=int, default=32, help="tokens of an answer")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="where the figures are written too")
    parser.add_argument("--bench", type=Path, default=_BENCH, help="a folder that holds gar-bench")
    parser.add_argument("--child", choices=[*CHILDREN], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    pin_threads(arguments.threads)
    if arguments.child:
        print(json.dumps(CHILDREN[arguments.child](arguments.quick)))
        return 0
    wanted = rows if arguments.only is None else arguments.only.split(",")
    if unknown := {*wanted} - {*rows}:
        parser.error(f"--only {', '.join(sorted(unknown))}; allowed: {', '.join(rows)}")
    repeats = 1 if arguments.quick else arguments.repeats
    settings = Settings(repeats, arguments.new, arguments.quick, arguments.bench)
    device = torch.device("cpu")
    figures = Figures(machine_name(device), find_limits(device))
    models = [arguments.model] if arguments.model else [*MODELS]
    for name in models if {*wanted} & {*FOR_MODELS} else []:
        assistant = MODELS[name]()
        for row in FOR_MODELS:
            if row in wanted:
                FOR_MODELS[row](figures, settings, name, assistant)
    for row in ALONE:
        if row in wanted:
            ALONE[row](figures, settings)
    figures.print()
    if arguments.json:
        figures.write(arguments.json)
    return int(figures.missed)


if __name__ == "__main__":
    sys.exit(main())
