"""The structures at the iteration that is shown: a table to read, to jump from and to copy."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QEvent,
    QModelIndex,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QAction, QColor, QGuiApplication, QIcon, QKeySequence, QPixmap, QShortcut
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

if TYPE_CHECKING:
    from napari_metaseg.run.job import Job
    from napari_metaseg.run.status import StructureRow, StructureTable

_NAME, _VOLUME, _CHANGE, _DICE = range(4)
_TITLES = ("Structure", "mL", "Change", "Dice")
_HELP = (
    "Click a structure to jump to it.",
    "Volume in mL. ≈ marks an estimate from a sample of voxels.",
    "Change of the volume since the iteration shown before, mL.",
    "Overlap with the reference, from 0 (none) to 1 (the same).",
)
_WIDEST = ("", "≈ 888.88", "+88.88", "0.888")
_FEWEST_ROWS = 4
_SWATCH = 10


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
        self._model = _TableModel(self)
        self._sorted = _SortedModel(self)
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
            numbers = (f"{n:.4f}" if math.isfinite(n) else "" for n in _numbers(row))
            cells = (row.name, *numbers)
            lines.append([cells[column] for column in columns])
        QGuiApplication.clipboard().setText("\n".join("\t".join(line) for line in lines))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit_to_contents()

    def _row(self, index: QModelIndex) -> StructureRow:
        return self._model.rows[self._sorted.mapToSource(index).row()]

    def _update(self) -> None:
        table = self._job.table
        had_other_rows = self._model.show(table)
        scores = [row.dice for row in self._model.rows if math.isfinite(row.dice)]
        if had_other_rows or self._view.isColumnHidden(_DICE) == bool(scores):
            self._view.setColumnHidden(_DICE, not scores)
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
        for column in (_VOLUME, _CHANGE, _DICE):
            texts = (_WIDEST[column], _sort_mark(True) + _TITLES[column])
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


class _TableModel(QAbstractTableModel):
    """The rows of a `StructureTable` as Qt asks for them."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: tuple[StructureRow, ...] = ()
        self._exact = True

    def show(self, table: StructureTable | None) -> bool:
        """Take new values; whether they belong to other structures than before."""
        rows = () if table is None else table.rows
        self._exact = table is None or table.exact
        if [row.id for row in rows] != [row.id for row in self.rows]:
            self.beginResetModel()
            self.rows = rows
            self.endResetModel()
            return True
        self.rows = rows
        if rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, _DICE))
        return False

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(_TITLES)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{_HELP[section]} Click the title to sort."
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        row, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.UserRole:  # what is sorted by
            number = row.name if column == _NAME else _numbers(row)[column - 1]
            return -math.inf if number != number else number
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.DecorationRole and column == _NAME:
            return _swatch(row.color)
        if role == Qt.ItemDataRole.ToolTipRole and column == _NAME:
            return f"{row.name}, label {row.id}"
        return None

    def _text(self, row: StructureRow, column: int) -> str:
        if column == _NAME:
            return row.name
        if column == _VOLUME:
            return f"{'' if self._exact else '≈ '}{row.volume:.2f}"
        if column == _CHANGE:
            text = f"{row.change:+.2f}".replace("-", "−")  # noqa: RUF001
            return "" if math.isnan(row.change) or text.endswith("0.00") else text
        return "" if math.isnan(row.dice) else f"{row.dice:.3f}"


class _SortedModel(QSortFilterProxyModel):
    """The rows in the order that the user chose; the title of the column has a mark then."""

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        value = super().headerData(section, orientation, role)
        if role == Qt.ItemDataRole.DisplayRole and section == self.sortColumn():
            return _sort_mark(self.sortOrder() == Qt.SortOrder.AscendingOrder) + value
        return value


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
    view.setIconSize(QSize(_SWATCH, _SWATCH))
    # sides are at the beginning of a name, tissues at its end
    view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    view.verticalHeader().hide()
    header = view.horizontalHeader()
    header.setHighlightSections(False)
    header.setStyleSheet("QHeaderView::section { border: 0px; padding: 2px 3px; }")
    header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
    header.setSortIndicatorClearable(True)
    header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
    view.setSortingEnabled(True)
    header.setSortIndicatorShown(False)  # it would lie over the short titles
    return view


def _sort_mark(ascending: bool) -> str:
    return "▴ " if ascending else "▾ "


@lru_cache(maxsize=256)
def _swatch(color: tuple[int, int, int]) -> QIcon:
    """A patch of a colour, which a selection of the row does not tint."""
    patch = QPixmap(_SWATCH, _SWATCH)
    patch.fill(QColor(*color))
    icon = QIcon(patch)
    icon.addPixmap(patch, QIcon.Mode.Selected)
    return icon


def _numbers(row: StructureRow) -> tuple[float, float, float]:
    return row.volume, row.change, row.dice


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignLeft if column == _NAME else Qt.AlignmentFlag.AlignRight
    return side | Qt.AlignmentFlag.AlignVCenter
