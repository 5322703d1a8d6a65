"""A program that finds brains at once, and heads for it to look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from src_core.io.scan import Scan, scan_from_array

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class FakeExtractor:
    """Finds what it is told to find.

    Attributes
    ----------
    find : callable
        Voxels and affine of a head -> its brain.
    heads : list of tuple
        Shapes of the heads it has seen.
    """

    find: Callable[[np.ndarray, np.ndarray], np.ndarray]
    name: str = "deepbet"
    install: str = "pip install it"
    heads: list[tuple[int, ...]] = field(default_factory=list)

    def installed(self) -> bool:
        return True

    def describe(self) -> str:
        return "fake 1.0"

    def extract(self, voxels: np.ndarray, affine: np.ndarray, *, gpu: bool) -> np.ndarray:
        self.heads.append(voxels.shape)
        return self.find(voxels, affine)


def whole_head(brain: Scan) -> Scan:
    """The brain in its head: a gap of skull, a bright scalp, noise in the air around."""
    step = float(brain.voxel_size.min())
    mask = brain.voxels > 0
    distance = ndimage.distance_transform_edt(~mask) * step
    noise = np.random.default_rng(0).uniform(1, 4, mask.shape)
    scalp = (distance > 8) & (distance < 18)
    voxels = np.where(mask, brain.voxels, np.where(scalp, 150.0, 0.0)) + noise
    return scan_from_array(voxels, brain.affine)
