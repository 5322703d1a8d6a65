"""What stands in for the scans that a model was trained on: its own picture of them.

The model's network draws the template, which is the mean of these scans, sharpened by warping.
Changed at random it is many brains, on which an adapted model is held to what it said before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from src_core.datasets.mapping import IGNORED
from src_core.io.scan import scan_from_array
from src_core.networks.sine import CHUNK
from src_core.request import Request
from src_core.space.template import TemplateImage

if TYPE_CHECKING:
    from src_core.io.scan import Scan
    from src_core.models.model import Model

SPACING = 1.0
"""Of its voxels, mm."""
_EDGE = 0.1
"""Intensity of the coarse picture at the edge of the brain."""
_DARKEST = 0.01


@dataclass(frozen=True, eq=False)
class StandIn:
    """The picture of its training scans that a model draws, as a scan.

    Attributes
    ----------
    model : Model
        Told in the protocol that it was trained for.
    """

    model: Model
    name: str = "template"
    all_right: bool = True
    least_variants: int = 4

    def request(self, device: str) -> Request:
        """How it is fitted."""
        scan = drawn_scan(self.model)
        return Request(scan, model=self.model, brain="stripped", device=device, force=True)

    def codes(self, image: Scan, own: np.ndarray) -> np.ndarray:
        """Nothing is known of its labels, so nothing is corrected: (I, J, K) int16."""
        return np.full_like(own, IGNORED, dtype=np.int16, shape=image.shape)

    def mirrored(self, codes: np.ndarray) -> np.ndarray:
        """The same."""
        return codes


@torch.no_grad()
def drawn_scan(model: Model) -> Scan:
    """The template as the model's network draws it at its start, as a skull-stripped scan."""
    network, coarse = model.drawing_network(), model.template()
    low, high = map(np.array, network.settings.box)
    shape = (np.ceil((high - low) / SPACING) + 1).astype(int).tolist()
    grid = TemplateImage(torch.zeros(1, *shape), tuple(low.tolist()), SPACING)
    positions = grid.positions()
    brain = torch.cat([coarse.at(piece)[:, 0] > _EDGE for piece in positions.split(CHUNK)])
    values = torch.zeros(len(positions))
    where = torch.nonzero(brain)[:, 0]
    for piece in where.split(CHUNK):
        # No voxel of the brain may look like background.
        values[piece] = network.template_intensities(positions[piece])[:, 0].clamp_min(_DARKEST)
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    affine[:3, 3] = low
    return scan_from_array(values.view(*shape).numpy(), affine)
