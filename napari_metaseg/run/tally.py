"""Volumes of the structures and their overlaps with the reference, iteration by iteration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src_core.results.measure import mean_defined

if TYPE_CHECKING:
    from src_core.io.labels import Protocol
    from src_core.preparation.prepare import Preparation
    from src_core.space.regions import Sample


@dataclass(frozen=True)
class Tally:
    """Volumes and overlaps at one iteration.

    Attributes
    ----------
    volumes : dict
        mL by label id.
    dice : dict
        Dice by label id; empty without a reference, nan where a structure is in neither.
    exact : bool
        All voxels were counted, not a sample.
    """

    volumes: dict[int, float]
    dice: dict[int, float]
    exact: bool

    @property
    def mean_dice(self) -> float:
        """Mean over the structures present; nan without a reference."""
        mean = mean_defined(self.dice.values())
        return math.nan if mean is None else mean


class Tallies:
    """What was counted of each iteration, at every voxel or in a sample.

    Filled in the engine's thread; reading is safe everywhere.

    Parameters
    ----------
    prepared : Preparation
        The scan, with the reference if there is one.
    protocol : Protocol
        Of the labels.
    """

    def __init__(self, prepared: Preparation, protocol: Protocol):
        reference, mask = None, prepared.mask
        if prepared.reference is not None:
            reference = prepared.reference.told_in(protocol)
        self._labels = protocol.ids[1:].tolist()
        self._voxel_volume = prepared.scan.voxel_volume
        self._known: dict[tuple[int, bool], Tally] = {}
        self._truth: np.ndarray | None = None
        if reference is not None:
            self._truth = reference[mask]
            self._missed = self._count(reference[~mask], None)

    def add_structure(self, label: int) -> None:
        """Count one more structure from now on, of which there was nothing so far."""
        self._labels.append(label)
        if self._truth is not None:
            self._missed = np.pad(self._missed, (0, max(0, label + 1 - len(self._missed))))

    def best(self, iteration: int) -> Tally | None:
        """The exact tally of an iteration, or else the estimate, if there is one."""
        return self.get(iteration, exact=True) or self.get(iteration, exact=False)

    def get(self, iteration: int, *, exact: bool) -> Tally | None:
        """The tally of an iteration that was counted in this way, if there is one."""
        return self._known.get((iteration, exact))

    def change(self, before: int, now: int) -> dict[int, float]:
        """Volumes at an iteration minus those at another, mL by label id.

        Both are exact, or both from the same sample; empty while they are not.
        """
        for exact in (True, False):
            old, new = self.get(before, exact=exact), self.get(now, exact=exact)
            if old is not None and new is not None:
                return {
                    label: new.volumes[label] - old.volumes.get(label, 0.0) for label in new.volumes
                }
        return {}

    def add(self, iteration: int, labels: np.ndarray, sample: Sample | None) -> None:
        """Count the labels of an iteration.

        Parameters
        ----------
        iteration : int
        labels : ndarray, shape (n,)
            Label ids of the sample's voxels; without a sample, of all brain points.
        sample : Sample or None
            Each of its voxels counts for all that it stands for.
        """
        weights = None if sample is None else sample.weights
        counts = self._count(labels, weights)
        dice: dict[int, float] = {}
        if self._truth is not None:
            truth = self._truth if sample is None else self._truth[sample.numbers]
            agreed = labels == truth
            both = self._count(labels[agreed], None if weights is None else weights[agreed])
            total = counts + self._count(truth, weights) + self._missed
            dice = {
                label: float(2 * both[label] / total[label]) if total[label] else math.nan
                for label in self._labels
            }
        millilitres = self._voxel_volume / 1000
        volumes = {label: float(counts[label] * millilitres) for label in self._labels}
        exact = sample is None
        self._known[iteration, exact] = Tally(volumes, dice, exact)

    def _count(self, labels: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """How many voxels have each label id."""
        return np.bincount(labels, weights, minlength=max(self._labels, default=0) + 1)
