"""Corrected scans, wherever they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src_core.adaptation.own_scans import (
    CorrectedScan,
    is_own_scan,
    list_own_scans,
    own_scans_folder,
    read_own_scan,
)
from src_core.datasets.bids import subject_of
from src_core.datasets.find import read_scans
from src_core.datasets.labelled import LabelledScan
from src_core.datasets.settings import DataSettings
from src_core.errors import InputError
from src_core.io.bids_names import is_bids_name, labels_name
from src_core.io.export import companion, image_stem
from src_core.io.files import IMAGE_ENDINGS
from src_core.io.protocols import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LABELS = ("_dseg", "_labels")
"""Ends of the names of label maps beside scans."""


def find_corrected_scans(places: Sequence[Path]) -> list[CorrectedScan]:
    """List corrected scans.

    Parameters
    ----------
    places : sequence of Path
        Each is a folder of own scans or the folder of one of them; a folder or table as
        `src_core.datasets.find.read_scans` takes it, all of whose scans count; a training.toml,
        whose scans to train on count; or a scan beside whose file a label map lies (the same
        name with ``_dseg`` or ``_labels``, also in the place of ``_T1w``), and if need be a
        brain mask (``_mask``). Without places: the user's own scans.

    Raises
    ------
    InputError
        There are no labels, or no scans at all.
    """
    found = [scan for place in places or [own_scans_folder()] for scan in _found(place)]
    if not found:
        raise InputError(
            f"{own_scans_folder()} holds no corrected scans; name some, or collect them in the "
            "window with Learn from this scan"
        )
    return found


def _found(place: Path) -> list[CorrectedScan]:
    if place.name.lower().endswith(IMAGE_ENDINGS):
        return [_beside(place)]
    if place.suffix == ".toml":
        from src_core.training.config import read_config

        data = read_config(place).data
        scans = [scan for scan in read_scans(data, needed=()) if scan.split == "train"]
        return [CorrectedScan.of(scan, data) for scan in scans]
    if is_own_scan(place):
        return [read_own_scan(place)]
    own = list_own_scans(place)
    if own or place == own_scans_folder():
        return own
    data = DataSettings(place)
    return [CorrectedScan.of(scan, data) for scan in read_scans(data, needed=())]


def _beside(path: Path) -> CorrectedScan:
    """A scan with the label map and the mask that lie beside it."""
    stem = image_stem(path)
    stems = (stem, stem.removesuffix("_T1w"))
    names = [one + end for one in stems for end in _LABELS]
    if is_bids_name(path):  # as labels are called that this program writes; finer ones first
        names += [labels_name(path, "dseg", protocol) for protocol in reversed([*PROTOCOLS])]
    labels = _first(path, names)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if labels is None:
        raise InputError(f"{path}: no label map lies beside it, such as {stem}_dseg.nii.gz")
    mask = _first(path, [f"{one}_mask" for one in stems])
    return CorrectedScan.of(LabelledScan(stem, subject_of(stem), "train", path, labels, mask))


def _first(scan: Path, stems: Sequence[str]) -> Path | None:
    """The first image of one of these names that lies beside a scan."""
    names = (companion(scan, "").with_name(stem + end) for stem in stems for end in IMAGE_ENDINGS)
    return next((path for path in names if path.is_file()), None)
