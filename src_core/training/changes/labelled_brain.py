"""The part of a scan that is changed: a box of voxels around the brain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

MARGIN = 8.0
"""What is changed reaches this far beyond the brain, mm."""


@dataclass(frozen=True, eq=False)
class LabelledBrain:
    """Voxels, mask and labels on one grid.

    Attributes
    ----------
    voxels : ndarray of float32, shape (I, J, K)
        Brightness, 0 to about 1; see `normalised`.
    mask : ndarray of bool, shape (I, J, K)
    labels : ndarray of int, shape (I, J, K)
    """

    voxels: np.ndarray
    mask: np.ndarray
    labels: np.ndarray


def box_around(mask: np.ndarray, margin: np.ndarray) -> tuple[slice, ...]:
    """The part of the grid that holds the mask, and `margin` voxels more where there are any.

    Parameters
    ----------
    mask : ndarray of bool
    margin : ndarray, shape (axes,)
    """
    (box,) = ndimage.find_objects(mask.view(np.uint8))
    wider = np.ceil(margin).astype(int)
    return tuple(
        slice(max(part.start - more, 0), part.stop + more)
        for part, more in zip(box, wider, strict=True)
    )


def normalised(voxels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Brightness 0 to about 1, float32; the brightest vessels are cut off."""
    low, high = np.quantile(voxels[mask], (0.001, 0.98))
    brightness: np.ndarray = np.clip((voxels - low) / max(high - low, 1e-6), 0, 1.5).astype(
        np.float32
    )
    return brightness
