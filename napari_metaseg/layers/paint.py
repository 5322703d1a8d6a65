"""What was painted on a live array and is not in its pictures yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Paint:
    """Labels that lie over what is decoded, voxel by voxel.

    Nothing here is as much work as the array is large; memory is taken where it is painted.

    Parameters
    ----------
    shape : sequence of int
        Of the array.
    dtype : dtype

    Attributes
    ----------
    wet : bool
        Whether more can be painted.
    """

    def __init__(self, shape: Sequence[int], dtype: np.dtype):
        self.wet = False
        self._shape = tuple(shape)
        self._labels = np.zeros(shape, dtype)
        self._painted = np.zeros(shape, bool)
        self._new: list[np.ndarray] = []
        self._laid: list[np.ndarray] = []

    @property
    def is_new(self) -> bool:
        """Whether anything was painted that was not taken up."""
        return bool(self._new)

    def over(self, box: tuple[slice, ...], beneath: np.ndarray) -> np.ndarray:
        """A box of the array with what lies over it."""
        painted = self._painted[box]
        return np.where(painted, self._labels[box], beneath) if painted.any() else beneath

    def add(self, box: tuple[slice, ...], before: np.ndarray, after: np.ndarray) -> None:
        """Paint what differs between two states of a box."""
        changed = before != after
        if not changed.any():
            return
        self._labels[box][changed] = after[changed]
        self._painted[box] |= changed
        places = [
            within + extent.start for within, extent in zip(np.nonzero(changed), box, strict=True)
        ]
        self._new.append(np.ravel_multi_index(places, self._shape))

    def hold(self, places: np.ndarray, label: int) -> None:
        """Paint places (n, d), each once, with the label that stands there: it is right."""
        at = tuple(places.T)
        self._labels[at], self._painted[at] = label, True
        self._new.append(np.ravel_multi_index(at, self._shape))

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        """What was painted since the last time; it is laid from now on.

        Returns
        -------
        places : ndarray of int, shape (n, d)
            Indices of voxels, each once.
        labels : ndarray, shape (n,)
        """
        flat = self._flat_new()
        self._new.clear()
        self._laid.append(flat)
        places = np.unravel_index(flat, self._shape)
        return np.stack(places, axis=1), self._labels[places]

    def lay(self, strokes: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        """Lay places (n, d) with labels (n,), the later over the earlier, in place of what was.

        What was painted and not taken up yet stays over it.
        """
        painted, labels = self._painted.reshape(-1), self._labels.reshape(-1)
        new = self._flat_new()
        for flat in self._laid:
            painted[flat[~np.isin(flat, new)]] = False
        self._laid.clear()
        for places, of_stroke in strokes:
            flat = np.ravel_multi_index(tuple(places.T), self._shape)
            beneath = ~np.isin(flat, new)
            labels[flat[beneath]] = of_stroke[beneath]
            painted[flat[beneath]] = True
            self._laid.append(flat)

    def _flat_new(self) -> np.ndarray:
        return np.unique(np.concatenate([np.zeros(0, np.intp), *self._new]))
