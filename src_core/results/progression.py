"""A picture of how reconstruction and labels sharpen during the fit."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import torch

from src_core.errors import InputError
from src_core.fitting.decode import decode
from src_core.fitting.history import nearest
from src_core.io.files import complete_files
from src_core.results.measure import psnr
from src_core.space.regions import unmask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from src_core.io.labels import Protocol
    from src_core.results.segmentation import Segmentation

ITERATIONS = (0, 2, 10, 50)
"""Iterations that are shown, where they are stored, before the last one."""
_AXIAL, _CORONAL = 2, 1  # world axes across which a volume is cut
_LONGEST_LEGEND = 8
_LABEL_OPACITY = 0.6


def require_matplotlib() -> None:
    """Check that pictures can be drawn.

    Raises
    ------
    InputError
        If matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError(
            "the progression picture needs matplotlib, which is not installed: "
            "run pip install 'napari-metaseg[demo]'"
        )


def write_progression(
    segmentation: Segmentation, path: str | Path, *, overwrite: bool = False
) -> None:
    """Write a PNG with the scan, and its reconstruction and labels over the iterations.

    Shown are iterations 0, 2, 10, 50 and the last, or the nearest ones stored, in an axial and a
    coronal plane through the middle of the brain (of a single slice, in the slice), with the PSNR
    of the reconstruction in what is shown.

    Parameters
    ----------
    segmentation : Segmentation
    path : str or Path
        ``.png`` file.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        If matplotlib is not installed, or the file exists or cannot be written.
    """
    require_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    path = Path(path)
    planes = _planes(segmentation)
    shown = _shown_of(segmentation.iterations)
    rows, columns = 2 * len(planes), 1 + len(shown)
    figure = Figure(figsize=(2.2 * columns, 2.4 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for panel in panels.flat:
        panel.set_axis_off()

    # A scan that was normalised is below 0 in part, as is nothing outside of others.
    low, high = np.quantile(segmentation.scan.voxels[segmentation.mask], (0.005, 0.995)).tolist()
    levels = min(0.0, low), high
    panels[0, 0].set_title("scan")
    for row, plane in enumerate(planes):
        plane.show(panels[2 * row, 0], plane.scan, levels)
    colors = _colors(segmentation.protocol)
    if len(colors) - 1 <= _LONGEST_LEGEND:
        patches = [
            Patch(color=tuple(color[:3]), label=structure.name)
            for color, structure in zip(colors[1:], segmentation.protocol.structures, strict=True)
        ]
        panels[1, 0].legend(handles=patches, loc="center", frameon=False, fontsize="small")

    for column, iteration in enumerate(shown, start=1):
        pictures, decibels = _decode(segmentation, iteration, planes)
        panels[0, column].set_title(f"iteration {iteration}\n{decibels:.1f} dB")
        for row, (plane, (intensity, classes)) in enumerate(zip(planes, pictures, strict=True)):
            plane.show(panels[2 * row, column], intensity, levels)
            plane.show(panels[2 * row + 1, column], plane.scan, levels)
            plane.show(panels[2 * row + 1, column], colors[classes])

    with complete_files([path], overwrite) as (file,):
        figure.savefig(file, format="png", dpi=110)


def _colors(protocol: Protocol) -> np.ndarray:
    """Colour of each class, background first and clear, shape (classes, 4), 0 to 1."""
    opaque = np.array([structure.color for structure in protocol.structures]) / 255
    return np.vstack([np.zeros(4), np.insert(opaque, 3, _LABEL_OPACITY, axis=1)])


@dataclass(frozen=True, eq=False)
class _Plane:
    """A cut through the scan, seen from the front or from above, with the right side on the right.

    Attributes
    ----------
    scan : ndarray, shape (width, height)
        Intensities.
    numbers : ndarray of int, shape (width, height)
        Which of the brain's voxels, in the order of ``numpy.nonzero(mask)``; -1 outside.
    aspect : float
        Height of a voxel over its width.
    """

    scan: np.ndarray
    numbers: np.ndarray
    aspect: float

    def filled(self, values: np.ndarray) -> np.ndarray:
        """The picture of values given for the brain's voxels of the plane; 0 outside."""
        picture = np.zeros(self.numbers.shape, values.dtype)
        picture[self.numbers >= 0] = values
        return picture

    def show(
        self,
        panel: Axes,
        picture: np.ndarray,
        levels: tuple[float | None, float | None] = (None, None),
    ) -> None:
        """Draw intensities from black to white between two levels, or colours as they are."""
        panel.imshow(
            picture.swapaxes(0, 1),
            origin="lower",
            aspect=self.aspect,
            cmap="gray",
            vmin=levels[0],
            vmax=levels[1],
            interpolation="nearest",
        )


def _planes(segmentation: Segmentation) -> list[_Plane]:
    """The planes that are shown, cut to the brain."""
    scan, mask = segmentation.scan, segmentation.mask
    orientation = nib.io_orientation(scan.affine)
    numbers = unmask(np.arange(np.count_nonzero(mask), dtype=np.int32), mask, background=-1)
    upright = nib.apply_orientation(scan.voxels, orientation)
    numbers = nib.apply_orientation(numbers, orientation)
    sizes = scan.voxel_size[np.argsort(orientation[:, 0])]
    brain = np.nonzero(numbers >= 0)
    box = tuple(slice(indices.min(), indices.max() + 1) for indices in brain)
    planes = []
    for axis in [numbers.shape.index(1)] if scan.is_slice else [_AXIAL, _CORONAL]:
        middle = round(float(brain[axis].mean()))
        cut = (*box[:axis], middle, *box[axis + 1 :])
        width, height = np.delete(sizes, axis)
        planes.append(_Plane(upright[cut], numbers[cut], height / width))
    return planes


def _shown_of(stored: Sequence[int]) -> list[int]:
    """Stored iterations next to those wanted, and the last."""
    return sorted({nearest(stored, wanted) for wanted in ITERATIONS} | {max(stored)})


def _decode(
    segmentation: Segmentation, iteration: int, planes: Sequence[_Plane]
) -> tuple[list[tuple[np.ndarray, np.ndarray]], float]:
    """Intensities and classes in each plane at an iteration, and the PSNR over all of them."""
    points = segmentation.points
    pictures, found, truth = [], [], []
    with segmentation.history.at(iteration) as network:
        for plane in planes:
            which = torch.from_numpy(plane.numbers[plane.numbers >= 0]).long()
            which = which.to(points.indices.device)
            found.append(decode(network, points, "intensity", which))
            truth.append(points.take(which).seen[:, 0].cpu().numpy())
            intensity = plane.filled(points.restore(found[-1], which))
            pictures.append((intensity, plane.filled(decode(network, points, "classes", which))))
    return pictures, psnr(np.concatenate(found), np.concatenate(truth), peak=1.0)
