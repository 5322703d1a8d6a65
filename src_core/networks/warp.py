"""A smooth displacement of positions: grids from coarse to fine, added up."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from src_core.space.template import sample_grid

_STEP = 0.5
"""Half the distance of the finite differences of the Jacobian, mm."""


def local_volume(function: Callable[[Tensor], Tensor], positions: Tensor) -> Tensor:
    """Determinant of the Jacobian of a map of positions, by central differences.

    Parameters
    ----------
    function : callable
        Positions (N, 3) mm -> positions (N, 3) mm.
    positions : Tensor, shape (N, 3)

    Returns
    -------
    Tensor, shape (N,)
    """
    columns = [
        (function(positions + step) - function(positions - step)) / (2 * _STEP)
        for step in _STEP * torch.eye(3, device=positions.device)
    ]
    volume: Tensor = torch.linalg.det(torch.stack(columns, -1))
    return volume


class DisplacementGrids(nn.Module):
    """Sum of trilinear displacement grids over a box; zero at the start.

    Parameters
    ----------
    box : tuple of two (x, y, z)
        Lowest and highest corner, template mm. Outside, the border's displacement goes on.
    spacings : tuple of float
        Distance of the nodes of each grid, mm.
    """

    def __init__(
        self, box: tuple[tuple[float, ...], tuple[float, ...]], spacings: tuple[float, ...]
    ):
        super().__init__()
        self.spacings = tuple(spacings)
        self.register_buffer("origin", torch.tensor(box[0]), persistent=False)
        self.origin: Tensor
        self.grids = nn.ParameterList(
            nn.Parameter(
                torch.zeros(
                    3,
                    *(
                        math.ceil((high - low) / spacing) + 1
                        for low, high in zip(*box, strict=True)
                    ),
                )
            )
            for spacing in spacings
        )

    def forward(self, positions: Tensor) -> Tensor:
        """Displacement at positions.

        Parameters
        ----------
        positions : Tensor, shape (N, 3)
            Template mm after the alignment.

        Returns
        -------
        Tensor, shape (N, 3)
            mm, to be added to the positions.
        """
        offset = positions - self.origin
        parts = (
            sample_grid(grid, offset / spacing, padding="border")
            for grid, spacing in zip(self.grids, self.spacings, strict=True)
        )
        return torch.stack(tuple(parts)).sum(0)

    def roughness(self) -> Tensor:
        """Mean squared strain: squared differences of neighbouring nodes over their distance."""
        total = torch.zeros((), device=self.origin.device)
        for grid, spacing in zip(self.grids, self.spacings, strict=True):
            for axis in (1, 2, 3):
                total = total + grid.diff(dim=axis).square().mean() / spacing**2
        return total
