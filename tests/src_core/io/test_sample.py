"""The sample scans look like what the engine is made for."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from src_core.errors import InputError
from src_core.io.sample import mni152_t1, phantom
from src_core.preparation.brain import brain_mask


@pytest.fixture(scope="module")
def coarse() -> tuple:
    return phantom(voxel_size=3.0)


def test_the_phantom_is_as_large_as_a_brain(coarse: tuple) -> None:
    scan, _ = coarse
    litres = np.count_nonzero(scan.voxels) * scan.voxel_volume / 1e6
    assert 1.2 < litres < 2.2
    centre = np.argwhere(scan.voxels).mean(axis=0)
    world = (scan.affine @ np.append(centre, 1))[:3]
    assert np.abs(world - [0, -20, 5]).max() < 15


def test_the_phantom_has_every_tissue_and_a_zero_background(coarse: tuple) -> None:
    scan, labels = coarse
    assert labels.dtype == np.uint8
    assert labels.shape == scan.voxels.shape
    share = np.bincount(labels.ravel(), minlength=5)[1:] / np.count_nonzero(labels)
    assert (share > [0.2, 0.02, 0.3, 0.005]).all()
    assert not labels[scan.voxels == 0].any()
    assert not scan.voxels[0].any()


def test_the_tissues_of_the_phantom_are_told_apart_by_intensity(coarse: tuple) -> None:
    scan, labels = coarse
    cortex, subcortical, white, fluid = (np.median(scan.voxels[labels == i]) for i in (1, 2, 3, 4))
    assert fluid < cortex < subcortical < white


def test_the_cortex_lies_between_white_matter_and_fluid(coarse: tuple) -> None:
    _, labels = coarse
    outer = np.zeros(labels.shape, bool)
    for axis in range(3):
        for shift in (-1, 1):
            outer |= np.roll(labels, shift, axis) == 0
    assert (labels[outer] == 1).sum() > 3 * (labels[outer] == 3).sum()


def test_the_phantom_repeats_with_its_seed_and_changes_with_another(coarse: tuple) -> None:
    scan, labels = coarse
    again, same_labels = phantom(voxel_size=3.0)
    other, other_labels = phantom(voxel_size=3.0, seed=1)
    np.testing.assert_array_equal(again.voxels, scan.voxels)
    np.testing.assert_array_equal(same_labels, labels)
    assert (other_labels != labels).any()
    assert (other.voxels != scan.voxels).any()


def test_the_phantom_is_the_same_anatomy_at_any_voxel_size(coarse: tuple) -> None:
    _, labels = coarse
    _, coarser = phantom(voxel_size=6.0)
    every_second = labels[::2, ::2, ::2][tuple(slice(n) for n in coarser.shape)]
    crop = coarser[tuple(slice(n) for n in every_second.shape)]
    np.testing.assert_array_equal(every_second, crop)


def test_the_template_is_the_mni152_brain() -> None:
    pytest.importorskip("nilearn")
    scan = mni152_t1()
    assert scan.shape == (197, 233, 189)
    np.testing.assert_allclose(scan.voxel_size, 1)
    assert scan.orientation == "RAS"
    assert 0.1 < np.count_nonzero(scan.voxels) / scan.voxels.size < 0.4


def test_without_nilearn_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nilearn.datasets", None)
    with pytest.raises(InputError, match=r"pip install 'napari-metaseg\[demo\]'"):
        mni152_t1()


def test_the_phantom_passes_for_a_skull_stripped_scan(coarse: tuple) -> None:
    scan, _ = coarse
    np.testing.assert_array_equal(brain_mask(scan), scan.voxels > 0)
