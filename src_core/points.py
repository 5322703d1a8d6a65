"""The scan as points: where each brain voxel lies in template space, and what is seen there."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from src_core.intensity import IntensityRule, IntensityScale
from src_core.scan import Scan

BLURS = (0.0, 1.0, 2.0, 4.0)
"""Gaussian sigmas of the scan's intensities that are seen at a point, mm."""
GRADIENT_BLURS = (1.0, 2.0)
"""Sigmas at which the gradient is seen, mm; must be among `BLURS`."""
GRADIENT_SCALE = 5.0
"""Gradients are given per this many mm, which makes them about as large as intensities."""
SEEN = len(BLURS) + 3 * len(GRADIENT_BLURS)
"""Numbers seen at a point: intensities per blur, then gradients along the template's axes."""


@dataclass(frozen=True, eq=False)
class Points:
    """Some points of a scan, ready for a network.

    Attributes
    ----------
    positions : Tensor, shape (N, 3)
        Template mm after the alignment, before any warp.
    seen : Tensor, shape (N, SEEN)
        Normalised intensities at `BLURS`, then gradients at `GRADIENT_BLURS`.
    """

    positions: Tensor
    seen: Tensor

    def __len__(self) -> int:
        return len(self.positions)

    def split(self, size: int) -> list["Points"]:
        """Consecutive pieces of at most `size` points."""
        pieces = zip(self.positions.split(size), self.seen.split(size), strict=True)
        return [Points(positions, seen) for positions, seen in pieces]


@dataclass(frozen=True, eq=False)
class BrainPoints:
    """All brain voxels of a scan.

    Attributes
    ----------
    indices : Tensor, shape (N, 3), int16
        Voxel indices, in the order of ``numpy.nonzero(mask)``.
    to_template : Tensor, shape (4, 4)
        Voxel index -> template mm.
    seen : Tensor, shape (N, SEEN), float16
        What is seen at each voxel; see `Points`.
    scale : IntensityScale
        The way back to the scan's own intensities.
    """

    indices: Tensor
    to_template: Tensor
    seen: Tensor
    scale: IntensityScale

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, which: Tensor | slice) -> Points:
        """The points with the given numbers, shape (n,), or in a slice of them."""
        index = self.indices[which].float()
        positions = index @ self.to_template[:3, :3].T + self.to_template[:3, 3]
        return Points(positions, self.seen[which].float())

    def to(self, device: torch.device) -> "BrainPoints":
        """The same points on another device."""
        return BrainPoints(
            self.indices.to(device), self.to_template.to(device), self.seen.to(device), self.scale
        )


@dataclass(frozen=True, eq=False)
class Sight:
    """What is seen at the brain voxels, before their place in template space is known.

    Attributes
    ----------
    indices : ndarray, shape (N, 3), int16
        Voxel indices, in the order of ``numpy.nonzero(mask)``.
    seen : ndarray, shape (N, SEEN), float16
        As in `Points`, but gradients are per voxel and along the axes of the grid.
    scale : IntensityScale
    """

    indices: np.ndarray
    seen: np.ndarray
    scale: IntensityScale

    def points(self, to_template: np.ndarray) -> BrainPoints:
        """The points at their place; they take over the array of what is seen.

        Parameters
        ----------
        to_template : ndarray, shape (4, 4)
            Voxel index -> template mm.
        """
        # A gradient turns with the inverse transpose of the map of positions.
        turn = GRADIENT_SCALE * np.linalg.inv(to_template[:3, :3]).astype(np.float32)
        for column in range(len(BLURS), SEEN, 3):
            gradient = self.seen[:, column : column + 3]
            gradient[:] = gradient.astype(np.float32) @ turn
        return BrainPoints(
            torch.from_numpy(self.indices),
            torch.from_numpy(to_template).float(),
            torch.from_numpy(self.seen),
            self.scale,
        )


def brain_points(
    scan: Scan, mask: np.ndarray, alignment: np.ndarray, rule: IntensityRule
) -> BrainPoints:
    """See the scan at every brain voxel, from a known place.

    Parameters
    ----------
    scan, mask, rule
        As in `see`.
    alignment : ndarray, shape (4, 4)
        World mm -> template mm.

    Returns
    -------
    BrainPoints
    """
    return see(scan, mask, rule).points(alignment @ scan.affine)


def see(scan: Scan, mask: np.ndarray, rule: IntensityRule) -> Sight:
    """Blurred intensities and gradients at every brain voxel.

    Parameters
    ----------
    scan : Scan
        Across a single slice nothing is blurred and nothing rises.
    mask : ndarray of bool, shape (I, J, K)
        The brain. Voxels outside count as empty.
    rule : IntensityRule
        The model's.

    Returns
    -------
    Sight
    """
    indices = np.stack([axis.astype(np.int16) for axis in np.nonzero(mask)], axis=1)
    low, high = indices.min(0), indices.max(0) + 1
    # One empty voxel around the box, so that each brain voxel has neighbours.
    inside = np.pad(mask[tuple(map(slice, low, high))], 1)
    values = scan.voxels[mask]
    scale = rule.fit(values)
    picture = np.zeros(inside.shape, np.float32)
    picture[inside] = scale.normalise(values)
    where = np.flatnonzero(inside)
    strides = np.array(inside.strides) // inside.itemsize
    widths = np.where(np.array(scan.shape) > 1, 1 / scan.voxel_size, 0)
    seen = np.zeros((len(where), SEEN), np.float16)

    for place, sigma in enumerate(BLURS):
        blurred = picture
        if sigma:
            blurred = ndimage.gaussian_filter(
                picture, sigma * widths, mode="constant", truncate=3.0
            )
        flat = blurred.ravel()
        # take, unlike indexing with [], lets other threads work meanwhile
        seen[:, place] = flat.take(where, mode="clip")
        if sigma in GRADIENT_BLURS:
            column = len(BLURS) + 3 * GRADIENT_BLURS.index(sigma)
            for axis in np.flatnonzero(widths):
                step = strides[axis]
                ahead = flat.take(where + step, mode="clip")
                seen[:, column + axis] = (ahead - flat.take(where - step, mode="clip")) / 2
    return Sight(indices, seen, scale)
