"""Compare label maps with a reference, and measure volumes and reconstructions.

Surfaces are those of the `surface-distance` package (Nikolov et al. 2018, arXiv 1809.04430): the
surface of a structure runs through every cell of 2 x 2 x 2 neighbouring voxel centres that are not
all inside or all outside (2 x 2 in a single slice), and counts with its area in there. Two things
differ. The area comes from the voxel faces in the cell, not from a table of triangles: HD95 differs
by less than a voxel, ASSD by a few percent. Cells are compared in world millimetres, so oblique and
sheared grids are measured exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from src_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from src_core.io.labels import Protocol

_MOST_LISTED = 65535
"""Largest id with which structures are still looked for by their ids."""


@dataclass(frozen=True)
class SurfaceDistances:
    """How far the surfaces of one structure in two label maps lie apart, in mm.

    Both values are infinite for a structure absent in one label map and nan for one absent in both.

    Parameters
    ----------
    hd95 : float
        Hausdorff distance, robust form: the larger of the two directed 95th percentiles.
    assd : float
        Average symmetric surface distance: the mean over both surfaces.
    """

    hd95: float
    assd: float


def dice(labels: np.ndarray, reference: np.ndarray, ids: Iterable[int]) -> dict[int, float]:
    """Return Dice overlap per structure.

    Parameters
    ----------
    labels, reference : ndarray of int
        Label maps of one shape.
    ids : iterable of int
        Structures to measure, without background.

    Returns
    -------
    dict
        Dice of each id, 0 to 1; nan for a structure absent in both.
    """
    return {label: _dice(a, b) for label, a, b in _mask_pairs(labels, reference, ids)}


def volume_similarity(
    labels: np.ndarray, reference: np.ndarray, ids: Iterable[int]
) -> dict[int, float]:
    """Return ``1 - |V - V_ref| / (V + V_ref)`` per structure; nan for one absent in both."""
    return {label: _volume_similarity(a, b) for label, a, b in _mask_pairs(labels, reference, ids)}


def surface_distances(
    labels: np.ndarray, reference: np.ndarray, affine: np.ndarray, label: int
) -> SurfaceDistances:
    """Measure how far the surfaces of one structure lie apart.

    Parameters
    ----------
    labels, reference : ndarray of int, shape (I, J, K)
        Label maps on one grid; one axis has length 1 for a single slice.
    affine : ndarray, shape (4, 4)
        Voxel index to world mm.
    label : int
        Id of the structure.

    Returns
    -------
    SurfaceDistances
    """
    ((_, a, b),) = _mask_pairs(labels, reference, [label])
    return _surface_distances(a, b, affine, _extended_axes(labels))


def generalised_dice(labels: np.ndarray, reference: np.ndarray, ids: Iterable[int]) -> float:
    """Return the generalised Dice score that the MetaSeg paper calls Dice.

    Background counts as a class, and classes are weighted by 1 / reference volume (0 where the
    reference lacks the class), as in torchmetrics with ``weight_type="simple"``. It usually lies
    above the mean Dice over structures and cannot be compared with it.

    Parameters
    ----------
    labels, reference : ndarray of int
        Label maps of one shape.
    ids : iterable of int
        Structures, without background.

    Returns
    -------
    float
        Score, 0 to 1.
    """
    shared, total = 0.0, 0.0
    for _, a, b in (*_mask_pairs(labels, reference, ids), (0, labels == 0, reference == 0)):
        n_reference = np.count_nonzero(b)
        if n_reference:
            shared += 2 * np.count_nonzero(a & b) / n_reference
            total += (np.count_nonzero(a) + n_reference) / n_reference
    return shared / total


def volumes(labels: np.ndarray, affine: np.ndarray, ids: Iterable[int]) -> dict[int, float]:
    """Return the volume of each structure in mm3.

    Parameters
    ----------
    labels : ndarray of int
        Label map.
    affine : ndarray, shape (4, 4)
        Voxel index to world mm; the voxel volume is its determinant.
    ids : iterable of int
        Structures to measure.

    Returns
    -------
    dict
        Volume of each id.
    """
    voxel_volume = _voxel_volume(affine)
    return {
        label: np.count_nonzero(a) * voxel_volume
        for label, a, _ in _mask_pairs(labels, labels, ids)
    }


def psnr(reconstruction: np.ndarray, reference: np.ndarray, peak: float | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB.

    Parameters
    ----------
    reconstruction, reference : ndarray
        Intensities of one shape.
    peak : float, optional
        Range of the intensities; by default that of the reference.

    Returns
    -------
    float
        Infinite for a perfect reconstruction.
    """
    if peak is None:
        peak = float(reference.max() - reference.min())
    error = np.mean(np.square(reconstruction - reference, dtype=np.float64))
    return float(10 * np.log10(peak**2 / error)) if error else float("inf")


