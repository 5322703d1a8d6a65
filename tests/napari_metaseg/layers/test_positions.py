"""Positions in the viewer and voxels of the scan belong together, however the scan lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_metaseg.layers.geometry import scan_of
from napari_metaseg.layers.positions import central_voxel, position_of, region_on_screen, voxel_at
from napari_metaseg.layers.scan_layers import scan_layer
from napari_metaseg.run.region import WHOLE, Region
from src_core.io.scan import scan_from_array

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


SHAPE = (20, 24, 28)


@pytest.mark.parametrize("more_axes", [False, True])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_on_the_screen_is_the_plane_whose_values_are_on_the_screen(order, more_axes) -> None:
    numbers = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    scan = scan_from_array(numbers, np.diag([-1.0, 1, 1, 1])[[0, 2, 1, 3]])
    viewer = ViewerModel()
    layer = viewer.add_layer(Layer.create(*scan_layer(scan, "scan")))
    if more_axes:
        viewer.add_image(np.zeros((3, *layer.data.shape)))
        order = (0, *(axis + 1 for axis in order))
    viewer.dims.order = order
    viewer.dims.set_current_step(order[-3], 7)
    orientation = layer.metadata["napari-metaseg"]["orientation"]
    region = region_on_screen(viewer.dims, layer, orientation, scan.shape)
    plane = scan.voxels.take(region.index, region.axis)
    shown = layer.data.take(7, order[-3] - more_axes)
    np.testing.assert_array_equal(np.sort(plane, None), np.sort(shown, None))


def test_on_the_screen_in_3d_is_everything() -> None:
    scan = scan_from_array(np.arange(1000.0).reshape(10, 10, 10), np.eye(4))
    viewer = ViewerModel(ndisplay=3)
    layer = viewer.add_layer(Layer.create(*scan_layer(scan, "scan")))
    orientation = layer.metadata["napari-metaseg"]["orientation"]
    assert region_on_screen(viewer.dims, layer, orientation, scan.shape) == WHOLE


def test_on_the_screen_of_a_slice_is_the_slice() -> None:
    scan = scan_from_array(np.arange(400.0).reshape(20, 1, 20), np.eye(4))
    viewer = ViewerModel()
    layer = viewer.add_layer(Layer.create(*scan_layer(scan, "slice")))
    orientation = layer.metadata["napari-metaseg"]["orientation"]
    assert region_on_screen(viewer.dims, layer, orientation, scan.shape) == Region(1, 0)
