"""The bias field: a smooth factor of a scan's intensities that comes from the coil, not the brain.

Expectation-maximisation in the logarithm of the intensities: a voxel is one of a few tissues with a
probability each, and what all tissues have in common at a place is the field (Wells et al. 1996).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.legendre import legvander

from src_core.space.regions import extent

DEGREE = 3
"""Highest total degree of the polynomial whose exponential is the field."""
POWERS = [
    powers for powers in itertools.product(range(DEGREE + 1), repeat=3) if 0 < sum(powers) <= DEGREE
]
"""Degrees along each axis of the polynomial's terms."""
USUAL_STRENGTH = 0.07
"""Standard deviation of the logarithm over the brain that is left in a scan. Nearly all scans that
the models learned from have less. Part of it is the tissues, not the coil, above all in old age."""
COIL_STRENGTHS, LEFT = (0.11, 0.15), (USUAL_STRENGTH, 0.04)
"""Two strengths, and what is left of such fields. Up to the first a field may be the tissues'
(0.107 at most in the scans that the models learned from); from the second on it is the coil's
(0.138 to 0.21 on a scanner of 3 T), bright in the middle, and what is left of it makes deep grey
matter look like white matter. With nothing left structures are told worse again."""
SHARES = (0.15, 0.4, 0.75)
"""Quantiles at which the tissues (fluid, grey, white) are first taken to be."""
ROUNDS = 40
VOXELS = 20_000
"""Drawn at random; enough for a polynomial of this degree."""
DARKEST = 0.15
"""Of the 90th percentile. Darker voxels say little in the logarithm."""
NARROWEST = 0.03
"""Smallest standard deviation of a tissue's logarithm."""
UNEXPLAINED = 0.02
"""Density of voxels that are no tissue."""
STIFFNESS = 1e-3
"""Holds back polynomials on which the voxels do not agree."""
LARGEST_SHARE_BELOW_ZERO = 0.02
"""Intensities of which more are not positive have no zero that a factor would leave in place."""

_PIECE = 2**16


@dataclass(frozen=True, eq=False)
class BiasField:
    """Factors of the intensities of a scan's voxels.

    Attributes
    ----------
    first : ndarray, shape (3,), int
        Voxel index that the tables begin with.
    in_plane : ndarray, shape (I, J, DEGREE + 1)
        Coefficients of the polynomial along the third axis, at each place in the other two.
    across : ndarray, shape (K, DEGREE + 1)
        Legendre polynomials along the third axis.
    strength : float
        Standard deviation of the factors' logarithm over the brain; 0: all are 1.
    """

    first: np.ndarray
    in_plane: np.ndarray
    across: np.ndarray
    strength: float

    def at(self, indices: np.ndarray) -> np.ndarray:
        """Factors (N,), float32, at voxels (N, 3)."""
        factors = np.ones(len(indices), np.float32)
        if self.strength > 0:
            # In pieces, because the coefficients of all voxels would not fit into memory.
            for start in range(0, len(indices), _PIECE):
                i, j, k = (indices[start : start + _PIECE] - self.first).T
                logarithm = np.einsum("nd,nd->n", self.in_plane[i, j], self.across[k])
                factors[start : start + _PIECE] = np.exp(logarithm)
        return factors


def no_bias_field() -> BiasField:
    """Factors that are all 1."""
    return BiasField(
        np.zeros(3, int),
        np.zeros((1, 1, DEGREE + 1), np.float32),
        np.zeros((1, DEGREE + 1), np.float32),
        0.0,
    )


def find_bias_field(indices: np.ndarray, values: np.ndarray) -> BiasField:
    """The part of a scan's bias field that goes beyond what the models know.

    A weak field can't be told from the tissues' own differences between places. One stronger than
    `USUAL_STRENGTH` is weakened to that, and one that only a coil can have to less (`LEFT`), so
    that nothing changes abruptly.

    Parameters
    ----------
    indices : ndarray, shape (N, 3), int
        Voxels inside the brain. Along an axis of a single voxel the field is constant.
    values : ndarray, shape (N,)
        Their intensities.

    Returns
    -------
    BiasField

    References
    ----------
    Wells, Grimson, Kikinis, Jolesz, Adaptive Segmentation of MRI Data, IEEE Transactions on Medical
    Imaging 15(4), 1996.
    """
    low, high = extent(indices)
    tables = [
        legvander(np.linspace(-1, 1, size) if size > 1 else np.zeros(1), DEGREE)
        for size in high - low + 1
    ]
    coefficients, excess = np.zeros((DEGREE + 1,) * 3), 0.0
    drawn = np.random.default_rng(0).integers(len(values), size=min(len(values), VOXELS))
    drawn_values = values[drawn]
    bright = drawn_values > DARKEST * np.quantile(drawn_values, 0.9)
    below_zero = (drawn_values <= 0).mean()
    if below_zero <= LARGEST_SHARE_BELOW_ZERO and bright.sum() > len(POWERS):
        i, j, k = (indices[drawn[bright]] - low).T
        terms = np.stack(
            [tables[0][i, a] * tables[1][j, b] * tables[2][k, c] for a, b, c in POWERS]
        )
        means = terms.mean(1)
        terms -= means[:, None]
        found = _common_to_tissues(np.log(drawn_values[bright]), terms)
        strength = float((found @ terms).std())
        if strength > USUAL_STRENGTH:
            excess = strength - float(np.interp(strength, COIL_STRENGTHS, LEFT))
            found *= excess / strength
            coefficients[tuple(np.transpose(POWERS))] = found
            coefficients[0, 0, 0] = -means @ found
    in_plane = np.einsum("abc,ia,jb->ijc", coefficients, tables[0], tables[1], optimize=True)
    return BiasField(low, in_plane.astype(np.float32), tables[2].astype(np.float32), excess)


def _common_to_tissues(logarithms: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Coefficients (T,) of the field; logarithms (N,) of intensities, terms (T, N) of mean 0."""
    # Single precision is enough by far, and half the time.
    logarithms, terms = logarithms.astype(np.float32), terms.astype(np.float32)
    middles = np.quantile(logarithms, SHARES).astype(np.float32)[:, None]
    widths = np.full_like(middles, 0.15)
    shares = np.full_like(middles, 1 / len(SHARES))
    found = np.zeros(len(terms), np.float32)
    for _ in range(ROUNDS):
        corrected = logarithms - found @ terms
        density = shares / widths * np.exp(-(((corrected - middles) / widths) ** 2) / 2)
        of_tissue = density / (density.sum(0) + UNEXPLAINED)
        counts = of_tissue.sum(1, keepdims=True) + 1e-6
        shares = counts / counts.sum()
        middles = (of_tissue * corrected).sum(1, keepdims=True) / counts
        spreads = (of_tissue * (corrected - middles) ** 2).sum(1, keepdims=True) / counts
        widths = np.maximum(np.sqrt(spreads), NARROWEST)
        # Narrow tissues, above all white matter, tell most about the field.
        precision = of_tissue / widths**2
        weights = precision.sum(0)
        pull = (precision * (logarithms - middles)).sum(0)
        stiffness = STIFFNESS * weights.sum() * np.eye(len(found), dtype=np.float32)
        found = np.linalg.solve((terms * weights) @ terms.T + stiffness, terms @ pull)
    return found
