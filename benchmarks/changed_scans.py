"""A scan as it might also have come: moved, thicker, stripped differently, with other intensities.

Every change is the same each time it is made, so that models can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from nibabel.affines import apply_affine, from_matvec
from scipy import ndimage
from scipy.spatial.transform import Rotation

from src_core.datasets.mapping import IGNORED
from src_core.io.scan import Scan, scan_from_array

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TURN = 15.0
"""Degrees."""
SHIFT = 15.0
"""mm."""
THICK = 3
"""Voxels that become one along the body's axis."""


@dataclass(frozen=True, eq=False)
class Original:
    """A stripped scan, its brain, and the class of each voxel, all of shape (I, J, K)."""

    scan: Scan
    mask: np.ndarray
    classes: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        """Of the brain, world mm."""
        centre: np.ndarray = apply_affine(self.scan.affine, np.argwhere(self.mask).mean(axis=0))
        return centre


@dataclass(frozen=True, eq=False)
class Changed:
    """What became of it.

    Attributes
    ----------
    scan : Scan
    classes : ndarray of uint8
        Class of each voxel of `scan`, `IGNORED` where it is not scored.
    counterpart : ndarray of uint8, optional
        On what the labels of the unchanged scan are scored for comparison, if not on all voxels.
    """

    scan: Scan
    classes: np.ndarray
    counterpart: np.ndarray | None = None


@dataclass(frozen=True)
class Change:
    """A change, and the loss of mean foreground Dice that is allowed and aimed at."""

    make: Callable[[Original], Changed]
    must: float | None
    aim: float | None


def _move(original: Original, axis: int) -> np.ndarray:
    """Turn the head about a world axis through its centre and push it along the same: 4x4."""
    direction = np.eye(3)[axis]
    turn = Rotation.from_rotvec(TURN * direction, degrees=True).as_matrix()
    shift = original.centre - turn @ original.centre + SHIFT * direction
    moved: np.ndarray = from_matvec(turn, shift)
    return moved


def _moved_header(original: Original, axis: int) -> Changed:
    affine = _move(original, axis) @ original.scan.affine
    return Changed(scan_from_array(original.scan.voxels, affine), original.classes)


def _moved_voxels(original: Original, axis: int) -> Changed:
    return _resampled(original, _move(original, axis))


def _shifted_half_a_voxel(original: Original) -> Changed:
    half = original.scan.affine[:3, :3] @ np.full(3, 0.5)
    return _resampled(original, from_matvec(np.eye(3), half))


def _resampled(original: Original, move: np.ndarray) -> Changed:
    """The head moved in the scanner: intensities linear, labels nearest, on as large a grid."""
    scan = original.scan
    there = np.linalg.inv(scan.affine) @ move @ scan.affine
    corners = np.argwhere(np.ones((2, 2, 2))) * (np.array(scan.shape) - 1)
    found = apply_affine(there, corners)
    low, high = np.floor(found.min(axis=0)).astype(int), np.ceil(found.max(axis=0)).astype(int)
    first = from_matvec(np.eye(3), low)
    back = np.linalg.inv(there) @ first
    shape = tuple(high - low + 1)
    voxels = ndimage.affine_transform(scan.voxels, back, output_shape=shape, order=1)
    classes = ndimage.affine_transform(original.classes, back, output_shape=shape, order=0)
    return Changed(scan_from_array(voxels, scan.affine @ first), classes)


def _thick_slices(original: Original) -> Changed:
    """Axial slices of `THICK` voxels: means of the intensities, majority of the labels."""
    scan = original.scan
    axis = scan.axis_along("SI")
    count = scan.shape[axis] // THICK

    def blocks(values: np.ndarray) -> np.ndarray:
        values = np.moveaxis(values, axis, -1)[..., : count * THICK]
        return values.reshape(*values.shape[:2], count, THICK)

    below, middle, above = np.moveaxis(blocks(original.classes), -1, 0)
    majority = np.where(below == above, below, middle)
    scale = np.eye(4)
    scale[axis, axis], scale[axis, 3] = THICK, (THICK - 1) / 2
    voxels = np.moveaxis(blocks(scan.voxels).mean(axis=-1), -1, axis)
    return Changed(
        scan_from_array(voxels, scan.affine @ scale),
        np.ascontiguousarray(np.moveaxis(majority, -1, axis)),
    )


def _smooth(shape: tuple[int, ...], width: float, seed: int) -> np.ndarray:
    """A smooth field of mean 0 and standard deviation 1; `width` in voxels."""
    noise = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    field = ndimage.gaussian_filter(noise, width)
    standard: np.ndarray = (field - field.mean()) / field.std()
    return standard


