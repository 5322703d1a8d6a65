"""Read a brain scan: voxels, affine, and all that is needed to write another image on its grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import nibabel as nib
import numpy as np

from src_core.errors import InputError
from src_core.io.dicom import converted
from src_core.io.dicom_series import choose_series, find_series, is_dicom
from src_core.io.grid import Grid, check_affine, listed_sizes
from src_core.io.image_file import read_image
from src_core.io.image_header import CODE_ALIGNED, check_dtype, header_of_grid, spatial_shape
from src_core.io.labels import check_ids

if TYPE_CHECKING:
    from src_core.io.dicom_series import Series
    from src_core.io.image_file import StoredImage

_FEWEST_VOXELS = 8
_THICKEST_VALIDATED_MM = 3.0
# Around a stripped brain there may be nothing but NaN; the brain fills 4 % of a large field.
_LARGEST_NON_FINITE_SHARE = 0.99
_LARGEST_INFINITE_SHARE = 0.001
_FRACTION_OF_ROUNDING, _LARGEST_FRACTION = 1e-3, 0.05


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan as the engine sees it.

    Parameters
    ----------
    voxels : ndarray of float32, shape (I, J, K), C-contiguous
        Intensities, slope and intercept applied, non-finite values set to 0. A single slice has one
        axis of length 1. Of a label map: its whole numbers, in the smallest type that holds them.
    affine : ndarray of float64, shape (4, 4)
        Voxel index to world millimetres (RAS+).
    header : nibabel.Nifti1Header
        The file's grid and nothing else of it, above all no text that could name a patient: the
        shape as stored, voxel sizes, sform, qform and codes (`nibabel.Nifti2Header` for NIfTI-2).
    path : Path, optional
        Where the scan was read from.
    notes : tuple of str
        What the user should know about the file, one line each.
    """

    voxels: np.ndarray
    affine: np.ndarray
    header: nib.Nifti1Header
    path: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def grid(self) -> Grid:
        """Where its voxels lie."""
        return Grid(self.shape, self.affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along the three axes."""
        return cast("tuple[int, int, int]", self.voxels.shape)

    @property
    def voxel_size(self) -> np.ndarray:
        """Length of a voxel along each axis in mm: (3,)."""
        sizes: np.ndarray = nib.affines.voxel_sizes(self.affine)
        return sizes

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel in mm3."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def orientation(self) -> str:
        """World direction that each axis is closest to, such as ``"LAS"``."""
        return "".join(nib.aff2axcodes(self.affine))

    def axis_along(self, directions: str) -> int:
        """Number of the axis that is closest to a pair of world directions, such as ``"AP"``."""
        return next(axis for axis, code in enumerate(self.orientation) if code in directions)

    @property
    def is_slice(self) -> bool:
        """Whether the scan is a single slice."""
        return 1 in self.shape

    @property
    def axes_in_plane(self) -> list[int]:
        """Of a single slice: its two axes that are longer than 1."""
        return [axis for axis in range(3) if self.shape[axis] != 1]


def read_scan(path: str | Path, series: int | None = None) -> Scan:
    """Read a NIfTI (``.nii``, ``.nii.gz``), MGH (``.mgh``, ``.mgz``) or DICOM scan.

    Parameters
    ----------
    path : str or Path
        File of one 3D volume or one 2D slice; axes of length 1 behind the third are dropped. Or a
        folder of DICOM files, or one of its files.
    series : int, optional
        Number of the DICOM series, needed for a folder that holds several.

    Returns
    -------
    Scan

    Raises
    ------
    InputError
        If the file is missing, damaged, of another kind, or holds no usable scan.
    """
    path = Path(path)
    if is_dicom(path):
        return read_series(choose_series(find_series(path), series))
    if series is not None:
        raise InputError(f"{path} has no series {series}, for it is not DICOM; leave that out")
    return _scan_of(read_image(path), path)


def read_series(series: Series) -> Scan:
    """Read a DICOM series; its grid is that of dcm2niix, its path that of the folder.

    Parameters
    ----------
    series : Series

    Returns
    -------
    Scan

    Raises
    ------
    InputError
        It cannot be converted, or is no usable scan.
    """
    with converted(series) as file:
        image = read_image(file)
    return _scan_of(image, series.folder)


def scan_from_array(voxels: np.ndarray, affine: np.ndarray, what: str = "the array") -> Scan:
    """Make a scan of an array, checked as a file is.

    Parameters
    ----------
    voxels : ndarray, shape (I, J, K) or (I, J)
        Intensities of any real type; the array is copied.
    affine : ndarray, shape (4, 4)
        Voxel index to world millimetres (RAS+).
    what : str
        What the array is to the user, for messages.

    Returns
    -------
    Scan

    Raises
    ------
    InputError
        If the array or the affine cannot be used.
    """
    voxels = np.asanyarray(voxels)
    check_dtype(voxels.dtype, what)
    stored_shape = voxels.shape
    shape = spatial_shape(stored_shape, what)
    affine = np.array(affine, dtype=np.float64)
    check_affine(affine, what)
    with np.errstate(over="ignore", invalid="ignore"):
        copied = np.array(voxels, dtype=np.float32, order="C").reshape(shape)
    notes = _make_usable(copied, affine, what)
    header = header_of_grid(stored_shape, affine, CODE_ALIGNED)
    return Scan(copied, affine, header, None, tuple(notes))


def slice_of(scan: Scan, axis: int, index: int) -> Scan:
    """Cut one slice out of a volume, where it lies.

    Parameters
    ----------
    scan : Scan
    axis : int
        Across the slice: 0, 1 or 2.
    index : int
        Of the slice along that axis.

    Returns
    -------
    Scan
        Its axis has length 1.

    Raises
    ------
    InputError
        The slice shows nothing.
    """
    affine = scan.affine.copy()
    affine[:3, 3] += index * affine[:3, axis]
    voxels = scan.voxels.take([index], axis)
    return scan_from_array(voxels, affine, f"slice {index} of {scan.path or 'the scan'}")


def read_label_map(path: str | Path) -> Scan | None:
    """Read a label map; large ids are kept.

    Parameters
    ----------
    path : str or Path
        NIfTI or MGH file of one 3D volume or one 2D slice.

    Returns
    -------
    Scan or None
        Its `path` is None, because a label map may be edited and saved under its own name. None if
        the file holds fractions, so that it is no label map.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another kind, or an id is beyond 2147483647.
    """
    image = read_image(Path(path), exact=True)
    labels = _whole_numbers(image.values, str(path), image.step)
    if labels is None:
        return None
    return Scan(_smallest(labels), image.affine, image.header, None, tuple(image.notes))


def unchecked_scan(values: np.ndarray, affine: np.ndarray, what: str = "the array") -> Scan:
    """Make a scan of values of any kind, such as a label map, to be written on its grid.

    Parameters
    ----------
    values : ndarray, shape (I, J, K)
        They are neither copied nor checked.
    affine : ndarray, shape (4, 4)
        Voxel index to world millimetres (RAS+).
    what : str
        What the array is to the user, for messages.

    Returns
    -------
    Scan

    Raises
    ------
    InputError
        If the affine cannot be used.
    """
    check_affine(affine, what)
    return Scan(values, affine, header_of_grid(values.shape, affine, CODE_ALIGNED))


def read_on_grid(path: str | Path, scan: Scan, what: str) -> np.ndarray:
    """Read a label map or mask that lies on the scan's grid.

    Parameters
    ----------
    path : str or Path
        NIfTI or MGH file of whole numbers.
    scan : Scan
        The scan whose grid it must have.
    what : str
        What the file is to the user, for messages: ``"mask"`` or ``"reference"``.

    Returns
    -------
    ndarray of int32, shape (I, J, K)

    Raises
    ------
    InputError
        If the file cannot be read, has another shape or affine, or holds fractions or ids
        beyond 2147483647.
    """
    path = Path(path)
    image = read_image(path, exact=True)
    scan.grid.require_same(
        Grid(image.values.shape, image.affine),
        f"{what} {path}",
        owner="the scan",
        advice=f"resample the {what} to the scan's grid with nearest-neighbour interpolation",
    )
    return label_ids(image.values, f"{what} {path}", image.step)


def label_ids(values: np.ndarray, what: str, step: float = 0.0) -> np.ndarray:
    """Take the values of a label map or mask as label ids.

    Parameters
    ----------
    values : ndarray
        Of any real type; floats are rounded where they are whole numbers but for rounding.
    what : str
        What they are to the user, for messages.
    step : float
        How far neighbouring values lie apart that were stored as whole numbers and scaled.

    Returns
    -------
    ndarray of int32, same shape

    Raises
    ------
    InputError
        They are fractions or no real numbers, or an id is beyond 2147483647.
    """
    check_dtype(values.dtype, what)
    labels = _whole_numbers(values, what, step)
    if labels is None:
        raise InputError(f"{what} does not hold whole numbers; give a label map, not an image")
    return labels.astype(np.int32, copy=False)


def _scan_of(image: StoredImage, path: Path) -> Scan:
    """What was read, made usable, under the name by which the user knows it."""
    notes = image.notes + _make_usable(image.values, image.affine, str(path))
    return Scan(image.values, image.affine, image.header, path, tuple(notes))


def _make_usable(voxels: np.ndarray, affine: np.ndarray, what: str) -> list[str]:
    """Set non-finite voxels to 0 in place, refuse what is no scan, and return notes."""
    sliced = [axis for axis in range(3) if voxels.shape[axis] == 1]
    in_plane = [axis for axis in range(3) if axis not in sliced]
    if len(sliced) > 1 or min(voxels.shape[axis] for axis in in_plane) < _FEWEST_VOXELS:
        raise InputError(
            f"{what} of shape {voxels.shape} is too small; each axis needs {_FEWEST_VOXELS} voxels"
            " (a single slice: both axes in its plane)"
        )
    notes = []
    finite = np.isfinite(voxels)
    n_bad = voxels.size - int(np.count_nonzero(finite))
    n_infinite = int(np.count_nonzero(np.isinf(voxels))) if n_bad else 0
    if n_infinite > _LARGEST_INFINITE_SHARE * voxels.size:
        raise InputError(
            f"{what} has {n_infinite} values that are infinite or beyond what 32-bit floats hold"
            " (3.4e38); export it again, scaled down"
        )
    if n_bad > _LARGEST_NON_FINITE_SHARE * voxels.size:
        raise InputError(
            f"{what} is mostly NaN or infinite ({n_bad} of {voxels.size} voxels); export it again"
        )
    if n_bad:
        np.copyto(voxels, 0, where=~finite)
        notes.append(f"{n_bad} voxels were NaN or infinite and are set to 0")
    lowest, highest = float(voxels.min()), float(voxels.max())
    if lowest == highest:
        raise InputError(
            f"{what} is empty: every voxel is {lowest:g}; check that the right file was given"
        )
    sizes = nib.affines.voxel_sizes(affine)
    # Headers round: 3.0000012 mm are 3 mm.
    if sizes[in_plane].max() > _THICKEST_VALIDATED_MM + 0.01:
        notes.append(
            f"voxels of {listed_sizes(sizes)} mm: results above {_THICKEST_VALIDATED_MM:g} mm are"
            " not validated"
        )
    return notes


def _whole_numbers(values: np.ndarray, what: str, step: float) -> np.ndarray | None:
    """Return the values as integers, or nothing if they are fractions."""
    if values.dtype.kind in "bui":
        check_ids(values, what)
        return values
    whole = np.rint(values)
    # Labels scaled to the range of small integers come back up to half a step off.
    near = min(max(_FRACTION_OF_ROUNDING, 0.51 * step), _LARGEST_FRACTION)
    if not np.allclose(whole, values, rtol=0, atol=near):
        return None
    check_ids(whole, what)
    labels: np.ndarray = whole.astype(np.int32)
    return labels


def _smallest(labels: np.ndarray) -> np.ndarray:
    """Return whole numbers in the smallest type that holds them, unsigned if none is negative."""
    ends = (np.min_scalar_type(labels.min()), np.min_scalar_type(labels.max()))
    return labels.astype(np.result_type(*ends), copy=False)
