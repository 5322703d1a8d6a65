"""Where napari's brush goes over a layer, whether it changes anything there or not.

napari tells what a brush has changed (`events.paint`) and asks the array for the box around it, but
leaves early, without a word, where the label already stands: of a stroke that says "this is right"
nothing is to be heard. So the way of the mouse is followed here.
"""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari.layers import Labels

_BRUSHES = ("paint", "erase")
_LEFT = 1
_CLOSE = 4
"""Dabs along a line, per voxel."""


class Brushed:
    """Follows the brush, as one of a layer's `mouse_drag_callbacks`.

    Parameters
    ----------
    on_stroke : callable
        Called when the mouse is released, with places (n, d) and the label that was painted.
    """

    def __init__(self, on_stroke: Callable[[np.ndarray, int], None]):
        self._on_stroke = on_stroke

    def __call__(self, layer: Labels, event: Any) -> Iterator[None]:
        """Follow the brush from the press of the mouse to its release."""
        shown = tuple(event.dims_displayed)
        if layer.mode not in _BRUSHES or event.button != _LEFT or len(shown) != 2:
            return
        label = 0 if layer.mode == "erase" else int(layer.selected_label)
        way = [layer.world_to_data(event.position)]
        yield
        while event.type == "mouse_move":
            way.append(layer.world_to_data(event.position))
            yield
        axes = shown if layer.n_edit_dimensions == 2 else tuple(range(layer.ndim))
        self._on_stroke(under_brush(layer, way, axes), label)


def under_brush(layer: Labels, way: Sequence[Sequence[float]], axes: Sequence[int]) -> np.ndarray:
    """Places (n, d) that the brush of a layer covers along a way.

    Parameters
    ----------
    layer : Labels
    way : sequence of (d,)
        In indices of the layer.
    axes : sequence of int
        Those that the brush extends in.
    """
    radius = math.floor(layer.brush_size / 2) + 0.5
    scale = np.abs(np.asarray(layer.scale)[list(axes)])
    scale = scale / scale.min()
    reach = [range(-int(radius // one), int(radius // one) + 1) for one in scale]
    around = np.zeros((math.prod(map(len, reach)), layer.ndim), int)
    around[:, list(axes)] = list(product(*reach))
    around = around[np.square(around[:, list(axes)] * scale).sum(1) <= radius**2]
    points = [np.asarray(way[:1], float)]
    for start, end in pairwise(way):
        count = 1 + int(_CLOSE * np.linalg.norm(np.subtract(end, start)))
        points.append(np.linspace(start, end, count + 1)[1:])
    centres = np.unique(np.rint(np.concatenate(points)).astype(int), axis=0)
    places = np.unique((centres[:, None] + around).reshape(-1, layer.ndim), axis=0)
    within = ((places >= 0) & (places < np.array(layer.data.shape))).all(1)
    inside: np.ndarray = places[within]
    return inside
