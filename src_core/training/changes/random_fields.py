"""Random smooth fields, and what is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def smooth_field(
    shape: tuple[int, ...], spacing: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Random smooth field, mean 0 and standard deviation 1 at every voxel, float32.

    A grid of random numbers, blurred by Gaussians.

    Parameters
    ----------
    shape : tuple of int
    spacing : ndarray, shape (axes,)
        Voxels between the numbers along each axis.
    random : Generator
    """
    nodes = [np.arange(-2, size / step + 2) for size, step in zip(shape, spacing, strict=True)]
    weights = []
    for size, step, along in zip(shape, spacing, nodes, strict=True):
        bump = np.exp(-(((np.arange(size)[:, None] / step - along) / 0.8) ** 2) / 2)
        weights.append(bump / np.linalg.norm(bump, axis=1, keepdims=True))
    return weighted_sums(random.standard_normal([len(along) for along in nodes]), weights)


def bias_field(
    mask: np.ndarray, spacing: np.ndarray, strength: float, random: np.random.Generator
) -> np.ndarray:
    """Smooth field of factors, from ``1 / (1 + strength)`` to ``1 + strength`` inside the mask.

    Parameters
    ----------
    mask : ndarray of bool
    spacing : ndarray, shape (axes,)
        As in `smooth_field`.
    strength : float
    random : Generator

    Returns
    -------
    ndarray of float32
        Of the mask's shape.
    """
    field = smooth_field(mask.shape, spacing, random)
    low, high = field[mask].min(), field[mask].max()
    centred = (2 * field - low - high) / max(high - low, 1e-6)
    factors: np.ndarray = np.exp(np.log1p(strength) * centred)
    return factors


def weighted_sums(values: np.ndarray, weights: Sequence[np.ndarray]) -> np.ndarray:
    """Weighted sums along each axis in turn, float32.

    Parameters
    ----------
    values : ndarray
    weights : sequence of ndarray, shape (new length, old length) each
        One matrix per axis.
    """
    values = values.astype(np.float32)
    for matrix in weights:
        # The product takes the first axis and puts it last: after all of them the order is back.
        values = np.tensordot(values, matrix.astype(np.float32), axes=(0, 1))
    return values
