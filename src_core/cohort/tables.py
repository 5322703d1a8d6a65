"""The tables of a cohort, for R, pandas and spreadsheets: tabs, a row a scan, n/a for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src_core.cohort.inputs import TRAITS
from src_core.cohort.places import FAILED, LONG, QUALITY, VOLUMES
from src_core.io.files import complete_files
from src_core.io.tables import tabbed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from src_core.cohort.records import Failure, Record

TEMPLATE_INTRACRANIAL_ML = 1990.0
"""Volume inside the skull of the template: what makes the estimates of four heads of IXI equal to
their intracranial masks (each of them alone: 1981 to 2003)."""


def write_tables(
    records: Sequence[Record], failures: Sequence[Failure], output: Path, long: bool = False
) -> list[Path]:
    """Write the tables of a cohort, all of them or none.

    Parameters
    ----------
    records : sequence of Record
    failures : sequence of Failure
    output : Path
    long : bool
        Also the volumes with a row for each scan and structure; in any case if the output has them.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        They cannot be written.
    """
    structures = list(dict.fromkeys(name for one in records for name in one.volumes))
    tables = {
        VOLUMES: _volumes(records, structures),
        QUALITY: _quality(records),
        FAILED: [["scan", "file", "why"], *([f.name, f.scan, f.why] for f in failures)],
    }
    if long or (output / LONG).exists():  # one of an earlier run would tell of the labels before
        tables[LONG] = _long(records)
    paths = [output / name for name in tables]
    with complete_files(paths, overwrite=True) as files:
        for file, rows in zip(files, tables.values(), strict=True):
            file.write_text(tabbed(rows), encoding="utf-8", newline="\n")
    return paths


def intracranial_volume(record: Record) -> float | None:
    """Volume inside the skull in mL, as the alignment tells it.

    A head that the template must be enlarged to fit is larger by the same factor (Buckner et al.,
    NeuroImage 2004). None: the scan was not aligned.
    """
    import numpy as np

    if record.report["alignment"]["method"] in ("none", "given"):
        return None
    shrinkage = abs(np.linalg.det(np.array(record.report["transform"])[:3, :3]))
    return float(TEMPLATE_INTRACRANIAL_ML / shrinkage)


def _whose(record: Record) -> list[Any]:
    entities = record.entities
    session = f"ses-{entities['ses']}" if "ses" in entities else None
    return [
        record.name,
        f"sub-{entities['sub']}",
        session,
        *map(record.traits.get, TRAITS),
        record.judgement.verdict or None,
        "yes" if record.is_corrected else "no",
    ]


_WHOSE = ["scan", "participant_id", "session_id", *TRAITS, "verdict", "corrected"]


def _volumes(records: Sequence[Record], structures: Sequence[str]) -> list[list[Any]]:
    """Volumes in mL."""
    rows = [
        [
            *_whose(record),
            record.report["brain"]["volume"] / 1000,
            intracranial_volume(record),
            *map(record.volumes.get, structures),
        ]
        for record in records
    ]
    return [[*_WHOSE, "brain", "estimated_intracranial", *structures], *rows]


def _long(records: Sequence[Record]) -> list[list[Any]]:
    rows = [[*_whose(one), name, ml] for one in records for name, ml in one.volumes.items()]
    return [[*_WHOSE, "structure", "volume_ml"], *rows]


def _quality(records: Sequence[Record]) -> list[list[Any]]:
    """What was measured of each scan besides its volumes, and what it was warned of."""
    checks = list(dict.fromkeys(name for one in records for name in one.report["quality"]))
    rows = []
    for record in records:
        report = record.report
        found = [report["quality"].get(check, {}).get("value") for check in checks]
        rows.append(
            [
                *_whose(record),
                report["psnr"],
                report["alignment"]["similarity"],
                report["iterations"],
                report.get("mean_dice"),
                *found,
                len(report["notes"]),
                "; ".join(report["notes"]) or None,
                record.judgement.note or None,
            ]
        )
    named = ["psnr", "similarity_to_template", "iterations", "mean_dice"]
    return [[*_WHOSE, *named, *checks, "warnings", "told", "note"], *rows]
