"""Scans on the grid that convolutions need: 1 mm, axes to the right, anterior, superior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from torch import Tensor

from src_core.space.template import sample_grid

if TYPE_CHECKING:
    from src_core.io.scan import Scan

_RAS = np.array([[0, 1], [1, 1], [2, 1]])
_PIECE = 2**18


@dataclass(frozen=True, eq=False)
class Grid:
    """The brain of a scan on a regular grid, and the way back.

    Attributes
    ----------
    brain : ndarray of bool, shape (I, J, K)
        On the scan's own grid.
    orientation : ndarray, shape (3, 2)
        Of the scan's axes, as nibabel has it.
    voxel_size : ndarray, shape (3,)
        Of the scan, mm, in the order right, anterior, superior.
    low : ndarray, shape (3,)
        Corner of the brain's box, in voxels of the turned scan.
    shape : tuple of 3 int
        Of the regular grid.
    """

    brain: np.ndarray
    orientation: np.ndarray
    voxel_size: np.ndarray
    low: np.ndarray
    shape: tuple[int, ...]

    @classmethod
    def of(cls, scan: Scan, brain: np.ndarray) -> Grid:
        """The regular grid about the brain of a scan."""
        orientation = io_orientation(scan.affine)
        size = np.empty(3)
        size[orientation[:, 0].astype(int)] = scan.voxel_size
        turned = np.argwhere(apply_orientation(brain, orientation))
        low, high = turned.min(0), turned.max(0)
        shape = np.floor((high - low) * size + 1e-3).astype(int) + 1
        return cls(brain, orientation, size, low, tuple(shape.tolist()))

    def image(self, scan: Scan) -> Tensor:
        """Intensities, 0 outside the brain and about 0 to 1 inside, shape (1, *shape)."""
        values = np.where(self.brain, scan.voxels, np.float32(0))
        values /= np.quantile(scan.voxels[self.brain], 0.98)
        turned = torch.from_numpy(self._turned(values))[None]
        positions = self._positions()
        parts = [sample_grid(turned, piece) for piece in positions.split(_PIECE)]
        return torch.cat(parts).T.reshape(1, *self.shape)

    def classes(self, classes: np.ndarray, outside: int) -> Tensor:
        """Classes (I, J, K) by the nearest voxel, `outside` where no brain is, shape `shape`."""
        turned = self._turned(np.where(self.brain, classes, np.uint8(outside)))
        nearest = self._positions().round().long().unbind(1)
        return torch.from_numpy(turned)[nearest].reshape(self.shape)

    def back(self, scores: Tensor) -> np.ndarray:
        """Classes (I, J, K) of the scan's brain voxels from scores (C, *shape) on the grid."""
        turned = apply_orientation(self.brain, self.orientation)
        indices = torch.from_numpy(np.argwhere(turned) - self.low)
        places = (indices * torch.from_numpy(self.voxel_size)).float()
        found = [sample_grid(scores, piece, "border").argmax(1) for piece in places.split(_PIECE)]
        classes = np.zeros(turned.shape, np.uint8)
        classes[turned] = torch.cat(found).numpy()
        back: np.ndarray = apply_orientation(classes, ornt_transform(_RAS, self.orientation))
        return back

    def _turned(self, values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(apply_orientation(values, self.orientation))

    def _positions(self) -> Tensor:
        """Index in the turned scan of each voxel of the grid, shape (N, 3)."""
        axes = [
            torch.arange(n) / float(size) + int(low)
            for n, size, low in zip(self.shape, self.voxel_size, self.low, strict=True)
        ]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
