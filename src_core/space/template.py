"""A picture of the template: intensities on a regular grid of template millimetres."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as functional

if TYPE_CHECKING:
    from torch import Tensor


def sample_grid(values: "Tensor", coordinates: "Tensor", padding: str = "zeros") -> "Tensor":
    """Trilinear look-up in a grid of vectors.

    Parameters
    ----------
    values : Tensor, shape (C, X, Y, Z)
        The grid.
    coordinates : Tensor, shape (N, 3)
        Where to look, in grid indices.
    padding : {"zeros", "border"}
        What lies outside the grid.

    Returns
    -------
    Tensor, shape (N, C)
    """
    # grid_sample wants -1..1 and the last axis of the volume first. Numbers per axis, not a tensor
    # of them, which another device would wait for.
    where = torch.stack(
        [
            column * (2.0 / max(size - 1, 1)) - 1.0
            for column, size in zip(coordinates.unbind(-1), values.shape[1:], strict=True)
        ][::-1],
        -1,
    ).view(1, -1, 1, 1, 3)
    found = functional.grid_sample(values[None], where, padding_mode=padding, align_corners=True)
    return found.view(values.shape[0], -1).T


@dataclass(frozen=True, eq=False)
class TemplateImage:
    """Template intensities on a regular grid whose axes are those of template space.

    Attributes
    ----------
    values : Tensor, shape (C, X, Y, Z)
        Intensities, one channel per blur.
    origin : tuple of 3 float
        Template position of the voxel (0, 0, 0), mm.
    spacing : float
        Distance of neighbouring voxels, mm.
    """

    values: "Tensor"
    origin: tuple[float, float, float]
    spacing: float

    def at(self, positions: "Tensor") -> "Tensor":
        """Intensities at template positions.

        Parameters
        ----------
        positions : Tensor, shape (N, 3)
            Template mm.

        Returns
        -------
        Tensor, shape (N, C)
            Zero outside the grid.
        """
        columns = zip(positions.unbind(-1), self.origin, strict=True)
        offset = torch.stack([column - start for column, start in columns], -1)
        return sample_grid(self.values, offset / self.spacing)

    def to_lookup(self) -> "Tensor":
        """Template mm -> coordinates as `grid_sample` of torch wants them: (4, 4)."""
        matrix = torch.eye(4)
        for axis, (start, size) in enumerate(zip(self.origin, self.values.shape[1:], strict=True)):
            scale = 2 / (self.spacing * max(size - 1, 1))
            matrix[axis, axis], matrix[axis, 3] = scale, -1 - start * scale
        return matrix[[2, 1, 0, 3]]

    def positions(self) -> "Tensor":
        """Template mm of every voxel centre, shape (X * Y * Z, 3)."""
        axes = [
            start + self.spacing * torch.arange(size, dtype=torch.float32)
            for start, size in zip(self.origin, self.values.shape[1:], strict=True)
        ]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)

    def coarser(self) -> "TemplateImage":
        """The same picture at twice the spacing, each voxel the mean of 2 x 2 x 2."""
        half = self.spacing / 2
        return TemplateImage(
            functional.avg_pool3d(self.values[None], 2)[0],
            (self.origin[0] + half, self.origin[1] + half, self.origin[2] + half),
            2 * self.spacing,
        )
