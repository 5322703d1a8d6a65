"""The table of structures is read, clicked, sorted and copied while it changes."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QCheckBox, QLabel, QTableView

from napari_metaseg.panel.structures import Structures
from napari_metaseg.run.job import Job
from napari_metaseg.run.status import StructureRow, StructureTable
from src_core.io.protocols import PROTOCOLS

ROWS = (
    StructureRow(1, "Cortex", (238, 39, 81), 512.3, math.nan, math.nan),
    StructureRow(2, "Subcortical", (242, 178, 48), 60.25, -0.126, math.nan),
    StructureRow(3, "White", (218, 232, 193), 440.0, 0.004, math.nan),
    StructureRow(4, "CSF", (28, 86, 238), 0.5, 1.5, math.nan),
)


class Shown:
    """A table on the screen, and what its user sees and does."""

    def __init__(self, qtbot: Any) -> None:
        self.job = Job()
        self.widget = Structures(self.job)
        qtbot.addWidget(self.widget)
        self.widget.resize(380, 260)
        self.widget.show()
        self.qtbot = qtbot
        self.view = self.widget.findChild(QTableView)
        self.only = self.widget.findChild(QCheckBox)
        self.jumps: list[int] = []
        self.onlys: list[int | None] = []
        self.widget.jump_requested.connect(self.jumps.append)
        self.widget.only_changed.connect(self.onlys.append)

    def update(self, rows: tuple[StructureRow, ...] = ROWS, exact: bool = True) -> None:
        self.job.table = StructureTable(5, rows, exact) if rows else None
        self.job.table_changed.emit()

    def column(self, number: int) -> list[str]:
        model = self.view.model()
        return [model.index(row, number).data() for row in range(model.rowCount())]

    def click(self, row: int) -> None:
        place = self.view.visualRect(self.view.model().index(row, 0)).center()
        self.qtbot.mouseClick(self.view.viewport(), Qt.MouseButton.LeftButton, pos=place)

    def press(self, key: Qt.Key, *modifier: Qt.KeyboardModifier) -> None:
        self.widget.activateWindow()
        self.view.setFocus()
        self.qtbot.waitUntil(self.view.hasFocus)
        self.qtbot.keyClick(self.view, key, *modifier)

    def click_title(self, column: int) -> None:
        header = self.view.horizontalHeader()
        place = QPoint(header.sectionViewportPosition(column) + 10, 5)
        self.qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)


@pytest.fixture
def shown(qtbot: Any) -> Shown:
    return Shown(qtbot)


def with_dice(*scores: float) -> tuple[StructureRow, ...]:
    return tuple(replace(row, dice=score) for row, score in zip(ROWS, scores, strict=True))


def test_volumes_and_changes_are_shown_in_millilitres(shown: Shown) -> None:
    shown.update()
    assert shown.column(0) == ["Cortex", "Subcortical", "White", "CSF"]
    assert shown.column(1) == ["512.30", "60.25", "440.00", "0.50"]
    assert shown.column(2) == ["", "\N{MINUS SIGN}0.13", "", "+1.50"]


def test_estimates_are_marked(shown: Shown) -> None:
    shown.update(exact=False)
    assert shown.column(1)[0] == "≈ 512.30"


def test_dice_appears_only_with_a_reference(shown: Shown) -> None:
    shown.update()
    mean = shown.widget.findChild(QLabel)
    assert shown.view.isColumnHidden(3)
    assert not mean.isVisible()
    shown.update(with_dice(0.9, 0.8, math.nan, 0.7))
    assert not shown.view.isColumnHidden(3)
    assert shown.column(3) == ["0.900", "0.800", "", "0.700"]
    assert mean.isVisible()
    assert mean.text() == "Mean Dice 0.800"
    shown.update()
    assert shown.view.isColumnHidden(3)
    assert not mean.isVisible()


def test_the_colour_of_a_structure_is_seen_also_on_a_selected_row(shown: Shown) -> None:
    shown.update()
    shown.click(0)
    image = shown.view.viewport().grab().toImage()
    middle = shown.view.visualRect(shown.view.model().index(0, 0)).center().y()
    colors = {image.pixelColor(x, middle).getRgb()[:3] for x in range(20)}
    assert ROWS[0].color in colors


def test_a_click_jumps_to_the_structure(shown: Shown) -> None:
    shown.update()
    shown.click(2)
    assert shown.jumps == [3]


def test_enter_jumps_once(shown: Shown) -> None:
    shown.update()
    shown.view.selectRow(1)
    shown.press(Qt.Key.Key_Return)
    assert shown.jumps == [2]


def test_selection_and_scroll_position_outlive_an_update(shown: Shown) -> None:
    rows = tuple(
        StructureRow(entry.id, entry.name, entry.color, 10.0)
        for entry in PROTOCOLS["fs32"].structures
    )
    shown.update(rows)
    shown.view.scrollToBottom()
    place = shown.view.verticalScrollBar().value()
    shown.click(31)
    assert place > 0
    assert shown.widget.selected.id == rows[31].id
    shown.update(tuple(replace(row, volume=11.0) for row in rows))
    assert shown.widget.selected == replace(rows[31], volume=11.0)
    assert shown.view.verticalScrollBar().value() == place


def test_a_click_on_a_title_sorts_and_the_selection_follows(shown: Shown) -> None:
    shown.update()
    shown.click(0)
    shown.click_title(1)
    assert shown.column(0) == ["CSF", "Subcortical", "White", "Cortex"]
    shown.click_title(1)
    assert shown.column(0) == ["Cortex", "White", "Subcortical", "CSF"]
    assert shown.widget.selected.name == "Cortex"
    shown.update((replace(ROWS[0], volume=1.0), *ROWS[1:]))
    assert shown.column(0) == ["White", "Subcortical", "Cortex", "CSF"]
    assert shown.widget.selected.name == "Cortex"
    shown.click_title(1)
    assert shown.column(0) == ["Cortex", "Subcortical", "White", "CSF"]


def test_only_the_selected_structure_is_shown_on_request(shown: Shown) -> None:
    shown.update()
    assert not shown.only.isEnabled()
    shown.click(1)
    shown.only.click()
    shown.click(3)
    shown.only.click()
    assert shown.onlys == [2, 4, None]


def test_all_structures_are_shown_again_when_the_table_goes(shown: Shown) -> None:
    shown.update()
    shown.click(1)
    shown.only.click()
    shown.update(())
    assert shown.onlys == [2, None]
    assert not shown.only.isChecked()
    assert not shown.only.isEnabled()


def test_the_selected_row_is_announced_once(shown: Shown) -> None:
    selected: list[StructureRow | None] = []
    shown.widget.selected_changed.connect(selected.append)
    shown.update()
    shown.click(1)
    shown.update()
    shown.update(())
    assert selected == [ROWS[1], None]


def test_the_table_is_copied_for_spreadsheets(shown: Shown) -> None:
    shown.update(with_dice(0.9, 0.8, math.nan, 0.7), exact=False)
    shown.press(Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QGuiApplication.clipboard().text().split("\n")
    assert lines[0].split("\t") == ["Structure", "Volume (mL)", "Change (mL)", "Dice"]
    assert lines[2].split("\t") == ["Subcortical", "60.2500", "-0.1260", "0.8000"]
    assert lines[3].split("\t") == ["White", "440.0000", "0.0040", ""]
    assert len(lines) == 5


def test_only_selected_rows_are_copied(shown: Shown) -> None:
    shown.update()
    shown.view.selectRow(3)
    shown.widget.copy()
    assert QGuiApplication.clipboard().text().split("\n")[1:] == ["CSF\t0.5000\t1.5000"]


def test_an_update_of_32_structures_takes_a_fraction_of_a_frame(shown: Shown) -> None:
    rows = tuple(
        StructureRow(entry.id, entry.name, entry.color, float(entry.id), 0.1, 0.9)
        for entry in PROTOCOLS["fs32"].structures
    )
    shown.update(rows)
    shown.click_title(1)
    began = time.perf_counter()
    for number in range(20):
        shown.update(tuple(replace(row, volume=row.volume * (number % 3)) for row in rows))
        shown.view.viewport().repaint()
    assert (time.perf_counter() - began) / 20 < 0.05  # on a busy machine; 5 updates a second
