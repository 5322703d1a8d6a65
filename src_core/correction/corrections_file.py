"""Files of what was painted on the labels of a scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from src_core.correction.stroke import Stroke
from src_core.errors import InputError
from src_core.io.export import companion, write_labels
from src_core.io.labels import Structure
from src_core.io.scan import read_on_grid
from src_core.io.tables import read_structures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from src_core.io.scan import Scan

ENDING = "_corrections.nii.gz"
"""Follows the name of the label map that a file of corrections lies beside."""
_ERASED = Structure(np.iinfo(np.int16).max, "Painted background", (90, 90, 90))
"""What was painted as background: 0 is what was not painted."""


def write_corrections(
    stroke: Stroke, scan: Scan, path: Path, structures: Sequence[Structure], *, overwrite: bool
) -> list[Path]:
    """Write what was painted as a label map of the scan, 0 where nothing was.

    Parameters
    ----------
    stroke : Stroke
        All of it.
    scan : Scan
    path : Path
        Ends in ``.nii.gz``; a table of names and a description get its name.
    structures : sequence of Structure
        Names of the labels.
    overwrite : bool
        Whether existing files may be replaced.

    Raises
    ------
    InputError
        If a file exists or cannot be written.
    """
    painted = np.zeros(scan.shape, np.int32)
    painted[tuple(stroke.voxels.T)] = np.where(stroke.labels, stroke.labels, _ERASED.id)
    present = set(np.unique(painted).tolist())
    return write_labels(
        painted,
        scan,
        path,
        protocol=[one for one in (*structures, _ERASED) if one.id in present],
        details={"Description": "What was painted on the labels of the scan; 0: nothing."},
        overwrite=overwrite,
    )


def read_corrections(path: Path, scan: Scan) -> tuple[Stroke, tuple[Structure, ...]]:
    """Read what was painted on the labels of a scan, and the structures that it names.

    Raises
    ------
    InputError
        The file can't be read, lies on another grid than the scan, or holds nothing.
    """
    painted = read_on_grid(path, scan, "the file of corrections")
    voxels = np.argwhere(painted)
    if not len(voxels):
        raise InputError(f"{path} holds no corrections: nothing in it is painted")
    labels = painted[tuple(voxels.T)]
    table = companion(path, ".tsv")
    named = read_structures(table, strict=False) if table.exists() else ()
    structures = tuple(one for one in named if one.id != _ERASED.id)
    return Stroke(voxels, np.where(labels == _ERASED.id, 0, labels)), structures
