"""Read a brain scan: voxels, affine, and all that is needed to write another image on its grid."""

from __future__ import annotations

import gzip
import logging
import math
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import nibabel as nib
import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader
from nibabel.spatialimages import HeaderDataError

from src_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FEWEST_VOXELS = 8
_THICKEST_VALIDATED_MM = 3.0
_LARGEST_NON_FINITE_SHARE = 0.5
_FORMS_AGREE_MM = 0.1
_SIZES_AGREE = 0.01
_SAME_GRID_VOXELS = 0.01
_CHUNK_BYTES = 1 << 24
# deflate cannot pack more than 1032 bytes into one
_MOST_BYTES_PER_STORED_BYTE = 1032
_CODE_ALIGNED = 2
_CODE_SCANNER = 1
_INTENT_LABEL = 1002
_SIDE_UNKNOWN = "side unknown: {}, so left and right are a guess; written files get code 2"

# nibabel reports what it mends in a header; nothing of it is worth a line on stderr
_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan as the engine sees it.

    Parameters
    ----------
    voxels : ndarray of float32, (I, J, K), C-contiguous
        Intensities, slope and intercept applied, non-finite values set to 0. A single slice has one
        axis of length 1. Of a label map: its whole numbers, in the smallest type that holds them.
    affine : ndarray of float64, (4, 4)
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
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along the three axes."""
        return cast("tuple[int, int, int]", self.voxels.shape)

    @property
    def voxel_size(self) -> np.ndarray:
        """Length of a voxel along each axis in mm: (3,)."""
        return nib.affines.voxel_sizes(self.affine)

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


def read_scan(path: str | Path) -> Scan:
    """Read a NIfTI (``.nii``, ``.nii.gz``) or MGH (``.mgh``, ``.mgz``) scan.

    Parameters
    ----------
    path : str or Path
        File of one 3D volume or one 2D slice; axes of length 1 behind the third are dropped.

    Returns
    -------
    Scan

    Raises
    ------
    InputError
        If the file is missing, damaged, of another kind, or holds no usable scan.
    """
    path = Path(path)
    header, affine, voxels, notes = _read_image(path)
    notes += _make_usable(voxels, affine, str(path))
    return Scan(voxels, affine, header, path, tuple(notes))


def scan_from_array(voxels: np.ndarray, affine: np.ndarray, what: str = "the array") -> Scan:
    """Make a scan of an array, checked as a file is.

    Parameters
    ----------
    voxels : ndarray, (I, J, K) or (I, J)
        Intensities of any real type; the array is copied.
    affine : ndarray, (4, 4)
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
    _check_dtype(voxels.dtype, what)
    stored_shape = voxels.shape
    shape = spatial_shape(stored_shape, what)
    affine = np.array(affine, dtype=np.float64)
    _check_affine(affine, what)
    with np.errstate(over="ignore", invalid="ignore"):
        copied = np.array(voxels, dtype=np.float32, order="C").reshape(shape)
    notes = _make_usable(copied, affine, what)
    header = _header_of_grid(stored_shape, affine, _CODE_ALIGNED)
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


