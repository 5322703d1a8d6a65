"""Where voxels lie: the shape and affine of a scan, a label map or a layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from nibabel.affines import voxel_sizes

from src_core.errors import InputError

SAME_GRID_VOXELS = 0.01
"""Two grids are the same if no voxel lies further off than this, in edges of the smallest voxel."""
_FARTHEST_MM = 1e9


@dataclass(frozen=True, eq=False)
class Grid:
    """Where voxels lie.

    Attributes
    ----------
    shape : tuple of int
        Voxels along each of n axes.
    affine : ndarray, shape (m, n + 1)
        Voxel index to mm; of a file, (4, 4), to world millimetres.
    """

    shape: tuple[int, ...]
    affine: np.ndarray

    def largest_shift(self, other: Grid) -> float:
        """How far another grid of this shape places a voxel from here, at most, in mm."""
        # Where two affines differ most is at a corner.
        corners = np.array([(*corner, 1) for corner in product(*((0, n - 1) for n in self.shape))])
        return float(np.linalg.norm(corners @ (self.affine - other.affine).T, axis=1).max())

    def is_same(self, other: Grid) -> bool:
        """Whether another grid has this shape and its voxels lie in the same places."""
        return self.shape == other.shape and self._is_small(self.largest_shift(other))

    def require_same(self, other: Grid, what: str, *, owner: str, advice: str) -> None:
        """Refuse what lies on another grid.

        Parameters
        ----------
        other : Grid
            On which it lies.
        what : str
            What lies there, for the message: ``"mask a.nii.gz"``.
        owner : str
            What lies on this grid: ``"the scan"``.
        advice : str
            What to do about it.

        Raises
        ------
        InputError
            If the shapes differ, or a voxel lies elsewhere.
        """
        if other.shape != self.shape:
            raise InputError(f"{what} has shape {other.shape}, {owner} {self.shape}; {advice}")
        shift = self.largest_shift(other)
        if not self._is_small(shift):
            raise InputError(f"{what} lies up to {shift:.3g} mm off {owner}'s voxels; {advice}")

    def _is_small(self, shift: float) -> bool:
        edges = np.linalg.norm(self.affine[:, :-1], axis=0)
        return bool(shift <= SAME_GRID_VOXELS * edges.min())


def check_affine(affine: np.ndarray, what: str) -> None:
    """Refuse what maps no volume to world millimetres.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
    what : str
        Whose it is, for the message.

    Raises
    ------
    InputError
        If it is no such matrix, singular, or leads a thousand kilometres away.
    """
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise InputError(f"the affine of {what} is not a 4x4 matrix of finite numbers; correct it")
    if np.abs(affine).max() > _FARTHEST_MM:
        raise InputError(f"the affine of {what} leads out of the world; correct its header")
    lengths = voxel_sizes(affine)
    # The determinant of the axis directions does not depend on the voxel size.
    if not lengths.all() or abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-3:
        raise InputError(f"the affine of {what} is singular; correct its header")
    if not np.array_equal(affine[3], (0, 0, 0, 1)):
        raise InputError(f"the last row of the affine of {what} is not 0 0 0 1; correct it")


def listed_sizes(sizes: np.ndarray) -> str:
    """Lengths as text, such as ``0.8 x 0.8 x 2``."""
    return " x ".join(f"{size:.3g}" for size in sizes)
