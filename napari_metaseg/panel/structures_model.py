"""The rows of the table of structures as Qt asks for them: texts, order, colours."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from typing_extensions import override

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_metaseg.run.status import StructureRow, StructureTable

NAME, VOLUME, CHANGE, DICE = range(4)
TITLES = ("Structure", "mL", "Change", "Dice")
_HELP = (
    "Click a structure to jump to it.",
    "Volume in mL. ≈ marks an estimate from a sample of voxels.",
    "Change of the volume since the iteration shown before, mL.",
    "Overlap with the reference, from 0 (none) to 1 (the same).",
)
SWATCH = 10
"""Size of the patch of a structure's colour, px."""


class StructuresModel(QAbstractTableModel):
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
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, DICE))
        return False

    @override
    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    @override
    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(TITLES)

    @override
    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return TITLES[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{_HELP[section]} Click the title to sort."
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    @override
    def data(self, index: QModelIndex, role: int = 0) -> Any:
        row, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.UserRole:  # what is sorted by
            number = row.name if column == NAME else numbers_of(row)[column - 1]
            return -math.inf if number != number else number
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.DecorationRole and column == NAME:
            return _swatch(row.color)
        if role == Qt.ItemDataRole.ToolTipRole and column == NAME:
            return f"{row.name}, label {row.id}"
        return None

    def _text(self, row: StructureRow, column: int) -> str:
        if column == NAME:
            return row.name
        if column == VOLUME:
            return f"{'' if self._exact else '≈ '}{row.volume:.2f}"
        if column == CHANGE:
            text = f"{row.change:+.2f}".replace("-", "−")  # noqa: RUF001
            return "" if math.isnan(row.change) or text.endswith("0.00") else text
        return "" if math.isnan(row.dice) else f"{row.dice:.3f}"


class SortedStructures(QSortFilterProxyModel):
    """The rows in the order that the user chose; the title of the column has a mark then."""

    @override
    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        value = super().headerData(section, orientation, role)
        if role == Qt.ItemDataRole.DisplayRole and section == self.sortColumn():
            return sort_mark(self.sortOrder() == Qt.SortOrder.AscendingOrder) + value
        return value


def sort_mark(ascending: bool) -> str:
    """What stands before the title of the column that the rows are sorted by."""
    return "▴ " if ascending else "▾ "


@lru_cache(maxsize=256)
def _swatch(color: tuple[int, int, int]) -> QIcon:
    """A patch of a colour, which a selection of the row does not tint."""
    patch = QPixmap(SWATCH, SWATCH)
    patch.fill(QColor(*color))
    icon = QIcon(patch)
    icon.addPixmap(patch, QIcon.Mode.Selected)
    return icon


def numbers_of(row: StructureRow) -> tuple[float, float, float]:
    """The numbers of a row, in the order of the columns."""
    return row.volume, row.change, row.dice


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignLeft if column == NAME else Qt.AlignmentFlag.AlignRight
    return side | Qt.AlignmentFlag.AlignVCenter
