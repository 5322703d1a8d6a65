"""A smooth displacement of positions: grids from coarse to fine, added up."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

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
        extents = [high - low for low, high in zip(*box, strict=True)]
        self.grids = nn.ParameterList(
            nn.Parameter(torch.zeros(3, *(math.ceil(extent / spacing) + 1 for extent in extents)))
            for spacing in spacings
        )
        self._finest = min(self.spacings)
        for axis, extent in zip("xyz", extents, strict=True):
            # Up to the last node of any grid; beyond its own, the displacement of each goes on.
            last = max(math.ceil(extent / spacing) * spacing for spacing in spacings)
            nodes = self._finest * torch.arange(math.ceil(last / self._finest) + 1)
            weights = [
                _linear_weights(nodes / spacing, math.ceil(extent / spacing) + 1)
                for spacing in spacings
            ]
            self.register_buffer(f"_along_{axis}", torch.cat(weights, 1), persistent=False)
        self._along_x: Tensor
        self._along_y: Tensor
        self._along_z: Tensor

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

    def total(self) -> Tensor | None:
        """All grids added up on the nodes of the finest one, shape (3, X, Y, Z).

        It says the same as all of them if their spacings are multiples of the finest; otherwise
        None.
        """
        if any(spacing % self._finest for spacing in self.spacings):
            return None
        along_y = self._along_y.split([grid.shape[2] for grid in self.grids], 1)
        along_z = self._along_z.split([grid.shape[3] for grid in self.grids], 1)
        planes = torch.cat(
            [y @ (grid @ z.T) for grid, y, z in zip(self.grids, along_y, along_z, strict=True)], 1
        )
        total: Tensor = (self._along_x @ planes.flatten(2)).unflatten(2, planes.shape[2:])
        return total

    def look_up(self, total: Tensor, positions: Tensor) -> Tensor:
        """Displacement (N, 3) at positions (N, 3), mm, in what `total` gave."""
        return sample_grid(total, (positions - self.origin) / self._finest, padding="border")

    def roughness(self) -> Tensor:
        """Mean squared strain: squared differences of neighbouring nodes over their distance."""
        parts = [
            _SquaredStrain.apply(grid, spacing)
            for grid, spacing in zip(self.grids, self.spacings, strict=True)
        ]
        return torch.stack(parts).sum()


class _SquaredStrain(torch.autograd.Function):
    """Mean squared strain of one grid.

    torch would make a padded copy of each difference on the way back, which takes five times as
    long as the gradient that is written down here.
    """

    @staticmethod
    def forward(ctx: Any, grid: Tensor, spacing: float) -> Tensor:
        total, gradient = grid.new_zeros(()), torch.zeros_like(grid)
        for axis in (1, 2, 3):
            difference = grid.diff(dim=axis)
            weight = 1 / (difference.numel() * spacing**2)
            total.add_(difference.square().sum(), alpha=weight)
            inner = grid.shape[axis] - 1
            gradient.narrow(axis, 1, inner).add_(difference, alpha=2 * weight)
            gradient.narrow(axis, 0, inner).sub_(difference, alpha=2 * weight)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return upstream * gradient, None


def _linear_weights(places: Tensor, count: int) -> Tensor:
    """Weights (N, count) of the nodes 0 to count - 1 in linear interpolation at places (N,)."""
    inside = places.clamp(0, count - 1)
    return (1 - (inside[:, None] - torch.arange(count)).abs()).clamp(min=0)
