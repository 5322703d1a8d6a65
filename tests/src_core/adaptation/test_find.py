"""Corrected scans, found wherever they lie."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from src_core.adaptation.find import find_corrected_scans
from src_core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def test_own_scans_are_found_all_or_one(folder: Path) -> None:
    assert [scan.name for scan in find_corrected_scans([folder])] == ["p0", "p1"]
    assert [scan.name for scan in find_corrected_scans([folder / "p1"])] == ["p1"]


def test_a_folder_as_trainings_take_it_counts_with_all_splits(data_folder: Path) -> None:
    found = find_corrected_scans([data_folder])
    assert [scan.name for scan in found] == ["s0", "s1", "s2"]
    assert all(scan.files.mask is None for scan in found)


@pytest.mark.parametrize("end", ["T1w_dseg", "dseg", "labels", "seg-tissue4_dseg"])
def test_labels_lie_beside_a_scan(folder: Path, tmp_path: Path, end: str) -> None:
    shutil.copy(folder / "p0" / "scan.nii.gz", tmp_path / "sub-7_T1w.nii.gz")
    with pytest.raises(InputError, match=r"sub-7_T1w.nii.gz: no label map lies beside it"):
        find_corrected_scans([tmp_path / "sub-7_T1w.nii.gz"])
    shutil.copy(folder / "p0" / "labels.nii.gz", tmp_path / f"sub-7_{end}.nii.gz")
    shutil.copy(folder / "p0" / "labels.json", tmp_path / f"sub-7_{end}.json")
    shutil.copy(folder / "p0" / "mask.nii.gz", tmp_path / "sub-7_mask.nii.gz")
    (found,) = find_corrected_scans([tmp_path / "sub-7_T1w.nii.gz"])
    assert found.files.labels == tmp_path / f"sub-7_{end}.nii.gz"
    assert found.files.mask == tmp_path / "sub-7_mask.nii.gz"
    assert found.protocol == "tissue4"
    assert found.files.subject == "sub-7"


def test_no_scans_at_all_are_an_error() -> None:
    with pytest.raises(InputError, match="holds no corrected scans; name some"):
        find_corrected_scans([])
