"""A label map with all that is written about it, taken from a layer or from a segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import src_core
from napari_metaseg.layers.geometry import geometry_of
from napari_metaseg.layers.label_style import structures_in
from napari_metaseg.layers.scan_layers import METADATA_KEY
from src_core.io import export
from src_core.io.labels import check_ids

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Labels

    from src_core.io.labels import Structure
    from src_core.io.scan import Scan
    from src_core.results.segmentation import Segmentation


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
        )

    @classmethod
    def of_segmentation(cls, result: Segmentation) -> NamedLabels:
        """Take the labels of a segmentation, with its report."""
        return cls(result.labels, result.scan, result.protocol.structures, result.report)

    def write(self, path: Path, *, overwrite: bool) -> list[Path]:
        """Write the label map, and beside it a table of names and a description.

        Raises
        ------
        InputError
            If a file exists and may not be replaced, or cannot be written.
        """
        return export.write_labels(
            self.label_map,
            self.scan,
            path,
            protocol=self.structures,
            details=self.details,
            overwrite=overwrite,
        )
