"""Labelled scans: where they are."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from src_core.datasets.bids import find_in_bids, subject_of
from src_core.datasets.labelled import LabelledScan, refuse_unpaired
from src_core.datasets.splits import in_splits
from src_core.errors import InputError
from src_core.io.export import image_stem
from src_core.io.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Mapping

    from src_core.datasets.settings import DataSettings

_PATTERNS = {"scan": "{name}_T1w.nii.gz", "labels": "{name}_labels.nii.gz"}


def read_scans(
    data: DataSettings, needed: Collection[str] = ("train", "val")
) -> list[LabelledScan]:
    """List labelled scans and put each in a split.

    Parameters
    ----------
    data : DataSettings
        Its `path` is one of

        - a folder with ``subjects.csv`` (columns scan, subject, split), where a scan's files are
          ``<scan>_T1w.nii.gz`` and ``<scan>_labels.nii.gz``, or as the patterns say;
        - a folder of pairs that are found by the patterns, in subfolders too;
        - a BIDS tree: ``sub-*/[ses-*/]anat/*_T1w.nii.gz``, with ``*_dseg.nii.gz`` beside it or in
          ``derivatives/*/``;
        - a table (CSV or TSV) with the columns scan and labels (files, relative to the table) and,
          if wanted, mask, subject, split and name.

        Where nothing says whose scan it is, it is that of ``sub-<label>`` in its name, or
        of a subject of its own.
    needed : collection of str
        Splits that must not be empty.

    Returns
    -------
    list of LabelledScan
        In the order of the table, or by name.

    Raises
    ------
    InputError
        If files are missing or unpaired, names are not unique, a subject is in two splits or
        does not exist, or a split is empty.
    """
    scans = _found(data)
    if names := _repeated(scan.name for scan in scans):
        raise InputError(f"{data.path}: two scans have the name {names[0]}; give each its own")
    if paths := _repeated(scan.scan.resolve() for scan in scans):
        raise InputError(f"{data.path}: the scan {paths[0]} is listed twice; list it once")
    return in_splits(scans, data, needed)


def _found(data: DataSettings) -> list[LabelledScan]:
    """List the scans, with an empty split where none is given."""
    given = [text for text in (data.scans, data.labels, data.masks) if text]
    if data.path.is_file():
        if given:
            raise InputError(f"{data.path} names the files; leave scans, labels and masks out")
        return _from_table(data.path)
    if not data.path.is_dir():
        raise InputError(f"{data.path} does not exist; give a folder of scans or a table of them")
    if (data.path / "subjects.csv").is_file():
        return _from_subjects(data)
    has_patterns = any("{" in text for text in given)
    if not has_patterns and any(path.is_dir() for path in data.path.glob("sub-*")):
        return find_in_bids(data)
    return _from_patterns(data)


def _from_table(table: Path) -> list[LabelledScan]:
    scans = []
    for row in read_table(table, ("scan", "labels")):
        files = {
            what: table.parent / Path(row[what]).expanduser()
            for what in ("scan", "labels", "mask")
            if row.get(what, "n/a").lower() not in ("", "n/a")
        }
        if not files.keys() >= {"scan", "labels"}:
            raise InputError(
                f"{table}: a row lacks its scan or its labels: {', '.join(row.values())}"
            )
        scans.append(_listed_scan(row, row.get("name") or image_stem(files["scan"]), files, table))
    return scans


def _from_subjects(data: DataSettings) -> list[LabelledScan]:
    table = data.path / "subjects.csv"
    columns = ["scan", "subject"]
    if data.val is None and data.test is None:
        columns.append("split")
    patterns = _patterns(data)
    scans = []
    for row in read_table(table, columns):
        files = {
            what: data.path / pattern.replace("{name}", row["scan"])
            for what, pattern in patterns.items()
        }
        scans.append(_listed_scan(row, row["scan"], files, table))
    return scans


def _listed_scan(
    row: Mapping[str, str], name: str, files: Mapping[str, Path], table: Path
) -> LabelledScan:
    """Make a scan of a table's row; its files must be there."""
    for path in files.values():
        if not path.is_file():
            raise InputError(f"{path}: no such file, but {table.name} lists it")
    # Names become names of files in the work folder, and must not lead out of it.
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise InputError(f"{table}: {name!r} cannot be a scan's name; leave out the first / and ..")
    given = row.get("subject", "")
    subject = subject_of(name) if given.lower() in ("", "n/a") else given
    return LabelledScan(name, subject, row.get("split", ""), **files)


def _from_patterns(data: DataSettings) -> list[LabelledScan]:
    patterns = _patterns(data)
    # Where one pattern is another's end, a file belongs to the longer one.
    expressions = {
        what: _expression(patterns[what])
        for what in sorted(patterns, key=lambda what: len(patterns[what]), reverse=True)
    }
    files: dict[str, dict[str, Path]] = {what: {} for what in patterns}
    for path in sorted(data.path.rglob("*")):
        relative = path.relative_to(data.path)
        if any(part.startswith(".") for part in relative.parts) or not path.is_file():
            continue
        for what, expression in expressions.items():
            if match := expression.fullmatch(relative.as_posix()):
                files[what][match["name"]] = path
                break
    scans, labels = files["scan"], files["labels"]
    if not scans and not labels:
        raise InputError(
            f"{data.path} holds no subjects.csv, no sub-* folders of BIDS and no file"
            f" {patterns['scan']}; give the patterns scans and labels"
        )
    refuse_unpaired(scans.keys() - labels.keys(), "no label map for", data.path)
    refuse_unpaired(labels.keys() - scans.keys(), "no scan for the label map of", data.path)
    if "mask" in files:
        refuse_unpaired(scans.keys() - files["mask"].keys(), "no mask for", data.path)
    return [
        LabelledScan(name, subject_of(name), "", **{what: files[what][name] for what in patterns})
        for name in scans
    ]


def _patterns(data: DataSettings) -> dict[str, str]:
    """Pattern of the names of each kind of file."""
    given = {"scan": data.scans, "labels": data.labels, "mask": data.masks}
    patterns = _PATTERNS | {what: pattern for what, pattern in given.items() if pattern}
    for pattern in patterns.values():
        if set(re.findall(r"\{.*?\}", pattern)) != {"{name}"}:
            raise InputError(f"the pattern {pattern!r} needs {{name}}, and nothing else in braces")
    return patterns


def _expression(pattern: str) -> re.Pattern[str]:
    first, *others = (re.escape(part) for part in pattern.split("{name}"))
    return re.compile(first + "(?P<name>.+)" + "(?P=name)".join(others))


def _repeated(values: Iterable[Hashable]) -> list[Hashable]:
    return [value for value, count in Counter(values).items() if count > 1]
