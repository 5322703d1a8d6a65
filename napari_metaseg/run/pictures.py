"""What is decoded of each iteration: a cache that answers with the sharpest it has."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from functools import lru_cache
from threading import Condition, Lock
from typing import TYPE_CHECKING

import numpy as np

from napari_metaseg.run.region import COARSE, FINER, WHOLE, Region, thin_axis
from src_core.space.regions import unmask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src_core.space.regions import Regions, Sample

BUDGET = 256 * 2**20
"""Bytes of decoded values kept."""
_LONGEST_WAIT = 0.25
"""Seconds that whoever looks waits for what is on its way."""


class Pictures:
    """Values per iteration, readout and region; the oldest unused are dropped first.

    Safe to use from several threads.

    Parameters
    ----------
    regions : Regions
    budget : int
        Bytes.
    """

    def __init__(self, regions: Regions, budget: int = BUDGET):
        self.regions = regions
        self._budget = budget
        self._size = 0
        self._values: OrderedDict[tuple[int, str, Region], np.ndarray] = OrderedDict()
        self._coming: int | None = None
        self._lock = Condition(Lock())
        self._sample = lru_cache(maxsize=4)(regions.sample)

    def numbers(self, region: Region) -> np.ndarray:
        """Numbers of the brain points that must be decoded for a region."""
        if region.spacing:
            return self.sample(region).numbers
        if region.axis is None:
            return np.arange(len(self.regions), dtype=np.int32)
        return self.regions.plane(region.axis, region.index)

    def sample(self, region: Region) -> Sample:
        """The voxels that are decoded for a coarse volume, and which of them stands for which."""
        return self._sample(region.spacing)

    def put(self, iteration: int, readout: str, region: Region, values: np.ndarray) -> None:
        """Store values at the `numbers` of a region."""
        with self._lock:
            key = (iteration, readout, region)
            before = self._values.pop(key, None)
            self._size += values.nbytes - (0 if before is None else before.nbytes)
            self._values[key] = values
            if self._size > self._budget:
                self._drop_others(key)
            self._lock.notify_all()

    def _drop_others(self, key: tuple[int, str, Region]) -> None:
        """Drop the oldest until the rest fits; what was just stored stays."""
        # All of one iteration is needed at once to save it, whatever that takes.
        others = [one for one in self._values if one[0] != key[0] or one[2] != WHOLE]
        while self._size > self._budget and others and others[0] != key:
            self._size -= self._values.pop(others.pop(0)).nbytes

    def expect(self, iteration: int | None) -> None:
        """Say of which iteration there will soon be something everywhere; None: of none."""
        with self._lock:
            self._coming = iteration
            self._lock.notify_all()

    def get(self, iteration: int, readout: str, region: Region) -> np.ndarray | None:
        """Values at the `numbers` of a region, if they are there."""
        with self._lock:
            key = (iteration, readout, region)
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def has(self, iteration: int, readout: str, region: Region) -> bool:
        """Whether a region is there at least as sharp."""
        known = {WHOLE, replace(region, spacing=0.0), region}
        return any(self.get(iteration, readout, one) is not None for one in known)

    def plane(
        self, iteration: int, readout: str, axis: int, index: int
    ) -> tuple[np.ndarray | None, bool]:
        """The sharpest values of a plane, and whether they are sharp.

        They are in the order of `Regions.plane`.
        """
        found = self._first(iteration, readout, (WHOLE, Region(axis, index), FINER, COARSE))
        if found is None:
            return None, False
        region, values = found
        voxels = self.regions.plane(axis, index) if region.axis is None else slice(None)
        return self._values_at(voxels, region, values), region.spacing == 0

    def decoded(self, iteration: int, readout: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Numbers of the brain points of the sharpest volume that were decoded, and their values.

        Other than in `volume`, no point has the value of one nearby.
        """
        found = self._first(iteration, readout, (WHOLE, FINER, COARSE))
        if found is None:
            return None
        region, values = found
        return self.numbers(region), values

    def volume(self, iteration: int, readout: str) -> tuple[np.ndarray | None, bool]:
        """The sharpest values of all brain points, and whether they are sharp."""
        found = self._first(iteration, readout, (WHOLE, FINER, COARSE))
        if found is None:
            return None, False
        region, values = found
        return self._values_at(slice(None), region, values), region.spacing == 0

    def value(self, iteration: int, readout: str, number: int) -> np.ndarray | None:
        """The sharpest value of one brain point, if anything is known of it."""
        planes = [
            Region(axis, index) for axis, index in enumerate(self.regions.indices[number].tolist())
        ]
        found = self._first(iteration, readout, (WHOLE, *planes, FINER, COARSE))
        if found is None:
            return None
        region, values = found
        voxel = number
        if region.axis is not None:
            voxel = int(np.searchsorted(self.regions.plane(region.axis, region.index), number))
        return self._values_at(voxel, region, values)

    def block(
        self, iteration: int, readout: str, box: Sequence[slice], empty: np.ndarray
    ) -> tuple[np.ndarray, bool]:
        """A box of voxels in the scan's order, filled with the sharpest values there are.

        Where there are none yet of an iteration that is expected, they are waited for.

        Parameters
        ----------
        iteration : int
        readout : str
        box : sequence of 3 slices
        empty : ndarray, shape (...)
            What stands outside the brain, and where nothing is known; its dtype is the result's.

        Returns
        -------
        block : ndarray, shape (i, j, k, ...)
        sharp : bool
            Nothing better will come.
        """
        axis = thin_axis(box, self.regions.shape)
        planes = () if axis is None else (Region(axis, box[axis].start),)
        wanted = (WHOLE, *planes, FINER, COARSE)
        found = self._first(iteration, readout, wanted)
        if found is None:
            self._wait_for(iteration, readout)
            found = self._first(iteration, readout, wanted)
        sizes = [extent.stop - extent.start for extent in box]
        block = np.full((*sizes, *empty.shape), empty)
        if found is None:
            return block, False
        region, values = found
        sharp, numbers = region.spacing == 0, self.regions.inside(box)
        if isinstance(numbers, slice):
            return unmask(self._values_at(numbers, region, values), self.regions.mask, empty), sharp
        places = tuple(
            of_axis - extent.start if extent.start else of_axis
            for of_axis, extent in zip(self.regions.indices[numbers].T, box, strict=True)
        )
        if region.axis is not None:
            numbers = np.searchsorted(self.regions.plane(region.axis, region.index), numbers)
        block[places] = self._values_at(numbers, region, values)
        return block, sharp

    def _wait_for(self, iteration: int, readout: str) -> None:
        """Wait until there is something everywhere, or no longer any hope for it."""
        with self._lock:
            self._lock.wait_for(
                lambda: self._coming != iteration or (iteration, readout, COARSE) in self._values,
                _LONGEST_WAIT,
            )

    def _first(
        self, iteration: int, readout: str, regions: Sequence[Region]
    ) -> tuple[Region, np.ndarray] | None:
        """The first of some regions that is there, with its values."""
        for region in regions:
            values = self.get(iteration, readout, region)
            if values is not None:
                return region, values
        return None

    def _values_at(
        self, voxels: int | slice | np.ndarray, region: Region, values: np.ndarray
    ) -> np.ndarray:
        """Values at some voxels of a region, whose order is that of `Regions`."""
        found: np.ndarray = values[
            self.sample(region).parents[voxels] if region.spacing else voxels
        ]
        return found
