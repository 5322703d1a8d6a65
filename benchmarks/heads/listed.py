"""Which heads are measured: those of a table, or of a folder with a subfolder for each set."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src_core.errors import InputError
from src_core.io.tables import read_table

if TYPE_CHECKING:
    from pathlib import Path

_SCAN = re.compile(r"(?:(?P<name>.+)_)?(?P<contrast>T1|T1Gd|T2|FLAIR)(?:_brain)?\.nii\.gz")
_NUMBER = re.compile(r"-\d+$")


@dataclass(frozen=True)
class Head:
    """A scan, and what is known of it.

    Attributes
    ----------
    group : str
        The set that it belongs to.
    name : str
    scan : Path
    labels : Path, optional
        Label map in the ids of fs32.
    mask : Path, optional
        The brain, if it is not to be found.
    other_masks : tuple of Path
        Brains as others drew them, above 0 inside.
    age : float, optional
        Years.
    """

    group: str
    name: str
    scan: Path
    labels: Path | None = None
    mask: Path | None = None
    other_masks: tuple[Path, ...] = ()
    age: float | None = None


def list_heads(data: Path) -> list[Head]:
    """List the heads of a table or a folder.

    Parameters
    ----------
    data : Path
        A table (CSV or TSV) with the columns set, name and scan, and if wanted labels, mask,
        other_masks (parted by semicolons) and age; files are relative to it. Or a folder of
        folders that hold heads ``[NAME_]T1.nii.gz`` (or T1Gd, T2, FLAIR), or only their brains
        ``[NAME_]T1_brain.nii.gz``, and, if there are, ``[NAME_]fs32.nii.gz`` or
        ``labels_fs32.nii.gz``, another mask ``[NAME_]icv.nii.gz``, and a table ``subjects.csv``
        with the columns scan and age.
        Folders that differ in a last number only are one set.

    Returns
    -------
    list of Head

    Raises
    ------
    InputError
        There are none, a file is missing, or the table can't be read.
    """
    heads = _in_folders(data) if data.is_dir() else _in_table(data)
    if not heads:
        raise InputError(f"{data}: holds no heads; see the documentation of list_heads")
    for head in heads:
        for path in (head.scan, head.labels, head.mask, *head.other_masks):
            if path is not None and not path.is_file():
                raise InputError(f"{path} does not exist; check the table {data}")
    return heads


def _in_table(table: Path) -> list[Head]:
    def file(name: str | None) -> Path | None:
        return table.parent / name if name else None

    return [
        Head(
            row["set"],
            row["name"],
            table.parent / row["scan"],
            file(row.get("labels")),
            file(row.get("mask")),
            tuple(table.parent / name for name in row.get("other_masks", "").split(";") if name),
            float(row["age"]) if row.get("age") else None,
        )
        for row in read_table(table, ["set", "name", "scan"])
    ]


def _in_folders(data: Path) -> list[Head]:
    heads = []
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        ages = _ages(folder / "subjects.csv")
        for scan in sorted(folder.glob("*.nii.gz")):
            if not (match := _SCAN.fullmatch(scan.name)):
                continue
            name, contrast = match["name"], match["contrast"]
            start = f"{name}_" if name else ""
            brain = folder / f"{start}{contrast}_brain.nii.gz"
            if scan == brain and (folder / f"{start}{contrast}.nii.gz").is_file():
                continue
            labels = _there(folder / f"{start}fs32.nii.gz", folder / "labels_fs32.nii.gz")
            others = [path for path in _there(brain, folder / f"{start}icv.nii.gz") if path != scan]
            named = name or folder.name
            heads.append(
                Head(
                    _NUMBER.sub("", folder.name),
                    named if contrast == "T1" else f"{named} {contrast}",
                    scan,
                    labels=next(iter(labels), None),
                    other_masks=tuple(others),
                    age=ages.get(named),
                )
            )
    return heads


def _there(*paths: Path) -> tuple[Path, ...]:
    return tuple(path for path in paths if path.is_file())


def _ages(table: Path) -> dict[str, float]:
    if not table.is_file():
        return {}
    return {row["scan"]: float(row["age"]) for row in read_table(table, ["scan", "age"])}
