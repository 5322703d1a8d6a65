"""Lines in a view where the other planes cut it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vispy.scene.visuals import InfiniteLine

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.qt import QtViewer

_COLOR = (0.25, 0.85, 1.0, 0.7)
_ABOVE_ALL = 10**6
"""In the order of what a canvas draws."""


class Cross:
    """Two lines over a canvas through the place at which all planes are cut.

    They are no layer: nothing is read again when they move, and nobody saves them.

    Parameters
    ----------
    canvas : QtViewer
    place : Dims
        Of the viewer: it knows that place along all axes, a canvas only along those it does not
        show.
    """

    def __init__(self, canvas: QtViewer, place: Dims):
        self._place = place
        self._shown = canvas.viewer.dims
        self._wanted = True
        scene = canvas.canvas.view.scene
        self._down, self._across = (
            InfiniteLine(0.0, _COLOR, vertical=vertical, parent=scene) for vertical in (True, False)
        )
        for line in (self._down, self._across):
            line.order = _ABOVE_ALL
        self._events = (
            self._place.events.point,
            self._shown.events.order,
            self._shown.events.ndisplay,
        )
        for event in self._events:
            event.connect(self._draw)
        self._draw()

    def show(self, wanted: bool) -> None:
        """Show the lines, or hide them."""
        self._wanted = wanted
        self._draw()

    def remove(self) -> None:
        """Take them away."""
        for event in self._events:
            event.disconnect(self._draw)
        for line in (self._down, self._across):
            line.parent = None

    def _draw(self, _event: Any = None) -> None:
        shown = self._shown
        flat = shown.ndisplay == 2 and 2 < shown.ndim == self._place.ndim
        for line in (self._down, self._across):
            line.visible = self._wanted and flat
        if flat:
            vertical, horizontal = shown.order[-2:]
            self._down.set_data(self._place.point[horizontal])
            self._across.set_data(self._place.point[vertical])
