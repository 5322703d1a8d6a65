"""What strokes lead to, iteration by iteration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from src_core.correction.stroke import Stroke
from src_core.io.protocols import granularities

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from src_core.correction.network import CorrectedNetwork
    from src_core.io.labels import Protocol
    from src_core.networks.base import CoordinateNetwork
    from src_core.preparation.prepare import Preparation


@dataclass(frozen=True, eq=False)
class Painted:
    """Voxels of a scan that were painted.

    Attributes
    ----------
    voxels : ndarray of int, shape (n,)
        Flat indices of the scan's grid, each once.
    labels : ndarray of int, shape (n,)
        Label ids of the protocol that the network was trained for.
    reaches : ndarray, shape (n,)
        How far each reaches, mm.
    """

    voxels: np.ndarray
    labels: np.ndarray
    reaches: np.ndarray

    def where(self, chosen: np.ndarray) -> Painted:
        """Those that are chosen, (n,) bool or numbers."""
        return Painted(self.voxels[chosen], self.labels[chosen], self.reaches[chosen])

    def with_more(self, later: Painted) -> Painted:
        """These and what was painted later, in the order of the voxels."""
        stay = self.where(~np.isin(self.voxels, later.voxels))
        both = Painted(
            np.concatenate([stay.voxels, later.voxels]),
            np.concatenate([stay.labels, later.labels]),
            np.concatenate([stay.reaches, later.reaches]),
        )
        return both.where(np.argsort(both.voxels))

    def among(self, voxels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of some voxels were painted, (n,) bool, and with what label each of these."""
        place = np.searchsorted(self.voxels, voxels)
        found = np.append(self.voxels, -1)[place] == voxels
        return found, self.labels[place[found]]


NOTHING = Painted(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, eq=False)
class _State:
    """What strokes led to."""

    network: CorrectedNetwork
    painted: Painted


class Corrected:
    """Networks that have learned strokes, by iteration.

    Filled in the engine's thread; asking whether there is one, and what was painted, is safe
    everywhere.

    Parameters
    ----------
    prepared : Preparation
    first : int
        The first iteration's number is above this one.
    """

    def __init__(self, prepared: Preparation, first: int):
        self._prepared = prepared
        self._newest = first
        self._states: dict[int, _State] = {}

    def __contains__(self, iteration: object) -> bool:
        return iteration in self._states

    def stroke(self, iteration: int) -> Stroke | None:
        """All that was painted until an iteration; None if nothing was."""
        if iteration not in self._states:
            return None
        painted = self._states[iteration].painted
        places = np.unravel_index(painted.voxels, self._prepared.mask.shape)
        return Stroke(np.stack(places, axis=1), painted.labels, painted.reaches)

    def network(self, iteration: int) -> CoordinateNetwork:
        """The network of an iteration."""
        return self._states[iteration].network

    def learn(
        self,
        strokes: Sequence[Stroke],
        after: int | None,
        fitted: CoordinateNetwork,
        protocol: Protocol,
    ) -> Generator[None, None, int]:
        """Steps that learn strokes, and the number of the iteration that they lead to.

        Parameters
        ----------
        strokes : sequence of Stroke
            Of voxels that are painted more than once the last counts.
        after : int or None
            The iteration to go on from; None: the fit.
        fitted : CoordinateNetwork
            With the weights of the fit.
        protocol : Protocol
            Of the strokes' labels.
        """
        import torch

        from src_core.correction.learn import Lesson, learn
        from src_core.correction.network import CorrectedNetwork

        if after is None:
            network, painted = CorrectedNetwork(fitted), NOTHING
        else:
            network, painted = self._states[after].network, self._states[after].painted
        shape = self._prepared.mask.shape
        for stroke in strokes:
            voxels = np.ravel_multi_index(tuple(stroke.voxels.T), shape)
            painted = painted.with_more(Painted(voxels, stroke.labels, stroke.reaches))
        inside = painted.where(self._prepared.mask.reshape(-1)[painted.voxels])
        numbers = np.searchsorted(self._flat, inside.voxels)
        classes = protocol.to_classes(inside.labels).astype(np.int64)
        lesson = Lesson(
            torch.from_numpy(numbers),
            torch.from_numpy(classes),
            torch.from_numpy(inside.reaches).float(),
            len(protocol.ids),
        )
        network = yield from learn(network, self._prepared.points, lesson)
        self._newest += 1
        self._states[self._newest] = _State(network, painted)
        return self._newest

    def lay_over(
        self, iteration: int, labels: np.ndarray, numbers: np.ndarray, protocol: Protocol
    ) -> np.ndarray:
        """Labels that a network gives some brain points, as painted where they were painted."""
        if iteration not in self._states:
            return labels
        found, painted = self._painted_in(iteration, protocol).among(self._flat[numbers])
        labels = labels.copy()
        labels[found] = painted
        return labels

    def lay_outside(self, iteration: int, label_map: np.ndarray, protocol: Protocol) -> np.ndarray:
        """A label map with what was painted outside the brain, where no network sees anything."""
        if iteration in self._states:
            painted = self._painted_in(iteration, protocol)
            label_map.reshape(-1)[painted.voxels] = painted.labels
        return label_map

    def _painted_in(self, iteration: int, protocol: Protocol) -> Painted:
        """What was painted until an iteration, told in a protocol."""
        painted, learnt = self._states[iteration].painted, self._prepared.model.card.protocol
        if protocol.name == learnt.name:
            return painted
        # What no structure of the other protocol holds stays as the network sees it.
        known = painted.where(np.isin(painted.labels, learnt.ids))
        merged = granularities(learnt)[protocol.name][learnt.to_classes(known.labels)]
        return replace(known, labels=protocol.ids[merged])

    @cached_property
    def _flat(self) -> np.ndarray:
        """Flat indices of all brain points, rising."""
        i, j, k = self._prepared.points.indices.cpu().numpy().astype(np.int64).T
        flat: np.ndarray = np.ravel_multi_index((i, j, k), self._prepared.mask.shape)
        return flat
