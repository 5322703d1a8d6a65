"""Scans as they might also have come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nibabel.affines import apply_affine
from scipy import ndimage

from src_core.labels import PROTOCOLS, protocol
from src_core.training.augment import augment, mirror, mirrored_classes, smooth_field


def augmented(brain, seed: int):
    return augment(brain.scan, brain.mask, brain.labels, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(6))
def test_a_changed_scan_can_be_trained_on(brain, seed) -> None:
    scan, mask, classes = augmented(brain, seed)
    assert scan.voxels.shape == mask.shape == classes.shape == brain.scan.shape
    assert scan.voxels.dtype == np.float32
    assert classes.dtype == np.uint8
    assert np.isfinite(scan.voxels).all()
    assert (scan.voxels[~mask] == 0).all()
    assert (classes[~mask] == 0).all()
    # No voxel changes its structure: it keeps it or is cut off.
    assert ((classes == brain.labels) | ~mask).all()
    np.testing.assert_array_equal(scan.affine, brain.scan.affine)


def test_masks_are_tighter_or_looser_by_a_few_millimetres(brain) -> None:
    affine = brain.scan.affine @ np.diag([0.25, 0.25, 0.25, 1])
    small = replace(brain.scan, affine=affine)  # voxels of 1 mm, so that 1 mm can be cut off
    outward = ndimage.distance_transform_edt(~brain.mask)
    inward = ndimage.distance_transform_edt(brain.mask)
    cut, added = [], []
    for seed in range(12):
        random = np.random.default_rng(seed)
        _, mask, _ = augment(small, brain.mask, brain.labels, random)
        cut.append((brain.mask & ~mask).sum())
        added.append((mask & ~brain.mask).sum())
        assert outward[mask].max() <= 4
        assert inward[brain.mask & ~mask].max(initial=0) <= 1
    assert max(cut) > 0
    assert max(added) > 0.1 * brain.mask.sum()
    assert (0, 0) in zip(cut, added, strict=True)


def test_what_is_brighter_stays_mostly_brighter(brain) -> None:
    for seed in range(6):
        scan, mask, _ = augmented(brain, seed)
        both = mask & brain.mask
        agreement = np.corrcoef(scan.voxels[both], brain.scan.voxels[both])[0, 1]
        assert agreement > 0.8


def test_the_scan_itself_is_left_alone_and_a_seed_repeats(brain) -> None:
    before = brain.scan.voxels.copy(), brain.mask.copy(), brain.labels.copy()
    one, same, other = augmented(brain, 0), augmented(brain, 0), augmented(brain, 1)
    for kept, now in zip(before, (brain.scan.voxels, brain.mask, brain.labels), strict=True):
        np.testing.assert_array_equal(kept, now)
    np.testing.assert_array_equal(one[0].voxels, same[0].voxels)
    np.testing.assert_array_equal(one[1], same[1])
    assert not np.array_equal(one[0].voxels, other[0].voxels)


@pytest.mark.parametrize("shape", [(40, 48, 41), (16, 17, 200), (64, 1, 64)])
def test_a_smooth_field_is_smooth_and_has_the_shape_asked_for(shape) -> None:
    fields = [smooth_field(shape, np.random.default_rng(seed)) for seed in range(40)]
    assert fields[0].shape == shape
    assert fields[0].dtype == np.float32
    assert np.mean(fields) == pytest.approx(0, abs=0.15)
    assert 0.3 < np.std(fields) < 1.3
    assert np.abs(np.diff(fields, axis=1)).mean() < 0.2 * np.std(fields)


def test_mirrored_voxels_lie_on_the_other_side(brain) -> None:
    mirrored = mirror(brain.scan)
    np.testing.assert_array_equal(mirrored.voxels, brain.scan.voxels)
    index = (3, 20, 20)
    there, here = (apply_affine(scan.affine, index) for scan in (mirrored, brain.scan))
    np.testing.assert_allclose(there, here * (-1, 1, 1))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_left_and_right_structures_change_places(name) -> None:
    structures = protocol(name).structures
    swapped = mirrored_classes(protocol(name))
    assert len(swapped) == len(structures) + 1
    assert swapped[0] == 0
    np.testing.assert_array_equal(swapped[swapped], range(len(swapped)))
    for place, structure in enumerate(structures, start=1):
        other = structures[swapped[place] - 1].name
        opposite = {"Left": "Right", "Right": "Left"}
        side, dash, rest = structure.name.partition("-")
        assert other == (f"{opposite[side]}{dash}{rest}" if side in opposite else structure.name)
