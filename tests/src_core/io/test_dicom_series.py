"""A folder of DICOM files says which series it holds, and which of them is not whole."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from src_core.errors import InputError
from src_core.io.dicom_series import choose_series, find_series, folder_of, is_dicom
from tests.helpers.dicom import write_series

VOXELS = np.arange(8 * 9 * 10).reshape(8, 9, 10)
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One series of ten slices."""
    return write_series(tmp_path / "T1", VOXELS, AFFINE)


def rewrite(file: Path, **changed: Any) -> None:
    header = dcmread(file)
    for name, value in changed.items():
        setattr(header, name, value)
    header.save_as(file)


def refusal(path: Path, number: int | None = None) -> str:
    with pytest.raises(InputError) as refused:
        choose_series(find_series(path), number).check_complete()
    return str(refused.value)


def test_a_folder_and_each_of_its_files_give_the_series(folder: Path) -> None:
    for path in (folder, folder / "IM0004.dcm"):
        (series,) = find_series(path)
        assert str(series) == '3 "T1 MPRAGE" (10 files)'
        assert [one.number for one in series.instances] == list(range(1, 11))
        assert series.folder == folder
        series.check_complete()


def test_files_are_known_by_what_is_in_them_or_by_their_names(folder: Path, tmp_path: Path) -> None:
    bare = folder / "IM0001"
    (folder / "IM0001.dcm").rename(bare)
    assert is_dicom(bare)
    assert len(find_series(bare)[0].instances) == 10
    (tmp_path / "no.dcm").write_bytes(b"old DICOM has no magic")
    assert is_dicom(tmp_path / "no.dcm")
    (tmp_path / "scan.nii").write_bytes(bytes(352))
    assert not is_dicom(tmp_path / "scan.nii")
    assert not is_dicom(tmp_path / "missing.dcm")


def test_a_folder_by_its_short_name_has_a_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert folder_of(Path()) == folder_of(Path("IM0001.dcm")) == folder


def test_series_in_folders_below_are_found_in_their_order(tmp_path: Path) -> None:
    write_series(tmp_path / "study" / "a", VOXELS, AFFINE, number=11, description="T2  TSE")
    write_series(tmp_path / "study" / "b", VOXELS, AFFINE, number=2)
    found = find_series(tmp_path)
    assert list(map(str, found)) == ['2 "T1 MPRAGE" (10 files)', '11 "T2 TSE" (10 files)']
    assert choose_series(found, 11) is found[1]
    assert 'holds 2 series: 2 "T1 MPRAGE" (10 files), 11 "T2 TSE"' in refusal(tmp_path)
    assert refusal(tmp_path).endswith("; choose one")
    assert "there is no series 3 in" in refusal(tmp_path, 3)


def test_a_file_is_enough_where_numbers_are_not(folder: Path) -> None:
    other = write_series(folder.with_name("other"), VOXELS, AFFINE, lacking=[9])
    for file in other.iterdir():
        shutil.copy(file, folder / f"other-{file.name}")
    assert "holds 2 series with number 3; give one of the files" in refusal(folder, 3)
    (series,) = find_series(folder / "other-IM0001.dcm")
    assert len(series.instances) == 9


def test_copies_reports_and_other_files_do_not_count(folder: Path) -> None:
    shutil.copy(folder / "IM0001.dcm", folder / "IM0001 (copy).dcm")
    (folder / "notes.txt").write_text("not a DICOM file")
    (folder / "empty.dcm").touch()
    report = dcmread(folder / "IM0001.dcm")
    kept = Dataset()
    kept.file_meta = report.file_meta
    kept.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    kept.SeriesInstanceUID = "1.2.3"
    kept.save_as(folder / "report.dcm")
    (series,) = find_series(folder)
    assert len(series.instances) == 10


@pytest.mark.parametrize("lacking", [[4], [1, 2]])
def test_a_slice_that_is_missing_is_told(tmp_path: Path, lacking: list[int]) -> None:
    said = refusal(write_series(tmp_path / "T1", VOXELS, AFFINE, lacking=lacking))
    n, gap = len(lacking), 2 * (len(lacking) + 1)
    before, after = min(lacking), max(lacking) + 2
    assert f"({10 - n} files) of {tmp_path / 'T1'} lacks {n} or more slices" in said
    assert f"2 mm apart, but {gap} mm between instances {before} and {after}" in said


def test_slices_at_unequal_distances_are_told(folder: Path) -> None:
    rewrite(folder / "IM0010.dcm", ImagePositionPatient=[0, 0, 18.7])
    said = refusal(folder)
    assert "has irregular slices" in said
    assert "2.7 mm between instances 9 and 10" in said


def test_what_tells_no_positions_is_left_to_the_converter(folder: Path) -> None:
    for file in folder.iterdir():
        rewrite(file, ImagePositionPatient=None, ImageOrientationPatient=None)
    (series,) = find_series(folder)
    series.check_complete()


@pytest.mark.parametrize(("names", "said"), [([], "no DICOM images"), (["a.nii.gz"], "a.nii.gz")])
def test_a_folder_without_dicom_files(tmp_path: Path, names: list[str], said: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert said in refusal(tmp_path)


def test_a_file_without_an_image(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(bytes(200))
    assert "a.dcm holds no image" in refusal(tmp_path / "a.dcm")


@pytest.mark.parametrize("kept", [200, 500])
def test_a_truncated_file_is_named(folder: Path, kept: int) -> None:
    last = folder / "IM0010.dcm"
    last.write_bytes(last.read_bytes()[:kept])
    assert str(last) in refusal(folder)


def test_without_pydicom_the_command_that_installs_it_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert refusal(folder).endswith('run pip install "napari-metaseg[dicom]"')
