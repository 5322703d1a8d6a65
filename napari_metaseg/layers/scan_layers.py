"""Scans and results as layers.

Our layers carry ``metadata["napari-metaseg"]``, a dict with ``scan``, ``orientation`` and, for
labels, ``protocol`` (what names them, or None) and ``details`` (how they were made).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_metaseg.layers.label_style import Named, layer_style
from napari_metaseg.layers.orientation import orientation_of
from src_core.io.labels import Structure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_metaseg.layers.orientation import Orientation
    from src_core.io.scan import Scan

METADATA_KEY = "napari-metaseg"
LIVE = "napari-metaseg-live"
"""Key in the metadata of a layer that follows a fit: no input, and not to be painted on."""

_BRAIN = (Structure(1, "Brain", (255, 200, 60)),)

LayerData = tuple[np.ndarray, dict[str, Any], str]

_CONTRAST_SAMPLE = 200_000
_CONTRAST_PERCENTILES = (0.1, 99.8)


def scan_layer(scan: Scan, name: str) -> LayerData:
    """Return a scan as an image layer that shows the scan's own voxels, not a copy."""
    orientation = orientation_of(scan.affine, scan.shape)
    keywords = placed(orientation) | {
        "name": name,
        "colormap": "gray",
        "contrast_limits": _contrast_limits(scan.voxels),
        "rgb": False,
        "multiscale": False,
        "projection_mode": "none",
        "metadata": {METADATA_KEY: {"scan": scan, "orientation": orientation}},
    }
    return orientation.to_display(scan.voxels), keywords, "image"


def brain_layer(
    mask: np.ndarray, scan: Scan, orientation: Orientation, name: str, origin: str
) -> LayerData:
    """Return a brain mask of some origin, shape (I, J, K), as a layer that can be painted on."""
    return labels_layer(mask.view(np.uint8), scan, orientation, _BRAIN, name, {"origin": origin})


def labels_layer(
    label_map: np.ndarray,
    scan: Scan,
    orientation: Orientation,
    protocol: Named | None,
    name: str,
    details: Mapping[str, Any] | None = None,
) -> LayerData:
    """Return a label map as an ordinary labels layer, which can be painted on.

    Parameters
    ----------
    label_map : ndarray of int, shape (I, J, K)
        In scan voxel order; it is copied.
    scan : Scan
        The scan that the labels belong to.
    orientation : Orientation
        That of the scan's layer.
    protocol : Protocol or sequence of Structure, optional
        Names and colours; without them they are napari's.
    name : str
        Of the layer.
    details : mapping, optional
        How the labels were made, for the description that is written beside them.
    """
    dtype = np.result_type(np.min_scalar_type(label_map.min()), np.min_scalar_type(label_map.max()))
    keywords = placed(orientation) | {
        "name": name,
        "multiscale": False,
        "metadata": metadata_of_result(scan, orientation, protocol, details or {}),
    }
    if protocol is not None:
        keywords |= layer_style(protocol, label_map)
    data = np.array(orientation.to_display(label_map), dtype=dtype, order="C")
    return data, keywords, "labels"


def metadata_of_result(
    scan: Scan, orientation: Orientation, protocol: Named | None, details: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a layer over a scan carries, so that it can be written on the scan's grid."""
    return {
        METADATA_KEY: {
            "scan": scan,
            "orientation": orientation,
            "protocol": protocol,
            "details": dict(details),
        }
    }


def placed(orientation: Orientation) -> dict[str, Any]:
    """Return the arguments that put a layer in its place."""
    return {
        "affine": orientation.affine,
        "axis_labels": orientation.axis_labels,
        "units": orientation.units,
    }


def _contrast_limits(voxels: np.ndarray) -> tuple[float, float]:
    """Return limits that leave out the few darkest and brightest voxels."""
    chosen = np.random.default_rng(0).integers(voxels.size, size=_CONTRAST_SAMPLE)
    low, high = np.percentile(voxels.ravel()[chosen], _CONTRAST_PERCENTILES)
    if low == high:
        low, high = voxels.min(), voxels.max()
    return float(low), float(high)
