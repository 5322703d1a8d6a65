"""How a scan's intensities map to the template's: a monotone curve and a smooth bias field."""

import torch
from torch import Tensor, nn

from src_core.space.bias import POWERS

KNOTS = 10
"""Pieces of the curve; the intensity rule puts nearly all of the brain between 0 and 1."""
HIGHEST = 1.25
"""End of the last piece; beyond it the curve goes on straight."""


class Appearance(nn.Module):
    """Normalised intensity -> template intensity, for one scan; the identity at the start.

    The curve is piecewise linear with positive slopes, so it has an inverse and takes
    in gain, offset and gamma; the bias field is the exponential of a low-order polynomial.

    Parameters
    ----------
    box : tuple of two (x, y, z)
        Corners of the template box, mm: where the polynomials' variables are -1 and 1.
    """

    def __init__(self, box: tuple[tuple[float, ...], tuple[float, ...]]):
        super().__init__()
        low, high = torch.tensor(box[0]), torch.tensor(box[1])
        self.register_buffer("centre", (low + high) / 2, persistent=False)
        self.register_buffer("extent", (high - low) / 2, persistent=False)
        self.centre: Tensor
        self.extent: Tensor
        # Which polynomial along x, y and z each term takes.
        degrees = torch.tensor(POWERS).T
        self.register_buffer("_factors", 3 * degrees + torch.arange(3)[:, None], persistent=False)
        self._factors: Tensor
        self.bias = nn.Parameter(torch.zeros(len(POWERS)))
        self.offset = nn.Parameter(torch.zeros(1))
        self.slopes = nn.Parameter(torch.zeros(KNOTS))

    def bias_field(self, positions: Tensor) -> Tensor:
        """Factor that undoes the bias, shape (N,), at template positions (N, 3) mm."""
        x = ((positions - self.centre) / self.extent).clamp(-1, 1).T
        squares = x * x
        legendre = torch.cat(
            [torch.ones_like(x), x, 1.5 * squares - 0.5, (2.5 * squares - 1.5) * x]
        )
        along_x, along_y, along_z = (legendre[factors] for factors in self._factors)
        return torch.exp((along_x * along_y * along_z).T @ self.bias)

    def curve(self, intensities: Tensor) -> Tensor:
        """The monotone curve, elementwise."""
        width = HIGHEST / KNOTS
        rises = self.slopes.exp() * width
        heights = torch.cat([self.offset, self.offset + rises.cumsum(0)])
        piece = (intensities / width).clamp(0, KNOTS - 1e-3).detach().floor().long()
        # Below zero and beyond the last knot the end pieces go on straight.
        return heights[piece] + (intensities - piece * width) / width * rises[piece]

    def inverse_curve(self, values: Tensor) -> Tensor:
        """Intensities at which the curve has the given values, elementwise."""
        width = HIGHEST / KNOTS
        rises = self.slopes.exp() * width
        heights = torch.cat([self.offset, self.offset + rises.cumsum(0)])
        piece = (torch.searchsorted(heights, values.contiguous()) - 1).clamp(0, KNOTS - 1)
        return (piece + (values - heights[piece]) / rises[piece]) * width

    def forward(self, intensities: Tensor, positions: Tensor) -> Tensor:
        """Template-like intensities.

        Parameters
        ----------
        intensities : Tensor, shape (N, C)
            Normalised intensities of the scan, one column per blur.
        positions : Tensor, shape (N, 3)
            Template mm after the alignment.

        Returns
        -------
        Tensor, shape (N, C)
        """
        return self.curve(intensities) * self.bias_field(positions)[:, None]

    def to_scan(self, values: Tensor, positions: Tensor) -> Tensor:
        """The way back: template-like values (N,) -> normalised intensities (N,)."""
        return self.inverse_curve(values / self.bias_field(positions))

    def distance_from_identity(self) -> Tensor:
        """Mean square of the parameters, to hold back what the scan does not tell."""
        return self.bias.square().mean() + self.slopes.square().mean()
