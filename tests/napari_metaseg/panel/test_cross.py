"""Lines where the other planes cut."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.qt import QtViewer
from vispy.scene.visuals import InfiniteLine

from napari_metaseg.panel.cross import Cross


@pytest.fixture
def canvas(qtbot) -> QtViewer:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((30, 40, 50)), translate=(-10, -20, -30))
    canvas = QtViewer(viewer)
    qtbot.addWidget(canvas)
    return canvas


def lines(canvas: QtViewer) -> list[tuple[bool, float]]:
    """Whether each line that is seen goes down, and where it lies."""
    return [
        (line.is_vertical, line.pos)
        for line in canvas.canvas.view.scene.children
        if isinstance(line, InfiniteLine) and line.visible
    ]


def test_a_view_has_lines_at_the_place_at_which_the_viewer_is_cut(canvas) -> None:
    viewer, model = ViewerModel(), canvas.viewer
    viewer.add_image(np.zeros((30, 40, 50)), translate=(-10, -20, -30))
    viewer.dims.point = (5, 10, 15)
    cross = Cross(canvas, viewer.dims)
    assert lines(canvas) == [(True, 15), (False, 10)]
    model.dims.order = (1, 0, 2)
    viewer.dims.point = (-3, 10, 12)
    assert lines(canvas) == [(True, 12), (False, -3)]
    model.dims.ndisplay = 3
    assert lines(canvas) == []
    model.dims.ndisplay = 2
    cross.show(False)
    assert lines(canvas) == []
    cross.show(True)
    assert len(lines(canvas)) == 2
    cross.remove()
    viewer.dims.point = (1, 2, 3)
    assert lines(canvas) == []
