"""Three planes in the window."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_metaseg.demo import is_sharp
from napari_metaseg.panel.planes import PlanesButton
from napari_metaseg.run.readout import LABELS
from napari_metaseg.run.status import State

ITERATIONS = 12


def test_while_it_fits_each_plane_is_sharp_in_every_picture(window, slow_steps) -> None:
    job, views = window.job, window.panel.controller.views
    blurred: list[int] = []

    def check() -> None:
        if not is_sharp(window.panel):
            blurred.append(job.shown)

    window.panel.planes.click()
    assert len(views.others) == 2
    window.segment()
    job.shown_changed.connect(check)
    window.until(lambda: job.shown is not None and job.shown >= 3)
    window.finish()
    window.until(lambda: job.shown == ITERATIONS)
    assert blurred == []


def test_another_place_in_another_view_becomes_sharp_there(window, monkeypatch) -> None:
    monkeypatch.setattr("napari_metaseg.run.pace.REST_BEFORE_WHOLE", 1000.0)
    window.panel.planes.click()
    window.segment()
    window.finish()
    job, controller = window.job, window.panel.controller
    for view in controller.views.others:
        axis = view.model.dims.order[0]
        view.model.dims.set_point(axis, view.model.dims.point[axis] + 12)
        window.until(lambda: is_sharp(window.panel))
    sharp = [
        region
        for region in controller.views.regions(
            controller.live.main, controller.live.orientation, job.session.scan.shape
        )
        if job.session.pictures.plane(job.shown, LABELS, region.axis, region.index)[1]
    ]
    assert len(sharp) == 3


def test_the_structure_under_the_mouse_is_told_in_each_view(window) -> None:
    window.panel.planes.click()
    window.segment()
    window.finish()
    window.until(lambda: window.job.table is not None and window.job.table.exact)
    controller, labels = window.panel.controller, window.layer("labels")
    place = labels.data_to_world(np.argwhere(np.asarray(labels.data) == 3)[500])
    for view in controller.views.others:
        view.model.mouse_over_canvas = True
        view.model.cursor.position = place
        assert controller.describe_cursor().startswith("White-Matter"), view.model.dims.order
        view.model.mouse_over_canvas = False


def test_opening_and_closing_during_a_fit_leaves_nothing_behind(window, slow_steps) -> None:
    window.ask_for(iterations=1000)  # it must not end before
    window.segment()
    window.until(lambda: window.job.shown is not None and window.job.shown >= 1)
    threads = {thread.name for thread in threading.enumerate()}
    for _ in range(4):
        window.panel.planes.click()
        window.qtbot.wait(150)
        window.panel.planes.click()
        window.qtbot.wait(50)
        assert window.panel.controller.views.others == ()
    assert window.job.state is State.FITTING
    assert {thread.name for thread in threading.enumerate()} <= threads


def test_closing_the_dock_releases_the_button(window) -> None:
    window.panel.planes.click()
    window.qtbot.wait(100)
    window.viewer.window.remove_dock_widget(window.panel.planes._dock)
    assert not window.panel.planes.isChecked()
    assert window.panel.controller.views.others == ()
    window.panel.planes.click()
    assert len(window.panel.controller.views.others) == 2


@pytest.mark.parametrize("closed", ["window", "panel"])
def test_they_may_be_open_when_the_panel_or_the_window_closes(window, slow_steps, closed) -> None:
    window.panel.planes.click()
    window.segment()
    window.qtbot.wait(200)
    if closed == "window":
        window.viewer.close()
    else:
        window.viewer.window.remove_dock_widget(window.dock)
        assert window.panel.controller.views.others == ()
        window.until(lambda: not window.job.engine_alive)


def test_a_viewer_without_a_window_has_no_place_for_them(qtbot) -> None:
    button = PlanesButton(None, object())
    qtbot.addWidget(button)
    assert not button.isEnabled()
