"""Displacement fields on a coarse grid: random elastic ones, and how two become one.

A field says of each place how far away it came from, in blocks of the coarse grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from src_core.training.changes.random_fields import smooth_field, weighted_sums

if TYPE_CHECKING:
    from src_core.training.changes.settings import AugmentSettings

COARSE = 2.0
"""Spacing of the grid of displacements, mm, or one voxel where that is more."""
LARGEST_STRAIN = 0.5
"""Largest strain of the elastic deformation. Below 1 it can be inverted."""


@dataclass(frozen=True, eq=False)
class CoarseGrid:
    """Blocks of voxels, about `COARSE` mm wide, on which displacements are computed.

    Attributes
    ----------
    shape : tuple of 3 int
        Voxels along each axis.
    steps : ndarray of int, shape (3,)
        Voxels per block.
    size : ndarray, shape (3,)
        Edges of a block, mm.
    """

    shape: tuple[int, ...]
    steps: np.ndarray
    size: np.ndarray

    @classmethod
    def over(cls, shape: tuple[int, ...], voxel_size: np.ndarray) -> CoarseGrid:
        """The grid over a volume.

        Parameters
        ----------
        shape : tuple of 3 int
            Voxels along each axis.
        voxel_size : ndarray, shape (3,)
            mm.
        """
        steps = np.minimum(np.maximum(np.rint(COARSE / voxel_size), 1), shape).astype(int)
        return cls(shape, steps, steps * voxel_size)

    @property
    def blocks(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return tuple(-(-size // step) for size, step in zip(self.shape, self.steps, strict=True))

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean of the voxels of each block, float32."""
        surplus = np.array(self.blocks) * self.steps - self.shape
        padded = np.pad(values, [(0, n) for n in surplus], mode="edge")
        i, j, k = self.blocks
        a, b, c = self.steps
        means: np.ndarray = padded.reshape(i, a, j, b, k, c).mean((1, 3, 5), dtype=np.float32)
        return means

    def fine(self, values: np.ndarray) -> np.ndarray:
        """Values of the blocks, interpolated linearly at the voxels, float32."""
        weights = []
        for size, step, count in zip(self.shape, self.steps, self.blocks, strict=True):
            position = np.clip((np.arange(size) + 0.5) / step - 0.5, 0, count - 1)
            weights.append(np.maximum(1 - np.abs(position[:, None] - np.arange(count)), 0))
        return weighted_sums(values, weights)


def elastic(grid: CoarseGrid, settings: AugmentSettings, random: np.random.Generator) -> np.ndarray:
    """Random smooth displacements that leave the faces of the box in place.

    Parameters
    ----------
    grid : CoarseGrid
    settings : AugmentSettings
    random : Generator

    Returns
    -------
    ndarray of float32, shape (3, *grid.blocks)
        In blocks.
    """
    spacing = random.uniform(*settings.elastic_length) / grid.size
    field = np.stack([smooth_field(grid.blocks, spacing, random) for _ in range(3)])
    field *= random.uniform(*settings.elastic_range)
    slopes = np.stack([_gradient(part, grid.size) for part in field])
    field *= min(1, LARGEST_STRAIN / max(float(np.abs(slopes).sum(1).max()), 1e-6))
    field /= grid.size.reshape(3, 1, 1, 1)
    for axis, count in enumerate(grid.blocks):
        along = np.moveaxis(np.arange(count, dtype=np.float32)[:, None, None], 0, axis)
        room = LARGEST_STRAIN * along, LARGEST_STRAIN * (count - 1 - along)
        np.clip(field[axis], -room[0], room[1], out=field[axis])
    return field


def moved(values: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Several volumes after displacements.

    Parameters
    ----------
    values : ndarray, shape (n, I, J, K)
    back : ndarray, shape (3, I, J, K)
        Where each place came from.
    """
    if not back.any():
        return values
    origins = np.indices(back.shape[1:], np.float32) + back
    return np.stack(
        [ndimage.map_coordinates(part, origins, order=1, mode="nearest") for part in values]
    )


def followed(last: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Displacements of two moves, one after the other, shape (3, I, J, K) each."""
    both: np.ndarray = last + moved(first, last)
    return both


def _gradient(values: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Central differences per mm, (3, ...); 0 across a single slice."""
    return np.stack(
        [
            np.gradient(values, step, axis=axis)
            if values.shape[axis] > 1
            else np.zeros_like(values)
            for axis, step in enumerate(size)
        ]
    )
