"""Maps are offered once there is something to map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtWidgets import QMenu

from napari_metaseg.panel.maps_menu import Maps
from napari_metaseg.run.job import Job

if TYPE_CHECKING:
    from qtpy.QtGui import QAction


@pytest.fixture
def maps(qtbot: Any) -> Maps:
    job = Job()
    widget = Maps(job)
    qtbot.addWidget(widget)
    assert not widget.isEnabled()
    job.shown = 3
    job.shown_changed.emit()
    assert widget.isEnabled()
    return widget


def actions(maps: Maps) -> dict[str, QAction]:
    menu = maps.findChild(QMenu)
    return {action.text(): action for action in menu.actions() if not action.isSeparator()}


def test_every_map_is_requested_by_its_kind(maps: Maps) -> None:
    requests: list[tuple[str, object]] = []
    maps.map_requested.connect(lambda *request: requests.append(request))
    maps.set_structure(17, "Left-Hippocampus")
    for action in actions(maps).values():
        action.trigger()
    assert requests == [
        ("probability", 17),
        ("entropy", None),
        ("residual", None),
        ("jacobian", None),
        ("component", 0),
        ("component", 1),
        ("component", 2),
    ]


def test_the_probability_needs_a_structure(maps: Maps) -> None:
    assert not actions(maps)["Probability (select a structure first)"].isEnabled()
    maps.set_structure(17, "Left-Hippocampus")
    assert actions(maps)["Probability of Left-Hippocampus"].isEnabled()
    maps.set_structure(None, "")
    assert not actions(maps)["Probability (select a structure first)"].isEnabled()


def test_every_map_says_how_to_read_it(maps: Maps) -> None:
    assert maps.findChild(QMenu).toolTipsVisible()
    for title, action in actions(maps).items():
        assert action.toolTip() not in ("", title)
