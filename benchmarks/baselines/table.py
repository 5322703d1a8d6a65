"""The table of all methods."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from src_core.errors import InputError
from src_core.io.files import complete_files
from src_core.io.protocols import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HEADLINES = {"tissue4": ("tissue4", ()), "fs32": ("fs31 (fs32 without the vermis)", (172,))}
"""By protocol: what it is called in the table, and the ids that are left out."""
_COLUMNS = (
    "method",
    "scans",
    "Dice, mean",
    "worst scan",
    "worst structure",
    "HD95, mm",
    "weights",
    "s per scan",
    "processor s per scan",
    "training, min",
)

Rows = list[dict[str, Any]]


def write_table(results: Path, output: Path) -> None:
    """Write what was measured as Markdown, a table per split and protocol.

    Parameters
    ----------
    results : Path
        Folder in which `score` left its files, in subfolders.
    output : Path
        Replaced if it exists.

    Raises
    ------
    InputError
        There are no such files.
    """
    scored: dict[tuple[str, str], dict[str, Rows]] = defaultdict(lambda: defaultdict(list))
    paths = (path for name in PROTOCOLS for path in results.glob(f"{name}/*/*.json"))
    for path in sorted(paths):
        row = json.loads(path.read_text())
        scored[row["split"], row["protocol"]][row["method"]].append(row)
    if not scored:
        raise InputError(f"{results}: holds no scores; run a method first")
    lines = [
        "# Baselines and ablations",
        "",
        "All trained on the same scans and scored by the same code on each scan's own grid; how,",
        "and with which commands, is told in [benchmarks](../benchmarks/README.md#baselines). Dice",
        "is the mean over structures, then over scans. Seconds are wall time on the CPU with as",
        "many threads as told, from a loaded scan to its labels; on a machine with other work the",
        "processor's seconds, which are summed over the threads, tell more. Training time is wall",
        "time without the making of examples.",
    ]
    for split, protocol in sorted(scored, key=lambda key: (key[0] != "test", key)):
        headline, left_out = HEADLINES.get(protocol, (protocol, ()))
        lines += ["", f"## {headline}, {split} scans", "", _row(_COLUMNS), "|---" * 2 + "|---:" * 8]
        lines[-1] += "|"
        methods = scored[split, protocol].values()
        rows = sorted((_summary(rows, left_out) for rows in methods), key=lambda row: row[0])
        lines += [_row(cells) for _, cells in rows]
    with complete_files([output], overwrite=True) as (file,):
        file.write_text("\n".join(lines) + "\n")


def _summary(rows: Rows, left_out: Iterable[int]) -> tuple[float, list[str]]:
    """Mean Dice, by which methods are sorted, and the cells of one method."""
    dice = np.array([_measures(row, "dice", left_out) for row in rows])
    hd95 = np.array([_measures(row, "hd95_mm", left_out) for row in rows])
    means = np.nanmean(dice, axis=1)
    trained = rows[0]["training_seconds"]
    threads = sorted({row["threads"] for row in rows})
    return float(means.mean()), [
        rows[0]["title"],
        str(len(rows)),
        f"{means.mean():.3f}",
        f"{means.min():.3f}",
        f"{np.nanmean(dice, axis=0).min():.3f}",
        f"{np.nanmean(np.nanmean(hd95, axis=1)):.2f}",
        f"{rows[0]['weights'] / 1000:.0f} K",
        f"{np.median([row['seconds'] for row in rows]):.0f} "
        f"({', '.join(map(str, threads))} threads)",
        f"{np.median([row['processor_seconds'] for row in rows]):.0f}",
        "" if trained is None else f"{trained / 60:.0f}",
    ]


def _measures(row: dict[str, Any], measure: str, left_out: Iterable[int]) -> list[float]:
    """Of each structure; nan where it is not defined."""
    return [
        np.nan if structure[measure] is None else structure[measure]
        for structure in row["comparison"]["structures"]
        if structure["id"] not in left_out
    ]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
