"""Files of what was painted on the labels of a scan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from src_core.correction.stroke import REACH, Stroke
from src_core.errors import InputError
from src_core.io.export import companion, write_labels
from src_core.io.labels import Structure
from src_core.io.scan import read_on_grid
from src_core.io.tables import read_structures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from src_core.io.scan import Scan

ENDING = "_corrections.nii.gz"
"""Follows the name of the label map that a file of corrections lies beside."""
_ERASED = Structure(np.iinfo(np.int16).max, "Painted background", (90, 90, 90))
"""What was painted as background: 0 is what was not painted."""
_REACH = "reach_mm"
"""Key of the description: by a reach in mm, other than the usual one, the voxels that reach so far,
as runs [first, end) of their flat indices."""


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
        details={
            "Description": "What was painted on the labels of the scan; 0: nothing.",
            _REACH: _runs(stroke, scan.shape),
        },
        overwrite=overwrite,
    )


def read_corrections(
    path: str | Path, scan: Scan, known: Sequence[Structure] = ()
) -> tuple[Stroke, tuple[Structure, ...]]:
    """Read what was painted on the labels of a scan, and the structures that it names.

    Parameters
    ----------
    path : path
    scan : Scan
    known : sequence of Structure
        Those of the labels that it shall be painted on.

    Raises
    ------
    InputError
        The file can't be read, lies on another grid than the scan, holds nothing, or names a known
        id or structure otherwise.
    """
    painted = read_on_grid(path, scan, "the file of corrections")
    voxels = np.argwhere(painted)
    if not len(voxels):
        raise InputError(f"{path} holds no corrections: nothing in it is painted")
    labels = painted[tuple(voxels.T)]
    table = companion(path, ".tsv")
    named = read_structures(table, strict=False) if table.exists() else ()
    structures = tuple(one for one in named if one.id != _ERASED.id)
    _check_names(path, structures, known)
    reaches = _reaches(companion(path, ".json"), scan.shape)[tuple(voxels.T)]
    return Stroke(voxels, np.where(labels == _ERASED.id, 0, labels), reaches), structures


def _check_names(path: str | Path, named: Sequence[Structure], known: Sequence[Structure]) -> None:
    """Refuse what was painted on labels that mean something else."""
    by_id = {one.id: one.name for one in known}
    by_name = {one.name: one.id for one in known}
    for one in named:
        if by_id.get(one.id, one.name) != one.name or by_name.get(one.name, one.id) != one.id:
            raise InputError(
                f"{path} was painted on other labels, of which {one.id} is {one.name}; fit with the"
                " model that it was painted with, or mend the table beside it"
            )


def _runs(stroke: Stroke, shape: tuple[int, ...]) -> dict[str, list[list[int]]]:
    """Voxels by how far they reach, see `_REACH`."""
    flat = np.ravel_multi_index(tuple(stroke.voxels.T), shape)
    runs = {}
    for reach in np.unique(stroke.reaches[stroke.reaches != REACH["structure"]]):
        some = np.sort(flat[stroke.reaches == reach])
        parts = np.split(some, np.flatnonzero(np.diff(some) > 1) + 1)
        runs[f"{reach:g}"] = [[int(part[0]), int(part[-1]) + 1] for part in parts]
    return runs


def _reaches(description: Path, shape: tuple[int, ...]) -> np.ndarray:
    """How far each voxel of a grid reaches, as a description beside a file says, or as usual."""
    reaches = np.full(shape, REACH["structure"], np.float32)
    if not description.exists():
        return reaches
    try:
        told: Mapping[str, list[list[int]]] = json.loads(description.read_bytes()).get(_REACH, {})
        for reach, runs in told.items():
            for first, end in runs:
                reaches.reshape(-1)[first:end] = float(reach)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{description} does not tell how far strokes reach: {error}") from error
    if not (reaches > 0).all():
        raise InputError(f"{description}: a stroke reaches less than 0 mm; delete {_REACH} in it")
    return reaches