def declares_labels(path: str | Path) -> bool:
    """Whether the header of a NIfTI file says that its values are labels.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another kind.
    """
    path = Path(path)
    with _opened(path) as file:
        source = _read_source_header(file, path)
    return not isinstance(source, MGHHeader) and int(source["intent_code"]) == _INTENT_LABEL


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
        If the file is missing, damaged or of another kind.
    """
    header, affine, values, notes = _read_image(Path(path), exact=True)
    labels = _whole_numbers(values)
    if labels is None:
        return None
    return Scan(_smallest(labels), affine, header, None, tuple(notes))


def grid_from_array(values: np.ndarray, affine: np.ndarray, what: str = "the array") -> Scan:
    """Give values of any kind, such as a label map, a grid to be written on.

    Parameters
    ----------
    values : ndarray, (I, J, K)
        They are neither copied nor checked.
    affine : ndarray, (4, 4)
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
    _check_affine(affine, what)
    return Scan(values, affine, _header_of_grid(values.shape, affine, _CODE_ALIGNED))


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
    ndarray of int32, (I, J, K)

    Raises
    ------
    InputError
        If the file cannot be read, has another shape or affine, or holds fractions.
    """
    path = Path(path)
    _, affine, values, _ = _read_image(path)
    advice = f"resample the {what} to the scan's grid with nearest-neighbour interpolation"
    if values.shape != scan.shape:
        raise InputError(f"{what} {path} has shape {values.shape}, the scan {scan.shape}; {advice}")
    shift = _largest_shift(affine, scan.affine, scan.shape)
    if shift > _SAME_GRID_VOXELS * scan.voxel_size.min():
        raise InputError(f"{what} {path} lies up to {shift:.3g} mm off the scan's voxels; {advice}")
    labels = _whole_numbers(values)
    if labels is None:
        raise InputError(
            f"{what} {path} does not hold whole numbers; give a label map, not an image"
        )
    return labels.astype(np.int32)


def _read_image(
    path: Path, exact: bool = False
) -> tuple[nib.Nifti1Header, np.ndarray, np.ndarray, list[str]]:
    """Return the grid as a header, the affine, the values as (I, J, K), and notes.

    The values are float32 or, if they shall be exact, of the file's integer type or float64.
    """
    with _opened(path) as file:
        return _parse_image(file, path, exact)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading; what is wrong with it becomes an InputError."""
    try:
        if not path.exists():
            raise InputError(f"{path} does not exist; check the name")
        if path.is_dir():
            raise InputError(
                f"{path} is a folder; give a file (dcm2niix turns a DICOM folder into one)"
            )
        with _open(path) as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is truncated or corrupt ({error}); copy it again") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _open(path: Path) -> BinaryIO:
    """Open a file for reading, unpacked if its first bytes say gzip."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if not packed and path.suffix.lower() in (".gz", ".mgz"):
        raise InputError(f"{path} is not a gzip file; it is damaged or misnamed")
    return cast("BinaryIO", gzip.open(path, "rb") if packed else path.open("rb"))


def _parse_image(
    file: BinaryIO, path: Path, exact: bool
) -> tuple[nib.Nifti1Header, np.ndarray, np.ndarray, list[str]]:
    source = _read_source_header(file, path)
    try:
        stored_shape = tuple(int(n) for n in source.get_data_shape())
        dtype = source.get_data_dtype()
        slope, intercept = source.get_slope_inter()
    except (HeaderDataError, KeyError) as error:
        raise InputError(f"{path} has a damaged header ({error}); export it again") from error
    _check_dtype(dtype, str(path))
    shape = spatial_shape(stored_shape, str(path))
    _check_voxel_size(source, path)
    header, affine, notes = _read_grid(source, stored_shape, path)

    count = math.prod(shape)
    if count * dtype.itemsize > _MOST_BYTES_PER_STORED_BYTE * path.stat().st_size:
        raise EOFError(f"the header promises {count} voxels")
    file.seek(source.get_data_offset())
    scaled = slope is not None and (slope, intercept) != (1, 0)
    held: np.dtype = np.dtype(np.float32)
    if exact:
        held = np.dtype(np.float64) if scaled or dtype.kind == "f" else dtype.newbyteorder("=")
    voxels = _read_voxels(file, dtype, shape, held)
    if scaled:
        with np.errstate(over="ignore", invalid="ignore"):
            voxels *= held.type(slope)
            voxels += held.type(intercept)
    return header, affine, voxels, notes


def _read_source_header(file: BinaryIO, path: Path) -> nib.Nifti1Header | MGHHeader:
    """Read the file's own header with nibabel, with its voxel sizes as they are stored."""
    block = file.read(nib.Nifti2Header.sizeof_hdr)
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        if kind.may_contain_header(block):
            header = kind(block[: kind.sizeof_hdr], check=False)
            if not bytes(header["magic"]).startswith(b"n+"):
                raise InputError(
                    f"{path} is half of a two-file NIfTI; convert it to one .nii.gz file"
                )
            return header
    if path.suffix.lower() in (".mgh", ".mgz") and block[:4] == b"\0\0\0\1":
        mgh_header = MGHHeader(block, check=False)
        # nibabel fills in a default grid and forgets that the file has none
        mgh_header["goodRASFlag"] = int.from_bytes(block[28:30], "big")
        return mgh_header
    raise InputError(f"{path} is not a NIfTI or MGH file; convert the scan to .nii.gz")


