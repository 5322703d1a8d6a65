"""Ask a fitted network about voxels, in pieces that stay in the cache."""

import math
from collections.abc import Callable, Hashable, Mapping
from copy import copy
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from src_core.fitting.workers import Workers
from src_core.networks.base import CoordinateNetwork
from src_core.networks.head import merged_scores
from src_core.networks.warp import local_volume
from src_core.space.points import BrainPoints, Points

Quantity = Literal[
    "classes", "probabilities", "entropy", "intensity", "features", "positions", "jacobian"
]


class PointValues:
    """Values of a network at some points; what several of them need is computed once.

    Parameters
    ----------
    network : CoordinateNetwork
    points : Points
    """

    # No functools.cached_property: before Python 3.12 it lets only one thread compute at a time.

    def __init__(self, network: CoordinateNetwork, points: Points):
        self._network = network
        self._points = points
        self._positions: Tensor | None = None
        self._activations: tuple[Tensor, ...] | None = None
        self._logits: Tensor | None = None

    @property
    def positions(self) -> Tensor:
        """Template mm after the warp, shape (N, 3)."""
        if self._positions is None:
            self._positions = self._network.warp(self._points.positions)
        return self._positions

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """Outputs of the sine layers, shape (N, width)."""
        if self._activations is None:
            self._activations = self._network.activations(self.positions)
        return self._activations

    @property
    def features(self) -> Tensor:
        """Activations of the last sine layer, shape (N, width)."""
        return self.activations[-1]

    @property
    def logits(self) -> Tensor:
        """Class scores, shape (N, classes), background first."""
        if self._logits is None:
            self._logits = self._network.read_logits(self.activations, self.positions, self._points)
        return self._logits

    def merged(self, sums: Tensor | None) -> "PointValues":
        """The same values with classes merged to coarser ones; see `merged_scores`."""
        if sums is None:
            return self
        values = copy(self)
        # A network may have learned more classes than there are to merge.
        values._logits = merged_scores(self.logits[:, : len(sums)], sums.to(self.logits.device))
        return values

    @property
    def classes(self) -> Tensor:
        """Class indices, shape (N,), uint8."""
        return self.logits.argmax(1).to(torch.uint8)

    @property
    def probabilities(self) -> Tensor:
        """Softmax probabilities, shape (N, classes)."""
        return self.logits.softmax(1)

    @property
    def entropy(self) -> Tensor:
        """Entropy of the class probabilities, in bits, shape (N,)."""
        nats: Tensor = torch.special.entr(self.probabilities).sum(1)
        return nats / math.log(2)

    @property
    def intensity(self) -> Tensor:
        """Normalised intensities, shape (N,)."""
        return self._network.read_intensity(self.activations, self._points)

    @property
    def jacobian(self) -> Tensor:
        """Local volume change by the warp alone, without the alignment, shape (N,).

        Above 1 where the warp enlarges the scan's anatomy to meet the template's.
        """
        return local_volume(self._network.warp, self._points.positions)


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
    quantity : str
        "classes" (uint8), "probabilities", their "entropy" in bits, normalised "intensity",
        "features" of the last sine layer, warped "positions" in template mm, or the "jacobian" of
        the warp alone; see `PointValues`.
    which : Tensor of int, optional
        Numbers of the voxels asked for; all by default.

    Returns
    -------
    ndarray, shape (N,) or (N, columns)
    """
    reads = {quantity: lambda values: getattr(values, quantity)}
    return decode_all(network, points, reads, which)[quantity]


Key = TypeVar("Key", bound=Hashable)


def decode_all(
    network: CoordinateNetwork,
    points: BrainPoints,
    reads: Mapping[Key, Callable[[PointValues], Tensor]],
    which: Tensor | None = None,
    workers: Workers | None = None,
) -> dict[Key, np.ndarray]:
    """Evaluate a network at brain voxels once and read several quantities off it.

    Parameters
    ----------
    network, points, which
        As in `decode`.
    reads : mapping
        How each quantity asked for is read off the values at points: rows (n,) or (n, columns).
    workers : Workers, optional
        Saves making new ones where many small parts are decoded.

    Returns
    -------
    dict
        An array per quantity, shape (N,) or (N, columns).
    """
    device = points.indices.device
    numbers = torch.arange(len(points), device=device) if which is None else which
    workers = workers or Workers(device)

    @torch.no_grad()  # holds for one thread only
    def read(piece: Tensor) -> dict[Key, Tensor]:
        values = PointValues(network, points.take(piece))
        return {key: function(values).cpu() for key, function in reads.items()}

    # Kept pieces between the short-lived ones would fragment the memory by gigabytes: one point
    # tells what to make room for.
    found = {
        key: torch.empty(len(numbers), *values.shape[1:], dtype=values.dtype)
        for key, values in read(numbers[:1]).items()
    }

    def fill_all(most: int) -> None:
        # As many pieces as keep all workers busy to the end.
        rounds = math.ceil(len(numbers) / (most * workers.count))
        size = math.ceil(len(numbers) / max(1, rounds * workers.count))

        def fill(start: int) -> None:
            for key, values in read(numbers[start : start + size]).items():
                found[key][start : start + size] = values

        list(workers.map(fill, range(0, len(numbers), max(1, size))))

    workers.in_pieces(fill_all)
    return {key: values.numpy() for key, values in found.items()}
