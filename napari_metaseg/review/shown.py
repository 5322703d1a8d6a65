"""The layers of the scan under review: the same ones for one scan after another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels, Layer

from napari_metaseg.layers.label_style import structures_in
from napari_metaseg.layers.scan_layers import METADATA_KEY
from napari_metaseg.preferences import load_preferences
from napari_metaseg.review.reading import LABELS, MASK, SCAN

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_metaseg.layers.scan_layers import LayerData
    from napari_metaseg.review.reading import Opened
    from src_core.io.labels import Structure

_NAMES = ("features", "colormap")


class Shown:
    """Shows a scan with its labels and the outline of its brain, which can be painted on.

    New layers for each scan would cost napari a second.

    Parameters
    ----------
    viewer : ViewerModel
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layers: dict[tuple[str, int], Layer] = {}
        self.opened: Opened | None = None
        self._off_centre = self._arrived = np.zeros(0)

    def show(self, opened: Opened) -> None:
        """Show a scan in place of the one before, at the same place of its brain."""
        before, self.opened = self.opened, opened
        point = np.array(self._viewer.dims.point)  # of another grid it may be cut off below
        for (_, ndim), layer in self._layers.items():
            if ndim != opened.layers[SCAN][0].ndim:
                layer.visible = False
        layers = [self._layer_of(what, data) for what, data in opened.layers.items()]
        shown = [layer for layer in layers if layer.visible] if before else layers[::2]
        for layer in shown:
            layer.visible = False  # napari then slices once, when all is in place
        for layer, data in zip(layers, opened.layers.values(), strict=True):
            _replace(layer, data)
        self._look(before, point)
        for layer in shown:
            layer.visible = True
        self._viewer.layers.selection.active = self.layer(LABELS)

    def hide(self) -> None:
        """Show no scan."""
        for layer in self._layers.values():
            layer.visible = False
        self.opened = None

    def take(self, labels: np.ndarray) -> None:
        """Take labels that were painted for what was read: they are being saved."""
        if self.opened is not None:
            self.opened = replace(self.opened, labels=labels)

    def layer(self, what: str) -> Layer | None:
        """The layer of the scan, its labels or its brain; None: there is none any more."""
        if self.opened is None:
            return None
        layer = self._layers.get((what, self.opened.layers[what][0].ndim))
        return layer if layer in self._viewer.layers else None

    def painted(self, what: str) -> np.ndarray | None:
        """Labels or mask, shape (I, J, K), if they are not what was read."""
        layer = self.layer(what)
        if layer is None or self.opened is None:
            return None
        now = self.opened.orientation.to_scan(layer.data)
        before = self.opened.labels if what == LABELS else self.opened.mask
        return None if np.array_equal(now, before) else np.array(now)

    def structures(self) -> tuple[Structure, ...]:
        """Those of the labels, with what was painted besides."""
        layer = self.layer(LABELS)
        assert isinstance(layer, Labels)
        return structures_in(layer, layer.metadata[METADATA_KEY]["protocol"])

    def _layer_of(self, what: str, data: LayerData) -> Layer:
        """The layer that shows it from now on."""
        key = what, data[0].ndim
        layer = self._layers.get(key)
        if layer is None or layer not in self._viewer.layers:
            layer = self._layers[key] = self._viewer.add_layer(_made(what, data))
        return layer

    def _look(self, before: Opened | None, point: np.ndarray) -> None:
        """Move to where the brain was looked at before, or else to its middle."""
        assert self.opened is not None
        dims, centre = self._viewer.dims, self.opened.centre
        if before is None or len(before.centre) != len(centre):
            self._off_centre = np.zeros(len(centre))
        elif not np.array_equal(point, self._arrived):
            self._off_centre = point[-len(centre) :] - before.centre
        axes = range(dims.ndim - len(centre), dims.ndim)
        dims.set_point(list(axes), list(centre + self._off_centre))
        self._arrived = np.array(dims.point)  # on the nearest planes, which must not add up
        if before is None or not before.scan.grid.is_same(self.opened.scan.grid):
            self._viewer.reset_view()


def _replace(layer: Layer, data: LayerData) -> None:
    """Let a layer show another scan."""
    values, keywords, _ = data
    if layer.data is values:
        return
    ours = keywords["metadata"][METADATA_KEY]
    same_names = layer.metadata[METADATA_KEY].get("protocol") == ours.get("protocol")
    layer.data = values
    if not np.array_equal(layer.affine.affine_matrix, keywords["affine"]):
        layer.affine = keywords["affine"]
    for name in ("name", "metadata", "contrast_limits", *(() if same_names else _NAMES)):
        if name in keywords:
            setattr(layer, name, keywords[name])
    if isinstance(layer, Labels):
        layer.editable = False  # lets go of what was to be undone
        layer.editable = True


def _made(what: str, data: LayerData) -> Layer:
    layer = Layer.create(*data)
    if what == MASK:
        layer.contour = 1
        layer.visible = False
    elif what == LABELS:
        layer.opacity = load_preferences().opacity
    return layer
