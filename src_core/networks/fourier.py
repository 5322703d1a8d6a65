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
    # Numbers of Python go along with a call; a tensor of them would be sent to a graphics card.
    waves = [positions * (2 * math.pi / wavelength) for wavelength in wavelengths]
    turns = torch.stack(waves, 2).flatten(1) if waves else positions[:, :0]
    return torch.cat([turns.sin(), turns.cos()], 1)
