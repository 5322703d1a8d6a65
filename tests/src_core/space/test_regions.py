"""Parts of the brain that are looked at."""

from __future__ import annotations

import numpy as np
import pytest

from src_core.space.regions import unmask
from tests.helpers.blank_regions import regions_of

SHAPE = (13, 17, 11)


@pytest.fixture
def mask() -> np.ndarray:
    """Ragged, and empty in the first planes of the first axis."""
    mask = np.random.default_rng(0).random(SHAPE) < 0.6
    mask[:3] = False
    return mask


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_planes_of_each_axis_hold_every_point_once_and_in_order(mask, axis) -> None:
    regions = regions_of(mask)
    planes = [regions.plane(axis, index) for index in range(SHAPE[axis])]
    assert sorted(np.concatenate(planes)) == list(range(len(regions)))
    voxels = np.argwhere(mask)
    for index, numbers in enumerate(planes):
        assert (voxels[numbers, axis] == index).all()
        assert (np.diff(numbers) > 0).all()
        assert len(numbers) == mask.take(index, axis).sum()


def test_a_plane_without_brain_is_empty(mask) -> None:
    regions = regions_of(mask)
    assert len(regions.plane(0, 1)) == 0


@pytest.mark.parametrize(
    "box",
    [
        (slice(4, 9), slice(2, 11), slice(0, 7)),
        (slice(5, 6), slice(3, 4), slice(0, 11)),
        (slice(0, 13), slice(4, 5), slice(0, 11)),
        (slice(0, 2), slice(4, 5), slice(0, 11)),
        (slice(0, 13), slice(0, 17), slice(0, 11)),
    ],
)
def test_a_box_holds_the_points_within_it(mask, box) -> None:
    regions = regions_of(mask)
    within = np.zeros(SHAPE, bool)
    within[box] = True
    numbers = np.arange(len(regions))[regions.inside(box)]
    np.testing.assert_array_equal(numbers, np.flatnonzero(within[mask]))


@pytest.mark.parametrize("spacing", [1.0, 2.0, 3.0, 4.0, 6.0])
def test_one_voxel_of_each_block_stands_for_all_of_it(mask, spacing) -> None:
    regions, step = regions_of(mask), int(spacing)
    sample = regions.sample(spacing)
    blocks = np.argwhere(mask) // step
    chosen = blocks[sample.numbers]
    assert len(np.unique(chosen, axis=0)) == len(chosen) == len(np.unique(blocks, axis=0))
    np.testing.assert_array_equal(chosen[sample.parents], blocks)


@pytest.mark.parametrize("spacing", [2.0, 3.0, 6.0])
def test_a_voxel_near_the_middle_of_its_block_is_chosen_where_there_is_one(spacing) -> None:
    regions, step = regions_of(np.ones((12, 12, 12), bool)), int(spacing)
    within = np.argwhere(np.ones((12, 12, 12)))[regions.sample(spacing).numbers] % step
    assert np.abs(within - (step - 1) / 2).max() <= max(0.5, step / 4)


def test_a_chosen_voxel_stands_for_itself(mask) -> None:
    sample = regions_of(mask).sample(4.0)
    np.testing.assert_array_equal(sample.numbers[sample.parents[sample.numbers]], sample.numbers)


def test_a_spacing_within_a_voxel_chooses_all(mask) -> None:
    regions = regions_of(mask, (4, 4, 4))
    sample = regions.sample(1.0)
    np.testing.assert_array_equal(sample.numbers, np.arange(len(regions)))
    np.testing.assert_array_equal(sample.parents, np.arange(len(regions)))


def test_the_spacing_is_in_mm_along_every_axis() -> None:
    mask = np.ones((12, 12, 12), bool)
    sample = regions_of(mask, (1.0, 2.0, 6.0)).sample(6.0)
    assert len(sample.numbers) == 2 * 4 * 12


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_single_slice_has_regions_too(axis) -> None:
    shape = [12, 12, 12]
    shape[axis] = 1
    regions = regions_of(np.ones(shape, bool))
    assert len(regions.plane(axis, 0)) == len(regions) == 144
    assert len(regions.sample(12.0).numbers) == 16  # finer than a volume is sampled


def test_one_voxel_is_enough() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[2, 3, 4] = True
    regions = regions_of(mask)
    assert regions.plane(1, 3).tolist() == [0]
    sample = regions.sample(6.0)
    assert (sample.numbers.tolist(), sample.parents.tolist()) == ([0], [0])


def test_values_of_the_brain_come_back_to_their_voxels(mask) -> None:
    values = 1 + np.arange(np.count_nonzero(mask), dtype=np.int16)
    volume = unmask(values, mask)
    assert volume.dtype == np.int16
    np.testing.assert_array_equal(volume[mask], values)
    assert (volume[~mask] == 0).all()


def test_values_of_several_columns_get_their_own_background(mask) -> None:
    values = np.random.default_rng(1).random((mask.sum(), 2)).astype(np.float32)
    volume = unmask(values, mask, np.array([np.nan, 1.0]))
    assert volume.dtype == np.float32
    np.testing.assert_array_equal(volume[mask], values)
    np.testing.assert_array_equal(
        volume[~mask], np.tile(np.float32([np.nan, 1]), ((~mask).sum(), 1))
    )
