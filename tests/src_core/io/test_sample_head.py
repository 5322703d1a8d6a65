"""The made-up head looks like a scan that was not stripped, around an untouched brain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from nibabel.affines import apply_affine
from scipy import ndimage

from src_core.io.sample import phantom
from src_core.io.sample_head import NOISE, head_around

if TYPE_CHECKING:
    from src_core.io.scan import Scan


@pytest.fixture(scope="module")
def brain() -> Scan:
    return phantom(voxel_size=3.0)[0]


@pytest.fixture(scope="module")
def head(brain: Scan) -> Scan:
    return head_around(brain)


def of_the_brain(head: Scan, brain: Scan) -> tuple[np.ndarray, np.ndarray]:
    """Indices (N, 3) in the head of the voxels of the brain, and their intensities there."""
    indices = np.argwhere(brain.voxels > 0)
    moved = apply_affine(np.linalg.inv(head.affine) @ brain.affine, indices)
    indices = np.round(moved).astype(int)
    np.testing.assert_allclose(moved, indices, atol=1e-4)
    return indices, head.voxels[tuple(indices.T)]


def white_matter(brain: Scan) -> float:
    return float(np.percentile(brain.voxels[brain.voxels > 0], 95))


def test_the_brain_stays_where_and_what_it_was(head: Scan, brain: Scan) -> None:
    _, intensities = of_the_brain(head, brain)
    error = intensities - brain.voxels[brain.voxels > 0]
    assert abs(error.mean()) < 0.01 * white_matter(brain)
    assert error.std() < 1.1 * NOISE * white_matter(brain)


def test_around_the_brain_are_fluid_bone_and_bright_scalp(head: Scan, brain: Scan) -> None:
    indices, _ = of_the_brain(head, brain)
    inside = np.zeros(head.shape, dtype=bool)
    inside[tuple(indices.T)] = True
    distance = ndimage.distance_transform_edt(~inside, sampling=head.voxel_size)
    above = np.arange(head.shape[2]) > np.median(indices[:, 2])
    share = head.voxels / white_matter(brain)
    medians = [
        np.median(share[above & (distance > low) & (distance <= low + 3)]) for low in (3, 9, 21)
    ]
    skull, scalp, air = medians
    assert skull < 0.35
    assert scalp > 0.6
    assert air < 0.1
    assert (head.voxels[above & (distance > 30)] > 0).all()  # noise, not an even background


def test_it_is_as_large_as_a_head_and_neck(head: Scan, brain: Scan) -> None:
    litres = (head.voxels > 0.2 * white_matter(brain)).sum() * head.voxel_volume / 1e6
    assert 3 < litres < 6
    assert head.voxels[:, :, 0].max() > 0.3 * white_matter(brain)  # the neck goes on below


def test_it_repeats_with_its_seed_and_changes_with_another() -> None:
    brain = phantom(voxel_size=8.0)[0]
    np.testing.assert_array_equal(head_around(brain).voxels, head_around(brain).voxels)
    assert (head_around(brain).voxels != head_around(brain, seed=1).voxels).any()
