"""Layers that are removed, on canvases that go on."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.qt import QtViewer
from qtpy.QtGui import QOpenGLContext
from qtpy.QtWidgets import QApplication


def test_with_one_layer_left_to_draw_a_hidden_one_can_be_removed(window) -> None:
    """Software rendering died at the next frame, unless freed in the context of each canvas."""
    viewer, wait = window.viewer, window.qtbot.wait
    viewer.show()
    window.panel.planes.click()
    labels = viewer.add_labels(np.ones(viewer.layers[0].data.shape, np.uint8))
    wait(150)
    labels.visible = False
    wait(50)
    canvases = [
        shown
        for of_application in QApplication.topLevelWidgets()
        for shown in of_application.findChildren(QtViewer)
    ]
    assert len(canvases) == 3
    current = {}

    def look(event: Any) -> None:
        current[id(event.source)] = QOpenGLContext.currentContext()

    for shown in canvases:
        shown.viewer.layers.events.removing.connect(look, position="last")
    viewer.layers.remove(labels)
    for shown in canvases:
        assert current[id(shown.viewer.layers)] is shown.canvas.native.context()
    wait(50)
    assert np.asarray(viewer.screenshot(flash=False))[..., :3].any()
