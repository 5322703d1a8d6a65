"""A picture of a scan to judge its labels by: three planes with the outlines of the structures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from src_core.io.files import complete_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from src_core.io.labels import Structure
    from src_core.io.scan import Scan

HEIGHT = 240
"""Of the picture, in pixels."""
_MARGIN_MM = 8.0
# Beside the middle, where a sagittal plane shows the ventricles and deep grey matter.
_SAGITTAL_MM = 14.0
_QUALITY = 82
_UNKNOWN = (200, 200, 200)


def write_picture(
    scan: Scan,
    labels: np.ndarray,
    mask: np.ndarray,
    structures: Sequence[Structure],
    path: Path,
) -> None:
    """Write an axial, a coronal and a sagittal plane side by side, left at the left.

    Parameters
    ----------
    scan : Scan
    labels : ndarray of int, shape (I, J, K)
        Label ids.
    mask : ndarray of bool, shape (I, J, K)
        The brain.
    structures : sequence of Structure
        Colours of the outlines; grey for labels that have none.
    path : Path
        ``.jpg`` file; replaced if it is there.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    known = {structure.id: structure.color for structure in structures}
    ids = np.unique([0, *np.unique(labels)])
    labels = np.searchsorted(ids, labels)
    colors = np.array([known.get(int(label), _UNKNOWN) for label in ids], np.uint8)
    turns = nib.orientations.io_orientation(scan.affine)
    upright = [
        nib.orientations.apply_orientation(one, turns) for one in (scan.voxels, labels, mask)
    ]
    sizes = np.empty(3)
    sizes[turns[:, 0].astype(int)] = scan.voxel_size
    with complete_files([path], overwrite=True) as (file,):
        _picture(upright, sizes, colors).save(file, quality=_QUALITY)


def _picture(upright: list[np.ndarray], sizes: np.ndarray, colors: np.ndarray) -> Any:
    """Planes of a scan, its labels and its mask, whose axes point to the right, front and top."""
    from PIL import Image

    voxels, labels, mask = upright
    grey = _grey(voxels, mask)
    found = np.argwhere(mask)
    centre = np.rint(found.mean(axis=0)).astype(int)
    centre[0] = max(0, centre[0] - round(_SAGITTAL_MM / sizes[0])) if mask.shape[0] > 1 else 0
    margin = np.ceil(_MARGIN_MM / sizes).astype(int)
    low = np.maximum(found.min(axis=0) - margin, 0)
    high = np.minimum(found.max(axis=0) + margin + 1, mask.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    # Of a single slice only its own plane is a picture.
    planes = [
        _plane(grey[box], labels[box], int(centre[axis] - low[axis]), axis, sizes, colors)
        for axis in (2, 1, 0)
        if 1 not in np.delete(mask.shape, axis)
    ]
    return Image.fromarray(np.concatenate(planes, axis=1))


def _grey(voxels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    low, high = np.percentile(voxels[mask], (1, 99.5))
    scaled = (voxels - min(0.0, low)) / max(high - min(0.0, low), 1e-12)
    grey: np.ndarray = (255 * scaled.clip(0, 1)).astype(np.uint8)
    return grey


def _plane(
    grey: np.ndarray,
    labels: np.ndarray,
    index: int,
    axis: int,
    sizes: np.ndarray,
    colors: np.ndarray,
) -> np.ndarray:
    """One plane as (HEIGHT, width, 3), with lines where labels change."""
    from PIL import Image

    across, up = np.delete(sizes, axis)
    shown, told = (np.take(one, index, axis).T[::-1] for one in (grey, labels))
    rows, columns = shown.shape
    width = max(1, round(HEIGHT * columns * across / (rows * up)))
    large = Image.fromarray(np.ascontiguousarray(shown)).resize(
        (width, HEIGHT), Image.Resampling.BICUBIC
    )
    picture = np.repeat(np.asarray(large)[:, :, np.newaxis], 3, axis=2).copy()
    # Nearest neighbours for a picture alone: the label map itself is never resampled.
    told = told[np.arange(HEIGHT) * rows // HEIGHT][:, np.arange(width) * columns // width]
    edge = np.zeros(told.shape, bool)
    edge[:-1] |= told[:-1] != told[1:]
    edge[:, :-1] |= told[:, :-1] != told[:, 1:]
    # On an edge to the background the line has the structure's colour.
    beside = np.maximum(told, np.maximum(np.roll(told, -1, 0), np.roll(told, -1, 1)))
    picture[edge] = colors[np.where(told > 0, told, beside)[edge]]
    return picture
