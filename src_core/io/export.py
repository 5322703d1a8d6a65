"""Write results: images on the scan's own grid, and the tables that name their structures.

Every file is written under a temporary name in its folder and then renamed, so that it is either
complete or not there. Files that belong together appear together.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import nibabel as nib
import numpy as np
from nibabel.openers import ImageOpener

from src_core.errors import InputError
from src_core.io.files import complete_files
from src_core.io.image_file import INTENT_LABEL
from src_core.io.labels import Protocol, Structure, check_ids

if TYPE_CHECKING:
    from src_core.io.scan import Scan

_NIFTI_SUFFIXES = (".nii.gz", ".nii")
_IMAGE_SUFFIXES = (*_NIFTI_SUFFIXES, ".mgz", ".mgh")
_INTENT_VECTOR = 1007
_LABEL_TYPES = (np.uint8, np.int16, np.int32)
_RAS_TO_LPS = np.array([-1, -1, 1], dtype=np.float32)


def image_stem(path: str | Path) -> str:
    """Return the name of an image file without folder and ending; ``.nii.gz`` is one ending."""
    name = Path(path).name
    return name[: len(name) - len(_image_suffix(name))]


def companion(image: str | Path, suffix: str) -> Path:
    """Return the file beside an image that has its name and another ending, such as ``.json``."""
    return Path(image).with_name(image_stem(image) + suffix)


def write_labels(
    label_map: np.ndarray,
    scan: Scan,
    path: str | Path,
    *,
    protocol: Protocol | Sequence[Structure],
    details: Mapping[str, Any],
    overwrite: bool = False,
) -> list[Path]:
    """Write a label map on the scan's grid, with the BIDS tables that describe it beside it.

    The image has the stored shape, affine, forms and codes of the scan's file but no text from it,
    whole numbers without scaling, and NIfTI's intent code for labels.

    Parameters
    ----------
    label_map : ndarray of int, shape (I, J, K)
        Label ids, 0 to 2147483647.
    scan : Scan
        The scan it belongs to.
    path : str or Path
        ``.nii``, ``.nii.gz``, ``.mgz`` or ``.mgh`` file; the table and the description get its name
        with ``.tsv`` and ``.json``.
    protocol : Protocol or sequence of Structure
        Names and colours for the table; a bare sequence may be empty, or longer than a protocol.
    details : mapping
        How the label map was made: content of the ``.json`` file.
    overwrite : bool
        Whether existing files may be replaced.

    Returns
    -------
    list of Path
        The three files written.

    Raises
    ------
    InputError
        If a file exists, cannot be written, or the ids do not fit.
    """
    _check_shape(label_map, scan.shape)
    check_ids(label_map, "the label map")
    if label_map.min() < 0:
        raise InputError(f"label id {label_map.min()} is negative; renumber the labels")
    dtype = next(kind for kind in _LABEL_TYPES if label_map.max() <= np.iinfo(kind).max)
    _check_suffix(path, _IMAGE_SUFFIXES)
    paths = [Path(path), companion(path, ".tsv"), companion(path, ".json")]
    with complete_files(paths, overwrite, _source(scan)) as (image, table, description):
        _save_image(label_map.astype(dtype), scan, image, INTENT_LABEL)
        _save_text(_bids_table(_structures(protocol)), table)
        _save_text(_json(details), description)
    return paths


def write_probabilities(
    volumes: Iterable[np.ndarray],
    scan: Scan,
    path: str | Path,
    *,
    protocol: Protocol,
    details: Mapping[str, Any],
    overwrite: bool = False,
) -> list[Path]:
    """Write class probabilities as a 4D NIfTI with a BIDS description of the fourth axis.

    Parameters
    ----------
    volumes : iterable of ndarray of float32, shape (I, J, K)
        Probability of each class, background first: all of 134 structures at 1 mm take 4.7 GB.
    scan, path, protocol, details, overwrite
        As in `write_labels`, NIfTI only; ``LabelMap`` is added to the description.

    Returns
    -------
    list of Path
        The image and its ``.json`` file.

    Raises
    ------
    InputError
        If a file exists or cannot be written.
    """
    _check_suffix(path, _NIFTI_SUFFIXES)
    names = ["Background", *(structure.name for structure in protocol.structures)]
    paths = [Path(path), companion(path, ".json")]
    with complete_files(paths, overwrite, _source(scan)) as (image, description):
        _save_volumes(volumes, len(protocol.ids), scan, image)
        _save_text(_json({**details, "LabelMap": names}), description)
    return paths


def write_scalar_map(
    volume: np.ndarray, scan: Scan, path: str | Path, *, overwrite: bool = False
) -> None:
    """Write one number per voxel, (I, J, K), as a float32 image on the scan's grid.

    Raises
    ------
    InputError
        If the file exists or cannot be written.
    """
    _check_shape(volume, scan.shape)
    _check_suffix(path, _IMAGE_SUFFIXES)
    with complete_files([Path(path)], overwrite, _source(scan)) as (image,):
        _save_image(volume.astype(np.float32, copy=False), scan, image)


def write_mask(mask: np.ndarray, scan: Scan, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a brain mask, (I, J, K), as 0 and 1 on the scan's grid.

    Raises
    ------
    InputError
        If the file exists or cannot be written.
    """
    _check_shape(mask, scan.shape)
    _check_suffix(path, _IMAGE_SUFFIXES)
    with complete_files([Path(path)], overwrite, _source(scan)) as (image,):
        _save_image(mask.astype(np.uint8), scan, image, INTENT_LABEL)


