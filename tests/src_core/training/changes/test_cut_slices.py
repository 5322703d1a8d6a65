"""Slices that are cut out of labelled scans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nibabel.affines import apply_affine, from_matvec
from nibabel.orientations import apply_orientation, inv_ornt_aff
from scipy.spatial.transform import Rotation

from src_core.errors import InputError
from src_core.io.scan import Scan, scan_from_array
from src_core.training.changes.cut_slices import MIDDLE, coronal_axis, cut_slice, slice_planes

HERE = np.eye(4)


def places(scan: Scan, alignment: np.ndarray, planes: list[int]) -> np.ndarray:
    """Template y at which each plane passes the middle."""
    axis = coronal_axis(scan, alignment)
    line = np.array([(MIDDLE[0], y, MIDDLE[1]) for y in np.linspace(-60, 30, 9001)])
    along = apply_affine(np.linalg.inv(alignment @ scan.affine), line)[:, axis]
    return np.array([line[np.abs(along - plane).argmin(), 1] for plane in planes])


def test_planes_are_the_nearest_to_the_places(brain) -> None:
    planes = slice_planes(brain.scan, HERE, -27, -7, 5)
    assert coronal_axis(brain.scan, HERE) == 1
    # 4 mm voxels, the centre of one of them at y = -28
    np.testing.assert_allclose(places(brain.scan, HERE, planes), (-28, -24, -16, -12, -8), atol=0.1)


def test_planes_of_a_tilted_scan_that_lies_elsewhere_are_found(brain) -> None:
    turn = Rotation.from_euler("xz", (12, 5), degrees=True).as_matrix()
    move = from_matvec(1.1 * turn, (20, -150, 40))
    scan = replace(brain.scan, affine=np.linalg.inv(move) @ brain.scan.affine)
    assert slice_planes(scan, move, -27, -7, 5) == slice_planes(brain.scan, HERE, -27, -7, 5)
    # Where the planes themselves are tilted, they pass the middle at the places.
    tilt = from_matvec(turn)
    planes = slice_planes(brain.scan, tilt, -27, -7, 5)
    assert np.abs(places(brain.scan, tilt, planes) - np.arange(-27, -6, 5)).max() < 2.2


def test_the_order_of_the_axes_does_not_matter(brain) -> None:
    order = np.array([(1, -1), (2, 1), (0, -1)])
    voxels = apply_orientation(brain.scan.voxels, order)
    stored = scan_from_array(voxels, brain.scan.affine @ inv_ornt_aff(order, brain.scan.shape))
    axis = coronal_axis(stored, HERE)
    plain = slice_planes(brain.scan, HERE, -28, -8, 4)
    planes = slice_planes(stored, HERE, -28, -8, 4)
    assert axis == 2
    for index, other in zip(planes, plain, strict=True):
        slices = voxels.take(index, 2), brain.scan.voxels.take(other, 1)
        assert sorted(slices[0].ravel()) == sorted(slices[1].ravel())


def test_places_outside_the_scan_are_left_out_and_none_comes_twice(brain) -> None:
    planes = slice_planes(brain.scan, HERE, -500, 500, 1)
    assert planes == list(range(brain.scan.shape[1]))


def test_a_slice_is_cut_with_all_that_belongs_to_it(brain) -> None:
    scan, mask, classes = cut_slice(brain.scan, brain.mask, brain.labels, 1, 24)
    assert scan.is_slice
    np.testing.assert_array_equal(scan.voxels[:, 0], brain.scan.voxels[:, 24])
    np.testing.assert_array_equal(mask[:, 0], brain.mask[:, 24])
    np.testing.assert_array_equal(classes[:, 0], brain.labels[:, 24])
    where = apply_affine(scan.affine, (10, 0, 12))
    np.testing.assert_allclose(where, apply_affine(brain.scan.affine, (10, 24, 12)))


def test_a_slice_that_shows_nothing_is_refused(brain) -> None:
    with pytest.raises(InputError, match="slice 0 of the scan is empty"):
        cut_slice(brain.scan, brain.mask, brain.labels, 1, 0)
