"""The structures at the iteration that is shown: a table to read, to jump from and to copy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QItemSelection, QItemSelectionModel, Qt, Signal
from qtpy.QtGui import QAction, QGuiApplication, QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLineEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from napari_metaseg.panel.structures_model import SortedStructures, StructuresModel
from napari_metaseg.panel.structures_view import StructuresView
from napari_metaseg.run.arrangement import Entry, arrange, as_tsv
from src_core.io.labels import sides_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QModelIndex

    from napari_metaseg.run.job import Job
    from napari_metaseg.run.status import StructureRow

_MOST_UNSEARCHED = 20
"""Structures among which one is found at a glance."""


class Structures(QWidget):
    """The table of a job.

    Parameters
    ----------
    job : Job
    parent : QWidget, optional

    Attributes
    ----------
    jump_requested : Signal(int)
        Label id of a structure that was clicked, or on which Enter was pressed; of several in one
        row, that of the largest.
    only_changed : Signal(object)
        Label ids of the structures to show, a tuple, or None for all of them.
    selected_changed : Signal(object)
        The `StructureRow` that a jump would go to now, or None.
    save_requested : Signal()
        The table is to be saved.
    """

    jump_requested = Signal(int)
    only_changed = Signal(object)
    selected_changed = Signal(object)
    save_requested = Signal()

    def __init__(self, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._selected_id: int | None = None
        self._only_ids: tuple[int, ...] | None = None
        self._model = StructuresModel(self)
        self._sorted = SortedStructures(self._model, self)
        self._view = StructuresView(self._sorted)
        self._above = QWidget()
        self._search = QLineEdit()
        self._search.setPlaceholderText("Search structures")
        self._search.setToolTip("Parts of names or groups, such as left temp. Down goes to them.")
        self._search.setClearButtonEnabled(True)
        self._pairs = QCheckBox("Both sides in one row")
        self._pairs.setToolTip(
            "Left and right of a structure together: the sum of their volumes, the mean of their"
            " Dice scores, and their asymmetry; changes if the panel is wide enough."
        )
        self._only = QCheckBox()
        self._only.setToolTip("Hide all other labels in the viewer.")
        self._mean = QLabel()
        self._mean.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._mean.setToolTip("Mean of the Dice scores of all structures.")
        self._lay_out()
        self._add_actions()
        self._view.clicked.connect(self._jump)
        self._view.selectionModel().selectionChanged.connect(self._on_selection)
        self._search.textChanged.connect(self._view.search)
        self._pairs.toggled.connect(self._update)
        self._only.toggled.connect(self._on_only)
        job.table_changed.connect(self._update)
        self._update()

    def _lay_out(self) -> None:
        above = QHBoxLayout(self._above)
        above.setContentsMargins(0, 0, 0, 0)
        above.addWidget(self._search, stretch=1)
        above.addWidget(self._pairs)
        self._above.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        below = QHBoxLayout()
        below.addWidget(self._only)
        below.addStretch()
        below.addWidget(self._mean)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.setSizeConstraint(QLayout.SizeConstraint.SetMinAndMaxSize)  # no gap below few rows
        column.addWidget(self._above)
        column.addWidget(self._view)
        column.addLayout(below)

    def _add_actions(self) -> None:
        copy = self._add_action("Copy as a table", self.copy)
        copy.setShortcut(QKeySequence.StandardKey.Copy)
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self._save = self._add_action("Save the table…", self.save_requested.emit)
        self._of_groups = (
            self._add_action("Open all groups", lambda: self._view.open_all(True)),
            self._add_action("Close all groups", lambda: self._view.open_all(False)),
        )
        for widget, key, do in (
            (self._view, Qt.Key.Key_Return, self._jump),
            (self._view, Qt.Key.Key_Enter, self._jump),
            (self._view, QKeySequence.StandardKey.Find, self._search.setFocus),
            (self._search, Qt.Key.Key_Down, self._view.setFocus),
            (self._search, Qt.Key.Key_Escape, self._search.clear),
        ):
            shortcut = QShortcut(QKeySequence(key), widget)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(do)

    def _add_action(self, title: str, do: Callable[[], None]) -> QAction:
        action = QAction(title, self._view)
        action.triggered.connect(lambda: do())
        self._view.addAction(action)
        return action

    @property
    def paired(self) -> bool:
        """Whether both sides of a structure are in one row."""
        return self._pairs.isChecked() and not self._pairs.isHidden()

    @property
    def selected(self) -> StructureRow | None:
        """The structure that a jump goes to: the current of several rows, the largest in it."""
        rows = self._selected_rows()
        current = self._view.currentIndex().siblingAtColumn(0)
        if not rows:
            return None
        return self._sorted.entry(current if current in rows else rows[0]).largest

    def copy(self) -> None:
        """Copy the selected rows, or all, to the clipboard as tab-separated text."""
        rows = self._selected_rows() or self._sorted.walk()
        QGuiApplication.clipboard().setText(as_tsv(map(self._sorted.entry, rows)))

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._view.fit_to_contents()

    def _selected_rows(self) -> list[QModelIndex]:
        return sorted(self._view.selectionModel().selectedRows(), key=_place)

    def _selected_entries(self) -> list[Entry]:
        return [self._sorted.entry(index) for index in self._selected_rows()]

    def _update(self) -> None:
        table = self._job.table
        rows = () if table is None else table.rows
        exact = table is None or table.exact
        self._offer(rows)
        selected = {row.name for entry in self._selected_entries() for row in entry.rows}
        had_other_lines = self._model.show(arrange(rows, paired=self.paired), exact)
        mean = Entry("all", rows).dice
        self._view.show_columns(dice=not math.isnan(mean), asymmetry=self.paired)
        # a name has its side at the beginning, and a tissue at the end
        elide = Qt.TextElideMode.ElideRight if self.paired else Qt.TextElideMode.ElideMiddle
        self._view.setTextElideMode(elide)
        if had_other_lines:
            self._view.restore()
            self._select(selected)
        self._mean.setVisible(not math.isnan(mean))
        self._mean.setText(f"Mean Dice {'' if exact else '≈ '}{mean:.3f}")
        self._on_selection()

    def _offer(self, rows: tuple[StructureRow, ...]) -> None:
        """Offer what can be done with these rows."""
        many, sides = len(rows) > _MOST_UNSEARCHED, bool(sides_of(row.name for row in rows))
        self._search.setVisible(many)
        self._pairs.setVisible(sides)
        self._above.setVisible(many or sides)
        self._save.setEnabled(bool(rows))
        for action in self._of_groups:
            action.setVisible(any(row.group for row in rows))
        if not many:
            self._search.clear()

    def _select(self, names: set[str]) -> None:
        """Select the rows of structures, that of a group where all of its own are among them."""
        selection = QItemSelection()
        for index in self._sorted.walk():
            entry = self._sorted.entry(index)
            own = {row.name for row in entry.rows}
            if own <= names if entry.members else own & names:
                selection.select(index, index)
                names = names - own
        flags = QItemSelectionModel.SelectionFlag
        self._view.selectionModel().select(selection, flags.ClearAndSelect | flags.Rows)

    def _jump(self) -> None:
        if self.selected is not None:
            self.jump_requested.emit(self.selected.id)

    def _on_selection(self) -> None:
        entries, row = self._selected_entries(), self.selected
        self._only.setEnabled(row is not None)
        self._only.setText(f"Show only {_kind(entries)}")
        if row is None:
            self._only.setChecked(False)
        selected_id = None if row is None else row.id
        if selected_id != self._selected_id:
            self._selected_id = selected_id
            self.selected_changed.emit(row)
        self._on_only()

    def _on_only(self) -> None:
        only_ids = None
        if self._only.isChecked():
            chosen = (label for entry in self._selected_entries() for label in entry.ids)
            only_ids = tuple(dict.fromkeys(chosen))
        if only_ids != self._only_ids:
            self._only_ids = only_ids
            self.only_changed.emit(only_ids)


def _place(index: QModelIndex) -> tuple[int, int]:
    """Order from the top; a group stands before its members."""
    group = index.parent()
    return (group.row(), index.row()) if group.isValid() else (index.row(), -1)


def _kind(entries: list[Entry]) -> str:
    """What is selected, in words."""
    if len(entries) > 1:
        return "these"
    if entries and entries[0].members:
        return "this group"
    return "this pair" if entries and len(entries[0].rows) == 2 else "this structure"
