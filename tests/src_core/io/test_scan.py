"""Scans are read as they are; what cannot be used is refused in one line."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine, from_matvec
from scipy.spatial.transform import Rotation

from src_core.errors import InputError
from src_core.io.image_header import read_header
from src_core.io.scan import (
    Scan,
    read_label_map,
    read_on_grid,
    read_scan,
    scan_from_array,
    unchecked_scan,
)
from tests.helpers.geometry import Variant, variants, write_variant
from tests.helpers.refusals import refusal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_nifti_is_read_with_slope_and_affine(
    image: nib.Nifti1Image, voxels: np.ndarray, affine: np.ndarray, tmp_path: Path, ending: str
) -> None:
    image.to_filename(path := tmp_path / f"scan{ending}")
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.voxels, np.floor(voxels / 2) * 2)
    assert scan.voxels.dtype == np.float32
    np.testing.assert_allclose(scan.affine, affine, atol=1e-6)
    assert scan.path == path
    assert scan.notes == ()


def test_properties_follow_the_affine(scan: Scan) -> None:
    assert scan.shape == (20, 22, 24)
    np.testing.assert_allclose(scan.voxel_size, (0.8, 0.9, 2))
    assert scan.voxel_volume == pytest.approx(0.8 * 0.9 * 2)
    assert scan.orientation == "LAS"
    assert not scan.is_slice


@pytest.mark.parametrize("ending", [".mgz", ".mgh"])
def test_mgh_is_read(voxels: np.ndarray, affine: np.ndarray, tmp_path: Path, ending: str) -> None:
    nib.MGHImage(voxels, affine).to_filename(path := tmp_path / f"scan{ending}")
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.voxels, voxels)
    np.testing.assert_allclose(scan.affine, affine, atol=1e-5)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("dtype", ["uint8", ">i2", "int32", "float32", ">f8"])
def test_every_real_data_type_is_read(
    voxels: np.ndarray, affine: np.ndarray, tmp_path: Path, kind: type[nib.Nifti1Image], dtype: str
) -> None:
    stored = (voxels / 4).astype(dtype)
    header = kind.header_class(endianness=">" if dtype[0] == ">" else "<")
    header.set_data_dtype(dtype)
    kind(stored, affine, header).to_filename(path := tmp_path / "scan.nii")
    np.testing.assert_array_equal(read_scan(path).voxels, stored.astype(np.float32))


def test_gzip_is_recognised_whatever_the_name(image: nib.Nifti1Image, tmp_path: Path) -> None:
    image.to_filename(packed := tmp_path / "scan.nii.gz")
    packed.rename(path := tmp_path / "scan.nii")
    assert read_scan(path).shape == image.shape


@pytest.mark.parametrize("n_extra", [1, 2])
def test_trailing_axes_of_length_one_are_dropped(
    voxels: np.ndarray, affine: np.ndarray, tmp_path: Path, n_extra: int
) -> None:
    stored = voxels.reshape(*voxels.shape, *[1] * n_extra)
    nib.Nifti1Image(stored, affine).to_filename(path := tmp_path / "scan.nii")
    np.testing.assert_array_equal(read_scan(path).voxels, voxels)


def test_two_dimensional_file_is_a_slice(
    voxels: np.ndarray, affine: np.ndarray, tmp_path: Path
) -> None:
    nib.Nifti1Image(voxels[:, :, 11], affine).to_filename(path := tmp_path / "slice.nii")
    scan = read_scan(path)
    assert scan.shape == (20, 22, 1)
    assert scan.is_slice
    np.testing.assert_allclose(scan.affine, affine, atol=1e-6)


def test_slice_without_thickness_in_its_header(
    voxels: np.ndarray, affine: np.ndarray, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    nib.Nifti1Image(voxels[:, :, 11], affine).to_filename(path := tmp_path / "slice.nii")
    content = bytearray(path.read_bytes())
    content[88:92] = np.float32(0).tobytes()
    path.write_bytes(content)
    assert read_scan(path).is_slice
    assert capfd.readouterr().err == ""


def test_an_affine_beyond_all_numbers_is_refused(voxels: np.ndarray) -> None:
    with pytest.raises(InputError, match="out of the world"):
        scan_from_array(voxels, np.diag([1e200, 1, 1, 1]))


def test_slice_may_lie_in_any_plane(voxels: np.ndarray, affine: np.ndarray) -> None:
    scan = scan_from_array(voxels[:, 10:11, :], affine)
    assert scan.shape == (20, 1, 24)
    assert scan.is_slice


def test_both_codes_zero_warns_that_the_side_is_unknown(
    image: nib.Nifti1Image, tmp_path: Path
) -> None:
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    image.to_filename(path := tmp_path / "scan.nii")
    (note,) = read_scan(path).notes
    assert "side unknown" in note


def test_mgh_without_orientation_warns_that_the_side_is_unknown(
    voxels: np.ndarray, affine: np.ndarray, tmp_path: Path
) -> None:
    nib.MGHImage(voxels, affine).to_filename(path := tmp_path / "scan.mgh")
    content = bytearray(path.read_bytes())
    content[28:30] = b"\0\0"
    path.write_bytes(content)
    (note,) = read_scan(path).notes
    assert "side unknown" in note


def test_forms_that_disagree_are_named(
    image: nib.Nifti1Image, affine: np.ndarray, tmp_path: Path
) -> None:
    moved = affine.copy()
    moved[0, 3] += 5
    image.set_sform(moved, 1)
    image.to_filename(path := tmp_path / "scan.nii")
    scan = read_scan(path)
    (note,) = scan.notes
    assert "disagree by up to 5 mm; the sform is used" in note
    np.testing.assert_allclose(scan.affine, moved, atol=1e-5)


def test_voxel_size_beside_the_affine_is_named(
    image: nib.Nifti1Image, affine: np.ndarray, tmp_path: Path
) -> None:
    image.set_qform(None, 0)
    image.header["pixdim"][1:4] = 1
    image.to_filename(path := tmp_path / "scan.nii")
    scan = read_scan(path)
    (note,) = scan.notes
    assert "1 x 1 x 1 mm, its affine 0.8 x 0.9 x 2 mm; the affine is used" in note
    np.testing.assert_allclose(scan.affine, affine, atol=1e-6)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("sform_code", [0, 1])
def test_a_turn_whose_quaternion_is_rounded_up_is_read(
    voxels: np.ndarray, tmp_path: Path, kind: type[nib.Nifti1Image], sform_code: int
) -> None:
    turned = from_matvec(Rotation.from_rotvec(np.pi * np.array([2, 3, 6]) / 7).as_matrix(), [9] * 3)
    image = kind(voxels, turned)
    image.set_sform(turned, sform_code)
    image.set_qform(turned, 1)
    image.to_filename(path := tmp_path / "scan.nii")
    lengthen_quaternion(path, 1 + 5e-7)
    scan = read_scan(path)
    assert scan.notes == ()
    np.testing.assert_allclose(scan.affine, turned, atol=1e-5)
    np.testing.assert_allclose(scan.header.get_qform(), turned, atol=1e-5)


def test_a_quaternion_far_too_long_is_refused(voxels: np.ndarray, tmp_path: Path) -> None:
    image = nib.Nifti1Image(voxels, np.diag([-1, -1, 1, 1]))
    image.set_qform(image.affine, 1)
    image.to_filename(path := tmp_path / "scan.nii")
    lengthen_quaternion(path, 1.01)
    assert "damaged header" in refusal(path)


def lengthen_quaternion(path: Path, factor: float) -> None:
    """Make the quaternion in a file longer than nibabel itself would write it."""
    with path.open("rb") as file:
        header = read_header(file, path)
    for component in "bcd":
        header[f"quatern_{component}"] *= factor
    path.write_bytes(header.binaryblock + path.read_bytes()[len(header.binaryblock) :])


@pytest.mark.parametrize(("unit", "length"), [("meter", 1e-3), ("micron", 1e3)])
@pytest.mark.parametrize("forms", [(2, 0), (0, 1), (2, 1)])
def test_metres_and_microns_are_read_as_such(
    image: nib.Nifti1Image,
    affine: np.ndarray,
    tmp_path: Path,
    unit: str,
    length: float,
    forms: tuple[int, int],
) -> None:
    scaled = np.diag([length, length, length, 1]) @ affine
    image.set_sform(scaled, forms[0])
    image.set_qform(scaled, forms[1])
    image.header.set_xyzt_units(unit)
    image.to_filename(path := tmp_path / "scan.nii")
    scan = read_scan(path)
    np.testing.assert_allclose(scan.affine, affine, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(scan.header.get_best_affine(), affine, rtol=1e-5, atol=1e-4)
    assert scan.notes == (f"the header gives lengths in {unit}s; they are read as such",)


def test_a_mask_in_millimetres_lies_on_a_scan_in_metres(
    image: nib.Nifti1Image, voxels: np.ndarray, affine: np.ndarray, tmp_path: Path
) -> None:
    nib.Nifti1Image((voxels > 0).astype(np.uint8), affine).to_filename(tmp_path / "mask.nii")
    image.set_sform(np.diag([1e-3, 1e-3, 1e-3, 1]) @ affine, 2)
    image.header.set_xyzt_units("meter")
    image.to_filename(path := tmp_path / "scan.nii")
    mask = read_on_grid(tmp_path / "mask.nii", read_scan(path), "mask")
    np.testing.assert_array_equal(mask, voxels > 0)


def test_thick_voxels_are_not_validated(voxels: np.ndarray) -> None:
    (note,) = scan_from_array(voxels, np.diag([1, 1, 5, 1])).notes
    assert "1 x 1 x 5 mm" in note
    assert scan_from_array(voxels[:, :, 10:11], np.diag([1, 1, 5, 1])).notes == ()


def test_few_non_finite_voxels_become_zero_and_are_counted(
    voxels: np.ndarray, affine: np.ndarray
) -> None:
    given = voxels.astype(np.float64)
    given[10, 10, 10:13] = np.nan, np.inf, 1e300
    scan = scan_from_array(given, affine)
    assert scan.notes == ("3 voxels were NaN or infinite and are set to 0",)
    assert not scan.voxels[10, 10, 10:13].any()
    assert np.isnan(given[10, 10, 10]), "the caller's array is left alone"


@pytest.mark.parametrize("variant", variants()[::7], ids=str)
def test_anatomy_stays_in_place_in_every_geometry(
    voxels: np.ndarray, affine: np.ndarray, tmp_path: Path, variant: Variant
) -> None:
    scan = read_scan(write_variant(voxels, affine, variant, tmp_path / "scan.nii"))
    assert scan.orientation == variant.orientation
    assert variant.orientation[scan.axis_along("AP")] in "AP"
    np.testing.assert_allclose(scan.voxel_size, variant.voxel_size, rtol=0.03)
    centre, expected = (
        apply_affine(a, np.average(np.argwhere(v), axis=0, weights=v[v != 0]))
        for v, a in ((scan.voxels, scan.affine), (voxels, affine))
    )
    np.testing.assert_allclose(centre, expected, atol=0.3)


def test_header_keeps_no_text(image: nib.Nifti1Image, tmp_path: Path) -> None:
    image.to_filename(path := tmp_path / "scan.nii")
    assert b"Jane" not in read_scan(path).header.binaryblock


@pytest.mark.parametrize(
    "affine",
    [
        np.zeros((4, 4)),
        np.diag([1, 1, 0, 1]),
        np.full((4, 4), np.nan),
        np.eye(3),
        np.ones((4, 4)),
        np.eye(4) + np.eye(4)[[1, 2, 3, 0]],
    ],
)
def test_impossible_affine_of_an_array(voxels: np.ndarray, affine: np.ndarray) -> None:
    with pytest.raises(InputError, match="affine"):
        scan_from_array(voxels, affine)


def test_several_volumes(voxels: np.ndarray, affine: np.ndarray, tmp_path: Path) -> None:
    nib.Nifti1Image(np.stack([voxels] * 3, -1), affine).to_filename(path := tmp_path / "scan.nii")
    assert "3 volumes" in refusal(path)


def test_colours(affine: np.ndarray, tmp_path: Path) -> None:
    rgb = np.zeros((20, 20, 20), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.Nifti1Image(rgb, affine).to_filename(path := tmp_path / "scan.nii")
    assert "colours" in refusal(path)


def test_complex_numbers(voxels: np.ndarray, affine: np.ndarray, tmp_path: Path) -> None:
    nib.Nifti1Image(voxels.astype(np.complex64), affine).to_filename(path := tmp_path / "scan.nii")
    assert "complex" in refusal(path)


@pytest.mark.parametrize("value", [0, 7])
def test_constant_image(affine: np.ndarray, value: float) -> None:
    with pytest.raises(InputError, match=f"every voxel is {value}"):
        scan_from_array(np.full((20, 20, 20), value), affine)


def test_around_a_brain_there_may_be_nothing_but_nan(
    voxels: np.ndarray, affine: np.ndarray
) -> None:
    scan = scan_from_array(np.where(voxels > 0, voxels, np.nan), affine)
    np.testing.assert_array_equal(scan.voxels, voxels)


def test_mostly_nan(voxels: np.ndarray, affine: np.ndarray) -> None:
    few = np.random.default_rng(0).random(voxels.shape) < 0.005
    with pytest.raises(InputError, match="mostly NaN"):
        scan_from_array(np.where(few, voxels, np.nan), affine)


@pytest.mark.parametrize("slope", [None, 1e38])
def test_values_beyond_32_bit_floats(
    voxels: np.ndarray, affine: np.ndarray, tmp_path: Path, slope: float | None
) -> None:
    given = voxels.astype(np.int16) if slope else voxels.astype(np.float64) * 1e300
    image = nib.Nifti1Image(given, affine)
    image.header.set_slope_inter(slope, 0 if slope else None)
    image.to_filename(path := tmp_path / "scan.nii")
    assert "beyond what 32-bit floats hold" in refusal(path)
    if slope is None:
        with pytest.raises(InputError, match="beyond what 32-bit floats hold"):
            scan_from_array(given, affine)


@pytest.mark.parametrize(
    "shape", [(20, 20, 7), (1, 1, 20), (20, 5, 1), (20, 20, 3), (20,), (0, 9, 9)]
)
def test_too_few_voxels(affine: np.ndarray, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        scan_from_array(np.arange(np.prod(shape)).reshape(shape), affine)


@pytest.mark.parametrize("dtype", [complex, object, "U3"])
def test_array_that_is_no_intensity(affine: np.ndarray, dtype: str) -> None:
    with pytest.raises(InputError):
        scan_from_array(np.zeros((20, 20, 20)).astype(dtype), affine)


def test_reading_needs_one_copy_of_the_scan(tmp_path: Path) -> None:
    stored = np.zeros((160, 160, 160), np.int16)
    stored[40:120, 40:120, 40:120] = 100
    image = nib.Nifti1Image(stored, np.eye(4))
    image.header.set_slope_inter(0.5, 0)
    image.to_filename(path := tmp_path / "scan.nii.gz")
    tracemalloc.start()
    try:
        read_scan(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    float32_bytes, file_bytes = 4 * stored.size, stored.nbytes
    # pieces of 16 MiB are held on top, whatever the size of the scan
    assert peak < float32_bytes + file_bytes + 2 * 2**24


def write_map(path: Path, label_map: np.ndarray, affine: np.ndarray) -> Path:
    nib.Nifti1Image(label_map, affine).to_filename(path)
    return path


def test_map_on_the_grid_is_read_as_whole_numbers(scan: Scan, tmp_path: Path) -> None:
    label_map = np.random.default_rng(0).integers(0, 2036, scan.shape).astype(np.int16)
    path = write_map(tmp_path / "labels.nii.gz", label_map, scan.affine)
    read = read_on_grid(path, scan, "reference")
    assert np.issubdtype(read.dtype, np.integer)
    np.testing.assert_array_equal(read, label_map)


def test_map_of_a_slice_may_be_two_dimensional(
    voxels: np.ndarray, affine: np.ndarray, tmp_path: Path
) -> None:
    scan = scan_from_array(voxels[:, :, 11:12], affine)
    path = write_map(tmp_path / "mask.nii", (voxels[:, :, 11] > 0).astype(np.uint8), affine)
    np.testing.assert_array_equal(read_on_grid(path, scan, "mask"), scan.voxels > 0)


def test_empty_map_is_not_the_readers_business(scan: Scan, tmp_path: Path) -> None:
    path = write_map(tmp_path / "mask.nii", np.zeros(scan.shape, np.uint8), scan.affine)
    assert not read_on_grid(path, scan, "mask").any()


def test_labels_spoilt_by_scaling_are_mended(scan: Scan, tmp_path: Path) -> None:
    label_map = np.full(scan.shape, 3, np.float32)
    path = write_map(tmp_path / "labels.nii", label_map + 1e-5, scan.affine)
    np.testing.assert_array_equal(read_on_grid(path, scan, "reference"), label_map)


def test_map_of_another_shape_is_refused(scan: Scan, tmp_path: Path) -> None:
    path = write_map(tmp_path / "mask.nii", np.ones((20, 22, 23), np.uint8), scan.affine)
    with pytest.raises(InputError, match=r"mask .* has shape \(20, 22, 23\)"):
        read_on_grid(path, scan, "mask")


@pytest.mark.parametrize("flip", [np.diag([-1, 1, 1, 1]), np.diag([1, 1, 1.001, 1])])
def test_map_in_another_place_is_refused(scan: Scan, tmp_path: Path, flip: np.ndarray) -> None:
    path = write_map(tmp_path / "mask.nii", np.ones(scan.shape, np.uint8), scan.affine @ flip)
    with pytest.raises(InputError, match=r"reference .* mm off"):
        read_on_grid(path, scan, "reference")


def test_image_instead_of_a_label_map_is_refused(scan: Scan, tmp_path: Path) -> None:
    path = write_map(tmp_path / "t1.nii", np.full(scan.shape, 0.5, np.float32), scan.affine)
    with pytest.raises(InputError, match="whole numbers"):
        read_on_grid(path, scan, "mask")


def test_a_label_map_keeps_large_ids(scan: Scan, tmp_path: Path) -> None:
    label_map = np.zeros(scan.shape, np.int32)
    label_map[3, 4, 5], label_map[3, 4, 6] = 2**24 + 1, 12
    read = read_label_map(write_map(tmp_path / "labels.nii.gz", label_map, scan.affine))
    assert read is not None
    np.testing.assert_array_equal(read.voxels, label_map)
    np.testing.assert_allclose(read.affine, scan.affine, atol=1e-5)


@pytest.mark.parametrize(
    ("ids", "stored", "held"),
    [
        ((0, 172), np.int64, np.uint8),
        ((0, 2035), np.float32, np.uint16),
        ((0, 70_000), np.uint32, np.uint32),
        ((-1, 200), np.int16, np.int16),
    ],
)
def test_a_label_map_is_held_in_the_smallest_type(
    scan: Scan, tmp_path: Path, ids: tuple[int, int], stored: type, held: type
) -> None:
    label_map = np.where(scan.voxels > 0, ids[1], ids[0]).astype(stored)
    image = nib.Nifti1Image(label_map, scan.affine, dtype=stored)
    image.to_filename(path := tmp_path / "labels.nii")
    read = read_label_map(path)
    assert read is not None
    assert read.voxels.dtype == held
    np.testing.assert_array_equal(read.voxels, label_map)


@pytest.mark.parametrize("stored", [np.uint32, np.int64, np.float64])
def test_ids_that_no_label_map_can_hold_are_refused_by_name(
    scan: Scan, tmp_path: Path, stored: type
) -> None:
    label_map = np.where(scan.voxels > 0, 2**31, 0).astype(stored)
    path = tmp_path / "labels.nii"
    nib.Nifti1Image(label_map, scan.affine, dtype=stored).to_filename(path)
    for read in (read_label_map, lambda path: read_on_grid(path, scan, "reference")):
        with pytest.raises(InputError, match=r"labels\.nii has the label id 2147483648, beyond"):
            read(path)


def test_a_scaled_label_map_is_mended(scan: Scan, tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.where(scan.voxels > 0, 20, 10).astype(np.int16), scan.affine)
    image.header.set_slope_inter(0.1, -1)
    image.to_filename(path := tmp_path / "labels.nii")
    read = read_label_map(path)
    assert read is not None
    np.testing.assert_array_equal(read.voxels, scan.voxels > 0)


@pytest.mark.parametrize("largest", [4, 24])
def test_labels_scaled_to_bytes_are_mended(scan: Scan, tmp_path: Path, largest: int) -> None:
    labels = np.random.default_rng(0).integers(0, largest + 1, scan.shape)
    path = write_bytes(tmp_path / "labels.nii", labels.astype(np.float32), scan.affine)
    assert not np.array_equal(nib.load(path).get_fdata(), labels)
    np.testing.assert_array_equal(read_on_grid(path, scan, "reference"), labels)
    read = read_label_map(path)
    assert read is not None
    np.testing.assert_array_equal(read.voxels, labels)


def test_an_image_scaled_to_bytes_is_no_label_map(scan: Scan, tmp_path: Path) -> None:
    ramp = np.linspace(0, 0.05 * 255, scan.voxels.size, dtype=np.float32).reshape(scan.shape)
    path = write_bytes(tmp_path / "ramp.nii", ramp, scan.affine)
    assert read_label_map(path) is None
    with pytest.raises(InputError, match="whole numbers"):
        read_on_grid(path, scan, "reference")


def write_bytes(path: Path, values: np.ndarray, affine: np.ndarray) -> Path:
    """Write floats as nibabel does when the header at hand is one of bytes: scaled."""
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    nib.Nifti1Image(values, affine, header).to_filename(path)
    return path


def test_fractions_are_no_label_map(scan: Scan, tmp_path: Path) -> None:
    values = np.full(scan.shape, 0.5, np.float32)
    assert read_label_map(write_map(tmp_path / "p.nii", values, scan.affine)) is None


def test_values_that_are_no_scan_get_a_grid(affine: np.ndarray) -> None:
    empty = np.zeros((4, 5, 6), np.uint8)
    grid = unchecked_scan(empty, affine)
    assert grid.voxels is empty
    np.testing.assert_allclose(grid.header.get_best_affine(), affine, atol=1e-5)
    with pytest.raises(InputError, match="the affine of the layer is singular"):
        unchecked_scan(empty, np.diag([1, 1, 0, 1]), "the layer")
