"""Grids are the same if every voxel lies in the same place."""

from __future__ import annotations

import numpy as np
import pytest

from src_core.errors import InputError
from src_core.io.grid import SAME_GRID_VOXELS, Grid

AFFINE = np.array([[0, 0, 2.0, 5], [-0.8, 0, 0, 7], [0, 0.9, 0, -3], [0, 0, 0, 1]])
GRID = Grid((20, 22, 24), AFFINE)


def shifted(millimetres: float) -> Grid:
    affine = AFFINE.copy()
    affine[1, 3] += millimetres
    return Grid(GRID.shape, affine)


def test_the_largest_shift_is_that_of_the_farthest_corner() -> None:
    affine = AFFINE.copy()
    affine[:3, 0] *= 1.01
    assert GRID.largest_shift(Grid(GRID.shape, affine)) == pytest.approx(19 * 0.8 * 0.01)
    assert GRID.largest_shift(shifted(-0.25)) == pytest.approx(0.25)
    assert GRID.largest_shift(GRID) == 0


def test_a_hundredth_of_the_smallest_voxel_is_no_shift() -> None:
    tolerance = SAME_GRID_VOXELS * 0.8
    assert GRID.is_same(shifted(0.9 * tolerance))
    assert not GRID.is_same(shifted(1.1 * tolerance))
    assert not GRID.is_same(shifted(np.nan))
    assert not GRID.is_same(Grid((20, 22, 23), AFFINE))


def test_what_lies_elsewhere_is_refused_with_advice() -> None:
    GRID.require_same(shifted(0), "mask a.nii", owner="the scan", advice="resample it")
    with pytest.raises(InputError) as refusal:
        GRID.require_same(shifted(3), "mask a.nii", owner="the scan", advice="resample it")
    assert str(refusal.value) == "mask a.nii lies up to 3 mm off the scan's voxels; resample it"
    with pytest.raises(InputError) as refusal:
        GRID.require_same(Grid((2, 2, 2), AFFINE), "a.nii", owner="its scan", advice="resample it")
    assert str(refusal.value) == ("a.nii has shape (2, 2, 2), its scan (20, 22, 24); resample it")


def test_layers_of_two_axes_have_grids_too() -> None:
    flat = Grid((5, 6), np.diag([2.0, 3, 1]))
    assert flat.is_same(Grid((5, 6), np.diag([2.0, 3, 1])))
    assert flat.largest_shift(Grid((5, 6), np.diag([2.0, 4, 1]))) == pytest.approx(5)
