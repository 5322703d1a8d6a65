"""What was painted on labels, and how far it may reach."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

Locality = Literal["here", "structure", "everywhere"]

REACH: Mapping[Locality, float] = {"here": 8.0, "structure": 25.0, "everywhere": math.inf}
"""Distance in mm, in template space, at which the effect of a stroke has fallen to 61 %."""


@dataclass(frozen=True, eq=False)
class Stroke:
    """Voxels that were painted together.

    Attributes
    ----------
    voxels : ndarray of int, shape (n, 3)
        Voxel indices of the scan, each once; they may lie outside the brain mask.
    labels : ndarray of int, shape (n,)
        Label ids of the protocol that the network was trained for, or of a structure that was
        added; 0 is background.
    locality : {"here", "structure", "everywhere"}
        How far it may reach.
    """

    voxels: np.ndarray
    labels: np.ndarray
    locality: Locality = "structure"
