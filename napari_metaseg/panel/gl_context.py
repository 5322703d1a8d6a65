"""What a removed layer had on the graphics card is freed where it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.qt import QtViewer
from qtpy.compat import isalive
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from napari.components import ViewerModel


def free_where_made(viewer: ViewerModel) -> None:
    """Have whatever is removed from a viewer freed in the OpenGL context of its own canvas.

    napari frees it at once, in the context that happens to be current: between two paints, that of
    the window. Mesa's software rendering keeps shaders for each context: it then unbinds the one
    that the canvas drew with last, and dies if the next frame begins with that one.
    """
    viewer.layers.events.removing.connect(_make_current)


def _make_current(event: Any) -> None:
    for window in QApplication.topLevelWidgets():
        for shown in window.findChildren(QtViewer):
            canvas = shown.canvas.native
            if shown.viewer.layers is event.source and isalive(canvas) and canvas.isValid():
                canvas.makeCurrent()
