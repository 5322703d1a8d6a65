"""The weights of past iterations, within a memory budget."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from src_core.errors import InputError
from src_core.networks.base import CoordinateNetwork

DEFAULT_BUDGET = 128 * 2**20
"""Bytes of weights kept unless told otherwise."""


class History:
    """Fitted weights per iteration.

    When the budget is used up every second of the evenly spaced iterations is
    dropped and only every second new one is stored, again and again; never the first, the
    newest or one that was asked to be kept.

    Parameters
    ----------
    network : CoordinateNetwork
        Whose fitted weights are stored.
    budget : int
        Bytes.
    """

    def __init__(self, network: CoordinateNetwork, budget: int = DEFAULT_BUDGET):
        self._network = network
        self._weights: dict[int, torch.Tensor] = {}
        self._kept: set[int] = set()
        self._newest = 0
        self._spacing = 1
        size = 4 * sum(parameter.numel() for parameter in network.fitted_parameters())
        # The first and the newest always fit.
        self._most = max(2, budget // size)

    @property
    def iterations(self) -> list[int]:
        """Stored iterations, rising."""
        return sorted(self._weights)

    def record(self, iteration: int) -> None:
        """Store the network's weights of now as those of an iteration."""
        if self._newest not in self._protected() and self._newest % self._spacing:
            self._weights.pop(self._newest, None)
        self._newest = iteration
        self._weights[iteration] = self._network.fitted_vector()
        while len(self._weights) > self._most and self._thin():
            pass

    def keep(self, iteration: int) -> None:
        """Never drop an iteration.

        Raises
        ------
        InputError
            It is not stored.
        """
        self._check(iteration)
        self._kept.add(iteration)

    def load(self, iteration: int, network: CoordinateNetwork) -> None:
        """Give a network of the same kind the weights of a stored iteration.

        Raises
        ------
        InputError
            The iteration is not stored.
        """
        self._check(iteration)
        network.load_fitted(self._weights[iteration])

    @contextmanager
    def at(self, iteration: int) -> Iterator[CoordinateNetwork]:
        """The network with the weights of a stored iteration, given back as it was.

        Raises
        ------
        InputError
            The iteration is not stored.
        """
        now = self._network.fitted_vector()
        self.load(iteration, self._network)
        try:
            yield self._network
        finally:
            self._network.load_fitted(now)

    def _protected(self) -> set[int]:
        return self._kept | {min(self._weights, default=0)}

    def _thin(self) -> bool:
        """Double the spacing; False when nothing is left to drop."""
        self._spacing *= 2
        protected = self._protected() | {self._newest}
        dropped = [i for i in self._weights if i % self._spacing and i not in protected]
        for iteration in dropped:
            del self._weights[iteration]
        return self._spacing <= max(self._weights)

    def _check(self, iteration: int) -> None:
        if iteration not in self._weights:
            nearest = min(self._weights, key=lambda stored: abs(stored - iteration), default=None)
            raise InputError(f"iteration {iteration} is not stored; the nearest is {nearest}")
