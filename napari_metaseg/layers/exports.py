"""Files written from the panel; every writer runs in the engine's thread."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import src_core
from napari_metaseg.layers.label_style import structures_in
from napari_metaseg.layers.scan_layers import METADATA_KEY, geometry_of
from src_core.io import export

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from napari.layers import Labels

    from napari_metaseg.run.session import Session
    from src_core.io.labels import Structure
    from src_core.io.scan import Scan


@dataclass(frozen=True, eq=False)
class NamedLabels:
    """A label map and all that is written about it.

    Attributes
    ----------
    label_map : ndarray of int, shape (I, J, K)
    scan : Scan
        On whose grid it lies.
    structures : tuple of Structure
    details : dict
        How it was made.
    """

    label_map: np.ndarray
    scan: Scan
    structures: tuple[Structure, ...]
    details: dict[str, Any]


def labels_of_layer(layer: Labels) -> NamedLabels:
    """What a layer of labels holds now, whoever made it; belongs in the window's thread.

    Raises
    ------
    InputError
        The layer is neither a volume nor a slice.
    """
    scan, orientation = geometry_of(layer)
    ours = layer.metadata.get(METADATA_KEY, {})
    return NamedLabels(
        np.array(orientation.to_scan(layer.data)),
        scan,
        structures_in(layer, ours.get("protocol")),
        ours.get("details") or {"napari-metaseg": src_core.__version__},
    )


def _labels_of_session(session: Session, iteration: int) -> NamedLabels:
    result = session.segmentation(iteration)
    return NamedLabels(result.labels, result.scan, result.protocol.structures, result.report)


def _write_labels(path: Path, labels: NamedLabels) -> None:
    export.write_labels(
        labels.label_map,
        labels.scan,
        path,
        protocol=labels.structures,
        details=labels.details,
        overwrite=True,
    )


def _write_volumes(path: Path, labels: NamedLabels) -> None:
    export.write_volumes_csv(
        labels.label_map, labels.scan, path, protocol=labels.structures, overwrite=True
    )


def _write_table(
    program: Literal["freesurfer", "itksnap"], path: Path, labels: NamedLabels
) -> None:
    export.write_lookup_table(labels.structures, path, program, overwrite=True)


LABEL_WRITERS: Mapping[str, Callable[[Path, NamedLabels], None]] = {
    "labels": _write_labels,
    "volumes": _write_volumes,
    "freesurfer": partial(_write_table, "freesurfer"),
    "itksnap": partial(_write_table, "itksnap"),
}
"""What can be written of any layer of labels, by the names in the panel's menu."""


def _write_probabilities(path: Path, session: Session, iteration: int) -> None:
    result = session.segmentation(iteration)
    export.write_probabilities(
        result.probabilities(),
        result.scan,
        path,
        protocol=result.protocol,
        details=result.report,
        overwrite=True,
    )


def _write_displacement(path: Path, session: Session, iteration: int) -> None:
    displacement = session.segmentation(iteration).displacement()
    export.write_displacement_field(displacement, session.scan, path, overwrite=True)


def _write_labels_of_session(kind: str, path: Path, session: Session, iteration: int) -> None:
    LABEL_WRITERS[kind](path, _labels_of_session(session, iteration))


WRITERS: Mapping[str, Callable[[Path, Session, int], None]] = {
    **{kind: partial(_write_labels_of_session, kind) for kind in LABEL_WRITERS},
    "probabilities": _write_probabilities,
    "displacement": _write_displacement,
}
"""What can be written of an iteration that is decoded at every voxel."""
