"""Names and colours of labels, as napari shows them and as tables beside a file hold them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap, label_colormap

from src_core.errors import InputError
from src_core.io.labels import LARGEST_ID, Color, Protocol, Structure
from src_core.io.protocols import protocol
from src_core.io.tables import read_structures

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Labels

Named = Protocol | Sequence[Structure]
"""What names labels: a protocol, or structures alone, of which there may be any number."""

_NAPARI_COLORS = label_colormap()
_PAINTABLE = 256
_LARGEST_COLORED = np.iinfo(np.uint16).max
# ids of few labels, such as 2 and 3, fit many protocols
_FEWEST_KNOWN = 8


def layer_style(
    named: Named, label_map: np.ndarray, *, only: Collection[int] | None = None
) -> dict[str, Any]:
    """Return the arguments that make a Labels layer name and colour its labels.

    Parameters
    ----------
    named : Protocol or sequence of Structure
    label_map : ndarray of int
        Its labels that have no name get a number as name and a colour of napari's.
    only : collection of int, optional
        Ids of the labels to be seen; the others are transparent. Default: all are seen.

    Returns
    -------
    dict
        ``features`` with a row for each label and for background, and ``colormap``.
    """
    known = {structure.id: structure for structure in structures_of(named)}
    others = [label for label in labels_in(label_map) if label not in known]
    names = {0: "Background"} | {label: known[label].name for label in known}
    names |= {label: _unnamed(label) for label in others}
    style: dict[str, Any] = {"features": {"index": [*names], "name": [*names.values()]}}
    # napari finds colours of larger ids only with numba
    if max(names) <= _LARGEST_COLORED:
        # a label that is yet to be painted must be seen, too
        colors = {label: color_of(label) for label in (*range(1, _PAINTABLE), *others)}
        colors |= {label: known[label].color for label in known}
        if only is not None:
            colors = {label: color for label, color in colors.items() if label in only}
        style["colormap"] = DirectLabelColormap(
            color_dict={None: "transparent", 0: "transparent"}
            | {label: (*np.divide(color, 255), 1) for label, color in colors.items()}
        )
    return style


def structures_of(named: Named | None) -> tuple[Structure, ...]:
    """Return the structures of a protocol, or the structures themselves."""
    if isinstance(named, Protocol):
        return named.structures
    return tuple(named or ())


def structures_in(layer: Labels, named: Named | None) -> tuple[Structure, ...]:
    """Return the structures of a layer to be written: those it was made with, and those painted.

    Parameters
    ----------
    layer : Labels
        Its features table may give other names; labels without any are called by number.
    named : Protocol or sequence of Structure, optional
        What the layer was made with.
    """
    structures = {structure.id: structure for structure in structures_of(named)}
    for label in labels_in(layer.data):
        if label not in structures and 0 < label <= LARGEST_ID:
            shown = layer.colormap.map(label)
            color = _bytes(shown) if shown[3] else color_of(label)
            structures[label] = Structure(label, _unnamed(label), color)
    features = layer.features
    if "index" in features and "name" in features:
        for label, name in zip(features["index"], features["name"], strict=True):
            if label in structures and isinstance(name, str) and name.strip():
                structures[label] = replace(structures[label], name=" ".join(name.split()))
    return tuple(structures.values())


def known_structures(stem: str, label_map: np.ndarray) -> Protocol | None:
    """Return FreeSurfer's names if a label map seems to have its ids.

    Parameters
    ----------
    stem : str
        The file's name without its ending; FreeSurfer's end in ``aseg``.
    label_map : ndarray of int
    """
    freesurfer = protocol("fs32")
    ids = set(labels_in(label_map))
    fits = len(ids) >= _FEWEST_KNOWN and ids <= {
        structure.id for structure in freesurfer.structures
    }
    return freesurfer if fits or stem.lower().endswith("aseg") else None


def read_label_table(path: Path) -> tuple[Structure, ...]:
    """Read the BIDS look-up table of a label map, which other programs may have written.

    Parameters
    ----------
    path : Path
        ``.tsv`` file with columns index and name, and maybe abbreviation, color and mapping.

    Returns
    -------
    tuple of Structure
        Background is left out. Structures without a colour get one of napari's.

    Raises
    ------
    InputError
        If it is no such table.
    """
    try:
        return read_structures(path, strict=False, default_color=lambda _, label: color_of(label))
    except InputError as error:
        raise InputError(
            f"{path} is not a table of labels ({error}); names are not shown"
        ) from error


def labels_in(label_map: np.ndarray) -> list[int]:
    """Return the ids in a label map, rising, without background."""
    return [int(label) for label in np.unique(label_map) if label != 0]


def color_of(label: int) -> Color:
    """Return the colour that napari would give a label."""
    return _bytes(_NAPARI_COLORS.map(label))


def _bytes(rgba: np.ndarray) -> Color:
    red, green, blue = (int(value) for value in np.rint(rgba[:3] * 255))
    return red, green, blue


def _unnamed(label: int) -> str:
    return f"Label {label}"
