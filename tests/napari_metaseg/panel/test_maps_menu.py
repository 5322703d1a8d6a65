"""Maps are offered once there is something to map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtWidgets import QMenu

from napari_metaseg.layers import maps as layer_maps
from napari_metaseg.layers.maps import OfferedMap
from napari_metaseg.panel.maps_menu import MapsMenu
from napari_metaseg.run.job import Job

if TYPE_CHECKING:
    from qtpy.QtGui import QAction


@pytest.fixture
def maps(qtbot: Any) -> MapsMenu:
    job = Job()
    widget = MapsMenu(job)
    qtbot.addWidget(widget)
    assert not widget.isEnabled()
    job.shown = 3
    job.shown_changed.emit()
    assert widget.isEnabled()
    return widget


def actions(maps: MapsMenu) -> dict[str, QAction]:
    menu = maps.findChild(QMenu)
    return {action.text(): action for action in menu.actions() if not action.isSeparator()}


def test_every_map_is_requested_when_it_is_chosen(maps: MapsMenu) -> None:
    requests: list[tuple[str, object]] = []
    maps.map_requested.connect(lambda offered, label: requests.append((offered.title, label)))
    maps.set_structure(17, "Left-Hippocampus")
    for action in actions(maps).values():
        action.trigger()
    assert requests == [
        ("Probability", 17),
        ("Entropy", 17),
        ("Residual (scan − reconstruction)", 17),  # noqa: RUF001
        ("Jacobian of the warp", 17),
        ("Feature component 1", 17),
        ("Feature component 2", 17),
        ("Feature component 3", 17),
    ]


def test_a_line_stands_before_the_components(maps: MapsMenu) -> None:
    lines = [action.isSeparator() for action in maps.findChild(QMenu).actions()]
    assert lines == [False] * 4 + [True] + [False] * 3


def test_the_probability_needs_a_structure(maps: MapsMenu) -> None:
    assert not actions(maps)["Probability (select a structure first)"].isEnabled()
    maps.set_structure(17, "Left-Hippocampus")
    assert actions(maps)["Probability of Left-Hippocampus"].isEnabled()
    maps.set_structure(None, "")
    assert not actions(maps)["Probability (select a structure first)"].isEnabled()


def test_every_map_says_how_to_read_it(maps: MapsMenu) -> None:
    assert maps.findChild(QMenu).toolTipsVisible()
    for title, action in actions(maps).items():
        assert action.toolTip() not in ("", title)


def test_an_entry_of_the_list_is_offered(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(*_: object) -> Any:
        raise AssertionError("the menu makes no map")

    mine = OfferedMap("Confidence", "How sure the model is of its label.", make, of_structure=True)
    monkeypatch.setattr(layer_maps, "MAPS", (*layer_maps.MAPS, mine))
    menu = MapsMenu(Job())
    qtbot.addWidget(menu)
    menu.set_structure(17, "Left-Hippocampus")
    action = actions(menu)["Confidence of Left-Hippocampus"]
    assert action.toolTip() == mine.help
    with qtbot.waitSignal(menu.map_requested, timeout=1000) as request:
        action.trigger()
    assert request.args == [mine, 17]
