"""Samples to try things on: File > Open Sample."""

from __future__ import annotations

from napari_metaseg.layers.orientation import orientation_of
from napari_metaseg.layers.scan_layers import LayerData, labels_layer, scan_layer
from src_core.io.protocols import protocol
from src_core.io.sample import mni152_t1, phantom
from src_core.io.sample_head import mni152_head


def mni152() -> list[LayerData]:
    """Return the skull-stripped MNI152 template.

    Raises
    ------
    InputError
        If nilearn, which brings it, is not installed.
    """
    return [scan_layer(mni152_t1(), "MNI152 T1")]


def head() -> list[LayerData]:
    """Return the MNI152 template in a made-up head, with skull.

    Raises
    ------
    InputError
        If nilearn, which brings the template, is not installed.
    """
    return [scan_layer(mni152_head(), "Head T1")]


def phantom_with_labels() -> list[LayerData]:
    """Return an analytic brain and its exact tissue labels."""
    scan, label_map = phantom()
    orientation = orientation_of(scan.affine, scan.shape)
    tissues = protocol("tissue4")
    return [
        scan_layer(scan, "Phantom"),
        labels_layer(label_map, scan, orientation, tissues, "Phantom labels"),
    ]
