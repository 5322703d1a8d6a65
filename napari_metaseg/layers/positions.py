"""Between positions in the viewer and voxels of the scan that a layer lies over."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from napari_metaseg.run.region import WHOLE, Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import Dims
    from napari.layers import Layer

    from napari_metaseg.layers.orientation import Orientation, Triple


def voxel_at(
    position: Sequence[float], layer: Layer, orientation: Orientation, shape: Triple
) -> Triple | None:
    """Return the voxel at a position in the viewer; None outside the layer.

    Parameters
    ----------
    position : sequence of float
    layer : Layer
        Lies over the scan.
    orientation : Orientation
        How the scan is laid out in the layer.
    shape : tuple of int
        Numbers of voxels of the scan.
    """
    index = np.rint(layer.world_to_data(position)).astype(int)
    if (index < 0).any() or (index >= layer.data.shape).any():
        return None
    i, j, k, _ = orientation.voxel_of_index(shape) @ [*index, 1]
    return int(i), int(j), int(k)


def position_of(
    voxel: Sequence[int], layer: Layer, orientation: Orientation, shape: Triple
) -> tuple[float, ...]:
    """Return the position in the viewer of a voxel's centre; the parameters are as above."""
    to_index = np.linalg.pinv(orientation.voxel_of_index(shape))
    position = layer.data_to_world((to_index @ [*voxel, 1])[:-1])
    return cast("tuple[float, ...]", position)


def voxels_at(places: np.ndarray, orientation: Orientation, shape: Triple) -> np.ndarray:
    """Return the voxels (n, 3) at indices (n, d) of a layer; the parameters are as above."""
    matrix = orientation.voxel_of_index(shape).astype(int)
    voxels: np.ndarray = places @ matrix[:3, :-1].T + matrix[:3, -1]
    return voxels


def places_of(voxels: np.ndarray, orientation: Orientation, shape: Triple) -> np.ndarray:
    """Return the indices (n, d) of a layer at voxels (n, 3); the parameters are as above."""
    matrix = orientation.voxel_of_index(shape).astype(int)
    places: np.ndarray = (voxels - matrix[:3, -1]) @ matrix[:3, :-1]
    return places


def region_on_screen(dims: Dims, layer: Layer, orientation: Orientation, shape: Triple) -> Region:
    """Return the plane of the scan that a viewer shows, or the nearest one; all of it in 3D.

    Parameters
    ----------
    dims : Dims
        The viewer's.
    layer, orientation, shape
        As in `voxel_at`.
    """
    if dims.ndisplay == 3:
        return WHOLE
    # Other layers may have given the viewer axes before those of the scan.
    first = dims.ndim - layer.ndim
    across = sorted(set(range(3)) - set(orientation.shown))  # of a single slice
    across += [orientation.shown[axis - first] for axis in dims.not_displayed if axis >= first]
    axis = orientation.axes[across[0]]
    index = np.clip(np.rint(layer.world_to_data(dims.point)), 0, np.array(layer.data.shape) - 1)
    return Region(axis, int((orientation.voxel_of_index(shape) @ [*index, 1])[axis]))


def central_voxel(voxels: np.ndarray) -> Triple:
    """Return the one of some voxels that is nearest to their centre.

    The centre itself may lie in a bend of the structure, so outside it.

    Parameters
    ----------
    voxels : ndarray of int, shape (n, 3)
    """
    offsets = voxels - voxels.mean(0)
    i, j, k = voxels[np.square(offsets).sum(1).argmin()]
    return int(i), int(j), int(k)
