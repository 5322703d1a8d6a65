"""Open NIfTI, MGH and DICOM files: scans as image layers, label maps as labels layers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info

from napari_metaseg.layers.dicom_reader import read_dicom
from napari_metaseg.layers.label_style import Named, known_structures, read_label_table
from napari_metaseg.layers.orientation import orientation_of
from napari_metaseg.layers.scan_layers import LayerData, labels_layer, scan_layer
from src_core.errors import InputError
from src_core.io.dicom_series import DICOM_ENDINGS, is_dicom
from src_core.io.export import companion, image_stem
from src_core.io.files import IMAGE_ENDINGS
from src_core.io.image_file import declares_labels
from src_core.io.scan import read_label_map, read_scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PathLike = str | os.PathLike[str]
Opened = list[LayerData] | list[tuple[None]]
"""Layers; or what tells napari that there is nothing to show."""

_ENDINGS = (*IMAGE_ENDINGS, *DICOM_ENDINGS)
_LABEL_STEMS = ("_dseg", "_seg", "_labels", "aseg")


def get_reader(path: PathLike | Sequence[PathLike]) -> Callable[[Any], Opened] | None:
    """Return `read` if all are folders, or NIfTI, MGH or DICOM files by their names."""
    paths = _listed(path)
    ours = paths and all(p.name.lower().endswith(_ENDINGS) or p.is_dir() for p in paths)
    return read if ours else None


def read(path: PathLike | Sequence[PathLike]) -> Opened:
    """Read files, each as one layer, and series of DICOM files as one layer each.

    Parameters
    ----------
    path : path or sequence of path
        Files, or folders of DICOM files.

    Returns
    -------
    list of (data, keyword arguments, layer type)
        Nothing to show if the user is asked which series to open, and wants none.

    Raises
    ------
    InputError
        If a file cannot be used.
    """
    layers: list[LayerData] = []
    done: set[Path] = set()
    for file in _listed(path):
        if Path(os.path.abspath(file)) in done:  # of a series that is among the layers by now
            continue
        if is_dicom(file):
            opened = read_dicom(file)
            if opened is None:
                continue
            scan, series = opened
            done.update(instance.path for instance in series.instances)
            name, notes = series.folder.name, scan.notes
            layer = scan_layer(scan, name)
        else:
            labels = read_labels(file) if _may_be_labels(file) else None
            name = image_stem(file)
            layer, notes = labels or _read_scan(file)
        if notes:
            show_info("\n".join(f"{name}: {note}" for note in notes))
        layers.append(layer)
    return layers or [(None,)]


def read_labels(path: Path) -> tuple[LayerData, tuple[str, ...]] | None:
    """Read a label map, whatever its name says, as a layer.

    Parameters
    ----------
    path : Path
        Tables beside it name its labels and say how they were made.

    Returns
    -------
    layer : (data, keyword arguments, layer type)
    notes : tuple of str
        What is odd about the files, for people.
        Instead of both None, if the image does not hold whole numbers.

    Raises
    ------
    InputError
        If the file cannot be used.
    """
    label_map = read_label_map(path)
    if label_map is None:
        return None
    stem = image_stem(path)
    notes = label_map.notes
    named: Named | None = None
    table = companion(path, ".tsv")
    if table.is_file():
        try:
            named = read_label_table(table)
        except InputError as error:
            notes = (*notes, str(error))
    else:
        named = known_structures(stem, label_map.voxels)
    orientation = orientation_of(label_map.affine, label_map.shape)
    layer = labels_layer(label_map.voxels, label_map, orientation, named, stem, _details(path))
    return layer, notes


def _read_scan(path: Path) -> tuple[LayerData, tuple[str, ...]]:
    scan = read_scan(path)
    return scan_layer(scan, image_stem(path)), scan.notes


def _listed(path: PathLike | Sequence[PathLike]) -> list[Path]:
    if isinstance(path, str | os.PathLike):
        return [Path(path)]
    return [Path(p) for p in path]


def _may_be_labels(path: Path) -> bool:
    return image_stem(path).lower().endswith(_LABEL_STEMS) or declares_labels(path)


def _details(path: Path) -> dict[str, Any]:
    """Return what the description beside a label map says of how it was made."""
    try:
        details = json.loads(companion(path, ".json").read_text(encoding="utf-8"))
    except (OSError, RecursionError, ValueError):
        return {}
    return details if isinstance(details, dict) else {}