def compare(
    labels: np.ndarray, reference: np.ndarray, affine: np.ndarray, protocol: Protocol
) -> dict[str, Any]:
    """Compare a label map with a reference, structure by structure.

    Parameters
    ----------
    labels, reference : ndarray of int, shape (I, J, K)
        Label maps on one grid.
    affine : ndarray, shape (4, 4)
        Voxel index to world mm.
    protocol : Protocol
        The protocol of both.

    Returns
    -------
    dict
        Values that JSON can hold. ``"structures"`` is a list of dicts with ``id``, ``name``,
        ``dice``, ``volume_similarity``, ``hd95_mm``, ``assd_mm``, ``volume_mm3`` and
        ``reference_volume_mm3``; a measure that is undefined or infinite is None. ``"mean"`` holds
        the means over structures: those absent in both are left out, those absent in one count as
        Dice 0 and are left out of the distances; ``"absent_in_one"`` is their number.
        ``"generalised_dice"`` is the paper's score.

    Raises
    ------
    InputError
        If the shapes differ or a label map has ids outside the protocol.
    """
    if labels.shape != reference.shape:
        raise InputError(
            f"the label maps have shapes {labels.shape} and {reference.shape};"
            " give two on the same grid"
        )
    for label_map in (labels, reference):
        protocol.to_classes(label_map)
    ids = [structure.id for structure in protocol.structures]
    pairs = _mask_pairs(labels, reference, ids)
    axes = _extended_axes(labels)
    rows: list[dict[str, Any]] = [
        {"id": structure.id, "name": structure.name, **_measures(a, b, affine, axes)}
        for structure, (_, a, b) in zip(protocol.structures, pairs, strict=True)
    ]
    measures = ("dice", "volume_similarity", "hd95_mm", "assd_mm")
    present = [row for row in rows if row["dice"] is not None]
    return {
        "protocol": protocol.name,
        "mean": {measure: mean_defined(row[measure] for row in present) for measure in measures},
        "absent_in_one": sum(row["hd95_mm"] is None for row in present),
        "generalised_dice": generalised_dice(labels, reference, ids),
        "structures": rows,
    }


