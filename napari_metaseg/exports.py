"""Files written from the panel; each function runs in the engine's thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_metaseg.session import Session

Writer = Callable[[Path, Session, int], list[Path]]


def _write_label_map(path: Path, session: Session, iteration: int) -> list[Path]:
    """Label map on the scan's grid, with its table and its description; files written."""
    return session.segmentation(iteration).save(path, overwrite=True)


def write_layer(path: Path, data: np.ndarray, keywords: dict[str, Any]) -> list[Path]:
    """A layer of labels as File > Save Selected Layer writes it; files written."""
    from napari_metaseg.writer import write_labels

    return [Path(written) for written in write_labels(str(path), data, keywords)]


def _write_volumes(path: Path, session: Session, iteration: int) -> list[Path]:
    from src_core.export import write_volumes_csv

    write_volumes_csv(
        session.label_map(iteration),
        session.scan,
        path,
        protocol=session.protocol,
        overwrite=True,
    )
    return [path]


def _write_freesurfer(path: Path, session: Session, iteration: int) -> list[Path]:
    from src_core.export import write_lookup_table

    write_lookup_table(session.protocol, path, "freesurfer", overwrite=True)
    return [path]


def _write_itksnap(path: Path, session: Session, iteration: int) -> list[Path]:
    from src_core.export import write_lookup_table

    write_lookup_table(session.protocol, path, "itksnap", overwrite=True)
    return [path]


def _write_probabilities(path: Path, session: Session, iteration: int) -> list[Path]:
    from src_core.export import write_probabilities

    result = session.segmentation(iteration)
    return write_probabilities(
        result.probabilities(),
        session.scan,
        path,
        protocol=session.protocol,
        details=result.report,
        overwrite=True,
    )


def _write_displacement(path: Path, session: Session, iteration: int) -> list[Path]:
    from src_core.export import write_displacement_field

    write_displacement_field(
        session.segmentation(iteration).displacement(), session.scan, path, overwrite=True
    )
    return [path]


WRITERS: Mapping[str, Writer] = {
    "labels": _write_label_map,
    "volumes": _write_volumes,
    "freesurfer": _write_freesurfer,
    "itksnap": _write_itksnap,
    "probabilities": _write_probabilities,
    "displacement": _write_displacement,
}
"""By the kind of export, as the panel's menu names them."""
