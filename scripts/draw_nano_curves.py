"""Draws what the last parts of gar-nano's training made of held-out answers, from the logs in docs/nano.

    python scripts/draw_nano_curves.py

Writes docs/images/nano-curves.png.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

DOCS = Path(__file__).parents[1] / "docs"
PARTS = {
    "lessons": "lessons of “which”",
    "relations": "all questions",
    "depth": "lesson of “in front”",
    "all": "all questions",
    "again": "all, other scenes",
    "again-2": "once more",
    "again-3": "and again",
    "again-4": "louder",
    "again-5": "echoed",
    "again-6": "colors, too",
    "again-7": "closer",
    "again-8": "staged",
    "again-9": "counted",
    "last": "mended",
}
"""Logs in their order, and what was asked."""
SHOWN = {
    "which": ("which", "#b3311f"),
    "relation-fb": ("in front or behind", "#d98a1f"),
    "relation": ("other relations", "#8a6fb0"),
    "order-lr": ("order, left to right", "#2f6fa7"),
    "yn": ("yes or no", "#4b8b3b"),
    "other": ("one attribute", "#8c8c8c"),
}
"""Questions that are drawn, with their names and colors."""


def _read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DOCS / "nano" / f"{name}.jsonl").read_text().splitlines()]


def main() -> None:
    """Draws the picture."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), dpi=110, gridspec_kw={"width_ratios": [1.8, 1]})
    begin = 0
    for number, (name, label) in enumerate(PARTS.items()):
        rows = _read(name)
        for key, (_, color) in SHOWN.items():
            found = [row for row in rows if key in row.get("held_out", {})]
            shares = [row["held_out"][key]["right_percent"] for row in found]
            left.plot([begin + row["step"] for row in found], shares, "o-", color=color, ms=3, lw=1.5)
        told = [row for row in rows if "loss" in row]
        right.plot([begin + row["step"] for row in told], [row["loss"] for row in told], color="#444", lw=1.3)
        end = begin + max(row["step"] for row in rows)
        left.text((begin + end) / 2, 104 + 6 * (number % 3), label, ha="center", color="#555", fontsize=7.5)
        for axes in (left, right):
            axes.axvline(end, color="#ccc", lw=1)
        begin = end
    for name, color in SHOWN.values():
        left.plot([], [], "o-", color=color, ms=3, lw=1.5, label=name)
    left.set(ylim=(-2, 118), yticks=range(0, 101, 20), xlabel="step", ylabel="held-out answers right, %")
    left.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.02))
    right.set(ylim=(0, None), xticks=range(0, begin, 5000), xlabel="step", ylabel="loss")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#eee")
    figure.tight_layout()
    figure.savefig(DOCS / "images" / "nano-curves.png")


if __name__ == "__main__":
    main()
