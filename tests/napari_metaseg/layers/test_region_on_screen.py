"""Which plane of a scan the viewer shows."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_metaseg.layers.positions import region_on_screen
from napari_metaseg.layers.scan_layers import scan_layer
from napari_metaseg.run.region import WHOLE, Region
from src_core.io.scan import scan_from_array

SHAPE = (20, 24, 28)


@pytest.mark.parametrize("more_axes", [False, True])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_it_is_the_plane_whose_values_are_on_the_screen(order, more_axes) -> None:
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
    region = region_on_screen(viewer.dims, orientation, scan.shape)
    plane = scan.voxels.take(region.index, region.axis)
    shown = layer.data.take(7, order[-3] - more_axes)
    np.testing.assert_array_equal(np.sort(plane, None), np.sort(shown, None))


def test_in_3d_it_is_everything() -> None:
    scan = scan_from_array(np.arange(1000.0).reshape(10, 10, 10), np.eye(4))
    viewer = ViewerModel(ndisplay=3)
    layer = viewer.add_layer(Layer.create(*scan_layer(scan, "scan")))
    orientation = layer.metadata["napari-metaseg"]["orientation"]
    assert region_on_screen(viewer.dims, orientation, scan.shape) == WHOLE


def test_of_a_slice_it_is_the_slice() -> None:
    scan = scan_from_array(np.arange(400.0).reshape(20, 1, 20), np.eye(4))
    viewer = ViewerModel()
    layer = viewer.add_layer(Layer.create(*scan_layer(scan, "slice")))
    orientation = layer.metadata["napari-metaseg"]["orientation"]
    assert region_on_screen(viewer.dims, orientation, scan.shape) == Region(1, 0)
