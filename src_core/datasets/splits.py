"""Which scans are trained on, validated on and tested on."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from src_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from src_core.datasets.labelled import LabelledScan
    from src_core.datasets.settings import DataSettings

SPLITS = ("train", "val", "test")


def in_splits(
    scans: Sequence[LabelledScan], data: DataSettings, needed: Collection[str]
) -> list[LabelledScan]:
    """Put each scan in the split that the settings give its subject, or else in the table's.

    Parameters
    ----------
    scans : sequence of LabelledScan
        With an empty split where no table gives one.
    data : DataSettings
    needed : collection of str
        Splits that must not be empty, unless the settings name nobody for them.

    Returns
    -------
    list of LabelledScan

    Raises
    ------
    InputError
        A subject is in two splits or does not exist, or a split is unknown or empty.
    """
    scans = _split(scans, data)
    for split in needed:
        wanted = getattr(data, split, None) not in ((), 0)
        if wanted and not any(scan.split == split for scan in scans):
            raise InputError(
                f"{data.path}: no scan has the split {split!r}; {_advice(split, data)}"
            )
    return scans


def _split(scans: Sequence[LabelledScan], data: DataSettings) -> list[LabelledScan]:
    given = data.val is not None, data.test is not None
    if all(given) or not any(scan.split for scan in scans):
        splits = _chosen_splits({scan.subject for scan in scans}, data)
        return [replace(scan, split=splits[scan.subject]) for scan in scans]
    if any(given):
        raise InputError(
            f"{data.path}: the table has a column split already; give both val and test, or neither"
        )
    splits = {}
    for scan in scans:
        if scan.split not in SPLITS:
            raise InputError(
                f"{data.path}: scan {scan.name} has the split {scan.split!r}, which is not one of"
                f" {', '.join(SPLITS)}"
            )
        if splits.setdefault(scan.subject, scan.split) != scan.split:
            raise InputError(f"{data.path}: subject {scan.subject} stands in two splits")
    return list(scans)


def _chosen_splits(subjects: set[str], data: DataSettings) -> dict[str, str]:
    """Split of each subject, by the lists and shares of the settings."""
    chosen: dict[str, str] = {}
    shares = {"val": 0.0, "test": 0.0}
    for split, wanted in (("val", data.val), ("test", data.test)):
        if not isinstance(wanted, tuple):
            shares[split] = wanted or 0.0
            continue
        for subject in wanted:
            if subject not in subjects:
                near = get_close_matches(subject, subjects) or sorted(subjects)[:3]
                raise InputError(
                    f"{data.path}: no scan is of the subject {subject!r} that {split} names; there"
                    f" are {', '.join(near)}"
                )
            if chosen.setdefault(subject, split) != split:
                raise InputError(f"{data.path}: subject {subject} stands in two splits")
    for subject in subjects - chosen.keys():
        # By the subject's name alone, so that another subject moves nobody to another split.
        digest = hashlib.sha256(f"{data.seed} {subject}".encode()).digest()
        drawn = int.from_bytes(digest[:8], "big") / 2**64
        in_val = drawn < shares["test"] + shares["val"]
        chosen[subject] = "test" if drawn < shares["test"] else "val" if in_val else "train"
    return chosen


def _advice(split: str, data: DataSettings) -> str:
    """What to do about a split that is empty."""
    if split == "train":
        return "leave subjects to train on, or add some"
    if isinstance(getattr(data, split), float | int):
        return f"the draw fell on nobody: name subjects in {split}, or change the seed of data"
    return (
        f"name subjects in the table's column split or in {split}, or set {split} to a share (0.15)"
        " or, if there is to be none, to []"
    )
