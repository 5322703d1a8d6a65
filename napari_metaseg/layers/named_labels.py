"""A label map with all that is written about it, taken from a layer or from a segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

import src_core
from napari_metaseg.layers.geometry import geometry_of
from napari_metaseg.layers.label_style import structures_in
from napari_metaseg.layers.scan_layers import METADATA_KEY, labels_layer
from src_core.correction.corrections_file import ENDING, write_corrections
from src_core.io import export
from src_core.io.labels import check_ids

if TYPE_CHECKING:
    from pathlib import Path

    from napari_metaseg.layers.orientation import Orientation
    from napari_metaseg.run.session import Session
    from src_core.correction.stroke import Stroke
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
    painted : Stroke or None
        What of it was painted for the network to learn.
    painted_as : tuple of Structure
        What was painted; they may be finer than the structures of the label map.
    """

    label_map: np.ndarray
    scan: Scan
    structures: tuple[Structure, ...]
    details: dict[str, Any]
    painted: Stroke | None = None
    painted_as: tuple[Structure, ...] = ()

    @classmethod
    def of_layer(cls, layer: Labels) -> NamedLabels:
        """Take what a layer of labels holds now, whoever made it; in the window's thread.

        Raises
        ------
        InputError
            The layer is neither a volume nor a slice, or an id is beyond 2147483647.
        """
        scan, orientation = geometry_of(layer)
        check_ids(layer.data, f"layer {layer.name!r}")
        ours = layer.metadata.get(METADATA_KEY, {})
        return cls(
            np.array(orientation.to_scan(layer.data)),
            scan,
            structures_in(layer, ours.get("protocol")),
            ours.get("details") or {"napari-metaseg": src_core.__version__},
            ours.get("painted"),
            ours.get("painted_as", ()),
        )

    @classmethod
    def of_iteration(cls, session: Session, iteration: int) -> NamedLabels:
        """Take the labels of an iteration that is decoded everywhere; in the engine's thread."""
        result = session.segmentation(iteration)
        return cls(
            result.labels,
            result.scan,
            session.protocol.structures,
            result.report,
            session.corrected.stroke(iteration),
            session.learnt.structures,
        )

    def as_layer(self, orientation: Orientation, name: str) -> Labels:
        """Make an ordinary layer of them, to be painted on."""
        data, keywords, _ = labels_layer(
            self.label_map, self.scan, orientation, self.structures, name, self.details
        )
        painted = {"painted": self.painted, "painted_as": self.painted_as}
        keywords["metadata"][METADATA_KEY] |= painted
        layer = Labels(data, **keywords)
        ids = [structure.id for structure in self.structures]
        # napari begins to paint with 1, which only tissues have
        if ids and layer.selected_label not in ids:
            layer.selected_label = min(ids)
        return layer

    def write(self, path: Path, *, overwrite: bool) -> list[Path]:
        """Write the label map, and beside it a table of names and a description.

        If it was painted on for the network to learn, what was painted has a file of its own.

        Raises
        ------
        InputError
            If a file exists and may not be replaced, or cannot be written.
        """
        written = export.write_labels(
            self.label_map,
            self.scan,
            path,
            protocol=self.structures,
            details=self.details,
            overwrite=overwrite,
        )
        if self.painted is not None:
            beside = export.companion(path, ENDING)
            written += write_corrections(
                self.painted, self.scan, beside, self.painted_as, overwrite=overwrite
            )
        return written
