"""A DICOM series is read where it lies, and nothing of the patient or of the work is left."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import from_matvec
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from pydicom import dcmread
from scipy.spatial.transform import Rotation

from src_core.errors import InputError
from src_core.io.dicom import converted
from src_core.io.dicom_series import find_series
from src_core.io.sample import phantom
from src_core.io.scan import read_scan
from tests.helpers.dicom import MPEG2, PATIENT, write_series

OBLIQUE = from_matvec(
    Rotation.from_euler("xyz", [9, -14, 21], degrees=True).as_matrix() @ np.diag([-2.0, -2.0, 3.0]),
    [80.5, 95.25, -70.125],
)
VOXELS = np.random.default_rng(0).integers(4096, size=(16, 20, 12))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    (folder := tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def affine_of(folder: Path) -> np.ndarray:
    """Column, row and slice to world mm, as the standard defines it (C.7.6.2.1.1), in RAS+."""
    headers = sorted(map(dcmread, folder.iterdir()), key=lambda one: one.InstanceNumber)
    first, last = (np.array(headers[i].ImagePositionPatient, float) for i in (0, -1))
    along_row, along_column = np.reshape(headers[0].ImageOrientationPatient, (2, 3)).astype(float)
    between_rows, between_columns = map(float, headers[0].PixelSpacing)
    steps = [
        along_row * between_columns,
        along_column * between_rows,
        (last - first) / (len(headers) - 1),
    ]
    return np.diag([-1, -1, 1, 1]) @ from_matvec(np.column_stack(steps), first)


def test_a_series_lies_where_its_files_say(tmp_path: Path, temporary: Path) -> None:
    folder = write_series(tmp_path / "T1", VOXELS, OBLIQUE)
    scan = read_scan(folder)
    expected = affine_of(folder)
    np.testing.assert_allclose(expected, OBLIQUE, atol=1e-5)
    turned = ornt_transform(io_orientation(scan.affine), io_orientation(expected))
    np.testing.assert_array_equal(apply_orientation(scan.voxels, turned), VOXELS)
    back = nib.orientations.inv_ornt_aff(turned, scan.shape)
    np.testing.assert_allclose(scan.affine @ back, expected, atol=1e-4)
    assert scan.path == folder
    assert scan.notes == ()
    assert not list(temporary.iterdir())


def test_a_file_stands_for_its_series_and_a_number_for_one_of_several(tmp_path: Path) -> None:
    write_series(tmp_path / "study" / "a", VOXELS, OBLIQUE, number=2)
    other = write_series(tmp_path / "study" / "b", VOXELS[:, :, :9], OBLIQUE, number=5)
    assert read_scan(other / "IM0003.dcm").shape == (16, 20, 9)
    assert read_scan(tmp_path / "study", series=5).shape == (16, 20, 9)
    assert read_scan(tmp_path / "study", 2).shape == (16, 20, 12)


def test_a_single_slice_is_read(tmp_path: Path) -> None:
    assert read_scan(write_series(tmp_path / "slice", VOXELS[:, :, :1], OBLIQUE)).is_slice


def test_names_of_patients_stay_where_they_are(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "T1", VOXELS, OBLIQUE)
    for file in list(folder.iterdir()):
        file.rename(folder / f"{PATIENT}-{file.name}")
    (series,) = find_series(folder)
    with converted(series) as file:
        assert PATIENT.encode() not in file.read_bytes()
        assert [other.name for other in file.parent.iterdir()] == [file.name]
        assert PATIENT not in file.name


def test_files_are_copied_where_links_are_not_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert read_scan(write_series(tmp_path / "T1", VOXELS, OBLIQUE)).shape == (16, 20, 12)


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as refused:
        read_scan(folder)
    return str(refused.value)


def test_a_transfer_syntax_that_cannot_be_unpacked_is_named(
    tmp_path: Path, temporary: Path
) -> None:
    said = refusal(write_series(tmp_path / "T1", VOXELS, OBLIQUE, syntax=MPEG2))
    assert "transfer syntax is MPEG2 Main Profile / Main Level; export it uncompressed" in said
    assert not list(temporary.iterdir())


def test_what_the_converter_says_last_is_told_with_the_name_of_the_file(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "T1", VOXELS, OBLIQUE)
    cut = folder / "IM0005.dcm"
    cut.write_bytes(cut.read_bytes()[:-300])
    said = refusal(folder)
    assert said.startswith('dcm2niix cannot convert series 3 "T1 MPRAGE" (12 files) of ')
    assert str(cut) in said


def test_a_series_of_several_images_is_refused(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "T1", VOXELS, OBLIQUE)
    across = write_series(tmp_path / "across", VOXELS, OBLIQUE[:, [1, 2, 0, 3]])
    uid = dcmread(folder / "IM0001.dcm").SeriesInstanceUID
    for file in across.iterdir():
        header = dcmread(file)
        header.SeriesInstanceUID = uid
        header.save_as(folder / f"across-{file.name}")
    assert "holds 2 images" in refusal(folder)


def test_what_is_wrong_with_the_image_is_told_of_the_folder(
    tmp_path: Path, temporary: Path
) -> None:
    folder = write_series(tmp_path / "T1", VOXELS[:4], OBLIQUE)
    assert refusal(folder).startswith(f"{folder} of shape (4, 20, 12) is too small")
    (series,) = find_series(folder)
    with pytest.raises(InputError) as refused, converted(series) as file:
        raise InputError(f"{file} is bad")
    assert str(refused.value) == f"{folder} is bad"
    assert not list(temporary.iterdir())


def test_without_the_converter_the_command_that_installs_it_is_told(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dcm2niix", None)
    folder = write_series(tmp_path / "T1", VOXELS, OBLIQUE)
    assert refusal(folder).endswith('run pip install "napari-metaseg[dicom]"')
    assert not list(temporary.iterdir())


def test_a_converter_that_cannot_be_run_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dcm2niix.bin", str(tmp_path / "missing"))
    assert "dcm2niix cannot be run: No such file" in refusal(
        write_series(tmp_path / "T1", VOXELS, OBLIQUE)
    )


def test_a_number_needs_dicom_files(tmp_path: Path) -> None:
    scan, _ = phantom(voxel_size=6.0)
    nib.Nifti1Image(scan.voxels, scan.affine).to_filename(tmp_path / "T1.nii")
    with pytest.raises(InputError, match="has no series 3, for it is not DICOM"):
        read_scan(tmp_path / "T1.nii", 3)
