"""A scan of anything, made ready for a model that was trained on nothing.

There is no template to find it in: its middle becomes the origin of the network's space. Its
intensities are stretched, and nothing is checked that holds for brains only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from src_core.errors import InputError
from src_core.io.labels import Structure
from src_core.io.tables import color_of_row
from src_core.preparation.alignment import Alignment
from src_core.preparation.brain import Brain
from src_core.preparation.contrast import Contrast
from src_core.space.bias import no_bias_field
from src_core.space.intensity import IntensityScale
from src_core.space.points import see_normalised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src_core.io.scan import Scan
    from src_core.space.points import BrainPoints

SIDE_MM = (60.0, 900.0)
"""Longest side of a scan that is taken in its own mm, as parts of people are."""
OTHER_SIDE_MM = 250.0
"""What the longest side of a smaller or a larger one is taken for: all else is meant for people."""
RANGE = (0.005, 0.995)
"""Quantiles of the intensities that become 0 and 1."""
MOST_VOXELS = 2**25
"""256 x 256 x 512; what is seen and decoded of these fills some gigabytes."""


def everything(scan: Scan) -> Brain:
    """All voxels, in the box around those that differ from an even background, if there is one."""
    voxels, mask = scan.voxels, np.zeros(scan.shape, bool)
    ends = [voxels.take((0, -1), axis).ravel() for axis in range(3) if scan.shape[axis] > 1]
    values, counts = np.unique(np.concatenate(ends), return_counts=True)
    inside: tuple[slice, ...] = (slice(None),) * 3
    if counts.max() > counts.sum() / 2:
        (inside,) = ndimage.find_objects((voxels != values[counts.argmax()]).view(np.int8))
    mask[inside] = True
    return Brain(mask, "the whole scan")


def numbered(labels: np.ndarray, named: Sequence[Structure]) -> tuple[Structure, ...]:
    """Named structures, and one for each other label but 0: whoever painted them gave no names."""
    names = {structure.id: structure for structure in named}
    return tuple(
        names.get(label) or Structure(label, f"Label {label}", color_of_row(label, label))
        for label in np.unique(labels[labels != 0]).tolist()
    )


def placed_anywhere(scan: Scan, mask: np.ndarray) -> tuple[Contrast, Alignment, BrainPoints]:
    """Where a scan lies in the network's space, and what is seen of it there.

    Parameters
    ----------
    scan : Scan
    mask : ndarray of bool, shape (I, J, K)
        The voxels that are fitted and can be labelled.

    Raises
    ------
    InputError
        There are too many of them.
    """
    count = int(np.count_nonzero(mask))
    if count > MOST_VOXELS:
        raise InputError(
            f"{count / 1e6:.0f} million voxels are more than the {MOST_VOXELS / 1e6:.0f} million"
            " that can be fitted without a template: give a mask of the part that matters, or a"
            " coarser scan"
        )
    sides = scan.voxel_size * scan.shape
    least, most = SIDE_MM
    unit = 1.0 if least <= sides.max() <= most else OTHER_SIDE_MM / sides.max()
    to_space = np.diag([unit, unit, unit, 1.0])
    to_space[:3, 3] = -unit * (scan.affine @ [*(np.array(scan.shape) - 1) / 2, 1])[:3]
    in_space = replace(scan, affine=to_space @ scan.affine)
    values = scan.voxels[mask]
    low, high = np.quantile(values, RANGE)
    if low == high:
        low, high = values.min(), values.max()
    scale = IntensityScale((float(low), float(high)), (0.0, 1.0))
    sight = see_normalised(in_space, mask, scale.normalise(values), scale, no_bias_field())
    points = sight.points(in_space.affine)
    return Contrast("not measured"), Alignment(to_space, "centred"), points
