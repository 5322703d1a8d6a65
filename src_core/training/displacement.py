"""Random errors of the positions of a scan, which a meta-learned start should know."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from src_core.training.settings import MetaSettings

WAVES = 8
"""Plane waves that a random smooth displacement is made of."""
WAVELENGTHS = (40.0, 120.0)
"""Shortest and longest of them, mm."""


class Displacement:
    """A random error of positions: affine, and a few plane waves.

    Parameters
    ----------
    settings : MetaSettings
        Says how large it is.
    generator : torch.Generator
    """

    def __init__(self, settings: MetaSettings, generator: torch.Generator):
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        turn = math.radians(settings.turn) * normal(3)
        self.matrix = torch.eye(3) + torch.linalg.cross(torch.eye(3), turn.expand(3, 3))
        self.matrix += torch.diag(settings.stretch * normal(3))
        self.shift = settings.shift * normal(3)
        low, high = WAVELENGTHS
        lengths = low + (high - low) * torch.rand(WAVES, 1, generator=generator)
        directions = nn.functional.normalize(normal(WAVES, 3), dim=1)
        self.waves = 2 * math.pi * directions / lengths
        self.phases = 2 * math.pi * torch.rand(WAVES, generator=generator)
        self.heights = settings.bend * math.sqrt(2 / WAVES) * normal(WAVES, 3)

    def __call__(self, positions: Tensor) -> Tensor:
        """The positions (N, 3) mm with their error."""
        bent: Tensor = torch.sin(positions @ self.waves.T + self.phases) @ self.heights
        moved: Tensor = positions @ self.matrix.T + self.shift
        return moved + bent
