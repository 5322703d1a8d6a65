"""Between scans and layers: what a layer is to the engine, and how results are laid over it.

Our layers carry ``metadata["napari-metaseg"]``, a dict with ``scan``, ``orientation`` and, for
labels, ``protocol`` (what names them, or None) and ``details`` (how they were made).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from napari import current_viewer
from napari.layers import Image, Labels, Layer
from nibabel.affines import from_matvec

from napari_metaseg.layers.label_style import Named, layer_style
from napari_metaseg.layers.orientation import Orientation, obliquity, orientation_of
from src_core.errors import InputError
from src_core.io.scan import Scan, grid_from_array, scan_from_array

METADATA_KEY = "napari-metaseg"
LIVE = "napari-metaseg-live"
"""Key in the metadata of a layer that follows a fit: no input, and not to be painted on."""

LayerData = tuple[np.ndarray, dict[str, Any], str]
Geometry = tuple[Scan, Orientation]

_CONTRAST_SAMPLE = 200_000
_CONTRAST_PERCENTILES = (0.1, 99.8)
_SAME_PLACE_VOXELS = 0.01
_DIRECTIONS = {"S": "superior", "A": "anterior", "R": "right"}
_WORLD_AXIS = {letter: axis for axis, pair in enumerate(("RL", "AP", "SI")) for letter in pair}


def scan_layer(scan: Scan, name: str) -> LayerData:
    """Return a scan as an image layer that shows the scan's own voxels, not a copy."""
    orientation = orientation_of(scan.affine, scan.shape)
    keywords = _placed(orientation) | {
        "name": name,
        "colormap": "gray",
        "contrast_limits": _contrast_limits(scan.voxels),
        "rgb": False,
        "multiscale": False,
        "projection_mode": "none",
        "metadata": {METADATA_KEY: {"scan": scan, "orientation": orientation}},
    }
    return orientation.to_display(scan.voxels), keywords, "image"


def labels_layer(
    label_map: np.ndarray,
    scan: Scan,
    orientation: Orientation,
    protocol: Named | None,
    name: str,
    details: Mapping[str, Any] | None = None,
) -> LayerData:
    """Return a label map as an ordinary labels layer, which can be painted on.

    Parameters
    ----------
    label_map : ndarray of int, (I, J, K)
        In scan voxel order; it is copied.
    scan : Scan
        The scan that the labels belong to.
    orientation : Orientation
        That of the scan's layer.
    protocol : Protocol or sequence of Structure, optional
        Names and colours; without them they are napari's.
    name : str
        Of the layer.
    details : mapping, optional
        How the labels were made, for the description that is written beside them.
    """
    dtype = np.result_type(np.min_scalar_type(label_map.min()), np.min_scalar_type(label_map.max()))
    keywords = _placed(orientation) | {
        "name": name,
        "multiscale": False,
        "metadata": {
            METADATA_KEY: {
                "scan": scan,
                "orientation": orientation,
                "protocol": protocol,
                "details": dict(details or {}),
            }
        },
    }
    if protocol is not None:
        keywords |= layer_style(protocol, label_map)
    data = np.array(orientation.to_display(label_map), dtype=dtype, order="C")
    return data, keywords, "labels"


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
    return grid_from_array(values, affine, f"layer {layer.name!r}"), orientation


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
    ndarray of int32, (I, J, K)
        In scan voxel order; a copy.

    Raises
    ------
    InputError
        If the layer is of another kind, or its voxels are not those of the scan.
    """
    _check_kind(scan_layer, Image)
    _check_kind(labels, Labels)
    shape = scan_layer.data.shape
    advice = (
        f"open a {what} that was drawn on this scan, resample it to the scan's grid with"
        " nearest-neighbour interpolation, or paint on a new labels layer"
    )
    if labels.data.shape != shape:
        raise InputError(
            f"{what} {labels.name!r} has shape {labels.data.shape}, the scan {shape}; {advice}"
        )
    frame = _frame(scan_layer)
    attached = _attached(labels)
    place = frame.world @ _transform(scan_layer)
    its_place = (_frame_of(*attached) if attached else frame).world @ _transform(labels)
    shift = _largest_shift(place, its_place, shape)
    if shift > _SAME_PLACE_VOXELS * np.linalg.norm(place[:, :-1], axis=0).min():
        raise InputError(
            f"{what} {labels.name!r} lies up to {shift:.3g} mm off the scan's voxels; {advice}"
        )
    known = _own_geometry(scan_layer) or _geometry_in(frame, scan_layer)
    return np.array(known[1].to_scan(labels.data), dtype=np.int32, order="C")


@dataclass(frozen=True, eq=False)
class _Frame:
    """What positions in the viewer mean.

    Parameters
    ----------
    world : ndarray, (4, n + 1)
        Display position to world millimetres (RAS+), both homogeneous.
    through : ndarray, (4,)
        Step in world millimetres from a slice to the next, if there were one; 0 for volumes.
    shown, directions, unit
        As in `Orientation`.
    notes : tuple of str
        What had to be guessed.
    """

    world: np.ndarray
    through: np.ndarray
    shown: tuple[int, ...]
    directions: str
    unit: str
    notes: tuple[str, ...] = ()


def _frame(layer: Layer) -> _Frame:
    attached = _attached(layer)
    return _frame_of(*attached) if attached else _frame_of_labels(layer)


def _frame_of(scan: Scan, orientation: Orientation) -> _Frame:
    """The frame in which a scan is shown: a true position for each that is shown straight."""
    index_to_world = scan.affine @ orientation.voxel_of_index(scan.shape)
    hidden = [axis for axis in range(3) if axis not in orientation.shown]
    return _Frame(
        index_to_world @ np.linalg.inv(orientation.affine),
        scan.affine[:, np.take(orientation.axes, hidden)].sum(axis=1),
        orientation.shown,
        orientation.directions,
        orientation.unit,
    )


def _frame_of_labels(layer: Layer) -> _Frame:
    """The frame that a layer's axis labels and units name, or else (S, A, R) in millimetres."""
    notes = []
    letters = "".join(layer.axis_labels).upper()
    named = {_WORLD_AXIS.get(letter) for letter in letters} - {None}
    if not len(letters) == len(named) == layer.ndim:
        letters = "SAR"[-layer.ndim :]
        axes = ", ".join(_DIRECTIONS[letter] for letter in letters)
        notes.append(f"the layer does not say how it lies; its axes are taken for {axes}")
    unit, *others = set(layer.units)
    if others:
        raise InputError(f"layer {layer.name!r} has several units; give all its axes the unit mm")
    is_length = unit.is_compatible_with("mm")
    size = (1 * unit).to("mm").magnitude if is_length else 1
    if not is_length:
        notes.append("the layer has no unit of length; its numbers are taken for mm")
    world, through = np.zeros((4, layer.ndim + 1)), np.zeros(4)
    world[3, -1] = 1
    for column, letter in enumerate(letters):
        world[_WORLD_AXIS[letter], column] = -size if letter in "LPI" else size
    directions = letters
    for axis, letter in enumerate(_DIRECTIONS):
        if not world[_WORLD_AXIS[letter]].any():
            directions = letters[:axis] + letter + letters[axis:]
            through[_WORLD_AXIS[letter]] = 1
            notes.append(f"where the slice lies is not known; it is taken for {letter} = 0 mm")
    shown = tuple(axis for axis, letter in enumerate(directions) if letter in letters)
    return _Frame(world, through, shown, directions, str(unit), tuple(notes))


