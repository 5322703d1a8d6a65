"""Scans as they might also have come, and the match of two scans of one person."""

from __future__ import annotations

import numpy as np
import pytest
from nibabel.affines import apply_affine, from_matvec
from scipy.spatial.transform import Rotation

from benchmarks.changed_scans import CHANGES, SHIFT, TURN, Changed, Original
from benchmarks.rigid_match import labels_there, rigid_match
from src_core.datasets.mapping import IGNORED
from src_core.io.sample import phantom
from src_core.io.scan import scan_from_array
from src_core.preparation.brain import brain_mask
from src_core.results.measure import dice

IDS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def original() -> Original:
    scan, labels = phantom(3.0)
    return Original(scan, scan.voxels > 0, labels)


def centre(changed: Changed | Original, tissue: int) -> np.ndarray:
    return apply_affine(changed.scan.affine, np.argwhere(changed.classes == tissue)).mean(axis=0)


@pytest.mark.parametrize("name", CHANGES)
def test_labels_stay_with_what_they_name(original: Original, name: str) -> None:
    changed = CHANGES[name].make(original)
    assert changed.scan.shape == changed.classes.shape
    csf, white = (np.median(changed.scan.voxels[changed.classes == tissue]) for tissue in (4, 3))
    assert white > 2 * csf
    again = CHANGES[name].make(original)
    np.testing.assert_array_equal(again.scan.voxels, changed.scan.voxels)


@pytest.mark.parametrize("name", [name for name in CHANGES if "rotated" in name])
def test_a_moved_head_is_where_it_was_moved_to(original: Original, name: str) -> None:
    changed = CHANGES[name].make(original)
    axis = np.eye(3)["xyz".index(name.split("about ")[1][0])]
    turn = Rotation.from_rotvec(TURN * axis, degrees=True).as_matrix()
    for tissue in (1, 2, 3):
        expected = turn @ (centre(original, tissue) - original.centre) + SHIFT * axis
        np.testing.assert_allclose(centre(changed, tissue) - original.centre, expected, atol=0.6)
    volume = np.count_nonzero(changed.classes) * changed.scan.voxel_volume
    assert volume == pytest.approx(np.count_nonzero(original.classes) * 27, rel=0.01)


def test_another_storage_order_is_the_same_place(original: Original) -> None:
    changed = CHANGES["another storage order"].make(original)
    assert changed.scan.orientation != original.scan.orientation
    for tissue in IDS:
        np.testing.assert_allclose(centre(changed, tissue), centre(original, tissue), atol=1e-6)


def test_thick_slices_are_the_same_place(original: Original) -> None:
    changed = CHANGES["axial slices of 3 voxels (1x1x3 mm)"].make(original)
    np.testing.assert_allclose(changed.scan.voxel_size, (3, 3, 9))
    for tissue in (1, 3):
        np.testing.assert_allclose(centre(changed, tissue), centre(original, tissue), atol=3)
    brightness = original.scan.voxels.sum() * 27
    assert changed.scan.voxels.sum() * 81 == pytest.approx(brightness, rel=0.01)


@pytest.fixture(scope="module")
def ball() -> Original:
    """A ball of 1 mm voxels, for what happens at its rim."""
    distance = np.linalg.norm(np.indices((40, 40, 40)) - 20, axis=0)
    mask = distance < 15
    classes = np.where(distance < 8, 3, np.where(mask, 1, 0)).astype(np.uint8)
    return Original(scan_from_array(100 * mask + 5 * classes, np.eye(4)), mask, classes)


@pytest.mark.parametrize(("name", "radius"), [("2 mm looser", 17), ("1 mm tighter", 14)])
def test_another_mask_is_scored_where_both_are_brain(
    ball: Original, name: str, radius: float
) -> None:
    changed = CHANGES[f"mask {name}"].make(ball)
    mask = brain_mask(changed.scan)
    assert mask.sum() == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.08)
    np.testing.assert_array_equal(changed.classes != IGNORED, mask & ball.mask)
    np.testing.assert_array_equal(changed.classes, changed.counterpart)


def test_a_rigid_match_finds_how_a_person_lay(original: Original) -> None:
    scan, labels = original.scan, original.classes
    turn = Rotation.from_rotvec([8, -5, 6], degrees=True).as_matrix()
    move = from_matvec(turn, (6.0, -4.0, 9.0))
    moved = scan_from_array(scan.voxels, move @ scan.affine)
    start = np.linalg.inv(move) @ from_matvec(1.05 * np.eye(3), (4.0, 4.0, 4.0))
    found, correlation = rigid_match(scan, original.mask, moved, original.mask, start)
    assert correlation > 0.99
    np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-6)
    there = labels_there(labels, moved, scan, found)
    assert min(dice(there, labels, IDS).values()) > 0.95
