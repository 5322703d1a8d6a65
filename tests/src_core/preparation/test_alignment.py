"""The way from a scan's world to template space."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from nibabel.affines import apply_affine, from_matvec
from nibabel.orientations import apply_orientation, inv_ornt_aff
from scipy import ndimage
from scipy.spatial.transform import Rotation

from src_core.errors import InputError
from src_core.io.scan import Scan, scan_from_array, slice_of
from src_core.preparation.alignment import Alignment, align, check_transform, read_transform
from src_core.space.slices import SliceRange

if TYPE_CHECKING:
    from pathlib import Path

    from tests.src_core.conftest import Brain

EVERY_ORDER_AND_FLIP = [
    np.column_stack([axes, flips])
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]
A_FEW_OF_THEM = (5, 18, 30, 47)
AXES = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (1, -2, 1), (-2, 1, 1)], float)
AXES /= np.linalg.norm(AXES, axis=1, keepdims=True)


def error_mm(found: Alignment, moved: np.ndarray, brain: Brain) -> np.ndarray:
    """Distance in mm of each brain voxel from where it should have been taken."""
    there = apply_affine(found.matrix @ moved, brain.positions)
    return np.linalg.norm(there - brain.positions, axis=1)


def moved_scan(scan: Scan, move: np.ndarray) -> Scan:
    return replace(scan, affine=move @ scan.affine)


@pytest.mark.parametrize(
    ("number", "degrees", "shift", "scale"),
    [
        (0, 30, 40, 0.8),
        (1, -30, -40, 1.25),
        (2, 30, -40, 1.0),
        (3, 30, 40, 1.25),
        (4, -30, 40, 0.8),
        (5, 15, -20, 0.9),
        (0, 0, 0, 1.0),
    ],
)
def test_any_placement_is_found(brain, template, number, degrees, shift, scale) -> None:
    rotation = Rotation.from_rotvec(degrees * AXES[number], degrees=True).as_matrix()
    move = from_matvec(scale * rotation, shift * AXES[(number + 2) % 6])
    found = align(moved_scan(brain.scan, move), brain.mask, template)
    assert found.method == "estimated"
    assert found.similarity > 0.9
    error = error_mm(found, move, brain)
    assert error.mean() < 2  # the folds differ from the template's
    assert error.max() < 4


@pytest.mark.parametrize(
    "number",
    [
        number if number in A_FEW_OF_THEM else pytest.param(number, marks=pytest.mark.slow)
        for number in range(48)
    ],
)
def test_the_order_of_the_axes_does_not_matter(brain, template, number) -> None:
    order = EVERY_ORDER_AND_FLIP[number]
    affine = brain.scan.affine @ inv_ornt_aff(order, brain.scan.shape)
    turned = scan_from_array(apply_orientation(brain.scan.voxels, order), affine)
    assert error_mm(align(turned, turned.voxels > 0, template), np.eye(4), brain).mean() < 2


@pytest.mark.parametrize("repeats", [(4, 4, 1), (2, 2, 2), (1, 4, 4)])
def test_the_voxel_size_does_not_matter(other_brain, template, repeats) -> None:
    # Each voxel becomes several equal ones, so the picture is the template's own.
    voxels = other_brain.scan.voxels
    for axis, n in enumerate(repeats):
        voxels = voxels.repeat(n, axis)
    size = 1 / np.array(repeats)
    affine = other_brain.scan.affine @ from_matvec(np.diag(size), (size - 1) / 2)
    scan = scan_from_array(voxels, affine)
    assert error_mm(align(scan, scan.voxels > 0, template), np.eye(4), other_brain).max() < 0.5


@pytest.mark.parametrize(
    ("axis", "first", "last"),
    [(0, 0, 0.7), (1, 0.3, 1), (2, 0, 0.75), (2, 0.3, 1), (1, 0.25, 0.75), (2, 0, 1)],
)
def test_a_brain_that_is_cut_off_is_not_stretched(brain, template, axis, first, last) -> None:
    start, stop = np.argwhere(brain.mask).min(0), np.argwhere(brain.mask).max(0) + 1
    length = (stop - start)[axis]
    stop[axis] = start[axis] + round(last * length)
    start[axis] += round(first * length)
    box = tuple(map(slice, start, stop))
    affine = brain.scan.affine @ from_matvec(np.eye(3), start)
    part = scan_from_array(brain.scan.voxels[box], affine)
    assert error_mm(align(part, brain.mask[box], template), np.eye(4), brain).mean() < 3


@pytest.mark.parametrize("axis", range(3))
def test_a_slice_moves_within_its_plane_only(brain, template, axis) -> None:
    place = [slice(None)] * 3
    number = brain.scan.shape[axis] // 2
    place[axis] = slice(number, number + 1)
    offset = np.where(np.arange(3) == axis, number, 0)
    affine = brain.scan.affine @ from_matvec(np.eye(3), offset)
    mask = brain.mask[tuple(place)]
    positions = apply_affine(affine, np.argwhere(mask))
    normal = np.eye(3)[axis]
    in_plane = np.diag(np.where(np.arange(3) == axis, 1, 1.1))
    rotation = Rotation.from_rotvec(25 * normal, degrees=True).as_matrix()
    move = from_matvec(rotation @ in_plane, 20 * (1 - normal))
    scan = scan_from_array(brain.scan.voxels[tuple(place)], move @ affine)

    found = align(scan, mask, template).matrix
    error = apply_affine(found @ move, positions) - positions
    assert np.abs(error[:, axis]).max() < 1e-3
    assert np.linalg.norm(error, axis=1).mean() < 4


CORONAL = SliceRange("y", (-32.0, -4.0))
FAR_AWAY = from_matvec(np.eye(3), (40, -160, 30))


def coronal(brain: Brain, y: float) -> Scan:
    return slice_of(brain.scan, 1, round((y - brain.scan.affine[1, 3]) / brain.scan.affine[1, 1]))


def slice_errors(scan: Scan, move: np.ndarray, template) -> tuple[float, float]:
    """Mean error across and in the plane, mm, of a slice whose header was moved."""
    mask = scan.voxels > 0
    found = align(moved_scan(scan, move), mask, template, CORONAL).matrix
    assert np.linalg.det(found[:3, :3]) > 0
    positions = apply_affine(scan.affine, np.argwhere(mask))
    error = np.abs(apply_affine(found @ move, positions) - positions)
    return error[:, 1].mean(), np.hypot(error[:, 0], error[:, 2]).mean()


@pytest.mark.parametrize("y", [-28, -18, -8])
def test_a_slice_of_a_slice_model_is_found_wherever_its_header_puts_it(brain, template, y) -> None:
    across, within = slice_errors(coronal(brain, y), FAR_AWAY, template)
    assert across < 3
    assert within < 3


def test_a_slice_turned_in_its_plane_is_found(brain, template) -> None:
    turn = from_matvec(Rotation.from_euler("y", 15, degrees=True).as_matrix(), (15, 0, -15))
    across, within = slice_errors(coronal(brain, -18), FAR_AWAY @ turn, template)
    assert across < 3
    assert within < 3


@pytest.mark.parametrize(("nod", "turn"), [(12, 0), (-12, 4)])
def test_a_tilted_slice_is_found(brain, template, nod, turn) -> None:
    tilt = Rotation.from_euler("xz", (nod, turn), degrees=True).as_matrix()
    # The pixels of a slice that passes (0, -18, 6) mm under this tilt.
    grid = from_matvec(tilt @ np.diag([2.0, 1, 2]), (0, -18, 6)) @ from_matvec(
        np.eye(3), (-50, 0, -50)
    )
    to_voxels = np.linalg.inv(brain.scan.affine) @ grid
    voxels = ndimage.affine_transform(
        np.where(brain.mask, brain.scan.voxels, 0), to_voxels, output_shape=(100, 1, 100), order=1
    )
    scan = scan_from_array(np.where(voxels > 20, voxels, 0), grid)
    # A header that knows nothing of the tilt.
    across, within = slice_errors(scan, FAR_AWAY @ from_matvec(tilt.T), template)
    assert across < 3
    assert within < 3


@pytest.mark.parametrize("order", A_FEW_OF_THEM)
def test_it_does_not_matter_how_a_slice_is_stored(brain, template, order) -> None:
    scan = coronal(brain, -18)
    order = EVERY_ORDER_AND_FLIP[order]
    affine = scan.affine @ inv_ornt_aff(order, scan.shape)
    stored = scan_from_array(apply_orientation(scan.voxels, order), affine)
    plain = align(scan, scan.voxels > 0, template, CORONAL).matrix
    found = align(stored, stored.voxels > 0, template, CORONAL).matrix
    positions = apply_affine(scan.affine, np.argwhere(scan.voxels))
    assert np.abs(apply_affine(found, positions) - apply_affine(plain, positions)).mean() < 1


def test_pixels_of_a_slice_may_be_longer_one_way(brain, template) -> None:
    scan = coronal(brain, -18)
    affine = scan.affine @ from_matvec(np.diag([0.25, 1, 1]), (-0.375, 0, 0))
    scan = scan_from_array(scan.voxels.repeat(4, 0), affine)
    across, within = slice_errors(scan, FAR_AWAY, template)
    assert across < 3
    assert within < 3


def test_across_a_slice_stays_across_it(brain, template) -> None:
    scan = moved_scan(coronal(brain, -18), FAR_AWAY)
    found = align(scan, scan.voxels > 0, template, CORONAL).matrix[:3, :3]
    across, plane = found[:, 1], found[:, [0, 2]]
    np.testing.assert_allclose(across @ plane, 0, atol=1e-4)
    area = np.linalg.norm(np.cross(*plane.T))
    assert np.linalg.norm(across) == pytest.approx(np.sqrt(area), rel=1e-4)


def test_what_lies_outside_the_mask_does_not_matter(brain, template) -> None:
    clean = align(brain.scan, brain.mask, template)
    noise = np.random.default_rng(0).uniform(0, 500, brain.scan.shape).astype(np.float32)
    skull = replace(brain.scan, voxels=np.where(brain.mask, brain.scan.voxels, noise))
    np.testing.assert_allclose(align(skull, brain.mask, template).matrix, clean.matrix)


def test_gain_and_offset_do_not_matter(brain, template) -> None:
    plain = align(brain.scan, brain.mask, template)
    brighter = replace(brain.scan, voxels=np.where(brain.mask, 40 * brain.scan.voxels + 1000, 0))
    found = align(brighter, brain.mask, template)
    np.testing.assert_allclose(found.matrix, plain.matrix, atol=0.02)


MATRIX = from_matvec(Rotation.from_euler("z", 10, degrees=True).as_matrix(), (1.5, -2, 30))


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(" ".join(map(str, row)) for row in MATRIX) + "\n\n",
        json.dumps(MATRIX.tolist()),
        json.dumps({"iterations": 100, "transform": MATRIX.tolist()}),
    ],
    ids=["rows", "json", "report"],
)
def test_a_transform_is_read_from_text_json_or_a_report(tmp_path: Path, text: str) -> None:
    (path := tmp_path / "transform.txt").write_text(text)
    np.testing.assert_allclose(read_transform(path), MATRIX)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 0 0\n0 1 0\n0 0 1\n", "4 rows of 4 numbers"),
        ("1 0 0 0\n0 1 0\n", "can't be read as a transform"),
        ("one two\n", "can't be read as a transform"),
        ("{}", "can't be read as a transform"),
        ("", "4 rows of 4 numbers"),
        ("[" * 100_000, "can't be read as a transform"),
        ("3", "4 rows of 4 numbers"),
        ('{"transform": null}', "4 rows of 4 numbers"),
        ("1 0 0 0\n0 1 0 0\n0 0 0 0\n0 0 0 1\n", "can't be inverted"),
        ("1 0 0 nan\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "can't be inverted"),
        ("1 0 0 0\n0 1 0 0\n0 0 1 0\n5 0 0 1\n", "last row"),
    ],
)
def test_what_is_no_transform_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (path := tmp_path / "transform.txt").write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        read_transform(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_transform_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        read_transform(tmp_path / "missing.txt")
    (path := tmp_path / "binary.mat").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="can't be read"):
        read_transform(path)


def test_a_transform_given_as_a_list_becomes_an_array() -> None:
    checked = check_transform(MATRIX.tolist())  # type: ignore[arg-type]
    assert checked.dtype == np.float64
    np.testing.assert_array_equal(checked, MATRIX)
