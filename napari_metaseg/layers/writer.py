"""Save layers as NIfTI or MGH files on the grid of the scan that they belong to."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from napari.layers import Image, Labels

from napari_metaseg.layers.geometry import geometry_of
from napari_metaseg.layers.named_labels import NamedLabels
from src_core.errors import explain
from src_core.io import export

if TYPE_CHECKING:
    from collections.abc import Iterator

LayerType = TypeVar("LayerType", Image, Labels)


class NotSavedError(Exception):
    """A layer cannot be saved; the message is one line: why, and what to do.

    No `ValueError`, as an `InputError` is: napari takes one for "there is no such writer", and says
    nothing of the reason.
    """


def write_labels(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save a labels layer, which may have been painted on, with a table that names its labels.

    Parameters
    ----------
    path : str
        ``.nii``, ``.nii.gz`` or ``.mgz`` file, ``.nii.gz`` if it does not say. It is replaced if it
        exists, because napari has asked.
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
    NotSavedError
        If the layer is no volume or slice, or the file cannot be written.
    """
    with _telling_napari():
        file, overwrite = _destination(path)
        labels = NamedLabels.of_layer(_layer(Labels, data, meta))
        return [str(written) for written in labels.write(file, overwrite=overwrite)]


def write_image(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save an image layer, such as a reconstruction or a map, as float32.

    Parameters
    ----------
    path : str
        ``.nii`` or ``.nii.gz`` file, the latter if it does not say. It is replaced if it exists,
        because napari has asked.
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
    NotSavedError
        If the layer is no volume or slice, or the file cannot be written.
    """
    with _telling_napari():
        layer = _layer(Image, data, meta)
        scan, orientation = geometry_of(layer)
        file, overwrite = _destination(path)
        export.write_scalar_map(orientation.to_scan(layer.data), scan, file, overwrite=overwrite)
        return [str(file)]


@contextmanager
def _telling_napari() -> Iterator[None]:
    """Raise what napari would take for something else as a `NotSavedError`."""
    try:
        yield
    except ValueError as error:
        raise NotSavedError(explain(error)) from error


def _destination(path: str) -> tuple[Path, bool]:
    """Return the file to write, and whether napari has asked if it may be replaced.

    The name that napari suggests is that of the layer: it has no ending. Tables beside the image
    are replaced together with it, but never alone, because they may be another file's.
    """
    file = Path(path)
    if export.image_stem(file) == file.name:
        return file.with_name(f"{file.name}.nii.gz"), False
    return file, file.exists()


def _layer(kind: type[LayerType], data: Any, meta: dict[str, Any]) -> LayerType:
    """Return a layer as it was in the viewer; of several resolutions the finest, all in memory."""
    finest = data[0] if meta.get("multiscale") else data
    return kind(np.asarray(finest), **(meta | {"multiscale": False}))
