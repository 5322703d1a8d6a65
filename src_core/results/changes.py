"""Volumes of one person's scans side by side, and how they changed."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING

from src_core.io.files import complete_files
from src_core.results import measure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from src_core.io.labels import Protocol
    from src_core.io.scan import Scan

Row = tuple[int, str, list[float], list[float]]
"""Id and name of a structure, its volumes (mm3), its changes since the first scan (percent)."""


def change(first: float, later: float) -> float:
    """Change of a volume in percent of the mean of both, nan if both are 0.

    Neither is the reference, so that another order changes the sign alone.
    """
    both = first + later
    return 200 * (later - first) / both if both else float("nan")


def volume_rows(
    label_maps: Sequence[np.ndarray], scans: Sequence[Scan], protocol: Protocol
) -> list[Row]:
    """A row per structure of the label maps of several scans, in the order of the protocol."""
    ids = protocol.ids[1:]
    found = [
        measure.volumes(labels, scan.affine, ids)
        for labels, scan in zip(label_maps, scans, strict=True)
    ]
    rows: list[Row] = []
    for structure in protocol.structures:
        volumes = [of_scan[structure.id] for of_scan in found]
        changes = [change(volumes[0], later) for later in volumes[1:]]
        rows.append((structure.id, structure.name, volumes, changes))
    return rows


def write_rows(rows: Sequence[Row], path: Path, *, overwrite: bool = False) -> None:
    """Write such rows as a TSV table, in which n/a stands for no number.

    Raises
    ------
    InputError
        The file exists or can't be written.
    """
    count = len(rows[0][2])
    header = ["index", "name"]
    header += [f"volume_mm3_{number}" for number in range(1, count + 1)]
    header += [f"change_percent_{number}" for number in range(2, count + 1)]
    with (
        complete_files([path], overwrite) as (file,),
        file.open("w", newline="", encoding="utf-8") as text,
    ):
        writer = csv.writer(text, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        for index, name, volumes, changes in rows:
            told = ["n/a" if math.isnan(one) else f"{one:.3f}" for one in (*volumes, *changes)]
            writer.writerow([index, name, *told])
