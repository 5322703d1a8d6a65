"""Labelled scans in a BIDS tree, and what their names say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from src_core.datasets.labelled import LabelledScan, refuse_unpaired
from src_core.errors import InputError
from src_core.io.bids_names import entities_of
from src_core.io.export import image_stem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from src_core.datasets.settings import DataSettings

# Entities by which files made of one scan differ from it and from each other.
_DERIVED = ("space", "desc", "res", "den", "label", "atlas", "seg")
# Values of the entity space that stand for the grid of the scan itself.
_NATIVE = (None, "T1w", "orig")


def find_in_bids(data: DataSettings) -> list[LabelledScan]:
    """List the labelled scans of a BIDS tree.

    Parameters
    ----------
    data : DataSettings
        Its patterns name entities that the files must have.

    Returns
    -------
    list of LabelledScan
        By name, with an empty split.

    Raises
    ------
    InputError
        Files are missing, unpaired or ambiguous.
    """
    root = data.path
    folders = [root, *sorted(root.glob("derivatives/*"))]
    every = _bids_files([root], "T1w")
    scans = _with_entities(every, data.scans)
    if not scans:
        raise InputError(
            f"{root}: no file sub-*/[ses-*/]anat/*_T1w.nii.gz{_told(data.scans)}; give the root of"
            " a BIDS data set, or the patterns scans and labels"
        )
    label_maps = _with_entities(_bids_files(folders, "dseg"), data.labels)
    labels = _made_of_each(scans, label_maps, "labels", data.labels, root)
    acquisitions = [_acquisition(path) for path in every]
    stray = [path.name for path in label_maps if _acquisition(path) not in acquisitions]
    refuse_unpaired(stray, "no scan for the label map", root)
    masks: dict[Path, Path] = {}
    if data.masks:
        found = _with_entities(_bids_files(folders, "mask"), data.masks)
        masks = _made_of_each(scans, found, "masks", data.masks, root)
    return [
        LabelledScan(
            _bids_name(path), subject_of(path.name), "", path, labels[path], masks.get(path)
        )
        for path in scans
    ]


def subject_of(name: str) -> str:
    """The BIDS subject in a scan's name; else the scan is that of a subject of its own."""
    match = re.search("(?:^|[/_])(sub-[a-zA-Z0-9]+)", name)
    return match[1] if match else name


def _bids_files(folders: Iterable[Path], suffix: str) -> list[Path]:
    """Anatomical images of a kind, such as T1w."""
    return [
        path
        for folder in folders
        for anatomy in ("sub-*/anat", "sub-*/ses-*/anat")
        for path in sorted(folder.glob(f"{anatomy}/*_{suffix}.nii*"))
        if path.name.endswith((".nii", ".nii.gz")) and path.is_file()
    ]


def _made_of_each(
    scans: Iterable[Path], files: Sequence[Path], setting: str, entities: str | None, root: Path
) -> dict[Path, Path]:
    """Find the one file that was made of each scan and lies on its grid."""
    found: dict[Path, Path] = {}
    missing = []
    any_space = "space" in entities_of(entities or "")
    for scan in scans:
        fitting = [
            path
            for path in files
            if _acquisition(path) == _acquisition(scan) and (any_space or _same_space(path, scan))
        ]
        if len(fitting) > 1:
            listed = ", ".join(str(path.relative_to(root)) for path in fitting)
            raise InputError(
                f"{scan}: several files fit: {listed}; pick one by its entities, such as"
                f" {setting} = 'desc-manual', or pair the files by name patterns"
            )
        if fitting:
            found[scan] = fitting[0]
        else:
            missing.append(_bids_name(scan))
    refuse_unpaired(missing, f"no {setting}{_told(entities)} for", root)
    return found


def _with_entities(files: Iterable[Path], entities: str | None) -> list[Path]:
    """Those files whose names have all the entities."""
    wanted = entities_of(entities or "")
    if entities and len(wanted) != len(entities.split("_")):
        raise InputError(f"{entities!r} is neither an entity, such as desc-manual, nor a pattern")
    return [path for path in files if wanted.items() <= entities_of(path.name).items()]


def _acquisition(path: Path) -> dict[str, str]:
    """The entities that a scan shares with all that is made of it."""
    return {key: v for key, v in entities_of(path.name).items() if key not in _DERIVED}


def _same_space(path: Path, scan: Path) -> bool:
    one, other = (entities_of(file.name).get("space") for file in (path, scan))
    return one == other or (one in _NATIVE and other in _NATIVE)


def _bids_name(scan: Path) -> str:
    return image_stem(scan).removesuffix("_T1w")


def _told(entities: str | None) -> str:
    return f" with {entities}" if entities else ""
