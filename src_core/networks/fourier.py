"""Fourier code: a position as sines and cosines."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def fourier_code(positions: Tensor, wavelengths: Sequence[float]) -> Tensor:
    """Sines and cosines of positions along each axis.

    Parameters
    ----------
    positions : Tensor, shape (N, 3)
        mm.
    wavelengths : sequence of float
        mm.

    Returns
    -------
    Tensor, shape (N, 6 * len(wavelengths))

    References
    ----------
    Tancik et al., Fourier Features Let Networks Learn High Frequency Functions in Low
    Dimensional Domains, NeurIPS 2020.
    """
    turns = positions[:, :, None] * (2 * math.pi / positions.new_tensor(wavelengths))
    turns = turns.flatten(1)
    return torch.cat([turns.sin(), turns.cos()], 1)
