"""Every storage order is shown with superior, anterior and right where they belong."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from nibabel.affines import apply_affine, from_matvec
from nibabel.orientations import inv_ornt_aff
from scipy.spatial.transform import Rotation

from napari_metaseg.layers.orientation import obliquity, orientation_of
from src_core.errors import InputError

SHAPE = (3, 4, 5)
ORDERS = [
    np.column_stack([axes, signs])
    for axes in permutations(range(3))
    for signs in product((1, -1), repeat=3)
]
TILTS = {
    "straight": np.eye(3),
    "oblique": Rotation.from_rotvec([12, -8, 9], degrees=True).as_matrix(),
    "sheared": np.array([[1, 0, 0.2], [0, 1, 0], [0, 0.1, 1]]),
}
ORIGIN = (-31.7, 12.3, 5.9)


def affine_of(order: np.ndarray, tilt: str) -> np.ndarray:
    upright = from_matvec(TILTS[tilt] @ np.diag([0.9, 1.1, 2.3]), ORIGIN)
    return upright @ np.linalg.inv(inv_ornt_aff(order, SHAPE))


@pytest.mark.parametrize("tilt", TILTS)
@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_each_display_axis_rises_towards_its_letter(order: np.ndarray, tilt: str) -> None:
    affine = affine_of(order, tilt)
    world = apply_affine(affine, np.moveaxis(np.indices(SHAPE), 0, -1))  # (I, J, K, RAS)
    shown = orientation_of(affine, SHAPE).to_display(world)
    for axis, letter in enumerate("SAR"):
        along = np.diff(shown[..., "RAS".index(letter)], axis=axis)
        assert (along > 0).all()


@pytest.mark.parametrize("trailing", [(), (2,)])
@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_going_back_is_exact_and_copies_nothing(
    order: np.ndarray, trailing: tuple[int, ...]
) -> None:
    volume = np.random.default_rng(0).random((*SHAPE, *trailing))
    orientation = orientation_of(affine_of(order, "oblique"), SHAPE)
    shown = orientation.to_display(volume)
    back = orientation.to_scan(shown)
    assert np.shares_memory(shown, volume)
    assert back.__array_interface__ == volume.__array_interface__


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_a_straight_scan_is_shown_where_it_is(order: np.ndarray) -> None:
    affine = affine_of(order, "straight")
    orientation = orientation_of(affine, SHAPE)
    index = tuple(n - 1 for n in orientation.to_display(np.zeros(SHAPE)).shape)
    voxel = orientation.voxel_of_index(SHAPE) @ (*index, 1)
    np.testing.assert_allclose(
        apply_affine(orientation.affine, index), (affine @ voxel)[[2, 1, 0]], atol=1e-12
    )


@pytest.mark.parametrize("tilt", ["oblique", "sheared"])
@pytest.mark.parametrize("order", ORDERS[::5], ids=str)
def test_a_tilted_scan_keeps_its_centre_and_voxel_sizes(order: np.ndarray, tilt: str) -> None:
    affine = affine_of(order, tilt)
    orientation = orientation_of(affine, SHAPE)
    assert (orientation.affine[:3, :3] == np.diag(np.diag(orientation.affine)[:3])).all()
    sizes = np.linalg.norm(affine[:3, :3], axis=0)[list(orientation.axes)]
    np.testing.assert_allclose(np.diag(orientation.affine)[:3], sizes)
    centre = (np.array(SHAPE) - 1) / 2
    np.testing.assert_allclose(
        apply_affine(orientation.affine, centre[list(orientation.axes)]),
        apply_affine(affine, centre)[::-1],
    )


@pytest.mark.parametrize(("hidden", "labels"), [(0, ("S", "A")), (1, ("S", "R")), (2, ("A", "R"))])
def test_a_slice_is_shown_in_its_plane(hidden: int, labels: tuple[str, str]) -> None:
    affine = from_matvec(np.diag([-1, 2, 3]), (50, 60, 70))
    shape = tuple(1 if axis == hidden else 8 + axis for axis in range(3))
    volume = np.arange(np.prod(shape)).reshape(shape)
    orientation = orientation_of(affine, shape)
    assert orientation.axis_labels == labels
    assert orientation.units == ("mm", "mm")
    shown = orientation.to_display(volume)
    assert shown.ndim == 2
    assert orientation.affine.shape == (3, 3)
    np.testing.assert_array_equal(orientation.to_scan(shown), volume)
    position = affine @ orientation.voxel_of_index(shape) @ (2, 3, 1)
    in_plane = ["RAS".index(letter) for letter in labels]
    np.testing.assert_allclose(apply_affine(orientation.affine, (2, 3)), position[in_plane])


def test_what_is_neither_volume_nor_slice_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be shown"):
        orientation_of(np.eye(4), (163842, 1, 1))


@pytest.mark.parametrize("degrees", [0, 0.01, 10, 44])
def test_the_obliquity_is_the_angle_of_the_turn(degrees: float) -> None:
    turn = Rotation.from_euler("x", degrees, degrees=True).as_matrix()
    affine = from_matvec(turn @ np.diag([-1, 2, 3]), (1, 2, 3))
    assert obliquity(affine) == pytest.approx(degrees)
