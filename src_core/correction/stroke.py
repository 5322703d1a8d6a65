"""What was painted on labels, and how far it may reach."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from src_core.io.protocols import granularities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src_core.io.labels import Protocol

Locality = Literal["here", "structure", "everywhere"]

REACH: Mapping[Locality, float] = {"here": 8.0, "structure": 15.0, "everywhere": math.inf}
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
    reach : float or ndarray, shape (n,)
        How far it may reach, mm; see `REACH`.
    """

    voxels: np.ndarray
    labels: np.ndarray
    reach: float | np.ndarray = REACH["structure"]

    @property
    def reaches(self) -> np.ndarray:
        """How far each of its voxels reaches, mm, shape (n,)."""
        return np.broadcast_to(np.asarray(self.reach, float), len(self.labels))

    def told_in(self, protocol: Protocol, own: Protocol) -> Stroke | None:
        """The same in a protocol that its own is merged to; None if it is not.

        What was painted as a structure that its own protocol lacks is left out.
        """
        merged = granularities(own).get(protocol.name)
        if merged is None:
            return None
        known = np.isin(self.labels, own.ids)
        labels = protocol.ids[merged[own.to_classes(self.labels[known])]]
        return Stroke(self.voxels[known], labels, self.reaches[known])

    def laid_over(self, label_map: np.ndarray) -> np.ndarray:
        """A copy of a label map, shape (I, J, K), as painted where it was painted."""
        label_map = label_map.copy()
        label_map[tuple(self.voxels.T)] = self.labels
        return label_map
