"""What stands in for the scans that a model was trained on, which are not there.

The MNI152 brain, as it is and changed at random: an adapted model is held to what it said of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src_core.datasets.mapping import IGNORED
from src_core.io.sample import mni152_t1
from src_core.request import Request

if TYPE_CHECKING:
    from src_core.io.scan import Scan
    from src_core.models.model import Model


@dataclass(frozen=True, eq=False)
class StandIn:
    """The MNI152 brain, of which nothing is corrected.

    Attributes
    ----------
    model : Model
        Told in the protocol that it was trained for.
    scan : Scan
    """

    model: Model
    scan: Scan
    name: str = "mni152"
    all_right: bool = True
    least_variants: int = 6

    @classmethod
    def of(cls, model: Model) -> StandIn:
        """The stand-in for the scans of a model.

        Raises
        ------
        InputError
            nilearn, which carries the scan, is not installed.
        """
        return cls(model, mni152_t1())

    def request(self, device: str) -> Request:
        """How it is fitted."""
        return Request(self.scan, model=self.model, brain="stripped", device=device, force=True)

    def codes(self, image: Scan, own: np.ndarray) -> np.ndarray:
        """No class is known: `IGNORED` everywhere, (I, J, K) int16."""
        return np.full_like(own, IGNORED, dtype=np.int16, shape=image.shape)

    def mirrored(self, codes: np.ndarray) -> np.ndarray:
        """The same."""
        return codes
