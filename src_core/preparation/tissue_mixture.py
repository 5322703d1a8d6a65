"""What a scan of another contrast would look like to the template: a mixture of tissues.

A voxel is fluid, grey or white matter with a probability each. How likely each tissue is at a place
the aligned template tells, how likely an intensity is for a tissue the scan itself: the latter is
found by expectation-maximisation, as in unified segmentation (Ashburner and Friston 2005). So the
place tells apart what an intensity alone leaves open, such as fluid and white matter in a FLAIR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TISSUES = (0.40, 0.60, 0.87)
"""Template intensities of fluid, grey and white matter."""
WIDTH = 0.15
"""How far the template's intensity at a place may be from that of the tissue found there."""
PARTS = 2
"""Gaussians for each tissue's intensities."""
ROUNDS = 40
VOXELS = 60_000
"""Drawn at random to find the mixture."""
NARROWEST = 0.02
"""Smallest standard deviation of a Gaussian, in normalised intensities."""
BINS = 512
"""Of the table in which densities are looked up."""


@dataclass(frozen=True, eq=False)
class TissueMixture:
    """How likely each intensity is for each tissue.

    Attributes
    ----------
    intensities : ndarray, shape (BINS,)
        Normalised intensities of the scan, rising.
    densities : ndarray, shape (BINS, len(TISSUES))
        Of each tissue there.
    shares : ndarray, shape (len(TISSUES),)
        Of the voxels that are each tissue.
    """

    intensities: np.ndarray
    densities: np.ndarray
    shares: np.ndarray

    def by_intensity(self, values: np.ndarray) -> np.ndarray:
        """What the template would show by the intensities (N,) alone, wherever they lie."""
        likely = self.densities * self.shares
        curve = likely @ np.array(TISSUES) / likely.sum(1)
        found: np.ndarray = np.interp(values, self.intensities, curve).astype(np.float32)
        return found

    def template_like(self, values: np.ndarray, template: np.ndarray) -> np.ndarray:
        """What the template would show at voxels, given what the scan shows.

        Parameters
        ----------
        values : ndarray, shape (N,)
            Normalised intensities of the scan.
        template : ndarray, shape (N,)
            Intensities of the aligned template at the same places.

        Returns
        -------
        ndarray, shape (N,), float32
        """
        found = np.zeros(len(values), np.float32)
        total = np.zeros(len(values), np.float32)
        for tissue, prior, density in zip(
            TISSUES, _prior(template).T, self.densities.T, strict=True
        ):
            likely = prior * np.interp(values, self.intensities, density)
            total += likely
            found += tissue * likely
        return found / total


def find_tissue_mixture(values: np.ndarray, template: np.ndarray) -> TissueMixture:
    """The mixture that explains a scan best.

    Parameters
    ----------
    values : ndarray, shape (N,)
        Normalised intensities of voxels drawn at random from the brain.
    template : ndarray, shape (N,)
        Intensities of the aligned template at the same places.

    Returns
    -------
    TissueMixture

    References
    ----------
    Ashburner, Friston, Unified segmentation, NeuroImage 26(3), 2005.
    """
    prior = _prior(template)[:, :, None]
    column = values.astype(float)[:, None, None]
    counts = prior[:, :, 0].sum(0)
    middles = (prior[:, :, 0] * values[:, None]).sum(0) / counts
    spreads = np.sqrt((prior[:, :, 0] * (values[:, None] - middles) ** 2).sum(0) / counts)
    # The parts of a tissue begin on both sides of its mean.
    means = middles[:, None] + spreads[:, None] * np.linspace(-0.5, 0.5, PARTS)
    widths = np.maximum(np.repeat(spreads[:, None], PARTS, 1), NARROWEST)
    shares = np.full_like(means, 1 / PARTS)
    for _ in range(ROUNDS):
        density = prior * shares * _gaussian(column, means, widths)
        belongs = density / (density.sum((1, 2), keepdims=True) + 1e-12)
        weights = belongs.sum(0) + 1e-6
        shares = weights / weights.sum(1, keepdims=True)
        means = (belongs * column).sum(0) / weights
        widths = np.sqrt((belongs * (column - means) ** 2).sum(0) / weights)
        widths = np.maximum(widths, NARROWEST)
    intensities = np.linspace(values.min(), values.max(), BINS)
    found = _gaussian(intensities[:, None, None], means, widths)
    of_tissue = weights.sum(1)
    return TissueMixture(intensities, (shares * found).sum(2) + 1e-6, of_tissue / of_tissue.sum())


def _prior(template: np.ndarray) -> np.ndarray:
    """Probabilities (N, tissues) of each tissue by the template's intensities (N,)."""
    away = (template[:, None] - np.array(TISSUES, np.float32)) / np.float32(WIDTH)
    likely = np.exp(-(away**2) / 2)
    prior: np.ndarray = likely / likely.sum(1, keepdims=True)
    return prior


def _gaussian(values: np.ndarray, means: np.ndarray, widths: np.ndarray) -> np.ndarray:
    density: np.ndarray = np.exp(-(((values - means) / widths) ** 2) / 2) / widths
    return density