def write_displacement_field(
    displacement: np.ndarray, scan: Scan, path: str | Path, *, overwrite: bool = False
) -> None:
    """Write a displacement field the way ITK and ANTs read one.

    The file holds LPS vectors in mm in a 5D NIfTI of intent vector. A voxel's position plus its
    vector is its position in the template, so as an ANTs transform the file brings template images
    onto the scan's grid.

    Parameters
    ----------
    displacement : ndarray, shape (I, J, K, 3)
        Template position minus scan position, RAS mm.
    scan : Scan
    path : str or Path
        ``.nii`` or ``.nii.gz`` file.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        If the file exists or cannot be written.
    """
    _check_shape(displacement, (*scan.shape, 3))
    _check_suffix(path, _NIFTI_SUFFIXES)
    lps = displacement.astype(np.float32, copy=False) * _RAS_TO_LPS
    with complete_files([Path(path)], overwrite, _source(scan)) as (image,):
        _save_image(lps[:, :, :, np.newaxis, :], scan, image, _INTENT_VECTOR)


def write_volumes_csv(
    label_map: np.ndarray,
    scan: Scan,
    path: str | Path,
    *,
    protocol: Protocol | Sequence[Structure],
    others: Sequence[tuple[Protocol, np.ndarray]] = (),
    overwrite: bool = False,
) -> None:
    """Write the volume of every structure as a CSV table.

    Columns: ``index``, ``name``, ``n_voxels``, ``volume_mm3`` and, of several protocols,
    ``protocol``.

    Parameters
    ----------
    label_map : ndarray of int, shape (I, J, K)
    scan : Scan
        Gives the volume of a voxel.
    path : str or Path
    protocol : Protocol
    others : sequence of (Protocol, ndarray of int, shape (I, J, K))
        Label maps of the same scan in other protocols.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        If the file exists or cannot be written.
    """
    header = ["index", "name", "n_voxels", "volume_mm3"]
    rows: list[list[Any]] = []
    for one, labels in ((protocol, label_map), *others):
        for structure in _structures(one):
            n_voxels = np.count_nonzero(labels == structure.id)
            volume = f"{n_voxels * scan.voxel_volume:.3f}"
            rows.append([structure.id, structure.name, n_voxels, volume])
            if others and isinstance(one, Protocol):
                rows[-1].append(one.name)
    if others:
        header.append("protocol")
    with complete_files([Path(path)], overwrite, _source(scan)) as (table,):
        _save_text(_delimited([header, *rows], ","), table)


def write_lookup_table(
    protocol: Protocol | Sequence[Structure],
    path: str | Path,
    kind: Literal["freesurfer", "itksnap"],
    *,
    overwrite: bool = False,
) -> None:
    """Write the protocol's ids, names and colours as a table other viewers read.

    Parameters
    ----------
    protocol : Protocol or sequence of Structure
    path : str or Path
    kind : {"freesurfer", "itksnap"}
        FreeSurfer colour table (also read by FSLeyes and 3D Slicer) or ITK-SNAP label description.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        If the file exists or cannot be written.
    """
    lines = {"freesurfer": _freesurfer_table, "itksnap": _itksnap_table}[kind](
        _structures(protocol)
    )
    with complete_files([Path(path)], overwrite) as (table,):
        _save_text("\n".join(lines) + "\n", table)


