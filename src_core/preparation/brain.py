"""Find the brain of a skull-stripped scan, and notice a scan that still has its skull."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from src_core.errors import InputError

if TYPE_CHECKING:
    from src_core.io.scan import Scan

_L_PER_MM3 = 1e-6
_CM2_PER_MM2 = 1e-2
# The largest brains with their fluid stay below 2.3 L and 230 cm2 in section; the head of an adult
# fills 2.6 L or more, down to the neck 4 L, and most of its sections through the brain 270 cm2.
_LARGEST_BRAIN_L = 2.3
_LARGEST_SECTION_CM2 = 260
# Share of the brightness range within which a voxel still counts as background: interpolation after
# stripping leaves a faint ripple, while the noise of air is several times stronger.
_BACKGROUND_TOLERANCE = 0.01
_SMALLEST_PART = 0.01
_SURROUNDINGS = 3.0
"""mm around voxels that a mask grows by."""


@dataclass(frozen=True, eq=False)
class Brain:
    """Which voxels are brain, and who says so.

    Attributes
    ----------
    mask : ndarray of bool, shape (I, J, K)
    origin : str
        "given", "stripped", or the name and version of the program that found it.
    found : bool
        Whether a program found it.
    """

    mask: np.ndarray
    origin: str
    found: bool = False


class NotStripped(InputError):
    """A scan still shows its skull, and no mask says where the brain is.

    Attributes
    ----------
    finding : str
        What is wrong, without what to do.
    """

    def __init__(self, finding: str):
        self.finding = finding
        super().__init__(
            f"{finding}; strip it first, for example with SynthStrip or HD-BET, or give a brain"
            " mask"
        )


def brain_mask(
    scan: Scan, mask: np.ndarray | None = None, *, known_stripped: bool = False
) -> np.ndarray:
    """Return which voxels are brain.

    Without a mask, these are the voxels that differ from the constant background of a
    skull-stripped scan, without specks, and with what they enclose (stripping may set fluid to 0).
    A head is told from a brain by its size and by noise around it, which can fail in a single slice
    near the end of a head.

    Parameters
    ----------
    scan : Scan
    mask : ndarray, shape (I, J, K), optional
        Brain where above 0, taken as it is.
    known_stripped : bool
        Take what differs from the background, however large it is.

    Returns
    -------
    ndarray of bool, shape (I, J, K)

    Raises
    ------
    NotStripped
        If the scan is not skull-stripped and no mask is given.
    InputError
        If the mask is empty or has another shape.
    """
    if mask is not None:
        return _checked_mask(mask, scan)
    foreground = _differs_from_background(scan)
    box = _bounding_box(foreground)
    brain = np.zeros(scan.shape, dtype=bool)
    brain[box] = _without_specks_and_holes(foreground[box])
    if not known_stripped:
        _refuse_head(brain, scan)
    return brain


def _checked_mask(mask: np.ndarray, scan: Scan) -> np.ndarray:
    if mask.shape != scan.shape:
        raise InputError(
            f"the mask has shape {mask.shape}, the scan {scan.shape}; give one on its grid"
        )
    brain = mask > 0
    if not brain.any():
        raise InputError("the mask is empty; give one that is above 0 inside the brain")
    return brain


def _differs_from_background(scan: Scan) -> np.ndarray:
    """Compare with the commonest value on the scan's outer faces, which must cover most of them."""
    voxels = scan.voxels
    faces = [
        voxels.take(index, axis)
        for axis, n in enumerate(scan.shape)
        if n > 1
        for index in (0, n - 1)
    ]
    values, counts = np.unique(np.concatenate([face.ravel() for face in faces]), return_counts=True)
    background = values[counts.argmax()]
    brightness = np.percentile(np.abs(voxels[voxels != background] - background), 99)
    tolerance = _BACKGROUND_TOLERANCE * brightness
    covered = [np.mean(np.abs(face - background) <= tolerance) for face in faces]
    if np.median(covered) < 0.5:
        raise _not_stripped(scan, "its borders are not an even background")
    foreground: np.ndarray = voxels > background + tolerance
    foreground |= voxels < background - tolerance
    return foreground


def _bounding_box(foreground: np.ndarray) -> tuple[slice, ...]:
    box: tuple[slice, ...] = ndimage.find_objects(foreground.view(np.int8))[0]
    return box


def _without_specks_and_holes(foreground: np.ndarray) -> np.ndarray:
    """Drop the parts below 1 % of the largest one, then fill what the rest encloses."""
    brain = foreground.squeeze()  # in a slice, a hole is what is enclosed in its plane
    parts, n_parts = ndimage.label(brain)
    # plane by plane, because bincount widens its input to 64 bits
    sizes = np.zeros(n_parts + 1, dtype=np.int64)
    for plane in parts:
        sizes += np.bincount(plane.ravel(), minlength=n_parts + 1)
    sizes[0] = 0
    # one brain may come in pieces: temporal lobes in a coronal slice, a cerebellum cut off below
    brain = (sizes >= _SMALLEST_PART * sizes.max())[parts]
    del parts
    around, _ = ndimage.label(np.pad(~brain, 1, constant_values=True))
    enclosed = around[(slice(1, -1),) * brain.ndim] != around.flat[0]
    whole: np.ndarray = brain | enclosed
    return whole.reshape(foreground.shape)


def _refuse_head(brain: np.ndarray, scan: Scan) -> None:
    """Raise if the mask is too large for a brain."""
    volume = np.count_nonzero(brain) * scan.voxel_volume * _L_PER_MM3
    if volume > _LARGEST_BRAIN_L:
        raise _not_stripped(scan, f"{volume:.1f} L are too much for a brain")
    # a slice or a slab shows a head by the size of its sections
    for axis, thickness in enumerate(scan.voxel_size):
        others = tuple(other for other in range(3) if other != axis)
        n_voxels = np.count_nonzero(brain, axis=others).max()
        section = n_voxels * scan.voxel_volume / thickness * _CM2_PER_MM2
        if section > _LARGEST_SECTION_CM2:
            raise _not_stripped(scan, f"{section:.0f} cm2 are too much for a section of a brain")


def _not_stripped(scan: Scan, reason: str) -> NotStripped:
    return NotStripped(f"{scan.path or 'the scan'} is not skull-stripped ({reason})")


def with_surroundings(mask: np.ndarray, voxels: np.ndarray, voxel_size: np.ndarray) -> np.ndarray:
    """A mask, shape (I, J, K), with voxels (n, 3) and 3 mm around them; voxel sizes (3,) in mm."""
    grown = mask.copy()
    if not len(voxels):
        return grown
    margin = np.ceil(_SURROUNDINGS / np.asarray(voxel_size)).astype(int)
    low = np.maximum(voxels.min(0) - margin, 0)
    high = np.minimum(voxels.max(0) + margin + 1, mask.shape)
    elsewhere = np.ones(high - low, bool)
    elsewhere[tuple((voxels - low).T)] = False
    away = ndimage.distance_transform_edt(elsewhere, sampling=voxel_size)
    grown[tuple(map(slice, low, high))] |= away <= _SURROUNDINGS
    return grown
