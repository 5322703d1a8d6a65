"""The mean picture of a group of scans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from src_core.space.seen import BLURS
from src_core.space.template import TemplateImage


@dataclass(eq=False)
class GroupMean:
    """Running mean of what scans show at template positions.

    Parameters
    ----------
    box_low, box_high : tuple of 3 float
        Corners of the template box, mm.
    spacing : float
        mm.
    """

    box_low: tuple[float, float, float]
    box_high: tuple[float, float, float]
    spacing: float = 2.0

    def __post_init__(self) -> None:
        extent = np.subtract(self.box_high, self.box_low)
        self._shape = tuple((np.ceil(extent / self.spacing) + 1).astype(int).tolist())
        self._sums = torch.zeros(int(np.prod(self._shape)), len(BLURS))
        self._weights = torch.zeros(int(np.prod(self._shape)), 1)
        self._scans = 0

    def add(self, volume: float, positions: Tensor, intensities: Tensor) -> None:
        """Add one scan.

        Parameters
        ----------
        volume : float
            Template mm3 that each point stands for.
        positions : Tensor, shape (N, 3)
            Template mm of points drawn evenly from its brain.
        intensities : Tensor, shape (N, len(BLURS))
            Template-like intensities there.
        """
        shape = torch.tensor(self._shape)
        on_grid = (positions - torch.tensor(self.box_low)) / self.spacing
        corner = on_grid.floor()
        rest = on_grid - corner
        # Each point spreads over the 8 nodes around it.
        for offset in torch.cartesian_prod(*[torch.tensor([0, 1])] * 3):
            node = corner.long() + offset
            inside = ((node >= 0) & (node < shape)).all(1)
            weight = torch.where(offset.bool(), rest, 1 - rest).prod(1)[inside]
            weight = weight * (volume / self.spacing**3)
            number = (node[inside] * torch.tensor([shape[1] * shape[2], shape[2], 1])).sum(1)
            self._weights.index_add_(0, number, weight[:, None])
            self._sums.index_add_(0, number, weight[:, None] * intensities[inside])
        self._scans += 1

    def image(self) -> TemplateImage:
        """The mean picture; fades to zero where fewer than half of the scans have brain."""
        # A warp may thin the voxels out inside the brain: that is no reason to fade.
        share = (2 * self._weights / self._scans).clamp(max=1.0)
        mean = self._sums / self._weights.clamp(min=1e-3) * share
        return TemplateImage(mean.T.reshape(len(BLURS), *self._shape), self.box_low, self.spacing)
