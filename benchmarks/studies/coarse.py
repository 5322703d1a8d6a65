"""Scans with larger voxels, and pictures of them on the original ones."""

from __future__ import annotations

import numpy as np
import torch
from nibabel.affines import apply_affine

from benchmarks.studies.common import Case
from src_core.io.scan import Scan, scan_from_array
from src_core.space.template import sample_grid

_PIECE = 2**18


def every_second(case: Case) -> Case:
    """Every second voxel along each axis, and nothing of the others."""
    affine = case.scan.affine.copy()
    affine[:3, :3] *= 2
    some = (slice(None, None, 2),) * 3
    return Case(
        case.name,
        scan_from_array(case.scan.voxels[some], affine, case.name),
        case.brain[some],
        case.classes[some],
    )


def block_means(case: Case, factor: int) -> Case:
    """Means of blocks of voxels; the brain and the classes are those of most voxels of a block.

    What is left over at the far end of an axis is cut off.
    """
    affine = case.scan.affine.copy()
    affine[:3, 3] = apply_affine(affine, np.full(3, (factor - 1) / 2))
    affine[:3, :3] *= factor

    def blocks(values: np.ndarray) -> np.ndarray:
        kept = [n // factor for n in values.shape]
        cut = values[tuple(slice(n * factor) for n in kept)]
        split = cut.reshape(kept[0], factor, kept[1], factor, kept[2], factor)
        return split.transpose(0, 2, 4, 1, 3, 5).reshape(*kept, -1)

    brain = blocks(case.brain).mean(-1) >= 0.5
    voxels = blocks(np.where(case.brain, case.scan.voxels, np.float32(0))).mean(-1)
    most, classes = np.zeros(brain.shape), np.zeros(brain.shape, np.uint8)
    own = blocks(case.classes)
    for number in np.unique(case.classes):
        votes = np.count_nonzero(own == number, axis=-1)
        classes[votes > most] = number
        most = np.maximum(most, votes)
    scan = scan_from_array((voxels * brain).astype(np.float32), affine, case.name)
    return Case(case.name, scan, brain, classes)


def repeated(values: np.ndarray, factor: int, shape: tuple[int, ...]) -> np.ndarray:
    """Values of blocks at each of their voxels; 0 where blocks were cut off."""
    fine = values
    for axis in range(3):
        fine = fine.repeat(factor, axis)
    return np.pad(fine, [(0, n - own) for n, own in zip(shape, fine.shape, strict=True)])


def interpolated(values: np.ndarray, source: Scan, target: Scan) -> np.ndarray:
    """Trilinear interpolation of values on one scan's grid at the voxels of another.

    Parameters
    ----------
    values : ndarray, shape (I, J, K)
    source, target : Scan
        Whose grids these are.

    Returns
    -------
    ndarray of float32, shape of the target
    """
    matrix = np.linalg.inv(source.affine) @ target.affine
    indices = torch.from_numpy(np.indices(target.shape).reshape(3, -1).T.copy())
    grid = torch.from_numpy(values.astype(np.float32))[None]
    linear, shift = (torch.from_numpy(part) for part in (matrix[:3, :3].T, matrix[:3, 3]))
    parts = [
        sample_grid(grid, (piece.double() @ linear + shift).float(), "border")
        for piece in indices.split(_PIECE)
    ]
    return torch.cat(parts).reshape(target.shape).numpy()
