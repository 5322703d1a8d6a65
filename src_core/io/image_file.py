"""The bytes of an image file: opened, unpacked, checked, and turned into voxels."""

from __future__ import annotations

import gzip
import math
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader
from nibabel.spatialimages import HeaderDataError

from src_core.errors import InputError
from src_core.io.files import check_exists
from src_core.io.grid import Grid
from src_core.io.image_header import (
    check_data_offset,
    check_dtype,
    check_voxel_size,
    grid_of_header,
    read_header,
    spatial_shape,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import nibabel as nib

INTENT_LABEL = 1002
"""NIfTI's intent code of label maps."""
_CHUNK_BYTES = 1 << 24
# Deflate cannot pack more than 1032 bytes into one.
_MOST_BYTES_PER_STORED_BYTE = 1032


@dataclass(frozen=True, eq=False)
class StoredImage:
    """What a file holds.

    Attributes
    ----------
    header : nibabel.Nifti1Header
        Its grid and nothing else of it.
    affine : ndarray of float64, shape (4, 4)
        Voxel index to world mm.
    values : ndarray, shape (I, J, K)
    notes : list of str
        What the user should know about it, one line each.
    step : float
        How far neighbouring values lie apart that are stored as whole numbers and scaled; 0 if they
        are not.
    """

    header: nib.Nifti1Header
    affine: np.ndarray
    values: np.ndarray
    notes: list[str]
    step: float


def read_image(path: Path, exact: bool = False) -> StoredImage:
    """Read a NIfTI or MGH file.

    Parameters
    ----------
    path : Path
    exact : bool
        The values are of the file's integer type or float64, not float32.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another kind.
    """
    with _opened(path) as file:
        return _parse_image(file, path, exact)


def read_grid(path: Path) -> Grid:
    """Where the voxels of a NIfTI or MGH file lie, by its header alone.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another kind.
    """
    with _opened(path) as file:
        source = read_header(file, path)
        with _damage_told(path):
            stored_shape = tuple(int(n) for n in source.get_data_shape())
        shape = spatial_shape(stored_shape, str(path))
        check_voxel_size(source, path)
        _, affine, _ = grid_of_header(source, stored_shape, path)
    return Grid(shape, affine)


def declares_labels(path: str | Path) -> bool:
    """Whether the header of a NIfTI file says that its values are labels.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another kind.
    """
    path = Path(path)
    with _opened(path) as file:
        source = read_header(file, path)
    return not isinstance(source, MGHHeader) and int(source["intent_code"]) == INTENT_LABEL


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading; what is wrong with it becomes an InputError."""
    try:
        check_exists(path)
        if path.is_dir():
            raise InputError(f"{path} is a folder; give a file in it")
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


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """What nibabel cannot make sense of in a header becomes an InputError."""
    try:
        yield
    except (HeaderDataError, KeyError) as error:
        raise InputError(f"{path} has a damaged header ({error}); export it again") from error


def _parse_image(file: BinaryIO, path: Path, exact: bool) -> StoredImage:
    source = read_header(file, path)
    with _damage_told(path):
        stored_shape = tuple(int(n) for n in source.get_data_shape())
        dtype = source.get_data_dtype()
        slope, intercept = source.get_slope_inter()
    check_dtype(dtype, str(path))
    shape = spatial_shape(stored_shape, str(path))
    check_voxel_size(source, path)
    check_data_offset(source, path)
    header, affine, notes = grid_of_header(source, stored_shape, path)

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
    step = abs(slope) if scaled and dtype.kind in "bui" else 0.0
    return StoredImage(header, affine, voxels, notes, step)


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
