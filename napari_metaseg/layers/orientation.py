"""How a scan's voxel axes are laid out on the screen: permuted and flipped, never resampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.orientations import inv_ornt_aff, io_orientation

from src_core.errors import InputError

Triple = tuple[int, int, int]

# world axes (R, A, S) in the order of display
_WORLD_AXES = (2, 1, 0)


@dataclass(frozen=True, eq=False)
class Orientation:
    """Where each voxel axis of a scan goes in its layers, and where these lie in the viewer.

    A layer has up to three display axes, usually S, A and R: its indices rise towards superior,
    anterior and right. A single slice has the two in its plane.

    Parameters
    ----------
    axes : tuple of int
        The scan's voxel axis along each of the three display axes.
    flips : tuple of bool
        For each display axis: whether its voxel axis runs backwards on the screen.
    shown : tuple of int
        The display axes that the layer has.
    affine : ndarray, shape (n + 1, n + 1)
        Layer index to display position, for the n axes shown.
    obliquity : float
        Largest angle in degrees between a voxel axis and the world axis that it is closest to.
    directions : str
        Where each of the three display axes leads, among S or I, A or P, R or L.
    unit : str
        Length unit of display positions.
    """

    axes: Triple
    flips: tuple[bool, bool, bool]
    shown: tuple[int, ...]
    affine: np.ndarray
    obliquity: float
    directions: str = "SAR"
    unit: str = "mm"

    @property
    def axis_labels(self) -> tuple[str, ...]:
        """Names of the layer's axes."""
        return tuple(self.directions[axis] for axis in self.shown)

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the layer's axes."""
        return (self.unit,) * len(self.shown)

    def to_display(self, volume: np.ndarray) -> np.ndarray:
        """Lay a volume out as the layer shows it, without copying it.

        Parameters
        ----------
        volume : ndarray, shape (I, J, K, ...)
            In scan voxel order.

        Returns
        -------
        ndarray
            View with the layer's axes first.
        """
        layout = volume.transpose(*self.axes, *range(3, volume.ndim))
        return layout[self._index(hidden=0)]

    def to_scan(self, displayed: np.ndarray) -> np.ndarray:
        """Put what a layer shows back into scan voxel order, without copying it.

        Parameters
        ----------
        displayed : ndarray
            The layer's axes first.

        Returns
        -------
        ndarray, shape (I, J, K, ...)
            View in scan voxel order.
        """
        layout = displayed[self._index(hidden=None)]
        return layout.transpose(*np.argsort(self.axes), *range(3, layout.ndim))

    def voxel_of_index(self, shape: Triple) -> np.ndarray:
        """Return the matrix from layer index to voxel index, both homogeneous: (4, n + 1).

        Parameters
        ----------
        shape : tuple of int
            Of the scan.
        """
        matrix = np.zeros((4, len(self.shown) + 1))
        matrix[3, -1] = 1
        for column, display in enumerate(self.shown):
            axis, flipped = self.axes[display], self.flips[display]
            matrix[axis, column] = -1 if flipped else 1
            matrix[axis, -1] = shape[axis] - 1 if flipped else 0
        return matrix

    def _index(self, hidden: int | None) -> tuple[slice | int | None, ...]:
        return tuple(
            slice(None, None, -1 if flipped else 1) if display in self.shown else hidden
            for display, flipped in enumerate(self.flips)
        )


def orientation_of(affine: np.ndarray, shape: tuple[int, ...]) -> Orientation:
    """Return the layout in which superior, anterior and right are up and to the right.

    The display affine is always diagonal, because napari slices along its axes only: an oblique or
    sheared scan is shown straight, with its true voxel sizes and its centre where it is.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        Voxel index to world millimetres (RAS+).
    shape : tuple of int
        Number of voxels along the three axes.

    Returns
    -------
    Orientation

    Raises
    ------
    InputError
        If more than one axis has length 1.
    """
    world_axes, signs = io_orientation(affine).T
    axes = cast("Triple", tuple(int(np.argmax(world_axes == axis)) for axis in _WORLD_AXES))
    flips = cast("tuple[bool, bool, bool]", tuple(bool(signs[axis] < 0) for axis in axes))
    shown = tuple(display for display, axis in enumerate(axes) if shape[axis] > 1)
    if len(shown) < 2:
        raise InputError(
            f"an image of shape {shape} cannot be shown; it is neither volume nor slice"
        )
    straight = np.eye(4)
    upright = _canonical(affine, shape)[np.ix_((*_WORLD_AXES, 3), (*_WORLD_AXES, 3))]
    size = voxel_sizes(upright)
    straight[:3, :3] = np.diag(size)
    # zero if the scan is straight: its origin is then kept to the bit
    turn = upright[:3, :3] - straight[:3, :3]
    straight[:3, 3] = upright[:3, 3] + turn @ (np.take(shape, axes) - 1) / 2
    kept = np.ix_((*shown, 3), (*shown, 3))
    return Orientation(axes, flips, shown, straight[kept], obliquity(affine))


def obliquity(affine: np.ndarray) -> float:
    """Return the largest angle in degrees between a voxel axis and its world axis."""
    directions = _canonical(affine, (1, 1, 1))[:3, :3]
    along = np.diag(directions)
    across = np.linalg.norm(directions - np.diag(along), axis=0)
    return float(np.degrees(np.arctan2(across, along)).max())


def _canonical(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the affine after voxel axes are permuted and flipped to be closest to R, A, S."""
    canonical: np.ndarray = affine @ inv_ornt_aff(io_orientation(affine), shape)
    return canonical
