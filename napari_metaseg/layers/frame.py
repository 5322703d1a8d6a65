"""What positions in the viewer mean in the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from nibabel.affines import from_matvec

from src_core.errors import InputError

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_metaseg.layers.orientation import Orientation
    from src_core.io.scan import Scan

_DIRECTIONS = {"S": "superior", "A": "anterior", "R": "right"}
_WORLD_AXIS = {letter: axis for axis, pair in enumerate(("RL", "AP", "SI")) for letter in pair}


@dataclass(frozen=True, eq=False)
class Frame:
    """What positions in the viewer mean.

    Parameters
    ----------
    world : ndarray, shape (4, n + 1)
        Display position to world millimetres (RAS+), both homogeneous.
    through : ndarray, shape (4,)
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


def frame_of_scan(scan: Scan, orientation: Orientation) -> Frame:
    """The frame in which a scan is shown: a true position for each that is shown straight."""
    index_to_world = scan.affine @ orientation.voxel_of_index(scan.shape)
    hidden = [axis for axis in range(3) if axis not in orientation.shown]
    return Frame(
        index_to_world @ np.linalg.inv(orientation.affine),
        scan.affine[:, np.take(orientation.axes, hidden)].sum(axis=1),
        orientation.shown,
        orientation.directions,
        orientation.unit,
    )


def frame_of_axis_labels(layer: Layer) -> Frame:
    """The frame that a layer's axis labels and units name, or else (S, A, R) in millimetres.

    Raises
    ------
    InputError
        If the axes have different units.
    """
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
    return Frame(world, through, shown, directions, str(unit), tuple(notes))


def transform_of(layer: Layer) -> np.ndarray:
    """Return the matrix from layer index to display position: (n + 1, n + 1)."""
    origin = np.array(layer.data_to_world(np.zeros(layer.ndim)))
    steps = [np.array(layer.data_to_world(step)) - origin for step in np.eye(layer.ndim)]
    matrix: np.ndarray = from_matvec(np.stack(steps, axis=1), origin)
    return matrix
