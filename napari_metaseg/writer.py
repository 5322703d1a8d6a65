"""Save layers as NIfTI or MGH files on the grid of the scan that they belong to."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Labels

import src_core
from napari_metaseg.label_style import structures_in
from napari_metaseg.scan_layers import METADATA_KEY, geometry_of
from src_core import export


def write_labels(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save a labels layer, which may have been painted on, with a table that names its labels.

    Parameters
    ----------
    path : str
        ``.nii``, ``.nii.gz`` or ``.mgz`` file. It may exist: napari has asked.
    data : array-like of int
        Of the layer.
    meta : dict
        All else of the layer, as napari hands it to writers.

    Returns
    -------
    list of str
        The files written: the image, and beside it a ``.tsv`` table and a ``.json`` description.

    Raises
    ------
    InputError
        If the layer is no volume or slice, or the file cannot be written.
    """
    layer = Labels(np.asarray(data), **meta)
    scan, orientation = geometry_of(layer)
    ours = layer.metadata.get(METADATA_KEY, {})
    written = export.write_labels(
        orientation.to_scan(layer.data),
        scan,
        path,
        protocol=structures_in(layer, ours.get("protocol")),
        details=ours.get("details") or {"napari-metaseg": src_core.__version__},
        overwrite=True,
    )
    return [str(file) for file in written]


def write_image(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save an image layer, such as a reconstruction or a map, as float32.

    Parameters
    ----------
    path : str
        ``.nii`` or ``.nii.gz`` file. It may exist: napari has asked.
    data : array-like
        Of the layer.
    meta : dict
        All else of the layer, as napari hands it to writers.

    Returns
    -------
    list of str
        The file written.

    Raises
    ------
    InputError
        If the layer is no volume or slice, or the file cannot be written.
    """
    layer = Image(np.asarray(data), **meta)
    scan, orientation = geometry_of(layer)
    export.write_scalar_map(orientation.to_scan(layer.data), scan, path, overwrite=True)
    return [path]
