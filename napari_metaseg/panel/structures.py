"""The structures at the iteration that is shown: a table to read, to jump from and to copy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QModelIndex, QSize, QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QAction, QGuiApplication, QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLayout,
    QSizePolicy,
    QTableView,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from napari_metaseg.panel.structures_model import (
    CHANGE,
    DICE,
    NAME,
    SWATCH,
    TITLES,
    VOLUME,
    SortedStructures,
    StructuresModel,
    numbers_of,
    sort_mark,
)

if TYPE_CHECKING:
    from napari_metaseg.run.job import Job
    from napari_metaseg.run.status import StructureRow

_WIDEST = ("", "≈ 888.88", "+88.88", "0.888")
_FEWEST_ROWS = 4


class Structures(QWidget):
    """The table of a job.

    Parameters
    ----------
    job : Job
    parent : QWidget, optional

    Attributes
    ----------
    jump_requested : Signal(int)
        Label id of a structure that was clicked, or on which Enter was pressed.
    only_changed : Signal(object)
        Label id of the one structure to show, or None for all of them.
    selected_changed : Signal(object)
        The `StructureRow` that is selected now, or None.
    """

    jump_requested = Signal(int)
    only_changed = Signal(object)
    selected_changed = Signal(object)

    def __init__(self, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._selected_id: int | None = None
        self._only_id: int | None = None
        self._model = StructuresModel(self)
        self._sorted = SortedStructures(self)
        self._sorted.setSourceModel(self._model)
        self._sorted.setSortRole(Qt.ItemDataRole.UserRole)
        self._view = _make_view(self._sorted)
        self._only = QCheckBox("Show only this structure")
        self._only.setToolTip("Hide all other labels in the viewer.")
        self._mean = QLabel()
        self._mean.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._mean.setToolTip("Mean of the Dice scores above.")

        line = QHBoxLayout()
        line.addWidget(self._only)
        line.addStretch()
        line.addWidget(self._mean)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.setSizeConstraint(QLayout.SizeConstraint.SetMinAndMaxSize)  # no gap below few rows
        column.addWidget(self._view)
        column.addLayout(line)

        copy = QAction("Copy as a table", self._view)
        copy.setShortcut(QKeySequence.StandardKey.Copy)
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        copy.triggered.connect(self.copy)
        self._view.addAction(copy)
        for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            shortcut = QShortcut(QKeySequence(key), self._view)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(self._jump)
        self._view.clicked.connect(self._jump)
        self._view.selectionModel().selectionChanged.connect(self._on_selection)
        self._only.toggled.connect(self._on_only)
        job.table_changed.connect(self._update)
        self._update()

    @property
    def selected(self) -> StructureRow | None:
        """The row that is selected; the current one of several."""
        rows = self._view.selectionModel().selectedRows()
        current = self._view.currentIndex().siblingAtColumn(0)
        if not rows:
            return None
        return self._row(current if current in rows else rows[0])

    def copy(self) -> None:
        """Copy the selected rows, or all, to the clipboard as tab-separated text."""
        columns = [column for column in range(4) if not self._view.isColumnHidden(column)]
        indexes = sorted(self._view.selectionModel().selectedRows(), key=QModelIndex.row)
        if not indexes:
            indexes = [self._sorted.index(row, 0) for row in range(self._sorted.rowCount())]
        titles = ("Structure", "Volume (mL)", "Change (mL)", "Dice")
        lines = [[titles[column] for column in columns]]
        for index in indexes:
            row = self._row(index)
            numbers = (f"{n:.4f}" if math.isfinite(n) else "" for n in numbers_of(row))
            cells = (row.name, *numbers)
            lines.append([cells[column] for column in columns])
        QGuiApplication.clipboard().setText("\n".join("\t".join(line) for line in lines))

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit_to_contents()

    def _row(self, index: QModelIndex) -> StructureRow:
        number: int = self._sorted.mapToSource(index).row()
        return self._model.rows[number]

    def _update(self) -> None:
        table = self._job.table
        had_other_rows = self._model.show(table)
        scores = [row.dice for row in self._model.rows if math.isfinite(row.dice)]
        if had_other_rows or self._view.isColumnHidden(DICE) == bool(scores):
            self._view.setColumnHidden(DICE, not scores)
            self._fit_to_contents()
        self._mean.setVisible(bool(scores))
        if table is not None and scores:
            about = "" if table.exact else "≈ "
            self._mean.setText(f"Mean Dice {about}{sum(scores) / len(scores):.3f}")
        self._on_selection()

    def _fit_to_contents(self) -> None:
        """Set widths for the widest numbers, so that nothing moves while they change."""
        metrics = self._view.fontMetrics()
        header = self._view.horizontalHeader()
        for column in (VOLUME, CHANGE, DICE):
            texts = (_WIDEST[column], sort_mark(True) + TITLES[column])
            header.resizeSection(column, max(map(metrics.horizontalAdvance, texts)) + 8)
        height = metrics.height() + 6
        self._view.verticalHeader().setDefaultSectionSize(height)
        frame = header.sizeHint().height() + 2 * self._view.frameWidth() + 2
        count = max(_FEWEST_ROWS, len(self._model.rows))
        self._view.setMinimumHeight(frame + height * min(count, _FEWEST_ROWS))
        self._view.setMaximumHeight(frame + height * count)

    def _jump(self) -> None:
        if self.selected is not None:
            self.jump_requested.emit(self.selected.id)

    def _on_selection(self) -> None:
        row = self.selected
        self._only.setEnabled(row is not None)
        if row is None:
            self._only.setChecked(False)
        selected_id = None if row is None else row.id
        if selected_id != self._selected_id:
            self._selected_id = selected_id
            self.selected_changed.emit(row)
            self._on_only()

    def _on_only(self) -> None:
        only_id = self._selected_id if self._only.isChecked() else None
        if only_id != self._only_id:
            self._only_id = only_id
            self.only_changed.emit(only_id)


def _make_view(model: QSortFilterProxyModel) -> QTableView:
    view = QTableView()
    view.setModel(model)
    view.setAccessibleName("Structures")
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    view.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setShowGrid(False)
    view.setWordWrap(False)
    view.setTabKeyNavigation(False)
    view.setIconSize(QSize(SWATCH, SWATCH))
    # sides are at the beginning of a name, tissues at its end
    view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    view.verticalHeader().hide()
    header = view.horizontalHeader()
    header.setHighlightSections(False)
    header.setStyleSheet("QHeaderView::section { border: 0px; padding: 2px 3px; }")
    header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
    header.setSortIndicatorClearable(True)
    header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
    view.setSortingEnabled(True)
    header.setSortIndicatorShown(False)  # it would lie over the short titles
    return view
