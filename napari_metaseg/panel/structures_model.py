"""The entries of the table of structures as Qt asks for them: texts, order, colours."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractItemModel, QModelIndex, QSortFilterProxyModel, Qt
from qtpy.QtGui import QColor, QFont, QIcon, QPainter, QPixmap
from typing_extensions import override

from napari_metaseg.run.arrangement import flat

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_metaseg.run.arrangement import Entry

NAME, VOLUME, CHANGE, DICE, ASYMMETRY = range(5)
TITLES = ("Structure", "mL", "Change", "Dice", "L/R %")
_HELP = (
    "Click a structure to jump to it, or a group to jump to the largest in it.",
    "Volume in mL. ≈ marks an estimate from a sample of voxels, which may miss what is small.",
    "Change of the volume since the iteration shown before, mL.",
    "Overlap with the reference, from 0 (none) to 1 (the same); the mean of a group.",
    "Asymmetry in percent: (left - right) / mean of both volumes. Above 0: the left is larger.",
)
SWATCH = 10
"""Size of the patch of a structure's colour, px."""
_MOST_PATCHES = 1024


class StructuresModel(QAbstractItemModel):
    """Entries of a table and, below those that are groups, their members."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._entries: tuple[Entry, ...] = ()
        self._exact = True
        # What the index of a member points to: its group. Qt does not keep it alive.
        self._groups: list[_Group] = []

    def show(self, entries: tuple[Entry, ...], exact: bool) -> bool:
        """Take new values; whether they belong to other lines than before."""
        self._exact = exact
        if _lines(entries) != _lines(self._entries):
            self.beginResetModel()
            self._entries = entries
            self._groups += map(_Group, range(len(self._groups), len(entries)))
            self.endResetModel()
            return True
        self._entries = entries
        for parent in (QModelIndex(), *(self.index(row, 0) for row in range(len(entries)))):
            if count := self.rowCount(parent):
                last = self.index(count - 1, len(TITLES) - 1, parent)
                self.dataChanged.emit(self.index(0, 0, parent), last)
        return False

    def entry(self, index: QModelIndex) -> Entry:
        """What an index stands for."""
        group: _Group | None = index.internalPointer()
        entries = self._entries if group is None else self._entries[group.row].members
        row: int = index.row()
        return entries[row]

    @override
    def index(self, row: int, column: int, parent: QModelIndex = QModelIndex()) -> QModelIndex:  # noqa: B008
        if not self.hasIndex(row, column, parent):
            return QModelIndex()
        if parent.isValid():
            return self.createIndex(row, column, self._groups[parent.row()])
        return self.createIndex(row, column)

    @override
    def parent(self, index: QModelIndex) -> QModelIndex:
        group: _Group | None = index.internalPointer() if index.isValid() else None
        return QModelIndex() if group is None else self.createIndex(group.row, 0)

    @override
    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        if not parent.isValid():
            return len(self._entries)
        return len(self.entry(parent).members) if parent.column() == 0 else 0

    @override
    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        return len(TITLES)

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
        entry, column = self.entry(index), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(entry, column)
        if role == Qt.ItemDataRole.UserRole:  # what is sorted by
            value = _value(entry, column)
            return -math.inf if value != value else value
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.FontRole and entry.members and column == NAME:
            return _bold()
        if role == Qt.ItemDataRole.DecorationRole and column == NAME and not entry.members:
            return _swatch(tuple(row.color for row in entry.rows))
        if role == Qt.ItemDataRole.ToolTipRole and column == NAME:
            return _described(entry)
        return None

    def _text(self, entry: Entry, column: int) -> str:
        if column == NAME:
            return entry.name
        # Each voxel of a sample stands for about 1 mL.
        digits = 2 if self._exact else 0
        if column == VOLUME:
            return f"{'' if self._exact else '≈ '}{entry.volume:.{digits}f}"
        if column == CHANGE:
            text = _signed(entry.change, digits)
            return text if text.strip("+−0.") else ""  # noqa: RUF001
        if column == ASYMMETRY:
            return _signed(entry.asymmetry, 1)
        return "" if math.isnan(entry.dice) else f"{entry.dice:.3f}"


class SortedStructures(QSortFilterProxyModel):
    """The entries that were searched, in the order that the user chose.

    The title of the column that they are sorted by has a mark.
    """

    def __init__(self, model: StructuresModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._search = ""
        self._model = model
        self.setSourceModel(model)
        self.setSortRole(Qt.ItemDataRole.UserRole)

    def search(self, words: str) -> None:
        """Leave only what matches, and the groups that hold it; all of it for no words."""
        self._search = words
        self.invalidateFilter()

    def entry(self, index: QModelIndex) -> Entry:
        """What an index of this model stands for."""
        return self._model.entry(self.mapToSource(index))

    def walk(self) -> list[QModelIndex]:
        """Every line in its order, each group before its members."""
        lines = []
        for row in range(self.rowCount()):
            top = self.index(row, 0)
            lines += [top, *(self.index(number, 0, top) for number in range(self.rowCount(top)))]
        return lines

    @override
    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:
        return not self._search or self._model.entry(self._model.index(row, 0, parent)).matches(
            self._search
        )

    @override
    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        value = super().headerData(section, orientation, role)
        if role == Qt.ItemDataRole.DisplayRole and section == self.sortColumn():
            return sort_mark(self.sortOrder() == Qt.SortOrder.AscendingOrder) + value
        return value


class _Group:
    """Where a group stands."""

    def __init__(self, row: int) -> None:
        self.row = row


def sort_mark(ascending: bool) -> str:
    """What stands before the title of the column that the rows are sorted by."""
    return "▴ " if ascending else "▾ "


@lru_cache(maxsize=_MOST_PATCHES)
def _swatch(colors: tuple[tuple[int, int, int], ...]) -> QIcon:
    """A patch of colours side by side, which a selection of the row does not tint."""
    patch = QPixmap(SWATCH, SWATCH)
    painter = QPainter(patch)
    width = SWATCH // len(colors)
    for number, color in enumerate(colors):
        painter.fillRect(number * width, 0, SWATCH, SWATCH, QColor(*color))
    painter.end()
    icon = QIcon(patch)
    icon.addPixmap(patch, QIcon.Mode.Selected)
    return icon


def _bold() -> QFont:
    font = QFont()
    font.setBold(True)
    return font


def _value(entry: Entry, column: int) -> str | float:
    return (entry.name, entry.volume, entry.change, entry.dice, entry.asymmetry)[column]


def _described(entry: Entry) -> str:
    if entry.members:
        return f"{entry.name}, {len(entry.rows)} structures"
    return "\n".join(f"{row.name}, label {row.id}" for row in entry.rows)


def _signed(number: float, digits: int) -> str:
    return "" if math.isnan(number) else f"{number:+.{digits}f}".replace("-", "−")  # noqa: RUF001


def _lines(entries: tuple[Entry, ...]) -> list[tuple[str, tuple[int, ...], bool]]:
    """What tells whether two tables have the same lines."""
    return [(entry.name, entry.ids, bool(entry.members)) for entry in flat(entries)]


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignLeft if column == NAME else Qt.AlignmentFlag.AlignRight
    return side | Qt.AlignmentFlag.AlignVCenter
