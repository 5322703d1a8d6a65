"""Bring two scans of one person together without changing any size, and compare label maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from nibabel.affines import apply_affine, from_matvec
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation

if TYPE_CHECKING:
    from src_core.io.scan import Scan

BLUR_MM = 2.0
POINTS = 30_000
RIM_MM = 8.0
"""Width of the empty border around the brain that takes part."""
_ARM_MM = 60.0
"""Length that turns an angle into millimetres, so that all six numbers weigh alike."""


def nearest_rigid(affine: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The rotation nearest to an affine map, with the shift that moves `centre` alike: 4x4."""
    left, _, right = np.linalg.svd(affine[:3, :3])
    turn = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    rigid: np.ndarray = from_matvec(turn, apply_affine(affine, centre) - turn @ centre)
    return rigid


def rigid_match(
    fixed: Scan,
    fixed_mask: np.ndarray,
    moving: Scan,
    moving_mask: np.ndarray,
    start: np.ndarray,
) -> tuple[np.ndarray, float]:
    """Find the rotation and shift under which two scans correlate most.

    Parameters
    ----------
    fixed, moving : Scan
    fixed_mask, moving_mask : ndarray of bool
        Their brains.
    start : ndarray, shape (4, 4)
        World mm of `moving` -> world mm of `fixed`, affine.

    Returns
    -------
    matrix : ndarray, shape (4, 4)
        Rigid map, world mm of `moving` -> world mm of `fixed`.
    correlation : float
        Normalised, of the blurred scans.
    """
    picture, other = _blurred(fixed, fixed_mask), _blurred(moving, moving_mask)
    outward = ndimage.distance_transform_edt(~moving_mask, sampling=moving.voxel_size)
    index = np.argwhere(outward <= RIM_MM)
    index = np.random.default_rng(0).choice(index, min(POINTS, len(index)), replace=False)
    values = other[tuple(index.T)]
    positions = apply_affine(moving.affine, index)
    centre = positions.mean(axis=0)
    rigid = nearest_rigid(start, centre)
    to_voxels = np.linalg.inv(fixed.affine)

    def matrix(numbers: np.ndarray) -> np.ndarray:
        turn = Rotation.from_rotvec(numbers[:3] / _ARM_MM).as_matrix()
        moved: np.ndarray = rigid @ from_matvec(turn, centre - turn @ centre + numbers[3:])
        return moved

    def loss(numbers: np.ndarray) -> float:
        where = apply_affine(to_voxels @ matrix(numbers), positions).T
        found = ndimage.map_coordinates(picture, where, order=1)
        return 1 - float(np.corrcoef(found, values)[0, 1])

    options = {"xtol": 1e-3, "ftol": 1e-6}
    best = optimize.minimize(loss, np.zeros(6), method="Powell", options=options)
    return matrix(best.x), 1 - float(best.fun)


def _blurred(scan: Scan, mask: np.ndarray) -> np.ndarray:
    inside = np.where(mask, scan.voxels, 0)
    blurred: np.ndarray = ndimage.gaussian_filter(inside, BLUR_MM / scan.voxel_size)
    return blurred


def labels_there(labels: np.ndarray, scan: Scan, fixed: Scan, to_fixed: np.ndarray) -> np.ndarray:
    """A label map of one scan on the grid of another, nearest neighbour.

    Parameters
    ----------
    labels : ndarray of int
        On the grid of `scan`.
    scan, fixed : Scan
    to_fixed : ndarray, shape (4, 4)
        World mm of `scan` -> world mm of `fixed`.
    """
    back = np.linalg.inv(to_fixed @ scan.affine) @ fixed.affine
    there: np.ndarray = ndimage.affine_transform(labels, back, output_shape=fixed.shape, order=0)
    return there
