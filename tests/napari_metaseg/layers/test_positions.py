"""Positions in the viewer and voxels of the scan belong together, however the scan lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.layers import Layer

from napari_metaseg.layers.geometry import scan_of
from napari_metaseg.layers.positions import central_voxel, position_of, voxel_at
from napari_metaseg.layers.scan_layers import scan_layer

if TYPE_CHECKING:
    from src_core.io.scan import Scan


@pytest.mark.parametrize("voxel", [(0, 0, 0), (3, 11, 7), (19, 21, 23)])
def test_a_voxel_is_found_where_it_is_shown(scan: Scan, voxel: tuple[int, int, int]) -> None:
    """The scan is oblique, and its first axis is flipped on the screen."""
    layer = Layer.create(*scan_layer(scan, "head"))
    _, orientation = scan_of(layer)
    scan.voxels[voxel] = 5000
    position = position_of(voxel, layer, orientation, scan.shape)
    index = tuple(np.rint(layer.world_to_data(position)).astype(int))
    assert layer.data[index] == 5000
    assert voxel_at(position, layer, orientation, scan.shape) == voxel


def test_outside_the_layer_there_is_no_voxel(scan: Scan) -> None:
    layer = Layer.create(*scan_layer(scan, "head"))
    _, orientation = scan_of(layer)
    for index in ((-1, 3, 3), (3, 3, 20)):
        position = layer.data_to_world(index)
        assert voxel_at(position, layer, orientation, scan.shape) is None


def test_the_central_voxel_belongs_to_the_structure() -> None:
    ring = [(0, y, x) for y in range(5) for x in range(5) if 0 in (y % 4, x % 4)]
    assert central_voxel(np.array(ring)) in ring
    assert central_voxel(np.array([(1, 1, 1), (1, 1, 2), (1, 1, 9)])) == (1, 1, 2)
