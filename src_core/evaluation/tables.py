"""The tables of an evaluation: two CSV files, and a summary."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from src_core.evaluation.scores import MEASURES
from src_core.evaluation.summary import summary
from src_core.io.files import complete_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from src_core.evaluation.evaluated import Evaluated

NAMES = ("scores.csv", "scans.csv", "summary.md")
"""Files that `write_tables` writes."""


def write_tables(evaluated: Sequence[Evaluated], folder: Path, overwrite: bool) -> list[Path]:
    """Write all three files, or none.

    Parameters
    ----------
    evaluated : sequence of Evaluated
    folder : Path
    overwrite : bool
        Replace files that exist.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        A file exists, or can't be written.
    """
    paths = [folder / name for name in NAMES]
    texts = [_csv(_score_rows(evaluated)), _csv(_scan_rows(evaluated)), summary(evaluated)]
    with complete_files(paths, overwrite) as files:
        for file, text in zip(files, texts, strict=True):
            file.write_text(text, encoding="utf-8", newline="\n")
    return paths


def _score_rows(evaluated: Sequence[Evaluated]) -> list[dict[str, Any]]:
    """A row per model, image, iteration and structure."""
    keys = ("scan", "slice_mm", "subject", "split", "asked", "iteration")
    return [
        {
            "model": one.name,
            **{key: getattr(score, key) for key in keys},
            "structure": structure.name,
            **{key: value for key, value in asdict(structure).items() if key != "name"},
        }
        for one in evaluated
        for score in one.scores
        for structure in score.structures
    ]


def _scan_rows(evaluated: Sequence[Evaluated]) -> list[dict[str, Any]]:
    """A row per model, image and iteration."""
    rows = []
    for one in evaluated:
        for score in one.scores:
            values = {key: value for key, value in asdict(score).items() if key != "structures"}
            means = {f"mean_{m}": score.mean(m, one.leave_out) for m in MEASURES}
            rows.append({"model": one.name, **values, **means})
    return rows


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _plain(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _plain(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
