"""What was measured on heads as tables and a picture."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.heads.agreement import mean
from benchmarks.studies.common import save_picture
from src_core.io.files import complete_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from benchmarks.heads.listed import Head

NUMBERS = {
    "dice": ("Dice", ".3f"),
    "seconds": ("s", ".0f"),
    "cpu_seconds": ("CPU s", ".0f"),
    "peak_memory": ("peak memory, MB", ".0f"),
    "brain": ("brain, mL", ".0f"),
    "similarity": ("similarity to the template", ".3f"),
}
"""Columns: title and format."""
WORDS = {"mask": "mask", "warnings": "warnings"}
Row = dict[str, Any]


def row_of(head: Head, measured: dict[str, Any]) -> Row:
    """One head's line: what `measure_here` found, as far as the tables show it."""
    row: Row = {"set": head.group, "name": head.name, "age": head.age}
    if "refused" in measured:
        return row | {"warnings": f"refused: {measured['refused']}"}
    report = measured["report"]
    scores = measured.get("dice")
    return row | {
        "dice": None if scores is None else mean(scores),
        **{name: measured[name] for name in ("seconds", "cpu_seconds", "peak_memory", "brain")},
        "similarity": report["alignment"]["similarity"],
        "mask": report["brain"]["origin"],
        "warnings": "; ".join(report["notes"]),
    }


def markdown(rows: Sequence[Row]) -> list[str]:
    """A table of the means of each set, and one of all heads."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["set"], []).append(row)
    means = [
        {"set": group, "name": len(members), **_means(members)} for group, members in groups.items()
    ]
    titles = [title for title, _ in NUMBERS.values()]
    lines = ["## Means of each set", "", *_table(["set", "scans", *titles], map(_cells, means))]
    columns = ["set", "scan", "age", *titles, *WORDS.values()]
    return [*lines, "", "## Each scan", "", *_table(columns, map(_all_cells, rows))]


def _means(rows: Sequence[Row]) -> Row:
    values = {name: [row[name] for row in rows if row.get(name) is not None] for name in NUMBERS}
    return {name: float(np.mean(found)) for name, found in values.items() if found}


def _cells(row: Row) -> list[str]:
    numbers = [
        "" if row.get(name) is None else f"{row[name]:{form}}"
        for name, (_, form) in NUMBERS.items()
    ]
    return [row["set"], str(row["name"]), *numbers]


def _all_cells(row: Row) -> list[str]:
    group, name, *numbers = _cells(row)
    age = "" if row["age"] is None else f"{row['age']:g}"
    return [group, name, age, *numbers, *(row.get(word, "") for word in WORDS)]


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write all rows as a table, replacing what is there."""
    columns = ["set", "name", "age", *NUMBERS, *WORDS]
    with complete_files([path], overwrite=True) as (file,), file.open("w", newline="") as text:
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows(
            {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )


def draw_ages(rows: Sequence[Row], path: Path) -> bool:
    """Draw Dice over age with a straight line, as PNG; returns whether any ages are known."""
    known = [row for row in rows if row["age"] is not None and row.get("dice") is not None]
    if not known:
        return False
    ages, scores = np.array([(row["age"], row["dice"]) for row in known]).T
    slope, start = np.polyfit(ages, scores, 1)
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(ages, scores, "o", markersize=4)
    axes.plot(ages, start + slope * ages, color="0.5", linewidth=1)
    axes.set(xlabel="age, years", ylabel="mean Dice", ylim=(min(0.7, scores.min() - 0.02), 1))
    axes.set_title(f"{len(known)} heads: {10 * slope:+.4f} in ten years", fontsize="medium")
    save_picture(figure, path)
    return True
