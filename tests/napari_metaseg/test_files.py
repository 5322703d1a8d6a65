"""From file to layer and back: whatever the storage, labels return to the scan's own voxels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_metaseg.layers.geometry import scan_of
from napari_metaseg.layers.reader import read
from napari_metaseg.layers.scan_layers import labels_layer
from napari_metaseg.layers.writer import write_labels
from src_core.io.protocols import protocol
from tests.helpers.geometry import Variant, variants, write_variant
from tests.napari_metaseg.conftest import INTENSITIES, SPOTS

if TYPE_CHECKING:
    from src_core.io.scan import Scan

TISSUES = protocol("tissue4")
CODES = ("sform_code", "qform_code", "quatern_b", "qoffset_x", "srow_x", "pixdim")


def load(path: Path) -> Any:
    return nib.load(path)


def opened(path: Path) -> Layer:
    (layer_data,) = read(str(path))
    return Layer.create(*layer_data)


def tissues_of(scan: Scan) -> np.ndarray:
    """A label for each spot, taken from the intensities."""
    label_map = np.zeros(scan.shape, np.uint8)
    for label, intensity in enumerate((100.0, *INTENSITIES.values()), start=1):
        label_map[np.abs(scan.voxels - intensity) < 40] = label
    return label_map


@pytest.mark.parametrize("variant", variants()[::4], ids=str)
def test_labels_return_to_the_voxels_of_the_file(
    head: Scan, tmp_path: Path, variant: Variant
) -> None:
    source = write_variant(head.voxels, head.affine, variant, tmp_path / "scan.nii")
    scan, orientation = scan_of(opened(source))
    label_map = tissues_of(scan)
    layer = Layer.create(*labels_layer(label_map, scan, orientation, TISSUES, "labels"))
    data, meta, _ = layer.as_layer_data_tuple()
    written, *_ = write_labels(str(tmp_path / "scan_dseg.nii.gz"), data, meta)

    given, labels = load(source), load(Path(written))
    assert labels.shape == given.shape
    np.testing.assert_array_equal(labels.affine, given.affine)
    np.testing.assert_array_equal(np.asanyarray(labels.dataobj).reshape(scan.shape), label_map)
    for field in CODES:
        np.testing.assert_array_equal(labels.header[field], given.header[field], err_msg=field)

    again = opened(Path(written))
    assert type(again).__name__ == "Labels"
    np.testing.assert_array_equal(again.data, layer.data)
    np.testing.assert_array_equal(again.affine.affine_matrix, layer.affine.affine_matrix)


@pytest.mark.parametrize(
    "variant", [v for v in variants() if (v.tilt, v.forms) == ("straight", "both")][::2], ids=str
)
def test_each_spot_is_shown_on_its_side(head: Scan, tmp_path: Path, variant: Variant) -> None:
    viewer = ViewerModel()
    path = write_variant(head.voxels, head.affine, variant, tmp_path / "scan.nii")
    layer = viewer.add_layer(opened(path))
    for name, (right, anterior, superior) in SPOTS.items():
        position = (superior, anterior, right)
        for order in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):  # axial, coronal, sagittal
            viewer.dims.order = order
            viewer.dims.point = position
            shown = layer.get_value(position, world=True)
            assert shown == pytest.approx(INTENSITIES[name], abs=30)


@pytest.mark.parametrize(
    "variant", [v for v in variants() if (v.tilt, v.forms) == ("oblique", "sform")][::6], ids=str
)
def test_a_tilted_head_is_shown_upright(head: Scan, tmp_path: Path, variant: Variant) -> None:
    layer = opened(write_variant(head.voxels, head.affine, variant, tmp_path / "scan.nii"))
    centre = {}
    for name, intensity in INTENSITIES.items():
        inside = np.argwhere(np.abs(layer.data - intensity) < 40)
        centre[name] = np.array(layer.data_to_world(inside.mean(axis=0)))
    assert centre["left"][2] < centre["anterior"][2] - 3
    assert centre["anterior"][1] > centre["left"][1] + 3
    assert centre["superior"][0] > centre["left"][0] + 3
    affine = layer.affine.affine_matrix
    assert (affine[:3, :3] == np.diag(np.diag(affine)[:3])).all()


@pytest.mark.parametrize("ending", [".nii", ".mgz"])
def test_mgh_files_are_read_and_written(head: Scan, tmp_path: Path, ending: str) -> None:
    affine = head.affine @ np.array([[0, 0, -1, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    stored = nib.MGHImage(head.voxels, affine)
    stored.to_filename(source := tmp_path / "T1.mgz")
    scan, orientation = scan_of(opened(source))
    label_map = tissues_of(scan)
    layer = Layer.create(*labels_layer(label_map, scan, orientation, TISSUES, "labels"))
    data, meta, _ = layer.as_layer_data_tuple()
    written, *_ = write_labels(str(tmp_path / f"aseg{ending}"), data, meta)
    labels = load(Path(written))
    np.testing.assert_allclose(labels.affine, stored.affine, atol=1e-4)
    np.testing.assert_array_equal(np.asanyarray(labels.dataobj), label_map)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_goes_in_and_out(head: Scan, tmp_path: Path, axis: int) -> None:
    part = head.voxels.take([14], axis=axis)
    affine = head.affine.copy()
    affine[axis, 3] += 14
    nib.Nifti1Image(part, affine).to_filename(source := tmp_path / "scan.nii.gz")
    layer = opened(source)
    assert layer.ndim == 2
    scan, orientation = scan_of(layer)
    label_map = (scan.voxels > 50).astype(np.uint8)
    labels = Layer.create(*labels_layer(label_map, scan, orientation, TISSUES, "labels"))
    data, meta, _ = labels.as_layer_data_tuple()
    written, *_ = write_labels(str(tmp_path / "mask.nii.gz"), data, meta)
    np.testing.assert_array_equal(np.asanyarray(load(Path(written)).dataobj), part > 50)
    np.testing.assert_array_equal(load(Path(written)).affine, affine)


def test_nothing_private_travels_from_scan_to_labels(
    image: nib.Nifti1Image, tmp_path: Path
) -> None:
    image.to_filename(source := tmp_path / "scan.nii")
    scan, orientation = scan_of(opened(source))
    label_map = (scan.voxels > 0).astype(np.uint8)
    layer = Layer.create(*labels_layer(label_map, scan, orientation, TISSUES, "labels"))
    data, meta, _ = layer.as_layer_data_tuple()
    for written in write_labels(str(tmp_path / "labels.nii"), data, meta):
        assert b"Jane" not in Path(written).read_bytes()
