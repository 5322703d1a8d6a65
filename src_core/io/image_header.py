"""Headers of image files: the grid that they tell, and what of it cannot be used."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, BinaryIO

import nibabel as nib
import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from src_core.errors import InputError
from src_core.io.grid import Grid, check_affine, listed_sizes

if TYPE_CHECKING:
    from pathlib import Path

CODE_ALIGNED = 2
"""Code of a NIfTI form whose side and origin are not those of a scanner."""
_CODE_SCANNER = 1
_LAST_OFFSET = 2**31
_LONGEST_QUATERNION = 1.0005
_FORMS_AGREE_MM = 0.1
_SIZES_AGREE = 0.01
_MM_PER_UNIT = {"meter": 1e3, "micron": 1e-3}
_SIDE_UNKNOWN = "side unknown: {}, so left and right are a guess; written files get code 2"

# nibabel reports what it mends in a header; nothing of it is worth a line on stderr.
_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


def read_header(file: BinaryIO, path: Path) -> nib.Nifti1Header | MGHHeader:
    """Read the file's own header with nibabel, with its voxel sizes as they are stored.

    Parameters
    ----------
    file : binary file
        At its start.
    path : Path
        For its ending, and for messages.

    Raises
    ------
    InputError
        The file is of another kind.
    EOFError
        It ends within its header.
    """
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
        try:
            mgh_header = MGHHeader(block, check=False)
        except WrapStructError as error:
            raise EOFError("it ends within its header") from error
        # nibabel fills in a default grid and forgets that the file has none.
        mgh_header["goodRASFlag"] = int.from_bytes(block[28:30], "big", signed=True)
        return mgh_header
    raise InputError(f"{path} is not a NIfTI or MGH file; convert the scan to .nii.gz")


@np.errstate(over="ignore", invalid="ignore")
def grid_of_header(
    source: nib.Nifti1Header | MGHHeader, stored_shape: tuple[int, ...], path: Path
) -> tuple[nib.Nifti1Header, np.ndarray, list[str]]:
    """Return a header with the source's grid alone, the affine, and notes about them.

    Parameters
    ----------
    source : nibabel.Nifti1Header or MGHHeader
        As it is in the file.
    stored_shape : tuple of int
    path : Path
        For messages.

    Returns
    -------
    header : nibabel.Nifti1Header
    affine : ndarray of float64, shape (4, 4)
        Voxel index to world mm.
    notes : list of str

    Raises
    ------
    InputError
        The header is damaged, or its affine can't be used.
    """
    if isinstance(source, MGHHeader):
        affine = source.get_affine().astype(np.float64)
        check_affine(affine, str(path))
        if source["goodRASFlag"]:
            return header_of_grid(stored_shape, affine, _CODE_SCANNER), affine, []
        note = _SIDE_UNKNOWN.format("the file has no orientation")
        return header_of_grid(stored_shape, affine, CODE_ALIGNED), affine, [note]
    notes = _in_millimetres(source)
    _mend_quaternion(source)
    try:
        source.check_fix(logger=_log)
        sform, qform = source.get_sform(coded=True)[0], source.get_qform(coded=True)[0]
        affine = source.get_best_affine()
    except (HeaderDataError, ValueError) as error:
        raise InputError(f"{path} has a damaged header ({error}); export it again") from error
    check_affine(affine, str(path))
    if sform is None and qform is None:
        note = _SIDE_UNKNOWN.format("sform and qform codes are both 0")
        header = header_of_grid(stored_shape, affine, CODE_ALIGNED, type(source))
        return header, affine, [*notes, note]
    notes += _doubts_about_grid(source, affine, stored_shape)
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


def header_of_grid(
    stored_shape: tuple[int, ...],
    affine: np.ndarray,
    code: int,
    kind: type[nib.Nifti1Header] = nib.Nifti1Header,
) -> nib.Nifti1Header:
    """Return a fresh header whose sform, and qform as far as it can, are the affine.

    Parameters
    ----------
    stored_shape : tuple of int
    affine : ndarray, shape (4, 4)
        Voxel index to world mm.
    code : int
        Code of both forms.
    kind : type
        Of NIfTI header.

    Raises
    ------
    InputError
        An axis is longer than such a header can tell.
    """
    header = kind()
    try:
        header.set_data_shape(stored_shape)
    except HeaderDataError as error:
        raise InputError(
            f"a NIfTI file cannot hold {' x '.join(map(str, stored_shape))} voxels; crop the image"
        ) from error
    header.set_sform(affine, code)
    header.set_qform(affine, code)
    return header


def check_dtype(dtype: np.dtype, what: str) -> None:
    """Refuse values that are no real numbers.

    Raises
    ------
    InputError
        They are complex, colours or records.
    """
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


def check_voxel_size(source: nib.Nifti1Header | MGHHeader, path: Path) -> None:
    """Look at the sizes as stored, because nibabel mends wrong ones in silence.

    Raises
    ------
    InputError
        A size is not a positive number.
    """
    if isinstance(source, MGHHeader):
        sizes = source["delta"]
    else:
        sizes = source["pixdim"][1 : 1 + min(3, len(source.get_data_shape()))]
    if not np.all(np.isfinite(sizes) & (sizes > 0)):
        raise InputError(f"{path} has a voxel size of {listed_sizes(sizes)} mm; correct its header")


def check_data_offset(source: nib.Nifti1Header | MGHHeader, path: Path) -> None:
    """Look at where the voxels begin, because nibabel reads them out of the header if told to.

    Raises
    ------
    InputError
        It is within the header, or no place in a file.
    """
    if isinstance(source, MGHHeader):
        return
    # nibabel cannot turn every number that may be stored into a whole one.
    offset, least = float(source["vox_offset"]), source.single_vox_offset
    if not least <= offset <= _LAST_OFFSET:
        raise InputError(
            f"{path}: its voxels cannot begin at byte {offset:.0f}; export it again"
            f" or set vox_offset to {least}"
        )


def _in_millimetres(source: nib.Nifti1Header) -> list[str]:
    """Turn a header in metres or microns into one in mm, in place, and return a note about it."""
    # The lowest three bits are the unit of length; files with a code that is none hold mm.
    unit = nib.nifti1.unit_codes.label.get(int(source["xyzt_units"]) % 8, "")
    if unit not in _MM_PER_UNIT:
        return []
    factor = _MM_PER_UNIT[unit]
    source["pixdim"][1:4] *= factor
    for axis in "xyz":
        source[f"srow_{axis}"] *= factor
        source[f"qoffset_{axis}"] *= factor
    return [f"the header gives lengths in {unit}s; they are read as such"]


def _mend_quaternion(source: nib.Nifti1Header) -> None:
    """Make a quaternion that is rounded a hair too long for nibabel one of length 1, in place."""
    # Turns by half a circle are stored so, which leave nothing for the fourth component.
    try:
        source.get_qform_quaternion()
    except ValueError:
        names = [f"quatern_{component}" for component in "bcd"]
        length = math.hypot(*(float(source[name]) for name in names))
        if length < _LONGEST_QUATERNION:
            for name in names:
                source[name] /= length


def _doubts_about_grid(
    source: nib.Nifti1Header, affine: np.ndarray, stored_shape: tuple[int, ...]
) -> list[str]:
    """Notes on what a NIfTI header says in two ways that differ."""
    sform, qform = source.get_sform(coded=True)[0], source.get_qform(coded=True)[0]
    notes = []
    if sform is not None and qform is not None:
        shape = (*stored_shape, 1)[:3]
        shift = Grid(shape, sform).largest_shift(Grid(shape, qform))
        if not shift <= _FORMS_AGREE_MM:
            notes.append(f"sform and qform disagree by up to {shift:.3g} mm; the sform is used")
    n_axes = min(3, len(stored_shape))
    sizes, stored_sizes = nib.affines.voxel_sizes(affine), source["pixdim"][1:4]
    if not np.allclose(sizes[:n_axes], stored_sizes[:n_axes], rtol=_SIZES_AGREE):
        notes.append(
            f"the header gives voxels of {listed_sizes(stored_sizes)} mm, its affine"
            f" {listed_sizes(sizes)} mm; the affine is used"
        )
    return notes
