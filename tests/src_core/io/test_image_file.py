"""Files that are damaged, misnamed or of another kind are refused in one line."""

from __future__ import annotations

import errno
import gzip
import os
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest

from src_core.errors import InputError
from src_core.io.image_file import declares_labels, read_image
from tests.helpers.refusals import refusal

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.io.scan import Scan


def test_missing_file(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "scan.nii.gz")


def test_file_in_a_folder_that_may_not_be_entered(
    image: nib.Nifti1Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image.to_filename(path := tmp_path / "scan.nii")
    stat = os.stat

    def refuse(asked: object, *args: object, **options: object) -> os.stat_result:
        if asked == path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return stat(asked, *args, **options)

    monkeypatch.setattr(os, "stat", refuse)
    assert "scan.nii cannot be read: Permission denied" in refusal(path)


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; give a file in it"):
        read_image(tmp_path)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".mgz"])
@pytest.mark.parametrize("share", [0.3, 0.99])
def test_truncated_file(
    voxels: np.ndarray, affine: np.ndarray, tmp_path: Path, ending: str, share: float
) -> None:
    kind = nib.MGHImage if ending == ".mgz" else nib.Nifti1Image
    kind(voxels, affine).to_filename(path := tmp_path / f"scan{ending}")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert "truncated or corrupt" in refusal(path)


def test_corrupt_gzip(image: nib.Nifti1Image, tmp_path: Path) -> None:
    image.to_filename(path := tmp_path / "scan.nii.gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "truncated or corrupt" in refusal(path)


def test_gzip_whose_checksum_is_wrong(image: nib.Nifti1Image, tmp_path: Path) -> None:
    image.to_filename(path := tmp_path / "scan.nii.gz")
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    assert "truncated or corrupt" in refusal(path)


def test_header_that_promises_more_than_the_file_holds(
    image: nib.Nifti1Image, tmp_path: Path
) -> None:
    image.to_filename(path := tmp_path / "scan.nii")
    content = bytearray(path.read_bytes())
    content[42:48] = np.array([30000] * 3, dtype="<i2").tobytes()
    path.write_bytes(content)
    assert "truncated or corrupt" in refusal(path)


@pytest.mark.parametrize("name", ["notes.txt", "scan.nii", "scan.nii.gz", "scan.mgz"])
@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 1000, b"\0\0\0\1" * 100])
def test_other_file(tmp_path: Path, name: str, content: bytes) -> None:
    (path := tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("z") else content)
    refusal(path)


def test_file_that_only_claims_to_be_gzip(image: nib.Nifti1Image, tmp_path: Path) -> None:
    image.to_filename(plain := tmp_path / "scan.nii")
    plain.rename(path := tmp_path / "scan.nii.gz")
    assert "not a gzip file" in refusal(path)


def test_two_file_nifti(voxels: np.ndarray, affine: np.ndarray, tmp_path: Path) -> None:
    nib.Nifti1Pair(voxels, affine).to_filename(path := tmp_path / "scan.hdr")
    assert "two-file NIfTI" in refusal(path)


@pytest.mark.parametrize("size", [0, -1, np.nan, np.inf])
def test_impossible_voxel_size(image: nib.Nifti1Image, tmp_path: Path, size: float) -> None:
    image.to_filename(path := tmp_path / "scan.nii")
    content = bytearray(path.read_bytes())
    content[84:88] = np.float32(size).tobytes()
    path.write_bytes(content)
    assert "voxel size" in refusal(path)


@pytest.mark.parametrize(("kind", "least"), [(nib.Nifti1Image, 352), (nib.Nifti2Image, 544)])
@pytest.mark.parametrize("offset", [0, 100, 2**40])
def test_voxels_that_begin_within_the_header_or_nowhere(
    scan: Scan, tmp_path: Path, kind: type, least: int, offset: int
) -> None:
    kind(scan.voxels, scan.affine).to_filename(path := tmp_path / "scan.nii")
    content = bytearray(path.read_bytes())
    at, stored = (108, np.float32(offset)) if least == 352 else (168, np.int64(offset))
    content[at : at + stored.nbytes] = stored.tobytes()
    path.write_bytes(content)
    message = refusal(path)
    assert f"cannot begin at byte {offset}" in message
    assert f"set vox_offset to {least}" in message


@pytest.mark.parametrize("offset", [np.nan, np.inf])
def test_voxels_that_begin_at_no_number(
    image: nib.Nifti1Image, tmp_path: Path, offset: float
) -> None:
    image.to_filename(path := tmp_path / "scan.nii")
    content = bytearray(path.read_bytes())
    content[108:112] = np.float32(offset).tobytes()
    path.write_bytes(content)
    assert f"cannot begin at byte {offset}" in refusal(path)


def test_an_mgh_file_that_ends_within_its_header(
    voxels: np.ndarray, affine: np.ndarray, tmp_path: Path
) -> None:
    nib.MGHImage(voxels, affine).to_filename(path := tmp_path / "scan.mgh")
    path.write_bytes(path.read_bytes()[:60])
    assert "truncated or corrupt (it ends within its header)" in refusal(path)
    with pytest.raises(InputError, match="truncated or corrupt"):
        declares_labels(path)


def test_an_mgh_file_whose_flag_of_orientation_is_no_1_is_read(
    voxels: np.ndarray, affine: np.ndarray, tmp_path: Path
) -> None:
    nib.MGHImage(voxels, affine).to_filename(path := tmp_path / "scan.mgh")
    content = bytearray(path.read_bytes())
    content[28:30] = b"\xff\xff"
    path.write_bytes(content)
    np.testing.assert_allclose(read_image(path).affine, affine, atol=1e-5)


def test_an_axis_longer_than_nifti_holds(affine: np.ndarray, tmp_path: Path) -> None:
    image = nib.MGHImage(np.zeros((2, 2, 40_000), np.uint8), affine)
    image.to_filename(path := tmp_path / "scan.mgz")
    assert "cannot hold 2 x 2 x 40000 voxels" in refusal(path)


def test_a_centre_of_an_mgh_file_out_of_the_world(
    voxels: np.ndarray, affine: np.ndarray, tmp_path: Path
) -> None:
    nib.MGHImage(voxels, affine).to_filename(path := tmp_path / "scan.mgh")
    content = bytearray(path.read_bytes())
    content[78:82] = np.array(3e38, ">f4").tobytes()
    path.write_bytes(content)
    assert "affine" in refusal(path)


@pytest.mark.parametrize(
    "row", [(0, 0, 0, 0), (np.nan, 0, 0, 0), (1, 1, 1, np.inf), (1, 1, 1, 1e30)]
)
def test_impossible_affine_in_a_file(
    image: nib.Nifti1Image, tmp_path: Path, row: tuple[float, ...]
) -> None:
    image.to_filename(path := tmp_path / "scan.nii")
    content = bytearray(path.read_bytes())
    content[280:296] = np.array(row, dtype=np.float32).tobytes()
    path.write_bytes(content)
    assert "affine" in refusal(path)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_the_intent_tells_labels_from_scans(scan: Scan, tmp_path: Path, kind: type) -> None:
    for intent in (0, 1002):
        image = kind(scan.voxels, scan.affine)
        image.header.set_intent(intent)
        image.to_filename(path := tmp_path / "image.nii.gz")
        assert declares_labels(path) == (intent == 1002)


def test_a_file_that_is_no_image_declares_nothing(tmp_path: Path) -> None:
    (path := tmp_path / "image.nii").write_bytes(b"no image" * 100)
    with pytest.raises(InputError, match="not a NIfTI or MGH file"):
        declares_labels(path)
