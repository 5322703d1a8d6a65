"""Logs of trainings: a row of figures now and then, in a CSV file."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from src_core.io.files import complete_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def append_row(path: Path, step: int, seconds: float, figures: Mapping[str, float]) -> None:
    """Add a row, and the heading before the first one.

    Parameters
    ----------
    path : Path
    step : int
    seconds : float
        Since the training began.
    figures : mapping
        By column.
    """
    row = {"step": step, "seconds": round(seconds, 1), **figures}
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow({key: f"{v:.6g}" if isinstance(v, float) else v for key, v in row.items()})


def forget_after(path: Path, step: int) -> None:
    """Drop the rows of a log, if there is one, that lie after a step."""
    if path.exists():
        heading, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True) or [""]
        # A full disk may have cut the last row short.
        kept = [row for row in rows if row.endswith("\n") and int(row.split(",")[0]) <= step]
        with complete_files([path], overwrite=True) as (file,):
            file.write_text("".join([heading, *kept]), encoding="utf-8")


def listed(figures: Mapping[str, float]) -> str:
    """Figures in one line."""
    return " ".join(f"{key} {value:.4f}" for key, value in figures.items())
