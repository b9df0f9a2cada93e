"""The table that the inference benchmarks fill: what was found, and what was aimed at.

Used by `inference.py` and `gpu.py`.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from measuring import Limits
from rich.console import Console
from rich.table import Table

__all__ = ["Figures", "Row"]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    model: str
    found: str
    """The figure, with its spread."""
    target: str
    """What was aimed at; empty if none was set."""
    met: bool | None
    """Whether it is met; None without a target."""
    how: str
    """What the figure is made of."""


@dataclass
class Figures:
    """The table."""

    machine: str
    """In words."""
    limits: Limits
    rows: list[Row] = field(default_factory=list[Row])

    @property
    def missed(self) -> bool:
        """Whether any target is missed."""
        return any(row.met is False for row in self.rows)

    def add(self, what: str, model: str, found: str, target: str, met: bool | None, how: str) -> None:
        """Adds a row, and says it at once."""
        self.rows.append(Row(what, model, found, target, met, how))
        print(f"{time.strftime('%X')} {what} · {model}: {found} ({how})", file=sys.stderr, flush=True)

    def ratio(
        self, what: str, model: str, value: float, spread: float, least: float | None, how: str, *, equal: bool = True
    ) -> None:
        """Adds a row of how many times as fast something is.

        Args:
            what: As in `Row`.
            model: As in `Row`.
            value: Times as fast.
            spread: Of it, as a share.
            least: The target.
            how: As in `Row`.
            equal: Whether the answers were those of the slower way; if not, the ratio counts for nothing.
        """
        target = "" if least is None else f"≥ {least:g} ×"
        met = None if least is None and equal else equal and value >= (least or 0.0)
        self.add(what, model, f"{value:.2f} × ± {100 * spread:.0f} %", target, met, how)

    def share(self, what: str, model: str, value: float, spread: float, least: float, how: str) -> None:
        """Adds a row of how much of a limit is used; the spread is a share of the value."""
        found = f"{100 * value:.0f} % ± {100 * spread * value:.0f}"
        self.add(what, model, found, f"≥ {100 * least:.0f} %", value >= least, how)

    def print(self) -> None:
        """Prints the table."""
        limits = self.limits
        title = (
            f"{time.strftime('%Y-%m-%d')} · {self.machine} · matrix product {limits.multiply / 1e9:,.0f} GFLOP/s, "
            f"fastest {limits.fastest / 1e9:,.0f}, copying {limits.copy / 1e9:,.0f} GB/s"
        )
        table = Table("what", "model", "found", "target", "", "how", title=title)
        for row in self.rows:
            met = "" if row.met is None else "yes" if row.met else "NO"
            table.add_row(row.what, row.model, row.found, row.target, met, row.how)
        Console(width=None if sys.stdout.isatty() else 160).print(table)

    def write(self, path: Path) -> None:
        """Writes the figures as JSON."""
        told = {"machine": self.machine, "limits": asdict(self.limits), "rows": [asdict(row) for row in self.rows]}
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
