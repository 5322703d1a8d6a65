"""What lies under the mouse, and where a structure lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_metaseg.layers.positions import central_voxel, position_of, voxel_at

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_metaseg.layers.live_layers import LiveLayers


def middle_of(live: LiveLayers, label: int) -> tuple[float, ...] | None:
    """Return the position in the viewer of a structure's middle; None if there is none of it.

    Parameters
    ----------
    live : LiveLayers
        Of the iteration that is shown.
    label : int
        Id of the structure.
    """
    session = live.session
    decoded = session.pictures.decoded(session.shown, session.labels.name)
    if decoded is None or live.main is None:
        return None
    numbers, labels = decoded
    voxels = session.pictures.regions.indices[numbers[labels == label]]
    if not len(voxels):
        return None
    return position_of(central_voxel(voxels), live.main, live.orientation, session.scan.shape)


def described(live: LiveLayers, viewer: ViewerModel) -> str:
    """Return structure and MNI position under the mouse of a viewer; empty outside the brain."""
    if live.main is None or viewer.dims.ndisplay != 2:
        return ""
    session = live.session
    voxel = voxel_at(viewer.cursor.position, live.main, live.orientation, session.scan.shape)
    number = None if voxel is None else session.number_at(voxel)
    return "" if number is None else session.describe_point(number)
