"""Scans and results are shown so that they can be seen and worked on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Layer

from napari_metaseg.layers.scan_layers import METADATA_KEY, labels_layer, scan_layer
from src_core.io.protocols import protocol
from tests.napari_metaseg.conftest import status_at

if TYPE_CHECKING:
    from src_core.io.scan import Scan

TISSUES = protocol("tissue4")


def test_contrast_leaves_out_rare_outliers(scan: Scan) -> None:
    scan.voxels[0, 0, 0] = 1e6
    _, keywords, _ = scan_layer(scan, "head")
    low, high = keywords["contrast_limits"]
    assert 0 <= low < 200 < high < 1000


def test_labels_are_ordinary_and_paintable(scan: Scan) -> None:
    _, keywords, _ = scan_layer(scan, "head")
    orientation = keywords["metadata"][METADATA_KEY]["orientation"]
    label_map = (scan.voxels > 300).astype(np.int16) * 3
    labels = Layer.create(*labels_layer(label_map, scan, orientation, TISSUES, "labels"))
    assert labels.editable
    assert labels.data.dtype == np.uint8
    assert labels.data.flags.c_contiguous
    labels.paint((3, 3, 3), 9)
    assert labels.data[3, 3, 3] == 9
    assert labels.get_color(9)[3] == 1  # a new label is seen
    assert "White-Matter" in status_at(labels, 3)
