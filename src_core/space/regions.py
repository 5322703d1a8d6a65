"""Parts of the brain that are looked at: planes of voxels, and coarse samples of many."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # the viewer reads pictures without torch
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from src_core.space.points import BrainPoints


def unmask(values: np.ndarray, mask: np.ndarray, background: ArrayLike = 0) -> np.ndarray:
    """Values of the brain's voxels on the scan's grid.

    Parameters
    ----------
    values : ndarray, shape (N, ...)
        In the order of ``numpy.nonzero(mask)``.
    mask : ndarray of bool, shape (I, J, K)
        The brain, N voxels.
    background : number or ndarray, shape (...)
        Value of each voxel outside the brain.

    Returns
    -------
    ndarray, shape (I, J, K, ...)
        Of the values' type.
    """
    volume = np.full((*mask.shape, *values.shape[1:]), background, values.dtype)
    volume[mask] = values
    return volume


def extent(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest index, each (3,) int, of voxels (N, 3) along each axis."""
    # Column by column, which numpy's own minimum along the first axis takes 15 times as long for.
    columns = indices.T
    return np.array([int(c.min()) for c in columns]), np.array([int(c.max()) for c in columns])


@dataclass(frozen=True, eq=False)
class Sample:
    """Some voxels that stand for all voxels of a region.

    Attributes
    ----------
    numbers : ndarray of int32, shape (M,)
        Numbers of these voxels among the brain points.
    parents : ndarray of int32, shape (N,)
        Which of the M stands for each voxel of the region.
    """

    numbers: np.ndarray
    parents: np.ndarray

    @cached_property
    def weights(self) -> np.ndarray:
        """For how many voxels each of the M stands: (M,) float64."""
        return np.bincount(self.parents).astype(float)


class Regions:
    """Which brain points lie where on the grid.

    Parameters
    ----------
    points : BrainPoints
    shape : tuple of 3 int
        Of the scan.
    voxel_size : ndarray, shape (3,)
        mm.

    Attributes
    ----------
    indices : ndarray of int, shape (N, 3)
        Voxels of the brain points.
    mask : ndarray of bool, shape (I, J, K)
        Whether a voxel is one of them.
    """

    def __init__(self, points: BrainPoints, shape: tuple[int, int, int], voxel_size: np.ndarray):
        self.shape = shape
        self.indices = points.indices.cpu().numpy()
        self.mask = np.zeros(shape, bool)
        self.mask[tuple(self.indices.T)] = True
        self._voxel_size = voxel_size
        # Stable, so that within a plane voxels keep their order; small types are sorted fastest.
        self._order = [
            np.argsort(along.astype(np.min_scalar_type(size)), kind="stable").astype(np.int32)
            for along, size in zip(self.indices.T, shape, strict=True)
        ]
        self._starts = [
            np.searchsorted(self.indices[order, axis], np.arange(size + 1))
            for axis, (order, size) in enumerate(zip(self._order, shape, strict=True))
        ]

    def __len__(self) -> int:
        return len(self.indices)

    def plane(self, axis: int, index: int) -> np.ndarray:
        """Numbers of the brain points in one plane of voxels, rising: (n,) int32."""
        starts = self._starts[axis]
        return self._order[axis][starts[index] : starts[index + 1]]

    def inside(self, box: Sequence[slice]) -> np.ndarray | slice:
        """Numbers of the brain points in a box of voxels, rising: (n,) int32, or a slice of all."""
        whole = [extent == slice(0, size) for extent, size in zip(box, self.shape, strict=True)]
        if all(whole):
            return slice(None)
        for axis, extent in enumerate(box):
            if extent.stop - extent.start == 1 and sum(whole) == 2 and not whole[axis]:
                return self.plane(axis, extent.start)
        across, along = self.indices[:, 1], box[1]
        rows = [np.zeros(0, np.int32)]
        for start, stop in pairwise(self._starts[0][box[0].start : box[0].stop + 1].tolist()):
            # Points are sorted by their first index, and among those of one by their second.
            low, high = np.searchsorted(across[start:stop], (along.start, along.stop)) + start
            rows.append(np.arange(low, high, dtype=np.int32))
        numbers = np.concatenate(rows)
        third = self.indices[numbers, 2]
        inside: np.ndarray = numbers[(third >= box[2].start) & (third < box[2].stop)]
        return inside

    def sample(self, spacing: float) -> Sample:
        """About one voxel per cube of `spacing` mm stands for all brain points.

        In a single slice, which has few of them, it is a quarter of that.
        """
        finer = 4 if 1 in self.shape else 1
        return _sample(self.indices, self._steps(spacing / finer), self.shape)

    def _steps(self, spacing: float) -> np.ndarray:
        return np.maximum(1, np.round(spacing / self._voxel_size)).astype(int)


def _sample(indices: np.ndarray, steps: np.ndarray, shape: tuple[int, ...]) -> Sample:
    """One voxel per block of `steps` voxels, as near to its centre as is cheap to find."""
    counts = -(-np.array(shape) // steps)
    block = np.zeros(len(indices), np.int64)
    off_centre = np.zeros(len(indices), bool)
    for along, size, step, count in zip(indices.T, shape, steps, counts, strict=True):
        # Looked up: there are far fewer places along an axis than voxels to divide for.
        of_axis, within = np.divmod(np.arange(size), step)
        away = np.abs(within - (step - 1) / 2) > max(0.5, step / 4)
        block *= count
        block += of_axis[along]
        off_centre |= away[along]
    everyone = np.arange(len(indices), dtype=np.int32)
    chosen = np.full(int(np.prod(counts)), -1, np.int32)
    chosen[block] = everyone
    chosen[block[~off_centre]] = everyone[~off_centre]  # of two, the later one stays
    blocks = np.flatnonzero(chosen >= 0)
    number = np.zeros(len(chosen), np.int32)
    number[blocks] = np.arange(len(blocks), dtype=np.int32)
    return Sample(chosen[blocks], number[block])