def _geometry_in(frame: _Frame, layer: Layer) -> tuple[np.ndarray, Orientation]:
    """Return an affine and a layout that leave the layer's axes as they are, last one first."""
    transform = _transform(layer)
    place = frame.world @ transform
    affine = np.stack([frame.through] * 3 + [place[:, -1]], axis=1)
    for column, display in enumerate(frame.shown):
        affine[:, 2 - display] = place[:, column]
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
    if layer.data.shape != shape:
        return False
    voxel = np.linalg.norm(orientation.affine[:, :-1], axis=0).min()
    shift = _largest_shift(_transform(layer), orientation.affine, shape)
    return shift <= _SAME_PLACE_VOXELS * voxel


def _transform(layer: Layer) -> np.ndarray:
    """Return the matrix from layer index to display position: (n + 1, n + 1)."""
    origin = np.array(layer.data_to_world(np.zeros(layer.ndim)))
    steps = [np.array(layer.data_to_world(step)) - origin for step in np.eye(layer.ndim)]
    return from_matvec(np.stack(steps, axis=1), origin)


def _largest_shift(a: np.ndarray, b: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return how far apart two matrices place a corner of a layer, at most."""
    corners = np.array([(*corner, 1) for corner in product(*((0, n - 1) for n in shape))])
    return float(np.linalg.norm(corners @ (a - b).T, axis=1).max())


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


def _placed(orientation: Orientation) -> dict[str, Any]:
    """Return the arguments that put a layer in its place."""
    return {
        "affine": orientation.affine,
        "axis_labels": orientation.axis_labels,
        "units": orientation.units,
    }


def _contrast_limits(voxels: np.ndarray) -> tuple[float, float]:
    """Return limits that leave out the few darkest and brightest voxels."""
    chosen = np.random.default_rng(0).integers(voxels.size, size=_CONTRAST_SAMPLE)
    low, high = np.percentile(voxels.ravel()[chosen], _CONTRAST_PERCENTILES)
    if low == high:
        low, high = voxels.min(), voxels.max()
    return float(low), float(high)
