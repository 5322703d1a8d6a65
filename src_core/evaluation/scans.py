"""Labelled scans that models are scored on: whole volumes, or coronal slices of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from src_core.datasets.find import read_scans
from src_core.datasets.labelled import LabelledScan, check, read_example, read_mask
from src_core.datasets.mapping import read_mapping
from src_core.errors import InputError
from src_core.io.files import digest
from src_core.io.protocols import protocol
from src_core.io.scan import Scan, slice_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from src_core.datasets.settings import DataSettings

SLICES_MM = (-10.0, -5.0, 0.0, 5.0, 10.0)
"""Coronal slices of a two-dimensional evaluation: mm in front of the centre of the thalami."""


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """A volume or one slice of it.

    Attributes
    ----------
    scan : Scan
    classes : ndarray of uint8, shape (I, J, K)
        Class of each voxel by the labels, `IGNORED` where it takes no part.
    mask : ndarray, shape (I, J, K), optional
        The brain, of a scan that is not skull-stripped.
    slice_mm : float, optional
        Of a slice: where it lies, mm in front of the centre of the thalami.
    """

    scan: Scan
    classes: np.ndarray
    mask: np.ndarray | None = None
    slice_mm: float | None = None


@dataclass(frozen=True, eq=False)
class EvaluationScan:
    """A scan that a model is scored on.

    Attributes
    ----------
    name, subject, split : str
    fingerprint : str
        Changes with whatever `read` returns.
    read : callable
        From the class of each label id to the images to segment: the volume or its slices.
    """

    name: str
    subject: str
    split: str
    fingerprint: str
    read: Callable[[np.ndarray], list[LabelledImage]]


def evaluation_scans(
    data: DataSettings,
    splits: Sequence[str],
    slices: bool = False,
    mappings: Sequence[np.ndarray] = (),
) -> list[EvaluationScan]:
    """List the labelled scans of some splits.

    Parameters
    ----------
    data : DataSettings
    splits : sequence of str
    slices : bool
        Cut coronal slices (see `coronal_slices`) instead of taking whole volumes.
    mappings : sequence of ndarray of uint8
        Class by label id, in each protocol that will be asked for: checked here at once.

    Returns
    -------
    list of EvaluationScan

    Raises
    ------
    InputError
        The data can't be used, or no scan has one of the splits.
    """
    scans = read_scans(data, needed=())
    chosen = [scan for scan in scans if scan.split in splits]
    if not chosen:
        there = ", ".join(sorted({scan.split for scan in scans})) or "none"
        raise InputError(
            f"{data.path}: no scan has the split {' or '.join(splits)}; choose others, there are:"
            f" {there}",
            option="splits A,B",
        )
    for mapping in mappings:
        check(chosen, mapping)
    read, cut = _read_volume, b""
    if slices:
        read = partial(_read_slices, data)
        cut = repr(SLICES_MM).encode()
    return [
        EvaluationScan(
            scan.name,
            scan.subject,
            scan.split,
            digest(scan.fingerprint.encode(), cut),
            partial(read, scan),
        )
        for scan in chosen
    ]


def _read_volume(labelled: LabelledScan, mapping: np.ndarray) -> list[LabelledImage]:
    scan, classes = read_example(labelled, mapping)
    return [LabelledImage(scan, classes, read_mask(labelled, scan))]


def _read_slices(
    data: DataSettings, labelled: LabelledScan, mapping: np.ndarray
) -> list[LabelledImage]:
    (volume,) = _read_volume(labelled, mapping)
    if volume.scan.is_slice:
        return [volume]
    fs32 = protocol("fs32")
    _, structures = read_example(labelled, read_mapping(data, fs32))
    thalami = [number for number, s in enumerate(fs32.structures, start=1) if "Thalamus" in s.name]
    inside = np.isin(structures, thalami)
    if not inside.any():
        raise InputError(f"{labelled.labels}: no thalamus, by which slices are found")
    return coronal_slices(volume, inside)


def coronal_slices(volume: LabelledImage, thalami: np.ndarray) -> list[LabelledImage]:
    """Cut coronal slices at `SLICES_MM` from the centre of the thalami.

    Parameters
    ----------
    volume : LabelledImage
    thalami : ndarray of bool, shape (I, J, K)

    Returns
    -------
    list of LabelledImage
        Each of one slice across the voxel axis nearest to world anterior-posterior, its affine
        that of the slice's own place; those outside the volume are left out.
    """
    scan, mask = volume.scan, volume.mask
    axis = scan.axis_along("AP")
    forward = 1 if scan.orientation[axis] == "A" else -1
    others = tuple(other for other in range(3) if other != axis)
    extent = np.count_nonzero(thalami, axis=others)
    centre = np.average(np.arange(len(extent)), weights=extent)
    images = []
    for millimetres in SLICES_MM:
        index = round(centre + forward * millimetres / scan.voxel_size[axis])
        if not 0 <= index < scan.shape[axis]:
            continue
        images.append(
            LabelledImage(
                slice_of(scan, axis, index),
                volume.classes.take([index], axis),
                None if mask is None else mask.take([index], axis),
                millimetres,
            )
        )
    return images
