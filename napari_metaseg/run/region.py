"""Parts of the brain that are decoded, and how finely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Region:
    """A plane of the brain, or all of it, sharp or coarse.

    Attributes
    ----------
    axis : int or None
        The plane's axis in the scan's voxel order; None: the whole volume.
    index : int
        The plane's number along its axis.
    spacing : float
        Distance in mm of the voxels of a volume that are decoded; 0: every voxel.
    """

    axis: int | None = None
    index: int = 0
    spacing: float = 0.0


def thin_axis(box: Sequence[slice], shape: Sequence[int]) -> int | None:
    """The axis across which a box of a scan is one voxel thick; None for a thicker box.

    Of a line it is the shorter one, so that of a single slice it is always the slice's own.
    """
    thin = [axis for axis, extent in enumerate(box) if extent.stop - extent.start == 1]
    return min(thin, key=lambda axis: shape[axis], default=None)


COARSE = Region(spacing=10.0)
"""Something to see everywhere; the table's first numbers."""
FINER = Region(spacing=3.0)
"""Volume for the 3D view."""
WHOLE = Region()


def in_order(looked_at: Sequence[Region]) -> tuple[Region, ...]:
    """What is decoded of an iteration soon: the planes on the screen, then something everywhere."""
    return (*dict.fromkeys(region for region in looked_at if region.axis is not None), COARSE)


def needed(looked_at: Sequence[Region]) -> tuple[Region, ...]:
    """What is decoded before an iteration is shown: all planes, or else something everywhere."""
    parts = in_order(looked_at)
    only_planes = looked_at and all(region.axis is not None for region in looked_at)
    return parts[:-1] if only_planes else parts