def _looser_mask(original: Original, millimetres: float = 2.0) -> Changed:
    """A rim of dark fluid, a sixth of it as bright as meninges."""
    scan, mask = original.scan, original.mask
    outward = ndimage.distance_transform_edt(~mask, sampling=scan.voxel_size)
    rim = (outward > 0) & (outward <= millimetres)
    dark, bright = np.percentile(scan.voxels[mask], (1, 98))
    fluid = 0.2 + 0.05 * _smooth(scan.shape, 4, seed=1) + 0.04 * _smooth(scan.shape, 0.5, seed=2)
    meninges = _smooth(scan.shape, 3, seed=3) > 1
    filling = np.clip(np.where(meninges, fluid + 0.55, fluid), 0.02, None)
    voxels = np.where(rim, dark + (bright - dark) * filling, np.where(mask, scan.voxels, 0))
    return _scored_within(original, voxels, mask)


def _tighter_mask(original: Original, millimetres: float = 1.0) -> Changed:
    scan = original.scan
    inward = ndimage.distance_transform_edt(original.mask, sampling=scan.voxel_size)
    kept = inward > millimetres
    return _scored_within(original, np.where(kept, scan.voxels, 0), kept)


def _scored_within(original: Original, voxels: np.ndarray, both: np.ndarray) -> Changed:
    """Score this scan and the unchanged one on the voxels that are brain in both."""
    classes = np.where(both, original.classes, IGNORED).astype(np.uint8)
    return Changed(scan_from_array(voxels, original.scan.affine), classes, classes)


def _with_intensities(original: Original, voxels: np.ndarray) -> Changed:
    inside = np.where(original.mask, voxels, 0)
    return Changed(scan_from_array(inside, original.scan.affine), original.classes)


def _gamma(original: Original, gamma: float) -> Changed:
    voxels = np.clip(original.scan.voxels, 0, None)
    brightest = np.percentile(voxels[original.mask], 99)
    return _with_intensities(original, brightest * (voxels / brightest) ** gamma)


def _bias_field(original: Original, amplitude: float = 0.3) -> Changed:
    """Brighter in the middle and to one corner; exactly +-`amplitude` within the brain."""
    index = np.argwhere(original.mask)
    low, high = index.min(axis=0), index.max(axis=0)
    axes = [
        2 * (np.arange(count) - first) / (last - first) - 1
        for count, first, last in zip(original.scan.shape, low, high, strict=True)
    ]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    field = x + 0.7 * y - 0.5 * z - x**2 - y**2 - z**2
    darkest, brightest = field[original.mask].min(), field[original.mask].max()
    field = 2 * (field - darkest) / (brightest - darkest) - 1
    return _with_intensities(original, original.scan.voxels * (1 + amplitude * field))


def _noise(original: Original, share: float = 0.05) -> Changed:
    """Normal noise; a magnitude image has no negative values."""
    voxels = original.scan.voxels
    noise = np.random.default_rng(0).standard_normal(voxels.shape, dtype=np.float32)
    deviation = share * np.percentile(voxels[original.mask], 99)
    return _with_intensities(original, np.abs(voxels + deviation * noise))


def _stored_otherwise(original: Original) -> Changed:
    """Axes in another order and all reversed; every voxel stays where it is in the world."""
    scan = original.scan
    order = (2, 0, 1)
    step = -np.eye(4)[[*order, 3]].T
    step[3, 3] = 1
    step[list(order), 3] = [scan.shape[axis] - 1 for axis in order]

    def turned(values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(values.transpose(order)[::-1, ::-1, ::-1])

    return Changed(
        scan_from_array(turned(scan.voxels), scan.affine @ step), turned(original.classes)
    )


_MOVED = {"must": 0.02, "aim": 0.005}
CHANGES: Mapping[str, Change] = {
    **{
        f"header rotated 15 degrees about {name}, shifted 15 mm": Change(
            partial(_moved_header, axis=axis), **_MOVED
        )
        for axis, name in enumerate("xyz")
    },
    **{
        f"voxels rotated 15 degrees about {name}, shifted 15 mm": Change(
            partial(_moved_voxels, axis=axis), **_MOVED
        )
        for axis, name in enumerate("xyz")
    },
    "voxels shifted by half a voxel: what resampling alone costs": Change(
        _shifted_half_a_voxel, None, None
    ),
    "axial slices of 3 voxels (1x1x3 mm)": Change(_thick_slices, 0.04, 0.015),
    "mask 2 mm looser": Change(_looser_mask, 0.02, 0.005),
    "mask 1 mm tighter": Change(_tighter_mask, 0.02, 0.005),
    "gamma 0.7": Change(partial(_gamma, gamma=0.7), 0.02, 0.005),
    "gamma 1.5": Change(partial(_gamma, gamma=1.5), 0.02, 0.005),
    "bias field of +-30 %": Change(_bias_field, 0.02, 0.005),
    "noise of 5 %": Change(_noise, 0.02, 0.005),
    "another storage order": Change(_stored_otherwise, None, None),
}
"""Every change by its name."""
