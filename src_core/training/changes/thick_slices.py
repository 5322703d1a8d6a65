"""Scans of thick slices."""

from __future__ import annotations

import numpy as np


def thick_slices(voxels: np.ndarray, axis: int, thickness: int) -> np.ndarray:
    """Average voxels over thick slices, and interpolate between the slices' middles.

    Parameters
    ----------
    voxels : ndarray, shape (I, J, K)
    axis : int
        Across the slices.
    thickness : int
        Voxels that a slice averages.

    Returns
    -------
    ndarray, shape (I, J, K)
        The voxels as they are where fewer than two slices fit in.
    """
    count = voxels.shape[axis] // thickness
    if count < 2:
        return voxels
    lines = np.moveaxis(voxels, axis, 0)
    means = lines[: count * thickness].reshape(count, thickness, *lines.shape[1:]).mean(1)
    position = (np.arange(len(lines)) - (thickness - 1) / 2) / thickness
    below = np.clip(np.floor(position).astype(int), 0, count - 2)
    share = np.clip(position - below, 0, 1).astype(np.float32)[:, None, None]
    return np.moveaxis(means[below] * (1 - share) + means[below + 1] * share, 0, axis)
