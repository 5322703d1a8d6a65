"""Arrays that show the iteration on the screen, decoded only where napari looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from src_core.errors import InputError
from src_core.space.regions import unmask

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_metaseg.layers.orientation import Orientation
    from napari_metaseg.layers.paint import Paint
    from napari_metaseg.run.session import Session


class LiveArray:
    """One readout of the iteration that is shown, decoded where napari looks.

    Has what napari needs of an array: shape, dtype and slicing. A slice is only computed when it is
    turned into a numpy array.

    Parameters
    ----------
    session : Session
    readout : str
    orientation : Orientation
        From the scan's voxel order to the axes on the screen.
    on_read : callable
        Called whenever some of it was looked at.

    Attributes
    ----------
    paint : Paint or None
        Lies over what is decoded.
    """

    def __init__(
        self,
        session: Session,
        readout: str,
        orientation: Orientation,
        on_read: Callable[[], None],
    ):
        self._session = session
        self._readout = readout
        self._orientation = orientation
        self._on_read = on_read
        self.paint: Paint | None = None
        self._empty = session.readouts[readout].empty
        full = tuple(session.scan.shape[axis] for axis in orientation.axes)
        self.shape = tuple(full[axis] for axis in orientation.shown)
        self._full = full
        self.dtype = self._empty.dtype
        self.ndim = len(self.shape)
        self.size = int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> LiveSlice | np.ndarray:
        if _picks_voxels(key):
            box, places = _around(key)
            picked: np.ndarray = self._values(box)[places]
            return picked
        return LiveSlice(self, _normalised(key, self.shape))

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.paint is None or not self.paint.wet:
            raise TypeError("live labels can be painted on while they are corrected")
        if _picks_voxels(key):
            box, places = _around(key)
            before = self._values(box)
            after = before.copy()
            after[places] = value
        else:
            parts = _normalised(key, self.shape)
            box = tuple(extent for extent, _ in parts)
            before = self._values(box)
            dropped = tuple(axis for axis, (_, stays) in enumerate(parts) if not stays)
            after = np.broadcast_to(np.asarray(value), before.squeeze(dropped).shape)
            after = np.expand_dims(after, dropped)
        self.paint.add(box, before, after)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All of it, at every voxel.

        Raises
        ------
        InputError
            It is not decoded yet.
        """
        return self.volume(self._session.shown).astype(dtype or self.dtype, copy=False)

    def volume(self, iteration: int) -> np.ndarray:
        """What this array holds at every voxel while an iteration is shown.

        Raises
        ------
        InputError
            It is not decoded yet.
        """
        values, sharp = self._session.pictures.volume(iteration, self._readout)
        if values is None or not sharp:
            raise InputError(
                f"iteration {iteration} is not decoded at every voxel yet: wait a few seconds, "
                "or keep the iteration in the panel"
            )
        volume = self._orientation.to_display(
            unmask(values, self._session.prepared.mask, self._empty)
        )
        return volume if self.paint is None else self.paint.over((slice(None),) * self.ndim, volume)

    def read(self, box: tuple[slice, ...]) -> np.ndarray:
        """The sharpest values there are of a box of the display, all its axes kept."""
        block = self._values(box)
        self._on_read()
        return block

    def _values(self, box: tuple[slice, ...]) -> np.ndarray:
        """What a box holds while the iteration of now is shown."""
        block, _ = self._decoded(self._session.shown, self._readout, box)
        return block if self.paint is None else self.paint.over(box, block)

    def _decoded(
        self, iteration: int, readout: str, box: tuple[slice, ...]
    ) -> tuple[np.ndarray, bool]:
        """A box of what is decoded of an iteration, and whether it is sharp."""
        extents = [slice(0, size) for size in self._full]
        for display, extent in zip(self._orientation.shown, box, strict=True):
            extents[display] = extent
        voxels = [slice(0, 0)] * 3
        for display, extent in enumerate(extents):
            size = self._full[display]
            if self._orientation.flips[display]:
                extent = slice(size - extent.stop, size - extent.start)
            voxels[self._orientation.axes[display]] = extent
        block, sharp = self._session.pictures.block(iteration, readout, voxels, self._empty)
        return self._orientation.to_display(block), sharp


@dataclass(frozen=True, eq=False)
class LiveSlice:
    """Part of a `LiveArray` that becomes numbers in `__array__`.

    Attributes
    ----------
    source : LiveArray
    key : tuple of (slice, bool)
        Per axis: the extent, and whether the axis stays.
    """

    source: LiveArray
    key: tuple[tuple[slice, bool], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes that stay."""
        return tuple(extent.stop - extent.start for extent, stays in self.key if stays)

    @property
    def ndim(self) -> int:
        """Number of axes that stay."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return self.source.dtype

    def __getitem__(self, key: Any) -> LiveSlice:
        inner = iter(_normalised(key, self.shape))
        parts = []
        for extent, stays in self.key:
            part, part_stays = next(inner) if stays else (slice(0, 1), False)
            start = extent.start
            parts.append((slice(start + part.start, start + part.stop), part_stays))
        return LiveSlice(self.source, tuple(parts))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        block = self.source.read(tuple(extent for extent, _ in self.key))
        dropped = tuple(axis for axis, (_, stays) in enumerate(self.key) if not stays)
        return block.squeeze(dropped).astype(dtype or self.dtype, copy=False)


def _picks_voxels(key: Any) -> bool:
    """Whether an index names voxels one by one, by an array for each axis."""
    return isinstance(key, tuple) and bool(key) and all(isinstance(k, np.ndarray) for k in key)


def _around(key: tuple[np.ndarray, ...]) -> tuple[tuple[slice, ...], tuple[np.ndarray, ...]]:
    """The smallest box that holds some voxels, and where in it they are."""
    box = tuple(slice(int(k.min()), int(k.max()) + 1) for k in key)
    return box, tuple(k - extent.start for k, extent in zip(key, box, strict=True))


def _normalised(key: Any, shape: tuple[int, ...]) -> tuple[tuple[slice, bool], ...]:
    """An index as one extent per axis, each with whether its axis stays."""
    key = key if isinstance(key, tuple) else (key,)
    if any(item is Ellipsis for item in key):
        dots = next(i for i, k in enumerate(key) if k is Ellipsis)
        missing = len(shape) - len(key) + 1
        key = (*key[:dots], *[slice(None)] * missing, *key[dots + 1 :])
    if len(key) > len(shape):
        raise IndexError(f"{len(key)} indices for {len(shape)} axes")
    key = (*key, *[slice(None)] * (len(shape) - len(key)))
    parts = []
    for item, size in zip(key, shape, strict=True):
        if isinstance(item, slice):
            start, stop, step = item.indices(size)
            if step != 1:
                raise NotImplementedError("only whole runs of a live layer can be read")
            parts.append((slice(start, max(start, stop)), True))
        else:
            index = int(item)
            if not -size <= index < size:
                raise IndexError(f"index {index} is outside an axis of {size}")
            parts.append((slice(index % size, index % size + 1), False))
    return tuple(parts)
