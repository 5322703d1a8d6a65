"""Coronal slices cut out of labelled scans, for models of single slices.

A slice is a scan of its own: what comes after the cut (intensity rule, blurs, alignment) takes
it as it takes the slice of a user.
"""

import numpy as np

from src_core.io.scan import Scan, slice_of

MIDDLE = (0.0, 8.0)
"""Template x and z at which the place of a slice is told, mm: between the thalami."""


def coronal_axis(scan: Scan, alignment: np.ndarray) -> int:
    """Number of the scan's axis that runs across coronal slices.

    Parameters
    ----------
    scan : Scan
        A volume.
    alignment : ndarray, shape (4, 4)
        World mm -> template mm.
    """
    normals = np.linalg.inv(alignment @ scan.affine)[:3, :3]
    return int(np.argmax(np.abs(normals[:, 1]) / np.linalg.norm(normals, axis=1)))


def slice_planes(
    scan: Scan, alignment: np.ndarray, low: float, high: float, step: float
) -> list[int]:
    """Coronal slices of a scan that lie at given places of the template.

    Parameters
    ----------
    scan : Scan
        A volume.
    alignment : ndarray, shape (4, 4)
        World mm -> template mm.
    low, high, step : float
        First and last template y, and their distance, mm.

    Returns
    -------
    list of int
        Indices along `coronal_axis`, nearest to each place at `MIDDLE`, ascending, each once.
    """
    axis = coronal_axis(scan, alignment)
    along = np.arange(low, high + 1e-6, step)
    x, z = np.full_like(along, MIDDLE[0]), np.full_like(along, MIDDLE[1])
    to_voxels = np.linalg.inv(alignment @ scan.affine)[axis]
    indices = np.rint(to_voxels @ (x, along, z, np.ones_like(along))).astype(int)
    return sorted({int(index) for index in indices if 0 <= index < scan.shape[axis]})


def cut_slice(
    scan: Scan, mask: np.ndarray, classes: np.ndarray, axis: int, index: int
) -> tuple[Scan, np.ndarray, np.ndarray]:
    """Cut one slice out of a labelled scan.

    Parameters
    ----------
    scan : Scan
    mask : ndarray of bool, shape (I, J, K)
        The brain.
    classes : ndarray of uint8, shape (I, J, K)
        Class index of each voxel.
    axis, index : int
        Which slice.

    Returns
    -------
    scan, mask, classes
        Of the slice; one axis has length 1.

    Raises
    ------
    InputError
        The slice shows nothing.
    """
    return slice_of(scan, axis, index), mask.take([index], axis), classes.take([index], axis)