def write_json(values: Mapping[str, Any], path: str | Path, *, overwrite: bool = False) -> None:
    """Write values as JSON; nan and infinite numbers become null, arrays become lists.

    Raises
    ------
    InputError
        If the file exists or cannot be written.
    """
    with complete_files([Path(path)], overwrite) as (file,):
        _save_text(_json(values), file)


def _source(scan: Scan) -> list[Path]:
    """The scan's own file, which is never replaced."""
    return [scan.path] if scan.path else []


def _save_image(array: np.ndarray, scan: Scan, path: Path, intent: int = 0) -> None:
    """Write (I, J, K, ...) values on the scan's grid; one value per voxel gets the stored shape."""
    if _image_suffix(path.name) in _NIFTI_SUFFIXES:
        _nifti_image(array, scan, intent).to_filename(path)
    else:
        nib.MGHImage(array, scan.affine).to_filename(path)


def _save_volumes(volumes: Iterable[np.ndarray], count: int, scan: Scan, path: Path) -> None:
    """Write so many volumes, (I, J, K) each, as the fourth axis of a float32 image."""
    # such an array takes no memory
    header = _nifti_image(np.broadcast_to(np.float32(0), (*scan.shape, count)), scan).header
    with ImageOpener(str(path), "wb") as file:
        header.write_to(file)
        file.write(bytes(header.get_data_offset() - file.tell()))
        for _, volume in zip(range(count), volumes, strict=True):
            _check_shape(volume, scan.shape)
            file.write(volume.astype(header.get_data_dtype()).tobytes("F"))


def _nifti_image(array: np.ndarray, scan: Scan, intent: int = 0) -> nib.Nifti1Image:
    header = scan.header.copy()
    if array.shape == scan.shape:
        array = array.reshape(header.get_data_shape())
    header.set_data_dtype(array.dtype)
    header.set_xyzt_units("mm")
    header.set_slope_inter(1, 0)
    header.set_intent(intent)
    kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    # without an affine nibabel leaves the header's forms and codes as they are, to the bit
    return kind(array, None, header)


def _save_text(text: str, path: Path) -> None:
    # a name that is no text, such as that of a file, is written by its numbers
    path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def _structures(named: Protocol | Sequence[Structure]) -> Sequence[Structure]:
    return named.structures if isinstance(named, Protocol) else named


def _bids_table(structures: Iterable[Structure]) -> str:
    """Return the look-up table of the BIDS imaging derivatives (``_dseg.tsv``)."""
    rows: list[list[Any]] = [["index", "name", "abbreviation", "color", "mapping"]]
    for structure in structures:
        red, green, blue = structure.color
        color = f"#{red:02x}{green:02x}{blue:02x}"
        mapping = "n/a" if structure.bids_mapping is None else structure.bids_mapping
        rows.append([structure.id, structure.name, structure.abbreviation or "n/a", color, mapping])
    return _delimited(rows, "\t")


def _freesurfer_table(structures: Iterable[Structure]) -> Iterator[str]:
    yield "#No. Label-Name R G B A"
    yield "0 Unknown 0 0 0 0"
    for structure in structures:
        # FreeSurfer splits at blanks, and an A of 0 means opaque
        name = "-".join(structure.name.split())
        yield " ".join(map(str, (structure.id, name, *structure.color, 0)))


def _itksnap_table(structures: Iterable[Structure]) -> Iterator[str]:
    yield "# ITK-SNAP label description: index R G B opacity visible mesh name"
    yield '0 0 0 0 0 0 0 "Clear Label"'
    for structure in structures:
        name = structure.name.replace('"', "'")
        yield " ".join(map(str, (structure.id, *structure.color, 1, 1, 1, f'"{name}"')))


def _delimited(rows: Iterable[Sequence[Any]], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(_plain(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Turn numpy values, paths and numbers that JSON lacks into what it has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _image_suffix(name: str | Path) -> str:
    """Return the ending of an image file, or nothing if it has none that we know."""
    lower = str(name).lower()
    return next((suffix for suffix in _IMAGE_SUFFIXES if lower.endswith(suffix)), "")


def _check_suffix(path: str | Path, suffixes: tuple[str, ...]) -> None:
    if _image_suffix(path) not in suffixes:
        raise InputError(f"{path} must end in {' or '.join(suffixes)}; rename it")


def _check_shape(array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"shape {array.shape} given where {shape} is needed")
