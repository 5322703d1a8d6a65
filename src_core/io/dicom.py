"""DICOM series turned into NIfTI files by dcm2niix."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from src_core.errors import InputError
from src_core.io.dicom_series import NEEDS, Series

if TYPE_CHECKING:
    from collections.abc import Iterator

# No side-car, not packed, and as the program comes, whatever the user's settings of it are.
_OPTIONS = ("-b", "n", "-z", "n", "-g", "i", "-f", "scan")
_PLAIN_SYNTAXES = {
    "",
    "Explicit VR Big Endian",
    "Explicit VR Little Endian",
    "Implicit VR Little Endian",
}


@contextmanager
def converted(series: Series) -> Iterator[Path]:
    """Convert a series to a NIfTI file, which is there until the block ends.

    Parameters
    ----------
    series : Series

    Yields
    ------
    Path
        Of the file. Its name, unlike that of the DICOM files, names nobody.

    Raises
    ------
    InputError
        The series lacks slices, or is not one image that dcm2niix can convert; or the block raises
        one, whose text then names the folder of the series.
    """
    series.check_complete()
    with TemporaryDirectory(prefix="napari-metaseg-") as temporary:
        given, made = Path(temporary, "dicom"), Path(temporary, "nifti")
        given.mkdir()
        made.mkdir()
        _gather(series, given)
        _run_dcm2niix(given, made, series)
        images = list(made.glob("*.nii"))
        if len(images) != 1:
            raise InputError(
                f"series {series} of {series.folder} holds {len(images)} images, such as echoes or"
                " directions; convert it with dcm2niix and give one of the files"
            )
        try:
            yield images[0]
        except InputError as error:
            text = str(error).replace(str(images[0]), str(series.folder))
            raise InputError(text) from error


def _gather(series: Series, folder: Path) -> None:
    """Put the files of a series alone into a folder, under names that name nobody."""
    for name, instance in zip(_names_in(folder, series), series.instances, strict=True):
        try:
            name.symlink_to(instance.path.resolve())
        except OSError:  # Windows allows links to some users only
            shutil.copyfile(instance.path, name)


def _names_in(folder: Path, series: Series) -> list[Path]:
    return [folder / f"{index:06}.dcm" for index in range(len(series.instances))]


def _run_dcm2niix(given: Path, made: Path, series: Series) -> None:
    try:
        from dcm2niix import bin as program
    except ImportError as error:
        raise InputError(NEEDS) from error
    try:
        done = subprocess.run(
            [program, *_OPTIONS, "-o", made, given],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise InputError(f"dcm2niix cannot be run: {error.strerror or error}") from error
    if done.returncode == 0 and any(made.iterdir()):
        return
    packed = {one.transfer_syntax for one in series.instances} - _PLAIN_SYNTAXES
    if packed:
        raise InputError(
            f"dcm2niix cannot unpack series {series} of {series.folder}: its transfer syntax is"
            f" {min(packed)}; export it uncompressed (Explicit VR Little Endian)"
        )
    last = next((line for line in reversed(done.stdout.splitlines()) if line.strip()), "no word")
    for name, instance in zip(_names_in(given, series), series.instances, strict=True):
        last = last.replace(str(name), str(instance.path))
    last = last.replace(str(given), str(series.folder)).strip()
    raise InputError(f"dcm2niix cannot convert series {series} of {series.folder}: {last}")
