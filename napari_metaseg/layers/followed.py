"""What has changed with a stroke, outlined for a moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from typing_extensions import override

from napari_metaseg.layers.live_array import LiveArray
from napari_metaseg.layers.scan_layers import LIVE, placed

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_metaseg.layers.live_layers import LiveLayers

SECONDS = 1.2
"""For which it is outlined."""
_COLOR = (1.0, 1.0, 1.0, 1.0)


class Followed:
    """A layer that is seen for a moment after each stroke.

    Parameters
    ----------
    viewer : ViewerModel
    """

    def __init__(self, viewer: ViewerModel):
        self._viewer = viewer
        self._layer: Labels | None = None
        self._array: _Changed | None = None
        self._shown: int | None = None
        self._due = False
        self._until = 0.0

    def watch(self, live: LiveLayers) -> Labels | None:
        """Be ready to outline what changes of the labels of a fit; the layer, if it is new."""
        if self._layer is not None:
            return None
        self._array = _Changed(live)
        self._layer = self._viewer.add_labels(
            self._array,
            name=f"{live.name} followed",
            opacity=1.0,
            visible=False,
            colormap=DirectLabelColormap(color_dict={None: "transparent", 1: _COLOR}),
            metadata={LIVE: True},
            **placed(live.orientation),
        )
        self._layer.contour = 1
        self._layer.editable = False
        return self._layer

    def compare(self, shown: int | None, strokes: Collection[int]) -> None:
        """Outline what differs from the iteration shown before, if a stroke lies between them.

        With the next tick: the window is busy with the iteration itself now.
        """
        before, self._shown = self._shown, shown
        if self._layer is None or self._array is None or shown is None or before is None:
            return
        if self._layer not in self._viewer.layers or self._viewer.dims.ndisplay == 3:
            return  # the user has removed it, or napari outlines nothing in 3D
        if shown in strokes or before in strokes:
            self._array.before = before
            self._due = True

    def tick(self) -> None:
        """Show it when there is something to outline, and hide it when its time is over."""
        if self._layer is None:
            return
        if self._due:
            self._due, self._until = False, time.perf_counter() + SECONDS
            self._layer.visible = True  # reads it, visible or not
        elif self._layer.visible and time.perf_counter() > self._until:
            self._layer.visible = False

    def forget(self) -> None:
        """Outline nothing any more."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = self._array = None


class _Changed(LiveArray):
    """1 where the labels that are shown differ from those of an earlier iteration.

    Attributes
    ----------
    before : int or None
        The iteration that they are compared with.
    """

    def __init__(self, live: LiveLayers):
        super().__init__(
            live.session, live.session.labels.name, live.orientation, on_read=lambda: None
        )
        self.before: int | None = None
        self.dtype = np.dtype(np.uint8)

    @override
    def volume(self, iteration: int) -> np.ndarray:
        return self._values(tuple(slice(0, size) for size in self.shape))

    @override
    def _values(self, box: tuple[slice, ...]) -> np.ndarray:
        if self.before is None:
            return np.zeros([extent.stop - extent.start for extent in box], self.dtype)
        session = self._session
        (now, sharp), (before, was_sharp) = (
            self._decoded(iteration, session.labels.name, box)
            for iteration in (session.shown, self.before)
        )
        # Where one is coarse they differ for that alone.
        return np.asarray((now != before) & sharp & was_sharp, self.dtype)
