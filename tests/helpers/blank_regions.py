"""Regions of a brain in which nothing is seen, for tests."""

from __future__ import annotations

import numpy as np
import torch

from src_core.space.bias import find_bias_field
from src_core.space.intensity import IntensityScale
from src_core.space.points import BrainPoints
from src_core.space.regions import Regions
from src_core.space.seen import SEEN


def regions_of(mask: np.ndarray, voxel_size: tuple[float, float, float] = (1, 1, 1)) -> Regions:
    """Regions of the brain that a mask tells, with voxels of so many mm."""
    indices = np.argwhere(mask).astype(np.int16)
    points = BrainPoints(
        torch.from_numpy(indices),
        torch.eye(4),
        torch.zeros(len(indices), SEEN, dtype=torch.float16),
        IntensityScale((0.0, 1.0), (0.0, 1.0)),
        find_bias_field(indices, np.ones(len(indices))),
    )
    return Regions(points, mask.shape, np.array(voxel_size, float))
