"""The tool under Layers > Measure: volumes of any layer of labels, and Dice with a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_metaseg.layers.named_labels import NamedLabels
from src_core.errors import InputError
from src_core.io.protocols import PROTOCOLS
from src_core.results import measure

if TYPE_CHECKING:
    import napari.layers


def measure_labels(
    labels: napari.layers.Labels, reference: napari.layers.Labels | None = None
) -> None:
    """Measure every structure of a layer of labels.

    Volumes (mL) and, with a reference, Dice go into the layer's features: napari shows them in the
    status bar under the mouse, and as a table with Layers > Visualize > Features table.

    Parameters
    ----------
    labels : Labels
    reference : Labels, optional
        To compare with, on the same grid.

    Raises
    ------
    InputError
        The layers are no volumes or slices, lie on different grids, or have labels of different
        protocols.
    """
    measured = NamedLabels.of_layer(labels)
    ids = [structure.id for structure in measured.structures]
    volumes = measure.volumes(measured.label_map, measured.scan.affine, ids)
    features = {
        "index": [0, *ids],
        "name": ["Background", *(structure.name for structure in measured.structures)],
        "volume (mL)": [np.nan, *(round(volumes[label] / 1000, 3) for label in ids)],
    }
    if reference is not None:
        compared = NamedLabels.of_layer(reference)
        if not measured.scan.grid.is_same(compared.scan.grid):
            raise InputError(
                f"{reference.name!r} is not on the grid of {labels.name!r}; resample it"
            )
        _require_one_protocol(measured, compared)
        scores = measure.dice(measured.label_map, compared.label_map, ids)
        features["Dice"] = [np.nan, *(round(scores[label], 4) for label in ids)]
    labels.features = features


def _require_one_protocol(measured: NamedLabels, compared: NamedLabels) -> None:
    """Refuse labels that mean different things: 4 is the left lateral ventricle, or the third."""
    ours, theirs = (_protocols_of(labels) for labels in (measured, compared))
    if ours and theirs and not ours & theirs:
        raise InputError(
            f"the labels are of protocol {min(ours)}, those of the reference of {min(theirs)}: "
            "tell the labels of the fit in that (Tissues, Structures, Parcels), and keep them again"
        )


def _protocols_of(labels: NamedLabels) -> set[str]:
    """Names of the protocols of the package that have all of its structures."""
    found = {(structure.id, structure.name) for structure in labels.structures}
    return {
        name
        for name, known in PROTOCOLS.items()
        if found <= {(structure.id, structure.name) for structure in known.structures}
    }
