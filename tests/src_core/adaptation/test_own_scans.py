"""The folder of a user's own scans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from src_core.adaptation.own_scans import (
    add_own_scan,
    list_own_scans,
    own_scans_folder,
    remove_own_scan,
)
from src_core.correction.corrections_file import read_corrections
from src_core.correction.stroke import Stroke
from src_core.errors import InputError
from src_core.io.labels import Structure
from src_core.io.protocols import protocol
from src_core.io.scan import read_on_grid, read_scan

if TYPE_CHECKING:
    from src_core.io.scan import Scan

STRUCTURES = protocol("tissue4").structures
DETAILS = {"protocol": "tissue4"}


def test_a_scan_comes_back_with_all_that_was_added(scan: Scan, tmp_path: Path) -> None:
    labels = np.where(scan.voxels > 500, 3, 0)
    painted = Stroke(np.argwhere(labels)[:5], np.array([1, 1, 0, 0, 2]))
    mask = scan.voxels > 0
    given = (tmp_path / "own", "jane", scan, mask, labels, STRUCTURES, DETAILS)
    finer = (Structure(1, "Left-Cortex", (1, 2, 3)),)
    add_own_scan(*given, painted=(painted, finer))
    (found,) = list_own_scans(tmp_path / "own")
    assert (found.name, found.protocol) == ("jane", "tissue4")
    image = read_scan(found.files.scan)
    assert np.array_equal(image.voxels, scan.voxels)
    assert np.array_equal(read_on_grid(found.files.labels, image, "labels"), labels)
    assert found.files.mask is not None
    assert np.array_equal(read_on_grid(found.files.mask, image, "mask") > 0, mask)
    assert found.corrections is not None
    stroke, named = read_corrections(found.corrections, image)
    assert named[0].name == "Left-Cortex"
    assert np.array_equal(stroke.laid_over(labels), painted.laid_over(labels))


def test_scans_are_removed_and_replaced_when_that_is_asked_for(folder: Path, scan: Scan) -> None:
    new = (folder, "p0", scan, None, np.ones(scan.shape, int), STRUCTURES, DETAILS)
    with pytest.raises(InputError, match="holds a scan p0 already"):
        add_own_scan(*new)
    assert add_own_scan(*new, overwrite=True).files.mask is None
    remove_own_scan(folder, "p1")
    assert [one.name for one in list_own_scans(folder)] == ["p0"]
    with pytest.raises(InputError, match="holds no scan p1"):
        remove_own_scan(folder, "p1")
    assert [one.name for one in folder.iterdir()] == ["p0"]


@pytest.mark.parametrize("fails", ["old files", "new folder"])
def test_replacing_a_scan_never_loses_both(
    folder: Path, scan: Scan, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def fail(*_: object, **__: object) -> None:
        raise PermissionError("another program holds it open")

    def rename_but_new(self: Path, target: Path) -> Path:
        if target.name == "p0" and not (self / "mask.nii.gz").exists():
            fail()
        return rename(self, target)

    if fails == "old files":
        monkeypatch.setattr("os.rmdir", fail)
    else:
        monkeypatch.setattr(Path, "rename", rename_but_new)
    new = (folder, "p0", scan, None, np.ones(scan.shape, int), STRUCTURES, DETAILS)
    if fails == "old files":
        add_own_scan(*new, overwrite=True)
    else:
        with pytest.raises(InputError, match="cannot write to"):
            add_own_scan(*new, overwrite=True)
    first, second = list_own_scans(folder)
    assert (first.name, second.name) == ("p0", "p1")
    assert (first.files.mask is None) == (fails == "old files")


def test_sessions_of_one_person_are_told_by_their_names(folder: Path, scan: Scan) -> None:
    for name in ("sub-01_ses-1_T1w", "sub-01_ses-2_T1w"):
        add_own_scan(folder, name, scan, None, np.ones(scan.shape, int), STRUCTURES, DETAILS)
    subjects = [one.files.subject for one in list_own_scans(folder)]
    assert subjects == ["p0", "p1", "sub-01", "sub-01"]


def test_a_scan_is_added_whole_or_not_at_all(folder: Path, scan: Scan) -> None:
    labels = np.full(scan.shape, -1)
    with pytest.raises(InputError, match="negative"):
        add_own_scan(folder, "p2", scan, None, labels, STRUCTURES, DETAILS)
    with pytest.raises(InputError, match="cannot be the name"):
        add_own_scan(folder, "../p2", scan, None, abs(labels), STRUCTURES, DETAILS)
    assert sorted(one.name for one in folder.iterdir()) == ["p0", "p1"]


def test_a_folder_that_is_not_there_holds_nothing() -> None:
    assert list_own_scans(own_scans_folder()) == []


def test_what_belongs_to_other_names_is_no_scan(folder: Path, scan: Scan) -> None:
    (folder / ".half").mkdir()
    (folder / "models").mkdir()
    assert [one.name for one in list_own_scans(folder)] == ["p0", "p1"]
