"""Pictures of how a training went."""

from __future__ import annotations

import csv
import importlib.util
from typing import TYPE_CHECKING

from src_core.io.files import complete_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NAMED = 12
"""Curves that a panel's legend has room for."""


def write_curves(logs: Sequence[Path], path: Path) -> bool:
    """Draw training logs: one panel per file, one curve per column over the steps.

    Of many columns beside their mean only the mean is named.

    Parameters
    ----------
    logs : sequence of Path
        CSV files as `src_core.training.loop.Descent` writes them; those missing are left out.
    path : Path
        PNG file, replaced if it exists.

    Returns
    -------
    bool
        Whether it was drawn: matplotlib is an extra, and there may be no logs.
    """
    tables = {log.stem: _read(log) for log in logs if log.exists()}
    if not tables or importlib.util.find_spec("matplotlib") is None:
        return False
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(tables), 4), layout="constrained")
    panels = figure.subplots(1, len(tables), squeeze=False)[0]
    for panel, (name, columns) in zip(panels, tables.items(), strict=True):
        steps = columns.pop("step")
        columns.pop("seconds")
        crowded = "mean" in columns and len(columns) > _NAMED
        for column, values in columns.items():
            bold = {"mean": 2.5, "loss": 2.0}.get(column, 1.0)
            curve = panel.plot(steps, values, label=column, linewidth=bold)[0]
            if crowded and column != "mean":
                curve.set(color="0.75", label="_")  # matplotlib leaves such names out
        panel.set_title(name)
        panel.set_xlabel("step")
        if (
            all(value > 0 for values in columns.values() for value in values)
            and "mean" not in columns
        ):
            panel.set_yscale("log")
        panel.legend(fontsize="x-small")
    with complete_files([path], overwrite=True) as (file,):
        figure.savefig(file, format="png", dpi=110)
    return True


def _read(log: Path) -> dict[str, list[float]]:
    """Columns by name."""
    with log.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]} if rows else {}
