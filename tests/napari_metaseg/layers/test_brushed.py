"""What napari's brush covers."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_metaseg.layers.brushed import under_brush


@pytest.mark.parametrize("scale", [(1.0, 1.0, 1.0), (1.0, 2.0, 0.8)])
@pytest.mark.parametrize("size", [1, 4, 7])
def test_it_covers_what_napari_paints(scale, size) -> None:
    layer = Labels(np.zeros((3, 30, 30), np.uint8), scale=scale)
    layer.brush_size = size
    way = [(1.0, 3.0, 4.0), (1.0, 20.0, 27.0)]
    for share in np.linspace(0, 1, 200):
        layer.paint(tuple(np.add(way[0], share * np.subtract(way[1], way[0]))), 1)
    covered = np.zeros(layer.data.shape, bool)
    covered[tuple(under_brush(layer, way, (1, 2)).T)] = True
    assert (covered ^ (layer.data == 1)).sum() < 0.1 * covered.sum()  # of ties at the rim
