"""Write files completely or not at all, and tell contents apart."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from src_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

IMAGE_ENDINGS = (".nii", ".nii.gz", ".mgz", ".mgh")
"""Of the images that are read and written."""
_unfinished: set[Path] = set()
"""Temporary files of this process."""


def check_exists(path: Path) -> None:
    """Refuse a file or folder that is not there, or that may not be reached.

    Raises
    ------
    InputError
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{path} does not exist; check the name") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def check_writable(
    paths: Iterable[str | Path], overwrite: bool = False, inputs: Iterable[str | Path] = ()
) -> None:
    """Find out before any work is done whether files can be written.

    Parameters
    ----------
    paths : iterable of path
        Files to be written.
    overwrite : bool
        Whether existing files may be replaced.
    inputs : iterable of path
        Files that are read and must not be replaced in any case.

    Raises
    ------
    InputError
        If a folder is missing or read-only, a file exists, is an input, or is named twice.
    """
    protected = [path for path in map(Path, inputs) if path.exists()]
    seen = set()
    for path in map(Path, paths):
        if path.resolve() in seen:
            raise InputError(f"{path} is named for two outputs; give each its own name")
        seen.add(path.resolve())
        if path.is_dir():
            raise InputError(f"{path} is a folder; give a file name in it")
        if not path.parent.is_dir():
            raise InputError(f"folder {path.parent} does not exist; create it or choose another")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise InputError(f"folder {path.parent} is read-only; choose another")
        if path.exists():
            if any(path.samefile(other) for other in protected):
                raise InputError(f"{path} is an input; choose another name for the output")
            if not overwrite:
                raise _exists(path)


@contextmanager
def complete_files(
    paths: Sequence[Path], overwrite: bool, inputs: Iterable[str | Path] = ()
) -> Iterator[list[Path]]:
    """Yield temporary names beside `paths`, which take their places if nothing fails.

    Parameters
    ----------
    paths : sequence of Path
        Files that belong together.
    overwrite, inputs
        As for `check_writable`.

    Raises
    ------
    InputError
        As `check_writable`, and if the disk is full or fails otherwise; nothing is left behind.
    """
    check_writable(paths, overwrite, inputs)
    temporary = [path.with_name(f".{uuid.uuid4().hex}{_ending(path)}") for path in paths]
    _unfinished.update(temporary)
    try:
        yield temporary
        _put_in_place(temporary, paths, overwrite)
    except OSError as error:
        folder = paths[0].parent
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"the disk of {folder} is full; free space or choose another"
            ) from error
        raise InputError(f"cannot write to {folder}: {error.strerror or error}") from error
    finally:
        _remove(temporary)


def remove_unfinished() -> None:
    """Remove the files that are just being written, for a program that has to end at once."""
    _remove(list(_unfinished))


def _remove(temporary: Iterable[Path]) -> None:
    for written in temporary:
        written.unlink(missing_ok=True)
        _unfinished.discard(written)


def _put_in_place(temporary: Sequence[Path], paths: Sequence[Path], overwrite: bool) -> None:
    """Give files their names: all of them or, if one is taken and may not be replaced, none."""
    placed: list[Path] = []
    try:
        for written, path in zip(temporary, paths, strict=True):
            if overwrite:
                os.replace(written, path)
            else:
                _place_new(written, path)
                placed.append(path)
    except BaseException as error:
        for other in placed:
            other.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise _exists(path) from error
        raise


def _place_new(written: Path, path: Path) -> None:
    """Give a file a name that no other has; two programs cannot both succeed."""
    try:
        os.link(written, path)
    except FileExistsError:
        raise
    except OSError:  # there are file systems without links
        path.open("xb").close()
        try:
            os.replace(written, path)
        except BaseException:
            path.unlink(missing_ok=True)  # it is our own and empty
            raise


def _exists(path: Path) -> InputError:
    return InputError(
        f"{path} exists; choose another name or allow it to be replaced", option="overwrite"
    )


def digest(*parts: bytes) -> str:
    """Checksum of several contents, which changes with any of them and with their order."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _ending(path: Path) -> str:
    """By this nibabel chooses the format."""
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix
