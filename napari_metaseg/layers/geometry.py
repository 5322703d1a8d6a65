"""What a layer is to the engine: the scan that it shows, or the grid that it lies on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from napari import current_viewer
from napari.layers import Image, Labels, Layer

from napari_metaseg.layers.frame import (
    Frame,
    frame_of_axis_labels,
    frame_of_scan,
    transform_of,
)
from napari_metaseg.layers.orientation import Orientation, obliquity
from napari_metaseg.layers.scan_layers import METADATA_KEY
from src_core.errors import InputError
from src_core.io.grid import Grid
from src_core.io.labels import check_ids
from src_core.io.scan import Scan, scan_from_array, unchecked_scan

Geometry = tuple[Scan, Orientation]


def scan_of(layer: Layer) -> Geometry:
    """Return the scan that an image layer shows, and how it is laid out.

    A layer of another reader, or of an array, is taken as it lies in the viewer: its axes are those
    that its axis labels name, else superior, anterior and right; `Scan.notes` then says so.

    Parameters
    ----------
    layer : Layer

    Returns
    -------
    scan : Scan
    orientation : Orientation

    Raises
    ------
    InputError
        If the layer is no scan, or cannot be used as it is.
    """
    _check_kind(layer, Image)
    what = f"layer {layer.name!r}"
    if known := _own_geometry(layer):
        scan, orientation = known
        if np.array_equal(layer.data, orientation.to_display(scan.voxels)):
            return known
        edited = scan_from_array(orientation.to_scan(layer.data), scan.affine, what)
        notes = tuple(dict.fromkeys((*scan.notes, *edited.notes)))
        return replace(edited, header=scan.header, path=scan.path, notes=notes), orientation
    frame = _frame(layer)
    affine, orientation = _geometry_in(frame, layer)
    scan = scan_from_array(orientation.to_scan(layer.data), affine, what)
    path = Path(layer.source.path) if layer.source.path else None
    return replace(scan, path=path, notes=(*frame.notes, *scan.notes)), orientation


def geometry_of(layer: Layer) -> Geometry:
    """Return the grid to write a layer's values on, and how they are laid out.

    It is that of the scan which the layer was made for, or which the viewer shows in the very same
    place; otherwise the layer's own. Only in the first case are the scan's voxels meaningful.

    Parameters
    ----------
    layer : Image or Labels

    Returns
    -------
    scan : Scan
    orientation : Orientation

    Raises
    ------
    InputError
        If the layer is neither a volume nor a slice.
    """
    _check_kind(layer, Image, Labels)
    if known := _own_geometry(layer) or _geometry_beneath(layer):
        return known
    affine, orientation = _geometry_in(_frame(layer), layer)
    values = orientation.to_scan(layer.data)
    return unchecked_scan(values, affine, f"layer {layer.name!r}"), orientation


def labels_on_grid(labels: Layer, scan_layer: Layer, what: str) -> np.ndarray:
    """Return the labels of a layer that lies on the voxels of a scan's layer.

    Parameters
    ----------
    labels : Labels
    scan_layer : Image
        A layer that `scan_of` takes.
    what : str
        What the labels are to the user, for messages: ``"mask"`` or ``"reference"``.

    Returns
    -------
    ndarray of int32, shape (I, J, K)
        In scan voxel order; a copy.

    Raises
    ------
    InputError
        If the layer is of another kind, its voxels are not those of the scan, or an id
        is beyond 2147483647.
    """
    _check_kind(scan_layer, Image)
    _check_kind(labels, Labels)
    advice = (
        f"open a {what} that was drawn on this scan, resample it to the scan's grid with"
        " nearest-neighbour interpolation, or paint on a new labels layer"
    )
    shape = scan_layer.data.shape
    # Asked first, for a slice has no place in the frame of a volume.
    if labels.data.shape != shape:
        raise InputError(
            f"{what} {labels.name!r} has shape {labels.data.shape}, the scan {shape}; {advice}"
        )
    frame = _frame(scan_layer)
    attached = _attached(labels)
    labels_frame = frame_of_scan(*attached) if attached else frame
    grid, labels_grid = (
        Grid(layer.data.shape, of_layer.world @ transform_of(layer))
        for layer, of_layer in ((scan_layer, frame), (labels, labels_frame))
    )
    grid.require_same(labels_grid, f"{what} {labels.name!r}", owner="the scan", advice=advice)
    check_ids(labels.data, f"{what} {labels.name!r}")
    known = _own_geometry(scan_layer) or _geometry_in(frame, scan_layer)
    return np.array(known[1].to_scan(labels.data), dtype=np.int32, order="C")


def _frame(layer: Layer) -> Frame:
    attached = _attached(layer)
    return frame_of_scan(*attached) if attached else frame_of_axis_labels(layer)


def _geometry_in(frame: Frame, layer: Layer) -> tuple[np.ndarray, Orientation]:
    """Return an affine and a layout that leave the layer's axes as they are, last one first."""
    transform = transform_of(layer)
    to_world = frame.world @ transform
    affine = np.stack([frame.through] * 3 + [to_world[:, -1]], axis=1)
    for column, display in enumerate(frame.shown):
        affine[:, 2 - display] = to_world[:, column]
    straight = (False, False, False)
    return affine, Orientation(
        (2, 1, 0),
        straight,
        frame.shown,
        transform,
        obliquity(affine),
        frame.directions,
        frame.unit,
    )


def _attached(layer: Layer) -> Geometry | None:
    """Return the geometry that the layer was made with."""
    ours = layer.metadata.get(METADATA_KEY)
    if not isinstance(ours, Mapping):
        return None
    scan, orientation = ours.get("scan"), ours.get("orientation")
    if not isinstance(scan, Scan) or not isinstance(orientation, Orientation):
        return None
    return (scan, orientation) if len(orientation.shown) == layer.ndim else None


def _own_geometry(layer: Layer) -> Geometry | None:
    """Return the geometry that the layer was made with, if it is still in its place."""
    attached = _attached(layer)
    return attached if attached and _fits(layer, *attached) else None


def _geometry_beneath(layer: Layer) -> Geometry | None:
    """Return the geometry of a layer of ours in the viewer that lies in the same place."""
    viewer = current_viewer()
    for other in viewer.layers if viewer else ():
        geometry = _own_geometry(other)
        if geometry and len(geometry[1].shown) == layer.ndim and _fits(layer, *geometry):
            return geometry
    return None


def _fits(layer: Layer, scan: Scan, orientation: Orientation) -> bool:
    """Whether each voxel of the layer is shown where that of the scan is."""
    shape = orientation.to_display(scan.voxels).shape
    return Grid(shape, orientation.affine).is_same(Grid(layer.data.shape, transform_of(layer)))


def _check_kind(layer: Layer, *kinds: type[Layer]) -> None:
    """Refuse layers that are not what is asked for, or not one volume or slice in memory."""
    what = f"layer {layer.name!r}"
    if not isinstance(layer, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise InputError(
            f"{what} is of type {type(layer).__name__}; choose one of type {wanted}, or convert it"
            " (right-click on the layer)"
        )
    if layer.multiscale:
        raise InputError(f"{what} is multiscale; open its full resolution as a layer of its own")
    if getattr(layer, "rgb", False):
        raise InputError(f"{what} is in colour; choose a grey-scale image")
    if layer.ndim not in (2, 3):
        raise InputError(
            f"{what} of shape {layer.data.shape} is not one volume; split it (right-click on the"
            " layer, Split Stack) and choose a part"
        )
    if not isinstance(layer.data, np.ndarray):
        raise InputError(
            f"{what} is not in memory, but read piece by piece; open its file with this plugin"
        )
