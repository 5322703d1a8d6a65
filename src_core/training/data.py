"""A folder of scans with label maps: what is in it, and what it looks like to a network."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src_core.errors import InputError
from src_core.labels import Protocol
from src_core.scan import Scan, read_on_grid, read_scan

IGNORED = 255
"""Class of voxels that take part in no loss and no score."""
_MAPPING_COLUMNS = {"tissue4": "tissue4", "fs32": "freesurfer_id", "fs24-2d": "neurite_seg24"}


@dataclass(frozen=True)
class Subject:
    """One scan of the folder.

    Attributes
    ----------
    name : str
        Of the scan.
    split : str
        "train", "val" or "test".
    scan, labels : Path
        Files.
    """

    name: str
    split: str
    scan: Path
    labels: Path


def read_subjects(folder: Path) -> list[Subject]:
    """List the scans of a folder.

    Parameters
    ----------
    folder : Path
        Holds ``subjects.csv`` (columns scan, subject, split) and, for each scan,
        ``<scan>_T1w.nii.gz`` and ``<scan>_labels.nii.gz``.

    Returns
    -------
    list of Subject

    Raises
    ------
    InputError
        A file is missing, or a subject stands in two splits.
    """
    table = folder / "subjects.csv"
    if not table.is_file():
        raise InputError(f"{table}: no such file; it lists the scans with their subject and split")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    splits: dict[str, str] = {}
    subjects = []
    for row in rows:
        try:
            name, subject, split = row["scan"], row["subject"], row["split"]
        except KeyError as error:
            raise InputError(f"{table}: the column {error} is missing") from error
        if splits.setdefault(subject, split) != split:
            raise InputError(f"{table}: subject {subject} stands in two splits")
        scan, labels = (folder / f"{name}_{what}.nii.gz" for what in ("T1w", "labels"))
        for path in (scan, labels):
            if not path.is_file():
                raise InputError(f"{path}: no such file, but {table.name} lists it")
        subjects.append(Subject(name, split, scan, labels))
    if not any(subject.split == "train" for subject in subjects):
        raise InputError(f"{table}: no scan has the split 'train'")
    return subjects


def read_mapping(folder: Path, protocol: Protocol) -> np.ndarray:
    """Class of each label id of the folder's label maps.

    Parameters
    ----------
    folder : Path
        May hold ``label_mapping.csv``, whose first column is the id in the label maps and one of
        whose columns is the id in the protocol; ids marked IGNORED on purpose are left out
        of losses. Without it the label maps hold the protocol's own ids.
    protocol : Protocol

    Returns
    -------
    ndarray of uint8
        Class index by label id, `IGNORED` for what takes no part.

    Raises
    ------
    InputError
        The table is empty or has no column for the protocol.
    """
    ids = {int(identifier): place for place, identifier in enumerate(protocol.ids)}
    table = folder / "label_mapping.csv"
    if not table.is_file():
        mapping = np.full(int(protocol.ids.max()) + 1, IGNORED, np.uint8)
        for identifier, place in ids.items():
            mapping[identifier] = place
        return mapping
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise InputError(f"{table}: has no rows; give the class of each label id")
    own, theirs = next(iter(rows[0])), _MAPPING_COLUMNS.get(protocol.name, protocol.name)
    if theirs not in rows[0]:
        raise InputError(f"{table}: no column {theirs!r} for the protocol {protocol.name}")
    mapping = np.full(max(int(row[own]) for row in rows) + 1, IGNORED, np.uint8)
    for row in rows:
        if row.get("status") != "ignored":
            mapping[int(row[own])] = ids.get(int(row[theirs]), 0)
    return mapping


def read_example(subject: Subject, mapping: np.ndarray) -> tuple[Scan, np.ndarray]:
    """Read one scan and the class of each of its voxels.

    Returns
    -------
    scan : Scan
    classes : ndarray of uint8, shape (I, J, K)

    Raises
    ------
    InputError
        A label id is not in the mapping.
    """
    scan = read_scan(subject.scan)
    label_map = read_on_grid(subject.labels, scan, "reference")
    if label_map.max() >= len(mapping):
        raise InputError(f"{subject.labels}: label {label_map.max()} is not in the mapping")
    return scan, mapping[label_map]
