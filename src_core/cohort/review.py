"""What people say of the labels of a study: ``review.tsv``, a row for each scan that was judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from src_core.io.files import complete_files
from src_core.io.tables import read_table, tabbed

if TYPE_CHECKING:
    from pathlib import Path

REVIEW = "review.tsv"
VERDICTS = {
    "good": "The labels can be used as they are.",
    "correct": "The labels need a correction, or have got one.",
    "reject": "The scan or its labels cannot be used.",
}
"""What can be said of labels, and what it means."""
_COLUMNS = ("scan", "verdict", "note", "labels")


@dataclass(frozen=True)
class Judgement:
    """What was said of the labels of a scan.

    Attributes
    ----------
    verdict : str
        One of `VERDICTS`, or "".
    note : str
        In words of one's own.
    labels : str
        Tells which labels it was said of: others are made if the scan or the options change.
    """

    verdict: str = ""
    note: str = ""
    labels: str = ""


NOT_JUDGED = Judgement()


def read_review(output: Path) -> dict[str, Judgement]:
    """All that was said of the scans of an output, by their names.

    Raises
    ------
    InputError
        The table is damaged.
    """
    file = output / REVIEW
    if not file.exists():
        return {}
    rows = read_table(file, _COLUMNS, strict=False)
    return {
        row["scan"]: Judgement(*("" if row[key] == "n/a" else row[key] for key in _COLUMNS[1:]))
        for row in rows
    }


def write_judgement(output: Path, name: str, judgement: Judgement) -> None:
    """Note what was said of a scan, in place of what was said before.

    The table is read anew for that: others may be judging scans of the same study.

    Raises
    ------
    InputError
        The table is damaged, or cannot be written.
    """
    every = read_review(output) | {name: judgement}
    rows = [
        [scan, *(part or None for part in (one.verdict, one.note, one.labels))]
        for scan, one in sorted(every.items())
        if one.verdict or one.note
    ]
    with complete_files([output / REVIEW], overwrite=True) as (file,):
        file.write_text(tabbed([_COLUMNS, *rows]), encoding="utf-8", newline="\n")
