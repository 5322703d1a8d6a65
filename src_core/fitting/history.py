"""The weights of past iterations, within a memory budget."""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from src_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src_core.networks.base import CoordinateNetwork

DEFAULT_BUDGET = 128 * 2**20
"""Bytes of weights kept unless told otherwise."""


def nearest(iterations: Iterable[int], wanted: float) -> int:
    """The one of some iterations that is nearest to the one wanted; of two the first."""
    return min(iterations, key=lambda iteration: abs(iteration - wanted))


class History:
    """Fitted weights per iteration.

    When the budget is used up every second of the evenly spaced iterations is
    dropped and only every second new one is stored, again and again; never the first, the
    newest or one that is held. While one thread records, others may hold and load.

    Parameters
    ----------
    network : CoordinateNetwork
        Whose fitted weights are stored.
    budget : int
        Bytes.
    """

    def __init__(self, network: CoordinateNetwork, budget: int = DEFAULT_BUDGET):
        self._network = network
        self._weights: dict[int, tuple[np.ndarray, ...]] = {}
        self._held: dict[str, int] = {}
        self._newest = 0
        self._spacing = 1
        size = 4 * sum(parameter.numel() for parameter in network.fitted_parameters())
        # The first and the newest always fit.
        self._most = max(2, budget // size)
        self._lock = Lock()

    @property
    def iterations(self) -> list[int]:
        """Stored iterations, rising."""
        with self._lock:
            return sorted(self._weights)

    def given_to(self, network: CoordinateNetwork) -> History:
        """The same iterations for another network of the same kind; the weights are shared."""
        history = copy(self)
        history._network = network
        return history

    def record(self, iteration: int) -> None:
        """Store the network's weights of now as those of an iteration."""
        # As arrays: after each copy of a tensor torch's other threads spin for a while.
        now = [parameter.detach().cpu().numpy() for parameter in self._network.fitted_parameters()]
        with self._lock:
            before = self._weights.get(self._newest, (None,) * len(now))
        # Most of a fit leaves many weights as they are, which then are stored once.
        weights = tuple(
            old if old is not None and np.array_equal(old, new) else new.copy()
            for old, new in zip(before, now, strict=True)
        )
        with self._lock:
            self._newest = iteration
            self._weights[iteration] = weights
            self._thin()
            while len(self._weights) > self._most and self._spacing <= iteration:
                self._spacing *= 2
                self._thin()

    def hold(self, iteration: int, purpose: str) -> bool:
        """Don't drop an iteration until another one is held for the same purpose.

        Returns
        -------
        bool
            It is stored; otherwise nothing has changed.
        """
        with self._lock:
            if iteration not in self._weights:
                return False
            self._held[purpose] = iteration
            return True

    def load(self, iteration: int, network: CoordinateNetwork) -> None:
        """Give a network of the same kind the weights of a stored iteration.

        Raises
        ------
        InputError
            The iteration is not stored.
        """
        import torch  # not at the top: the panel's curves ask for the nearest iteration

        with self._lock:
            weights = self._weights.get(iteration)
            stored = list(self._weights)
        if weights is None:
            there = nearest(stored, iteration) if stored else None
            raise InputError(f"iteration {iteration} is not stored; the nearest is {there}")
        flat = np.concatenate([weight.ravel() for weight in weights])
        network.load_fitted(torch.from_numpy(flat))

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

    def _thin(self) -> None:
        """Drop what lies between the evenly spaced iterations."""
        protected = {min(self._weights), self._newest, *self._held.values()}
        for iteration in [i for i in self._weights if i % self._spacing and i not in protected]:
            del self._weights[iteration]
