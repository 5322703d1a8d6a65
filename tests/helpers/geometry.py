"""Write one scan as every variant of geometry and storage that real files come in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, from_matvec
from nibabel.orientations import axcodes2ornt, inv_ornt_aff
from scipy import ndimage
from scipy.spatial.transform import Rotation

if TYPE_CHECKING:
    from pathlib import Path

ORIENTATIONS = ("RAS", "LAS", "LPI", "LIA", "PSR")
TILTS = ("straight", "oblique", "sheared")
VOXEL_SIZES = ((1, 1, 1), (1, 1, 3))
FORMS = ("sform", "qform", "both")
STORAGES = ("int16 with slope", "float64 with NaN", "trailing axis")

OBLIQUE = Rotation.from_rotvec(17 * np.array([2, -1, 2]) / 3, degrees=True).as_matrix()
# the gantry of a CT scanner or a slanted slab: slices shift along y as they go up
SHEARED = np.array([[1, 0, 0], [0, 1, math.tan(math.radians(12))], [0, 0, 1]])
MARGIN_MM = 8
N_NAN = 20


@dataclass(frozen=True)
class Variant:
    """One way to store a scan: axes, tilt of the grid, voxel size in mm, forms and data type."""

    orientation: str
    tilt: str
    voxel_size: tuple[int, int, int]
    forms: str
    storage: str

    def __str__(self) -> str:
        size = "x".join(map(str, self.voxel_size))
        words = (self.orientation, self.tilt, size, self.forms, self.storage)
        return "-".join(words).replace(" ", "_")


def variants() -> list[Variant]:
    """Return all variants but the impossible: a qform alone cannot hold a shear."""
    every = product(ORIENTATIONS, TILTS, VOXEL_SIZES, FORMS, STORAGES)
    return [
        variant
        for variant in (Variant(*values) for values in every)
        if (variant.tilt, variant.forms) != ("sheared", "qform")
    ]


def resample(
    voxels: np.ndarray, affine: np.ndarray, variant: Variant
) -> tuple[np.ndarray, np.ndarray]:
    """Sample a scan on the variant's grid; the anatomy stays where it is in world space.

    Thick voxels are means over their thickness, as in a real thick slice.

    Parameters
    ----------
    voxels : ndarray, (I, J, K)
        Intensities on a background of 0.
    affine : ndarray, (4, 4)
        Voxel index to world mm.
    variant : Variant

    Returns
    -------
    tuple of ndarray
        The resampled voxels (float32) and their affine.
    """
    tilt = {"straight": np.eye(3), "oblique": OBLIQUE, "sheared": SHEARED}[variant.tilt]
    # columns: directions of the variant's axes in the world, 1 mm apart
    order = inv_ornt_aff(axcodes2ornt(tuple(variant.orientation)), (1, 1, 1))[:3, :3]
    directions = tilt @ order.T
    brain = apply_affine(affine, np.argwhere(voxels)) @ np.linalg.inv(directions).T
    start = np.floor(brain.min(axis=0) - MARGIN_MM)
    n_fine = np.ceil(brain.max(axis=0) + MARGIN_MM) - start + 1
    shape = np.ceil(n_fine / variant.voxel_size).astype(int)
    fine = from_matvec(directions, directions @ start)
    sampled = ndimage.affine_transform(
        voxels.astype(np.float32),
        np.linalg.inv(affine) @ fine,
        output_shape=tuple(shape * variant.voxel_size),
        order=1,
    )
    for axis, n_fine_voxels in enumerate(variant.voxel_size):
        blocks = (*sampled.shape[:axis], -1, n_fine_voxels, *sampled.shape[axis + 1 :])
        sampled = sampled.reshape(blocks).mean(axis=axis + 1)
    size = np.array(variant.voxel_size)
    centre_of_first = (size - 1) / 2
    return sampled, fine @ from_matvec(np.diag(size), centre_of_first)


def write_variant(voxels: np.ndarray, affine: np.ndarray, variant: Variant, path: Path) -> Path:
    """Write a scan (intensities on a background of 0, and its affine) as one variant.

    Returns
    -------
    Path
        `path`, for convenience.
    """
    voxels, affine = resample(voxels, affine, variant)
    slope, intercept = 1.0, 0.0
    if variant.storage == "int16 with slope":
        # powers of two keep the background exactly 0
        slope = 2.0 ** math.ceil(math.log2(voxels.max() / 2**14))
        intercept = -32 * slope
        voxels = np.rint((voxels - intercept) / slope).astype(np.int16)
    elif variant.storage == "float64 with NaN":
        voxels = voxels.astype(np.float64)
        voxels.flat[np.random.default_rng(0).choice(voxels.size, N_NAN, replace=False)] = np.nan
    else:
        voxels = voxels[..., np.newaxis]
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_slope_inter(slope, intercept)
    image.set_qform(affine, int(variant.forms in ("qform", "both")))
    image.set_sform(affine, 2 * int(variant.forms in ("sform", "both")))
    image.to_filename(path)
    return path


def centroids(label_map: np.ndarray, affine: np.ndarray) -> dict[int, np.ndarray]:
    """Return the centre of each label in world mm, without background."""
    return {
        int(label): apply_affine(affine, np.argwhere(label_map == label).mean(axis=0))
        for label in np.unique(label_map)
        if label
    }
