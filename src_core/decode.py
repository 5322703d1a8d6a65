"""Ask a fitted network about voxels, in pieces that stay in the cache."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from src_core.networks.base import CoordinateNetwork
from src_core.networks.sine import CHUNK
from src_core.points import BrainPoints, Points
from src_core.workers import Workers

Quantity = Literal["classes", "probabilities", "entropy", "intensity", "features", "positions"]


def _probabilities(network: CoordinateNetwork, points: Points) -> Tensor:
    return network.logits(points).softmax(1)


def _entropy(network: CoordinateNetwork, points: Points) -> Tensor:
    """Of the class probabilities, in bits."""
    return torch.special.entr(_probabilities(network, points)).sum(1) / np.log(2)


_QUANTITIES: dict[Quantity, Callable[[CoordinateNetwork, Points], Tensor]] = {
    "classes": lambda network, points: network.logits(points).argmax(1).to(torch.uint8),
    "probabilities": _probabilities,
    "entropy": _entropy,
    "intensity": lambda network, points: network.reconstruct(points),
    "features": lambda network, points: network.features(points),
    "positions": lambda network, points: network.warp(points.positions),
}


@torch.no_grad()
def decode(
    network: CoordinateNetwork,
    points: BrainPoints,
    quantity: Quantity,
    which: Tensor | None = None,
) -> np.ndarray:
    """Evaluate a network at brain voxels.

    Parameters
    ----------
    network : CoordinateNetwork
    points : BrainPoints
        On the network's device.
    quantity : {"classes", "probabilities", "entropy", "intensity", "features", "positions"}
        Class indices (uint8), softmax probabilities, their entropy in bits, normalised
        intensities, activations of the last sine layer, or warped template mm.
    which : Tensor of int, optional
        Numbers of the voxels asked for; all by default.

    Returns
    -------
    ndarray, shape (N,) or (N, columns)
    """
    evaluate = _QUANTITIES[quantity]
    device = points.indices.device
    numbers = torch.arange(len(points)) if which is None else which
    first = evaluate(network, points.take(numbers[:CHUNK])).cpu()
    # Kept pieces between the short-lived ones would fragment the memory by gigabytes.
    found = torch.empty(len(numbers), *first.shape[1:], dtype=first.dtype)
    found[: len(first)] = first

    def fill(start: int) -> None:
        piece = slice(start, start + CHUNK)
        with torch.no_grad():  # holds for one thread only
            found[piece] = evaluate(network, points.take(numbers[piece])).cpu()

    list(Workers(device).map(fill, range(CHUNK, len(numbers), CHUNK)))
    return found.numpy()
