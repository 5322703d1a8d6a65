"""The table of structures is read, clicked, sorted and copied while it changes."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import pytest
from qtpy.QtCore import QModelIndex, QPoint, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QCheckBox, QLabel, QLineEdit, QTreeView

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


def rows_of(name: str) -> tuple[StructureRow, ...]:
    """A table of a protocol; left sides are a third larger than right ones."""
    return tuple(
        StructureRow(
            entry.id,
            entry.name,
            entry.color,
            4.0 if entry.name.startswith("Left") else 3.0,
            0.1,
            0.9,
            entry.group,
        )
        for entry in PROTOCOLS[name].structures
    )


class Shown:
    """A table on the screen, and what its user sees and does."""

    def __init__(self, qtbot: Any) -> None:
        self.job = Job()
        self.widget = Structures(self.job)
        qtbot.addWidget(self.widget)
        self.widget.resize(400, 300)
        self.widget.show()
        self.qtbot = qtbot
        self.view = self.widget.findChild(QTreeView)
        self.search = self.widget.findChild(QLineEdit)
        self.pairs, self.only = self.widget.findChildren(QCheckBox)
        if not self.only.text().startswith("Show only"):
            self.pairs, self.only = self.only, self.pairs
        self.jumps: list[int] = []
        self.onlys: list[tuple[int, ...] | None] = []
        self.widget.jump_requested.connect(self.jumps.append)
        self.widget.only_changed.connect(self.onlys.append)

    def update(self, rows: tuple[StructureRow, ...] = ROWS, exact: bool = True) -> None:
        self.job.table = StructureTable(5, rows, exact) if rows else None
        self.job.table_changed.emit()

    def lines(self) -> list[QModelIndex]:
        """Those that can be seen, from the top."""
        index = self.view.model().index(0, 0)
        lines = []
        while index.isValid():
            lines.append(index)
            index = self.view.indexBelow(index)
        return lines

    def column(self, number: int) -> list[str]:
        return [line.siblingAtColumn(number).data() for line in self.lines()]

    def line(self, name: str) -> QModelIndex:
        return next(line for line in self.lines() if line.data() == name)

    def numbers(self, name: str) -> list[str]:
        return [self.line(name).siblingAtColumn(column).data() for column in range(1, 5)]

    def click(self, row: int | str) -> None:
        line = self.line(row) if isinstance(row, str) else self.lines()[row]
        self.view.scrollTo(line)
        place = self.view.visualRect(line).center()
        self.qtbot.mouseClick(self.view.viewport(), Qt.MouseButton.LeftButton, pos=place)

    def select(self, row: int) -> None:
        self.view.setCurrentIndex(self.lines()[row])

    def press(self, key: Qt.Key, *modifier: Qt.KeyboardModifier) -> None:
        self.focus(self.view)
        self.qtbot.keyClick(self.view, key, *modifier)

    def focus(self, widget: Any) -> None:
        self.widget.activateWindow()
        widget.setFocus()
        self.qtbot.waitUntil(widget.hasFocus)

    def click_title(self, column: int) -> None:
        header = self.view.header()
        place = QPoint(header.sectionViewportPosition(column) + 10, 5)
        self.qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)

    def copied(self) -> list[list[str]]:
        self.widget.copy()
        return [line.split("\t") for line in QGuiApplication.clipboard().text().split("\n")]


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
    assert shown.column(1)[0] == "≈ 512"  # a voxel of the sample is some mL
    assert shown.column(2)[1] == ""


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
    shown.select(1)
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
    assert shown.onlys == [(2,), (4,), None]


def test_all_structures_are_shown_again_when_the_table_goes(shown: Shown) -> None:
    shown.update()
    shown.click(1)
    shown.only.click()
    shown.update(())
    assert shown.onlys == [(2,), None]
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
    lines = [line.split("\t") for line in QGuiApplication.clipboard().text().split("\n")]
    assert lines[0][2:6] == ["Structure", "Volume (mL)", "Change (mL)", "Dice"]
    assert lines[2][1:6] == ["2", "Subcortical", "60.2500", "-0.1260", "0.8000"]
    assert lines[3][1:6] == ["3", "White", "440.0000", "0.0040", ""]
    assert len(lines) == 5


def test_only_selected_rows_are_copied(shown: Shown) -> None:
    shown.update()
    shown.select(3)
    assert shown.copied()[1:] == [["", "4", "CSF", "0.5000", "1.5000", "", ""]]


def test_an_update_of_32_structures_takes_a_fraction_of_a_frame(shown: Shown) -> None:
    rows = rows_of("fs32")
    shown.update(rows)
    shown.click_title(1)
    began = time.perf_counter()
    for number in range(20):
        shown.update(tuple(replace(row, volume=row.volume * (number % 3)) for row in rows))
        shown.view.viewport().repaint()
    assert (time.perf_counter() - began) / 20 < 0.05  # on a busy machine; 5 updates a second


def test_few_structures_without_groups_need_no_more_than_a_table(shown: Shown) -> None:
    shown.update()
    assert not shown.search.isVisible()
    assert not shown.pairs.isVisible()
    assert not shown.view.rootIsDecorated()
    assert not any(a.isVisible() for a in shown.view.actions() if "groups" in a.text())


def test_groups_are_closed_where_there_are_many_structures(shown: Shown) -> None:
    shown.update(rows_of("nm134"))
    assert len(shown.lines()) == 11
    assert shown.numbers("insula") == ["14.00", "+0.40", "0.900", ""]
    shown.update(rows_of("fs32"))
    assert len(shown.lines()) == 32 + 6


def test_groups_open_and_close_with_the_keyboard(shown: Shown) -> None:
    shown.update(rows_of("nm134"))
    shown.select(6)
    shown.press(Qt.Key.Key_Right)
    assert shown.column(0)[6:11] == [
        "insula",
        "Right-Anterior-Insula",
        "Left-Anterior-Insula",
        "Right-Posterior-Insula",
        "Left-Posterior-Insula",
    ]
    shown.press(Qt.Key.Key_Left)
    assert len(shown.lines()) == 11


def test_what_is_open_selected_and_scrolled_to_outlives_an_update(shown: Shown) -> None:
    rows = rows_of("nm134")
    shown.update(rows)
    shown.click_title(1)
    shown.view.expand(shown.line("frontal"))
    shown.view.expand(shown.line("temporal"))
    shown.click("Left-Temporal-Pole")
    place, lines = shown.view.verticalScrollBar().value(), len(shown.lines())
    assert place > 0
    for volume in (11.0, 12.0):
        shown.update(tuple(replace(row, volume=volume) for row in rows), exact=False)
        assert len(shown.lines()) == lines
        assert shown.view.verticalScrollBar().value() == place
        assert shown.widget.selected.name == "Left-Temporal-Pole"


def test_groups_are_as_they_were_when_structures_come_back(shown: Shown) -> None:
    shown.update(rows_of("nm134"))
    shown.view.expand(shown.line("insula"))
    shown.update(())
    shown.update(rows_of("nm134"))
    assert len(shown.lines()) == 11 + 4


def test_groups_are_sorted_and_their_members_too(shown: Shown) -> None:
    rows = rows_of("nm134")
    shown.update(rows)
    shown.view.expand(shown.line("insula"))
    shown.click_title(0)
    names = shown.column(0)
    assert names[0] == "brain stem"
    assert names[5:9] == [
        "Left-Anterior-Insula",
        "Left-Posterior-Insula",
        "Right-Anterior-Insula",
        "Right-Posterior-Insula",
    ]
    shown.click_title(1)
    shown.click_title(1)
    names = shown.column(0)
    assert names[0] == "frontal"
    insula = names.index("insula")
    assert [name[:4] for name in names[insula + 1 : insula + 5]] == ["Left", "Left", "Righ", "Righ"]


def test_a_search_opens_the_groups_with_hits_and_leaves_them_as_they_were(shown: Shown) -> None:
    shown.update(rows_of("nm134"))
    shown.view.expand(shown.line("insula"))
    before = shown.column(0)
    shown.qtbot.keyClicks(shown.search, "left pole")
    assert shown.column(0) == [
        *("frontal", "Left-Frontal-Pole", "occipital", "Left-Occipital-Pole"),
        *("temporal", "Left-Temporal-Pole"),
    ]
    shown.update(rows_of("nm134"), exact=False)
    assert len(shown.lines()) == 6
    shown.view.collapse(shown.line("frontal"))
    shown.focus(shown.search)
    shown.qtbot.keyClick(shown.search, Qt.Key.Key_Escape)
    assert shown.column(0) == before


def test_from_the_search_the_arrow_goes_to_what_is_found(shown: Shown) -> None:
    shown.update(rows_of("nm134"))
    shown.press(Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    shown.qtbot.waitUntil(shown.search.hasFocus)
    shown.qtbot.keyClicks(shown.search, "hippocampus")
    shown.qtbot.keyClick(shown.search, Qt.Key.Key_Down)
    shown.qtbot.waitUntil(shown.view.hasFocus)
    shown.press(Qt.Key.Key_Down)
    shown.press(Qt.Key.Key_Return)
    assert shown.jumps == [47]


def test_a_click_on_a_group_jumps_to_its_largest_and_shows_all_of_it(shown: Shown) -> None:
    shown.update(rows_of("nm134"))
    shown.click("insula")
    shown.only.click()
    assert shown.jumps == [103]
    assert shown.onlys == [(102, 103, 172, 173)]
    assert shown.only.text() == "Show only this group"


def test_both_sides_are_in_one_row_on_request(shown: Shown) -> None:
    shown.update(rows_of("nm134"))
    shown.view.expand(shown.line("insula"))
    assert shown.view.isColumnHidden(4)
    shown.pairs.click()
    assert not shown.view.isColumnHidden(4)
    insula = shown.column(0).index("insula")
    assert shown.column(0)[insula + 1 : insula + 3] == ["Anterior-Insula", "Posterior-Insula"]
    assert shown.numbers("Anterior-Insula") == ["7.00", "+0.20", "0.900", "+28.6"]
    assert shown.numbers("insula")[3] == "+28.6"
    title = shown.view.model().headerData(4, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
    assert "(left - right) / mean of both volumes" in title
    shown.click("Anterior-Insula")
    shown.only.click()
    assert shown.jumps == [103]
    assert shown.onlys == [(103, 102)]


def test_changes_of_pairs_give_way_to_their_names_in_a_narrow_panel(shown: Shown) -> None:
    shown.update(tuple(replace(row, dice=math.nan) for row in rows_of("nm134")))
    shown.widget.resize(300, 300)
    assert not shown.view.isColumnHidden(2)
    shown.pairs.click()
    assert shown.view.isColumnHidden(2)
    shown.widget.resize(420, 300)
    assert not shown.view.isColumnHidden(2)


def test_the_selection_stays_when_sides_are_joined_and_parted(shown: Shown) -> None:
    shown.update(rows_of("nm134"))
    shown.view.expand(shown.line("insula"))
    shown.click("Left-Anterior-Insula")
    shown.only.click()
    shown.pairs.click()
    assert [index.data() for index in shown.view.selectionModel().selectedRows()] == [
        "Anterior-Insula"
    ]
    shown.pairs.click()
    assert shown.onlys == [(103,), (103, 102), (102, 103)]
    shown.click("insula")
    shown.pairs.click()
    assert [index.data() for index in shown.view.selectionModel().selectedRows()] == ["insula"]


def test_a_table_without_sides_shows_no_asymmetry(shown: Shown) -> None:
    shown.update(rows_of("nm134"))
    shown.pairs.click()
    shown.update()
    assert shown.view.isColumnHidden(4)
    assert not shown.widget.paired


def test_several_rows_are_shown_together(shown: Shown) -> None:
    shown.update()
    shown.select(1)
    shown.press(Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    shown.only.click()
    assert shown.onlys == [(2, 3)]


def test_groups_are_copied_with_their_totals_and_found_rows_alone(shown: Shown) -> None:
    shown.update(rows_of("nm134"))
    assert len(shown.copied()) == 1 + 11 + 134
    shown.pairs.click()
    shown.qtbot.keyClicks(shown.search, "insula")
    assert shown.copied()[1:] == [
        ["insula", "102 103 172 173", "total", "14.0000", "0.4000", "0.9000", "28.57"],
        ["insula", "103 102", "Anterior-Insula", "7.0000", "0.2000", "0.9000", "28.57"],
        ["insula", "173 172", "Posterior-Insula", "7.0000", "0.2000", "0.9000", "28.57"],
    ]


def test_a_low_window_leaves_room_for_some_groups(shown: Shown) -> None:
    shown.update(rows_of("nm134"))
    shown.widget.resize(400, 10)
    shown.qtbot.waitUntil(lambda: shown.widget.height() < 300)
    bottom = shown.view.viewport().height()
    assert sum(shown.view.visualRect(line).bottom() < bottom for line in shown.lines()) >= 6


def test_all_numbers_have_room_in_a_narrow_panel(shown: Shown) -> None:
    shown.update(rows_of("nm134"), exact=False)
    shown.pairs.click()
    header = shown.view.header()
    right = header.sectionViewportPosition(4) + header.sectionSize(4)
    assert right <= shown.view.viewport().width()
    assert header.sectionSize(0) >= 100