def _read_voxels(
    file: BinaryIO, dtype: np.dtype, shape: tuple[int, int, int], held: np.dtype
) -> np.ndarray:
    """Read values as type `held` a few planes at a time, so that no second copy is ever held."""
    voxels = np.empty(shape, dtype=held)
    *plane, n_planes = shape
    plane_bytes = math.prod(plane) * dtype.itemsize
    step = max(1, _CHUNK_BYTES // plane_bytes)
    for start in range(0, n_planes, step):
        stop = min(start + step, n_planes)
        block = file.read((stop - start) * plane_bytes)
        if len(block) < (stop - start) * plane_bytes:
            raise EOFError(f"it ends before its {n_planes} planes")
        planes = np.frombuffer(block, dtype).reshape((*plane, stop - start), order="F")
        with np.errstate(over="ignore", invalid="ignore"):
            voxels[:, :, start:stop] = planes
    while file.read(_CHUNK_BYTES):
        pass  # gzip compares its checksum only when the end is reached
    return voxels


def _read_grid(
    source: nib.Nifti1Header | MGHHeader, stored_shape: tuple[int, ...], path: Path
) -> tuple[nib.Nifti1Header, np.ndarray, list[str]]:
    """Return a header with the source's grid alone, the affine, and notes about them."""
    if isinstance(source, MGHHeader):
        affine = source.get_affine().astype(np.float64)
        _check_affine(affine, str(path))
        if source["goodRASFlag"]:
            return _header_of_grid(stored_shape, affine, _CODE_SCANNER), affine, []
        note = _SIDE_UNKNOWN.format("the file has no orientation")
        return _header_of_grid(stored_shape, affine, _CODE_ALIGNED), affine, [note]
    try:
        source.check_fix(logger=_log)
        sform, qform = source.get_sform(coded=True)[0], source.get_qform(coded=True)[0]
        affine = source.get_best_affine()
    except (HeaderDataError, ValueError) as error:
        raise InputError(f"{path} has a damaged header ({error}); export it again") from error
    _check_affine(affine, str(path))
    if sform is None and qform is None:
        note = _SIDE_UNKNOWN.format("sform and qform codes are both 0")
        header = _header_of_grid(stored_shape, affine, _CODE_ALIGNED, type(source))
        return header, affine, [note]
    notes = []
    if sform is not None and qform is not None:
        shift = _largest_shift(sform, qform, (*stored_shape, 1)[:3])
        if not shift <= _FORMS_AGREE_MM:
            notes.append(f"sform and qform disagree by up to {shift:.3g} mm; the sform is used")
    n_axes = min(3, len(stored_shape))
    sizes, stored_sizes = nib.affines.voxel_sizes(affine), source["pixdim"][1:4]
    if not np.allclose(sizes[:n_axes], stored_sizes[:n_axes], rtol=_SIZES_AGREE):
        notes.append(
            f"the header gives voxels of {_listed(stored_sizes)} mm, its affine"
            f" {_listed(sizes)} mm; the affine is used"
        )
    header = type(source)()
    header.set_data_shape(stored_shape)
    header["pixdim"][:4] = source["pixdim"][:4]
    for axis in "xyz":
        header[f"srow_{axis}"] = source[f"srow_{axis}"]
        header[f"qoffset_{axis}"] = source[f"qoffset_{axis}"]
    for component in "bcd":
        header[f"quatern_{component}"] = source[f"quatern_{component}"]
    header["sform_code"], header["qform_code"] = source["sform_code"], source["qform_code"]
    return header, affine, notes


def _header_of_grid(
    stored_shape: tuple[int, ...],
    affine: np.ndarray,
    code: int,
    kind: type[nib.Nifti1Header] = nib.Nifti1Header,
) -> nib.Nifti1Header:
    """Return a fresh header whose sform, and qform as far as it can, are the affine."""
    header = kind()
    header.set_data_shape(stored_shape)
    header.set_sform(affine, code)
    header.set_qform(affine, code)
    return header


def _check_dtype(dtype: np.dtype, what: str) -> None:
    if dtype.kind == "c":
        raise InputError(f"{what} holds complex numbers; export the magnitude image")
    if dtype.kind not in "biuf":
        raise InputError(
            f"{what} holds colours or records, not intensities; export a grey-scale image"
        )


def spatial_shape(stored_shape: tuple[int, ...], what: str) -> tuple[int, int, int]:
    """Shape as three axes; a 2D slice gets a third one of length 1.

    Parameters
    ----------
    stored_shape : tuple of int
        Of the array in the file; further axes of length 1 are dropped.
    what : str
        For the message.

    Raises
    ------
    InputError
        It is no image, or holds several volumes.
    """
    if len(stored_shape) < 2 or min(stored_shape) < 1:
        raise InputError(f"{what} of shape {stored_shape} is no image; give a volume or a slice")
    first, second, third, *others = (*stored_shape, 1)[: max(3, len(stored_shape))]
    volumes = math.prod(others)
    if volumes > 1:
        raise InputError(f"{what} holds {volumes} volumes; extract the one to segment")
    return first, second, third


def _check_voxel_size(source: nib.Nifti1Header | MGHHeader, path: Path) -> None:
    """Look at the sizes as stored, because nibabel mends wrong ones in silence."""
    if isinstance(source, MGHHeader):
        sizes = source["delta"]
    else:
        sizes = source["pixdim"][1 : 1 + min(3, len(source.get_data_shape()))]
    if not np.all(np.isfinite(sizes) & (sizes > 0)):
        raise InputError(f"{path} has a voxel size of {_listed(sizes)} mm; correct its header")


def _check_affine(affine: np.ndarray, what: str) -> None:
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise InputError(f"the affine of {what} is not a 4x4 matrix of finite numbers; correct it")
    lengths = nib.affines.voxel_sizes(affine)
    # the determinant of the axis directions does not depend on the voxel size
    if not lengths.all() or abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-3:
        raise InputError(f"the affine of {what} is singular; correct its header")
    if not np.array_equal(affine[3], (0, 0, 0, 1)):
        raise InputError(f"the last row of the affine of {what} is not 0 0 0 1; correct it")


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
    if sizes[in_plane].max() > _THICKEST_VALIDATED_MM:
        notes.append(
            f"voxels of {_listed(sizes)} mm: results above {_THICKEST_VALIDATED_MM:g} mm are not"
            " validated"
        )
    return notes


def _whole_numbers(values: np.ndarray) -> np.ndarray | None:
    """Return the values as integers, or nothing if they are fractions."""
    if values.dtype.kind in "bui":
        return values
    whole = np.rint(values)
    return whole.astype(np.int64) if np.allclose(whole, values, rtol=0, atol=1e-3) else None


def _smallest(labels: np.ndarray) -> np.ndarray:
    """Return whole numbers in the smallest type that holds them, unsigned if none is negative."""
    ends = (np.min_scalar_type(labels.min()), np.min_scalar_type(labels.max()))
    return labels.astype(np.result_type(*ends), copy=False)


def _largest_shift(a: np.ndarray, b: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return how far in mm two affines place a corner of the grid apart, at most."""
    corners = np.stack(np.meshgrid(*[(0, n - 1) for n in shape], indexing="ij"), axis=-1).reshape(
        -1, 3
    )
    difference = nib.affines.apply_affine(a, corners) - nib.affines.apply_affine(b, corners)
    return float(np.linalg.norm(difference, axis=1).max())


def _listed(sizes: np.ndarray) -> str:
    return " x ".join(f"{size:.3g}" for size in sizes)
