"""The Fourier code."""

import torch

from src_core.networks.fourier import fourier_code


def test_it_repeats_after_a_wavelength_along_each_axis() -> None:
    positions = 50 * torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    code = fourier_code(positions, (16.0, 8.0))
    assert code.shape == (20, 12)
    for step in 16 * torch.eye(3):
        assert torch.allclose(fourier_code(positions + step, (16.0, 8.0)), code, atol=1e-4)
        assert not torch.allclose(fourier_code(positions + step / 2, (16.0, 8.0)), code, atol=0.1)


def test_without_wavelengths_it_is_empty() -> None:
    assert fourier_code(torch.zeros(4, 3), ()).shape == (4, 0)
