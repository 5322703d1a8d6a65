"""Options without a widget of their own get one that fits."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox

from napari_metaseg.panel.option_row import option_row
from src_core.options import Option

ROAST = {"dark": "Dark", "light": "Light"}


@pytest.mark.parametrize(
    ("said", "value", "widget"),
    [
        ({"kind": bool}, True, QCheckBox),
        ({"choices": ROAST}, "light", QComboBox),
        ({"kind": int, "least": 1, "most": 12}, 3, QSpinBox),
        ({"kind": float, "most": 5}, 1.5, QDoubleSpinBox),
        ({}, "arabica", QLineEdit),
    ],
)
def test_the_widget_shows_the_value_and_says_what_it_is(
    qtbot: Any, said: dict[str, Any], value: Any, widget: type
) -> None:
    row = option_row(Option(help="How it is made.", **said), value)
    qtbot.addWidget(row.widget)
    assert type(row.widget) is widget
    assert row.read() == value
    assert row.widget.toolTip() == "How it is made."


def test_a_choice_that_is_none_is_the_first(qtbot: Any) -> None:
    row = option_row(Option(help="How brown.", choices=ROAST), "blue")
    qtbot.addWidget(row.widget)
    assert row.read() == "dark"


def test_a_number_stays_in_its_range_and_a_change_is_told(qtbot: Any) -> None:
    row = option_row(Option(help="Cups.", kind=int, least=1, most=12), 3)
    qtbot.addWidget(row.widget)
    with qtbot.waitSignal(row.chosen):
        row.widget.setValue(20)
    assert row.read() == 12
