"""Finding labelled scans in a BIDS tree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from src_core.datasets.find import read_scans
from src_core.datasets.settings import DataSettings
from tests.helpers.datasets import refused, splits, touch

if TYPE_CHECKING:
    from pathlib import Path


def t1w(subject: str, session: str | None = None, more: str = "") -> str:
    return bids(subject, session, more, "T1w")


def bids(subject: str, session: str | None, more: str, suffix: str) -> str:
    folder = f"sub-{subject}/ses-{session}" if session else f"sub-{subject}"
    stem = f"sub-{subject}_ses-{session}" if session else f"sub-{subject}"
    return f"{folder}/anat/{stem}{more}_{suffix}.nii.gz"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two subjects, one with two sessions; labels beside a scan and in derivatives."""
    return touch(
        tmp_path,
        t1w("01"),
        bids("01", None, "", "dseg"),
        t1w("02", "1"),
        t1w("02", "2"),
        *(f"derivatives/hand/{bids('02', s, '_desc-manual', 'dseg')}" for s in "12"),
        "sub-01/func/sub-01_bold.nii.gz",
        "sub-01/anat/sub-01_T1w.json",
    )


def test_a_bids_tree_is_read(tree: Path) -> None:
    scans = read_scans(DataSettings(tree, val=("sub-01",)))
    assert [(s.name, s.subject, s.split) for s in scans] == [
        ("sub-01", "sub-01", "val"),
        ("sub-02_ses-1", "sub-02", "train"),
        ("sub-02_ses-2", "sub-02", "train"),
    ]
    assert scans[0].labels == tree / bids("01", None, "", "dseg")
    assert scans[2].labels == tree / f"derivatives/hand/{bids('02', '2', '_desc-manual', 'dseg')}"


def test_labels_of_another_space_are_of_another_grid(tree: Path) -> None:
    touch(tree, f"derivatives/fmriprep/{bids('01', None, '_space-MNI152', 'dseg')}")
    assert read_scans(DataSettings(tree, val=("sub-01",)))[0].labels.parent.parent.parent == tree


def test_several_label_maps_of_a_scan_are_refused_until_one_is_picked(tree: Path) -> None:
    manual = f"derivatives/hand/{bids('01', None, '_desc-manual', 'dseg')}"
    touch(tree, manual)
    data = DataSettings(tree, val=("sub-01",))
    with refused(f"several files fit: {bids('01', None, '', 'dseg')}, {manual}; pick one"):
        read_scans(data)
    assert read_scans(replace(data, labels="desc-manual"))[0].labels == tree / manual


def test_labels_are_picked_by_their_space_too(tree: Path) -> None:
    for subject, session in (("01", None), ("02", "1"), ("02", "2")):
        touch(tree, f"derivatives/hand/{bids(subject, session, '_space-own', 'dseg')}")
    data = DataSettings(tree, labels="space-own", val=("sub-01",))
    assert all("_space-own_" in scan.labels.name for scan in read_scans(data))


def test_scans_and_masks_are_picked_by_entities(tree: Path) -> None:
    touch(
        tree,
        t1w("01", more="_acq-fast"),
        bids("01", None, "_acq-fast", "dseg"),
        bids("01", None, "_acq-fast_desc-brain", "mask"),
    )
    data = DataSettings(tree, scans="acq-fast", masks="desc-brain")
    (scan,) = read_scans(data, needed=("train",))
    assert scan.name == "sub-01_acq-fast"
    assert scan.mask == tree / bids("01", None, "_acq-fast_desc-brain", "mask")


@pytest.mark.parametrize(
    ("more", "change", "said"),
    [
        ([t1w("03")], {}, "no labels for sub-03; complete the pairs"),
        ([], {"labels": "desc-auto"}, "no labels with desc-auto for sub-01, sub-02_ses-1"),
        ([], {"masks": "desc-brain"}, "no masks with desc-brain for sub-01"),
        ([bids("04", None, "", "dseg")], {}, "no scan for the label map sub-04_dseg.nii.gz"),
        ([], {"labels": "manual"}, "'manual' is neither an entity"),
        ([], {"scans": "acq-slow"}, "*_T1w.nii.gz with acq-slow"),
        ([], {"val": ("02",)}, "no scan is of the subject '02' that val names; there are sub-01"),
    ],
)
def test_a_bids_tree_that_cannot_be_used_is_refused(
    tree: Path, more: list[str], change: dict, said: str
) -> None:
    touch(tree, *more)
    with refused(said):
        read_scans(replace(DataSettings(tree, val=("sub-01",)), **change))


def test_folders_of_subjects_can_be_paired_by_patterns_too(tree: Path) -> None:
    touch(
        tree, "labels/sub-01.nii.gz", "labels/sub-02.nii.gz", "x/sub-01.nii.gz", "x/sub-02.nii.gz"
    )
    data = DataSettings(
        tree, scans="x/{name}.nii.gz", labels="labels/{name}.nii.gz", val=("sub-02",)
    )
    assert splits(data) == {"sub-01": "train", "sub-02": "val"}