def mean_defined(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are neither None nor nan; None if there is none."""
    defined = [value for value in values if value is not None and not np.isnan(value)]
    return float(np.mean(defined)) if defined else None


def _mask_pairs(
    labels: np.ndarray, reference: np.ndarray, ids: Iterable[int]
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield each structure's two masks, cut to the smallest box that holds both."""
    ids = list(ids)
    boxes = [_boxes(labels, ids)]
    if reference is not labels:
        boxes.append(_boxes(reference, ids))
    for label in ids:
        own = [found[label] for found in boxes if label in found]
        # No box at all leaves nothing to cut out.
        box = (
            tuple(
                slice(min(s.start for s in slices), max(s.stop for s in slices))
                for slices in zip(*own, strict=True)
            )
            or (slice(0, 0),) * labels.ndim
        )
        yield label, labels[box] == label, reference[box] == label


def _boxes(label_map: np.ndarray, ids: Sequence[int]) -> dict[int, tuple[slice, ...]]:
    """The smallest box of each structure that is there."""
    if not ids:
        return {}
    largest = int(max(ids))
    names: Iterable[int] = range(1, largest + 1)
    if largest > _MOST_LISTED:
        # The search makes a list as long as the largest id: here ids become their own ranks.
        listed, inside = np.unique(ids), label_map != 0
        found_ids = label_map[inside]
        ranks = np.searchsorted(listed, found_ids).clip(max=len(listed) - 1)
        label_map = np.zeros(label_map.shape, np.int32)
        label_map[inside] = np.where(listed[ranks] == found_ids, ranks + 1, 0)
        names, largest = listed.tolist(), len(listed)
    found = ndimage.find_objects(label_map, largest)
    return {label: box for label, box in zip(names, found, strict=True) if box}


def _measures(
    a: np.ndarray, b: np.ndarray, affine: np.ndarray, axes: list[int]
) -> dict[str, float | None]:
    """All measures of two masks cut from label maps that extend along `axes`."""
    voxel_volume = _voxel_volume(affine)
    distances = _surface_distances(a, b, affine, axes)
    return {
        "dice": _or_none(_dice(a, b)),
        "volume_similarity": _or_none(_volume_similarity(a, b)),
        "hd95_mm": _or_none(distances.hd95),
        "assd_mm": _or_none(distances.assd),
        "volume_mm3": np.count_nonzero(a) * voxel_volume,
        "reference_volume_mm3": np.count_nonzero(b) * voxel_volume,
    }


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return 2 * np.count_nonzero(a & b) / total if total else float("nan")


def _volume_similarity(a: np.ndarray, b: np.ndarray) -> float:
    n_a, n_b = np.count_nonzero(a), np.count_nonzero(b)
    return 1 - abs(n_a - n_b) / (n_a + n_b) if n_a + n_b else float("nan")


def _surface_distances(
    a: np.ndarray, b: np.ndarray, affine: np.ndarray, axes: list[int]
) -> SurfaceDistances:
    """Measure two masks cut from label maps that extend along `axes`."""
    n_empty = 2 - a.any() - b.any()
    if n_empty:
        value = float("nan") if n_empty == 2 else float("inf")
        return SurfaceDistances(value, value)
    # A slice has a contour, not a surface with a lid on either side.
    across = tuple(axis for axis in range(a.ndim) if axis not in axes)
    points_a, areas_a = _surface(a.squeeze(across), affine[:3, axes])
    points_b, areas_b = _surface(b.squeeze(across), affine[:3, axes])
    from scipy.spatial import cKDTree  # takes 0.1 s, and few need it

    from_a, _ = cKDTree(points_b).query(points_a)
    from_b, _ = cKDTree(points_a).query(points_b)
    total = from_a @ areas_a + from_b @ areas_b
    return SurfaceDistances(
        hd95=max(_percentile95(from_a, areas_a), _percentile95(from_b, areas_b)),
        assd=float(total / (areas_a.sum() + areas_b.sum())),
    )


def _surface(mask: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the surface's cells: points (n, 3) in mm, areas (n,) in mm2 (mm in a slice).

    `directions` (3, d) are the mask's d axes in mm. The points are relative to the mask's corner.
    """
    inside = np.pad(mask, 1).astype(np.float32)
    share = _between(inside, range(mask.ndim))
    cells = np.nonzero((share > 0) & (share < 1))
    # The faces between inside and outside voxels that lie in a cell add up to the slope of `inside`
    # there: index slope to world slope, times the volume of the cell.
    slopes = [
        _between(np.diff(inside, axis=axis), [a for a in range(mask.ndim) if a != axis])[cells]
        for axis in range(mask.ndim)
    ]
    volume = np.sqrt(np.linalg.det(directions.T @ directions))
    areas = np.linalg.norm(np.linalg.pinv(directions).T @ np.stack(slopes), axis=0) * volume
    return np.stack(cells, axis=1) @ directions.T, areas


def _between(values: np.ndarray, axes: Iterable[int]) -> np.ndarray:
    """Average neighbours along the axes, which gives values half-way between the voxel centres."""
    for axis in axes:
        values = np.moveaxis(values, axis, 0)
        values = np.moveaxis((values[1:] + values[:-1]) / 2, 0, axis)
    return values


def _percentile95(distances: np.ndarray, areas: np.ndarray) -> float:
    """Return the distance that 95 % of the area does not exceed."""
    order = np.argsort(distances)
    covered = np.cumsum(areas[order])
    return float(distances[order][np.searchsorted(covered, 0.95 * covered[-1])])


def _extended_axes(label_map: np.ndarray) -> list[int]:
    return [axis for axis, n in enumerate(label_map.shape) if n > 1]


def _voxel_volume(affine: np.ndarray) -> float:
    return float(abs(np.linalg.det(affine[:3, :3])))


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
