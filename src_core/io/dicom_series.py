"""DICOM files: which series they belong to, and whether a series is whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from src_core.errors import InputError
from src_core.io.files import IMAGE_ENDINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DICOM_ENDINGS = (".dcm", ".ima")
_PREAMBLE_BYTES, _MAGIC = 128, b"DICM"
NEEDS = 'DICOM files need dcm2niix and pydicom: run pip install "napari-metaseg[dicom]"'
"""What is said where one of the two is not installed."""
# Nothing else is read, so that no name of a patient ever gets into memory.
_TAGS = [
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "Rows",
]
# What pydicom raises at bytes that are no DICOM.
_DAMAGED = (AttributeError, EOFError, KeyError, NotImplementedError, TypeError, ValueError)
# In the names of all kinds of images, but of no other kind.
_IMAGE = "Image Storage"
_DISTANCES_AGREE = 0.05


@dataclass(frozen=True)
class Instance:
    """What one DICOM file says about itself.

    Attributes
    ----------
    path : Path
    uid, series_uid : str
        Its own, and that of its series.
    series_number : int or None
    description : str
        Of its series.
    number : int
        Within its series; 0 if the file does not tell.
    position : tuple of float
        Of the first voxel's centre in mm (LPS); empty if the file does not tell.
    directions : tuple of float
        Of its rows and its columns, 6 numbers; empty if the file does not tell.
    transfer_syntax : str
        Name of how its voxels are stored; "" if the file does not tell.
    """

    path: Path
    uid: str
    series_uid: str
    series_number: int | None
    description: str
    number: int
    position: tuple[float, ...]
    directions: tuple[float, ...]
    transfer_syntax: str


@dataclass(frozen=True)
class Series:
    """The files of one series.

    Attributes
    ----------
    folder : Path
        That was searched.
    instances : tuple of Instance
        At least one.
    """

    folder: Path
    instances: tuple[Instance, ...]

    @property
    def number(self) -> int | None:
        """As the scanner counts them."""
        return self.instances[0].series_number

    def __str__(self) -> str:
        number = "without number" if self.number is None else self.number
        files = "1 file" if len(self.instances) == 1 else f"{len(self.instances)} files"
        return f'{number} "{self.instances[0].description}" ({files})'

    def check_complete(self) -> None:
        """Refuse a series that lacks a slice inside, or whose slices lie at unequal distances.

        Raises
        ------
        InputError
        """
        directions = {tuple(np.round(one.directions, 4)) for one in self.instances}
        if len(directions) != 1 or directions == {()}:
            return  # not one stack of slices, one a file: that is left to dcm2niix
        across = np.cross(*np.reshape(directions.pop(), (2, 3)))
        numbers = {
            round(float(across @ one.position), 3): one.number
            for one in self.instances
            if one.position
        }
        places = sorted(numbers)
        distances = np.diff(places)
        usual = float(np.median(distances)) if len(distances) else 0.0
        (odd,) = np.nonzero(np.abs(distances - usual) > _DISTANCES_AGREE * usual)
        if len(odd) == 0:
            return
        first = odd[0]
        lacking = int(np.sum(np.rint(distances / usual) - 1))
        before, after = sorted((numbers[places[first]], numbers[places[first + 1]]))
        raise InputError(
            f"series {self} of {self.folder}"
            f" {f'lacks {lacking} or more slices' if lacking > 0 else 'has irregular slices'}:"
            f" they lie {usual:.4g} mm apart, but {distances[first]:.4g} mm between instances"
            f" {before} and {after}; copy the whole series again"
        )


def is_dicom(path: Path) -> bool:
    """Whether a path is a folder, where DICOM files may lie, or a DICOM file."""
    # pathlib would raise an error in a folder that may not be entered
    return os.path.isdir(path) or _is_dicom_file(path)


def folder_of(path: Path) -> Path:
    """The folder of a series by its full name: the path itself, or where the file lies."""
    return Path(os.path.abspath(path if path.is_dir() else path.parent))


def find_series(path: Path) -> list[Series]:
    """All series of images in a folder and the folders in it, or the one that a file belongs to.

    Parameters
    ----------
    path : Path
        A folder; or a file, whose series is looked for in its own folder.

    Returns
    -------
    list of Series
        In the order of their numbers, at least one.

    Raises
    ------
    InputError
        There is none, a file is damaged, or what reads DICOM is not installed.
    """
    folder = folder_of(path)
    files = sorted(file for file in folder.glob("**/*" if path.is_dir() else "*") if file.is_file())
    instances = _read_instances(filter(_is_dicom_file, files))
    if path.is_file():
        own = [one.series_uid for one in instances if one.path == folder / path.name]
        instances = [one for one in instances if one.series_uid in own]
    if not instances:
        raise InputError(_without_images(path, files))
    by_uid: dict[str, dict[str, Instance]] = {}
    for one in instances:  # the copy of a file has the same uid
        by_uid.setdefault(one.series_uid, {}).setdefault(one.uid, one)
    found = [Series(folder, tuple(files.values())) for files in by_uid.values()]
    return sorted(
        found, key=lambda series: (series.number is None, series.number or 0, str(series))
    )


def choose_series(found: Sequence[Series], number: int | None = None) -> Series:
    """The series with a number, or the only one.

    Raises
    ------
    InputError
        There is none with that number, or it is not clear which is meant.
    """
    folder, listed = found[0].folder, ", ".join(map(str, found))
    if number is None:
        if len(found) == 1:
            return found[0]
        raise InputError(
            f"{folder} holds {len(found)} series: {listed}; choose one", option="series N"
        )
    chosen = [series for series in found if series.number == number]
    if not chosen:
        raise InputError(f"there is no series {number} in {folder}; it holds {listed}")
    if len(chosen) > 1:
        raise InputError(
            f"{folder} holds {len(chosen)} series with number {number}; give one of the files of"
            " the one that is meant"
        )
    return chosen[0]


def _is_dicom_file(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(_PREAMBLE_BYTES + len(_MAGIC))
    except OSError:
        return False
    return start.endswith(_MAGIC) or path.suffix.lower() in DICOM_ENDINGS


def _without_images(path: Path, files: Iterable[Path]) -> str:
    if path.is_file():
        return f"{path} holds no image; give a DICOM file of the scan, or its folder"
    images = [file for file in files if file.name.lower().endswith(IMAGE_ENDINGS)]
    if images:
        return f"{path} holds no DICOM files; give a file, such as {images[0]}"
    return f"{path} holds no DICOM images; give the folder of one series"


def _read_instances(files: Iterable[Path]) -> list[Instance]:
    """Those of the files that are images; the rest of a DICOM folder are indices and reports."""
    found = []
    for file in files:
        header = _read_header(file)
        if "Rows" in header and "SeriesInstanceUID" in header:
            found.append(_instance(file, header))
        elif _IMAGE in getattr(header.file_meta.get("MediaStorageSOPClassUID"), "name", ""):
            raise InputError(f"{file} is truncated; copy it again")
    return found


def _read_header(file: Path) -> Any:
    try:
        from pydicom import dcmread
    except ImportError as error:
        raise InputError(NEEDS) from error
    try:
        return dcmread(file, stop_before_pixels=True, force=True, specific_tags=_TAGS)
    except (*_DAMAGED, OSError) as error:
        raise InputError(f"{file} is damaged ({error}); copy it again") from error


def _instance(file: Path, header: Any) -> Instance:
    def whole(name: str) -> int | None:
        value = header.get(name)
        return None if value is None else int(value)

    def numbers(name: str) -> tuple[float, ...]:
        return tuple(map(float, header.get(name) or ()))

    try:
        syntax = header.file_meta.get("TransferSyntaxUID", "")
        return Instance(
            path=file,
            uid=str(header.get("SOPInstanceUID", file)),
            series_uid=str(header.SeriesInstanceUID),
            series_number=whole("SeriesNumber"),
            description=" ".join(str(header.get("SeriesDescription", "")).split()),
            number=whole("InstanceNumber") or 0,
            position=numbers("ImagePositionPatient"),
            directions=numbers("ImageOrientationPatient"),
            transfer_syntax=getattr(syntax, "name", ""),
        )
    except _DAMAGED as error:
        raise InputError(f"{file} is damaged ({error}); copy it again") from error
