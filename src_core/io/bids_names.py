"""Names of BIDS: what they say, and those of files that are made of a scan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from src_core.io.export import companion, image_stem

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.io.labels import Protocol

_NAME = re.compile(r"sub-[a-zA-Z0-9]+(_[a-z]+-[a-zA-Z0-9]+)*_[a-zA-Z0-9]+")
# The last entities of the order that BIDS prescribes; all others stand before them.
_LAST = ("seg", "scale", "res", "den", "label", "desc")


def is_bids_name(name: str | Path) -> bool:
    """Whether a scan is named as BIDS does, such as ``sub-01_T1w.nii.gz``."""
    return bool(_NAME.fullmatch(image_stem(name)))


def entities_of(name: str) -> dict[str, str]:
    """Entities in a BIDS name, in its order: ``{"sub": "01", "desc": "manual"}``."""
    pairs = (part.partition("-") for part in image_stem(name).split("_"))
    return {key: value for key, dash, value in pairs if dash}


def label_of(text: str) -> str:
    """A text as the value of an entity, which has letters and digits only."""
    return re.sub("[^a-zA-Z0-9]", "", text)


def derived_name(scan: str | Path, suffix: str, **entities: str) -> str:
    """Name of a file that is made of a scan with a BIDS name.

    Parameters
    ----------
    scan : str or Path
        Its entities are kept.
    suffix : str
        Such as ``dseg``, followed by the ending of the file, if wanted.
    **entities : str
        More of them, such as ``seg="tissue4"``; each takes the place of the scan's own.

    Returns
    -------
    str
        Entities in the order of BIDS, none twice.
    """
    every = entities_of(str(image_stem(scan))) | {
        key: label_of(value) for key, value in entities.items()
    }
    keys = [key for key in every if key not in _LAST] + [key for key in _LAST if key in every]
    return "_".join([*(f"{key}-{every[key]}" for key in keys), suffix])


def labels_name(scan: str | Path, suffix: str, protocol_name: str) -> str:
    """Name of a file that is made of the labels of a scan with a BIDS name.

    Parameters
    ----------
    scan : str or Path
        Its entities are kept.
    suffix : str
        As for `derived_name`.
    protocol_name : str
        Of the labels.

    Returns
    -------
    str
        A contrast other than T1w stands in ``desc``, behind what the scan has there.
    """
    # The scans of one session may differ in nothing but their contrast, and their labels too.
    contrast = image_stem(scan).rpartition("_")[2]
    own = entities_of(image_stem(scan)).get("desc", "")
    more = {} if contrast == "T1w" else {"desc": own + contrast}
    return derived_name(scan, suffix, seg=protocol_name, **more)


def label_map_beside(scan: Path, protocol: Protocol) -> Path:
    """Where the labels of a scan lie: beside it or its folder of DICOM files, never among them."""
    from src_core.io.dicom_series import folder_of, is_dicom

    if is_dicom(scan):
        folder = folder_of(scan)
        return folder.with_name(f"{folder.name}_dseg.nii.gz")
    if is_bids_name(scan):
        return scan.with_name(labels_name(scan, "dseg.nii.gz", protocol.name))
    return companion(scan, "_dseg.nii.gz")
