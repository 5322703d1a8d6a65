"""A small head that differs left from right, front from back and top from bottom."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from nibabel.affines import apply_affine

from src_core.scan import Scan, scan_from_array

SPOTS = {
    "left": (-8.0, 0.0, 0.0),
    "anterior": (0.0, 9.0, 0.0),
    "superior": (0.0, 0.0, 10.0),
}
"""Centres of the bright spots in world mm; the centre of the head is at 0."""
INTENSITIES = {"left": 200.0, "anterior": 300.0, "superior": 400.0}


@pytest.fixture(scope="session")
def head() -> Scan:
    """(27, 29, 31) voxels of 1 mm, RAS: a ball of 100 with spots of other intensities."""
    affine = np.eye(4)
    affine[:3, 3] = (-13, -14, -15)
    position = apply_affine(affine, np.moveaxis(np.indices((27, 29, 31)), 0, -1))
    voxels = np.where(np.linalg.norm(position, axis=-1) < 13, 100.0, 0.0)
    for name, centre in SPOTS.items():
        voxels[np.linalg.norm(position - centre, axis=-1) < 3.2] = INTENSITIES[name]
    return scan_from_array(voxels, affine)


def status_at(layer: Labels, label: int) -> str:
    """What the status bar says where the mouse is on a label."""
    viewer = ViewerModel()
    viewer.add_layer(layer)
    position = layer.data_to_world(np.argwhere(layer.data == label)[0])
    viewer.dims.point = position
    return layer.get_status(position, world=True)["coordinates"]
