"""Models for single slices: which slices they are for."""

import math
from dataclasses import dataclass

import numpy as np

from src_core.errors import InputError
from src_core.io.scan import Scan

ORIENTATIONS = {"x": "sagittal", "y": "coronal", "z": "axial"}
"""Name of the slices across each axis."""
LARGEST_TILT = 30.0
"""Of a slice against those that the model is for, degrees."""


@dataclass(frozen=True)
class SliceRange:
    """The slices that a model is for; stands in its card.

    Attributes
    ----------
    axis : {"x", "y", "z"}
        Template axis across the slices: y for coronal ones.
    range : tuple of 2 float
        Template mm along that axis between which the middles of the slices lie.

    Raises
    ------
    InputError
        No such axis, or the range does not rise.
    """

    axis: str
    range: tuple[float, float]

    def __post_init__(self) -> None:
        if self.axis not in ORIENTATIONS:
            raise InputError(f"the axis across its slices must be x, y or z, not {self.axis!r}")
        low, high = self.range
        if not -math.inf < low < high < math.inf:
            raise InputError(f"the range of its slices must rise from {low} to {high}")

    @property
    def number(self) -> int:
        """Of the axis: 0, 1 or 2."""
        return list(ORIENTATIONS).index(self.axis)

    def check(self, scan: Scan, to_template: np.ndarray, model: str) -> None:
        """Refuse a scan that the model is not for.

        Parameters
        ----------
        scan : Scan
        to_template : ndarray, shape (4, 4)
            World mm -> template mm, as far as it is known; how it turns is what counts.
        model : str
            Name, for the message.

        Raises
        ------
        InputError
            The scan is a volume or a slice of another orientation.
        """
        low, high = self.range
        purpose = (
            f"{model} is for one {ORIENTATIONS[self.axis]} slice, {low:g} to {high:g} mm along the"
            f" template's {self.axis} axis"
        )
        if not scan.is_slice:
            size = " x ".join(map(str, scan.shape))
            raise InputError(
                f"{purpose}, but the scan is a volume of {size} voxels; extract one such slice or"
                " choose a model for volumes"
            )
        across = to_template[:3, :3] @ scan.affine[:3, :3]
        across = np.cross(*across[:, scan.axes_in_plane].T)
        tilt = np.degrees(np.arccos(abs(across[self.number]) / np.linalg.norm(across)))
        if tilt > LARGEST_TILT:
            raise InputError(
                f"{purpose}, but by its header the slice lies {tilt:.0f} degrees off that plane;"
                " give one of that orientation or correct its header"
            )
