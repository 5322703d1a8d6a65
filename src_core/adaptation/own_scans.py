"""The user's own scans: a folder with a folder for each, added whole or not at all; no torch."""

from __future__ import annotations

import json
import shutil
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src_core.correction.corrections_file import ENDING, write_corrections
from src_core.datasets.bids import subject_of
from src_core.datasets.labelled import LabelledScan
from src_core.datasets.settings import DataSettings
from src_core.errors import InputError
from src_core.io import export
from src_core.io.user_folder import user_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from src_core.correction.stroke import Stroke
    from src_core.io.labels import Structure
    from src_core.io.scan import Scan

_SCAN, _MASK, _LABELS = "scan.nii.gz", "mask.nii.gz", "labels.nii.gz"


@dataclass(frozen=True)
class CorrectedScan:
    """A scan with labels that its user stands for.

    Attributes
    ----------
    files : LabelledScan
    data : DataSettings
        What its label ids mean, see `src_core.datasets.mapping.read_mapping`.
    corrections : Path or None
        What was painted on the labels; None: all of them count as right.
    protocol : str or None
        Name of the protocol of the labels, if the description beside them tells it.
    """

    files: LabelledScan
    data: DataSettings
    corrections: Path | None = None
    protocol: str | None = None

    @property
    def name(self) -> str:
        """Name of the scan; no other has it."""
        return self.files.name

    @classmethod
    def of(cls, files: LabelledScan, data: DataSettings | None = None) -> CorrectedScan:
        """A labelled scan with what lies beside its labels: what was painted, a description.

        Without `data` a ``label_mapping.csv`` there tells what ids mean, or they are a protocol's.
        """
        painted = export.companion(files.labels, ENDING)
        return cls(
            files,
            data or DataSettings(files.labels.parent),
            painted if painted.is_file() else None,
            _protocol_of(files.labels),
        )


def own_scans_folder() -> Path:
    """Folder of the user's own scans, which need not exist yet."""
    return user_folder() / "scans"


def is_own_scan(folder: Path) -> bool:
    """Whether a folder is that of one scan."""
    return all((folder / name).is_file() for name in (_SCAN, _LABELS))


def read_own_scan(folder: Path) -> CorrectedScan:
    """The scan that a folder holds."""
    mask, name = folder / _MASK, folder.name
    files = LabelledScan(
        name,
        subject_of(name),
        "train",
        folder / _SCAN,
        folder / _LABELS,
        mask if mask.is_file() else None,
    )
    return CorrectedScan.of(files)


def list_own_scans(folder: Path) -> list[CorrectedScan]:
    """All scans of a folder, by name; none if there is no such folder."""
    # What is just being added has a name with a dot.
    found = sorted(one for one in folder.glob("[!.]*") if is_own_scan(one))
    return [read_own_scan(one) for one in found]


def add_own_scan(
    folder: Path,
    name: str,
    scan: Scan,
    mask: np.ndarray | None,
    labels: np.ndarray,
    structures: Sequence[Structure],
    details: Mapping[str, Any],
    *,
    painted: tuple[Stroke, Sequence[Structure]] | None = None,
    overwrite: bool = False,
) -> CorrectedScan:
    """Add a corrected scan to a folder of own scans: all its files or none.

    Parameters
    ----------
    folder : Path
        Made if need be.
    name : str
        Name of the scan in the folder.
    scan : Scan
    mask : ndarray, shape (I, J, K), or None
        The brain; None: the scan is skull-stripped.
    labels : ndarray of int, shape (I, J, K)
    structures : sequence of Structure
        What the labels mean.
    details : mapping
        How the labels were made; "protocol" names their protocol.
    painted : tuple of Stroke and sequence of Structure, optional
        What was painted on them, and what that means: it may be finer than the labels. Without it
        all labels count as right.
    overwrite : bool
        Whether a scan of that name may be replaced.

    Returns
    -------
    CorrectedScan

    Raises
    ------
    InputError
        The name is taken or is none, or the files can't be written.
    """
    place = _place(folder, name)
    if place.exists() and not overwrite:
        raise InputError(
            f"{folder} holds a scan {name} already; choose another name or allow it to be replaced",
            option="overwrite",
        )
    with _whole_folder(place) as new:
        export.write_scalar_map(scan.voxels, scan, new / _SCAN)
        if mask is not None:
            export.write_mask(mask, scan, new / _MASK)
        export.write_labels(labels, scan, new / _LABELS, protocol=structures, details=details)
        if painted is not None:
            beside = export.companion(new / _LABELS, ENDING)
            stroke, painted_as = painted
            write_corrections(stroke, scan, beside, painted_as, overwrite=False)
    return read_own_scan(place)


def remove_own_scan(folder: Path, name: str) -> None:
    """Take a scan out of a folder of own scans, with all its files.

    Raises
    ------
    InputError
        There is no such scan, or it can't be removed.
    """
    place = _place(folder, name)
    if not is_own_scan(place):
        raise InputError(f"{folder} holds no scan {name}")
    try:
        # Gone at once as a scan, whatever becomes of its files.
        shutil.rmtree(place.rename(_hidden_beside(place)))
    except OSError as error:
        raise InputError(f"cannot remove {place}: {error.strerror or error}") from error


def _place(folder: Path, name: str) -> Path:
    if not name or name.startswith(".") or name != (folder / name).name:
        raise InputError(f"{name!r} cannot be the name of a scan: it names a folder")
    return folder / name


@contextmanager
def _whole_folder(place: Path) -> Iterator[Path]:
    """A new folder that takes its place, and that of an earlier one, if nothing fails."""
    new = _hidden_beside(place)
    try:
        new.mkdir(parents=True)
        yield new
        _take_place(new, place)
    except OSError as error:
        raise InputError(f"cannot write to {place.parent}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _take_place(new: Path, place: Path) -> None:
    """Rename a folder; an earlier one of that name goes, but not before the new one is there."""
    if not place.exists():
        new.rename(place)
        return
    earlier = place.rename(_hidden_beside(place))
    try:
        new.rename(place)
    except BaseException:
        earlier.rename(place)
        raise
    # A file that another program holds open stays, in a folder that is no scan.
    shutil.rmtree(earlier, ignore_errors=True)


def _hidden_beside(place: Path) -> Path:
    """A name beside a folder that none has, and that is no scan's."""
    return place.with_name(f".{uuid.uuid4().hex}")


def _protocol_of(labels: Path) -> str | None:
    """Protocol of a label map, by the description beside it."""
    try:
        told = json.loads(export.companion(labels, ".json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    name = told.get("protocol") if isinstance(told, dict) else None
    return name if isinstance(name, str) else None
