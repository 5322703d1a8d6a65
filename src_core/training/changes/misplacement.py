"""Scans that lie wrongly, as after an alignment that has failed a little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

if TYPE_CHECKING:
    from src_core.training.changes.settings import AugmentSettings


def misplacement(
    middle: np.ndarray, settings: AugmentSettings, random: np.random.Generator
) -> np.ndarray:
    """Random affine about a point, shape (4, 4), world mm to world mm.

    Parameters
    ----------
    middle : ndarray, shape (3,)
        The middle of the brain, world mm.
    settings : AugmentSettings
    random : Generator
    """

    def error(largest: float) -> np.ndarray:
        return np.clip(random.normal(0, largest / 3, 3), -largest, largest)

    turn = Rotation.from_rotvec(error(settings.turn), degrees=True).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag(1 + error(settings.stretch))
    matrix[:3, 3] = middle - matrix[:3, :3] @ middle + error(settings.shift)
    return matrix
