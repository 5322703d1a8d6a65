"""What the robustness of a model is found to be, beside what it must be, as a table."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.changed_scans import CHANGES
from src_core.io.files import complete_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NEAR = 0.02
"""Labels are good when their Dice is within this of the final one."""
OLD, YOUNG = 60, 35
"""People above and below these ages are compared, years."""


@dataclass(frozen=True)
class Finding:
    """A number for one scan, or for a pair of scans.

    Attributes
    ----------
    what : str
    scan : str
    value : float
        Loss of Dice, unless `what` says otherwise.
    structure : str
        Empty: the mean over structures.
    """

    what: str
    scan: str
    value: float
    structure: str = ""


@dataclass(frozen=True)
class Target:
    """What the value, its mean over scans, must be and aims at."""

    must: float | None = None
    aim: float | None = None


STOP = "automatic stop against the best iteration known with labels"
SOON = f"iterations until within {NEAR} of the final Dice"
COLLAPSE = "iteration 2000 against the best iteration"
UNCHANGED = "Dice of the unchanged scan"
AGES = f"people over {OLD} against people under {YOUNG}"
TARGETS = {
    UNCHANGED: Target(),
    **{name: Target(change.must, change.aim) for name, change in CHANGES.items()},
    STOP: Target(0.01, 0.003),
    SOON: Target(30, 10),
    COLLAPSE: Target(0.05, 0.01),
    AGES: Target(0.03, 0.01),
    "one person twice: Dice of our labels": Target(),
    "one person twice: Dice of the manual labels": Target(),
    "one person twice: volume difference of our labels, %": Target(),
    "one person twice: volume difference of the manual labels, %": Target(),
}


def markdown(findings: Sequence[Finding], ages: dict[str, float]) -> list[str]:
    """The table: each target, and the mean and the worst of what was found."""
    by_what: dict[str, dict[str, float]] = defaultdict(dict)
    for finding in findings:
        if not finding.structure:
            by_what[finding.what][finding.scan] = finding.value
    own = by_what[UNCHANGED]
    old = [value for scan, value in own.items() if ages.get(scan, OLD) > OLD]
    young = [value for scan, value in own.items() if ages.get(scan, YOUNG) < YOUNG]
    lines = ["| loss of Dice, unless said otherwise | must | aim | mean | worst (scan) | n |"]
    lines += ["|---|---:|---:|---:|---:|---:|"]
    for what, target in TARGETS.items():
        goals = ["" if goal is None else f"{goal:g}" for goal in (target.must, target.aim)]
        values = by_what.get(what, {})
        if what == AGES and old and young:
            loss = f"{np.mean(young) - np.mean(old):.4f}"
            cells = [loss, f"{np.mean(young) - min(old):.4f}", f"{len(old)} and {len(young)}"]
        elif values:
            # Dice is good when large, everything else when small.
            worst = (min if "Dice of" in what else max)(values, key=lambda scan: values[scan])
            digits = 1 if what == SOON or what.endswith(", %") else 4
            mean = np.mean(list(values.values()))
            cells = [
                f"{mean:.{digits}f}",
                f"{values[worst]:.{digits}f} ({worst})",
                f"{len(values)}",
            ]
        else:
            cells = ["-", "-", "0"]
        lines.append(f"| {' | '.join([what, *goals, *cells])} |")
    return lines


def ages_of(folder: Path) -> dict[str, float]:
    """Years of each scan's person, where a table knows them."""
    if not (folder / "subjects.csv").is_file():
        return {}
    with (folder / "subjects.csv").open(newline="") as file:
        return {row["scan"]: float(row["age"]) for row in csv.DictReader(file) if row.get("age")}


def write(title: str, findings: Sequence[Finding], lines: Sequence[str], folder: Path) -> None:
    """Write all findings as a CSV table, and the lines below a title as Markdown.

    Parameters
    ----------
    title : str
    findings : sequence of Finding
    lines : sequence of str
    folder : Path
        Takes `robustness.csv` and `robustness.md`, which are replaced.
    """
    table, text = folder / "robustness.csv", folder / "robustness.md"
    with complete_files([table, text], overwrite=True) as (csv_file, markdown_file):
        with csv_file.open("w", newline="") as file:
            writer = csv.DictWriter(file, asdict(findings[0]))
            writer.writeheader()
            writer.writerows(asdict(finding) for finding in findings)
        markdown_file.write_text("\n".join([f"# {title}", "", *lines]) + "\n")
