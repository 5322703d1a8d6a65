"""How the table of structures looks, and which of its groups are open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QModelIndex, QSize, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeView,
)
from typing_extensions import override

from napari_metaseg.panel.structures_model import (
    ASYMMETRY,
    CHANGE,
    DICE,
    NAME,
    SWATCH,
    TITLES,
    sort_mark,
)

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent

    from napari_metaseg.panel.structures_model import SortedStructures

_WIDEST = ("", "≈ 888.88", "+88.88", "0.888", "+188.8")
# themes of napari have colours for tables, none for trees: this one suits dark and light
_STYLE = """
    QTreeView { background-color: rgba(128, 136, 148, 40); }
    QHeaderView::section { border: 0px; padding: 2px 3px; }
"""
_INDENTATION = 10
_A_NAME = "Superior-Frontal-G"
"""So much of the name of a pair is left, or many would read the same."""
_FEWEST_ROWS = 4
_FEWEST_WITH_GROUPS = 6
_MOST_OPENED = 40
"""Structures whose groups are all open at first: more than that is better chosen from."""


class StructuresView(QTreeView):
    """The entries of a table; each group stays as the user left it, also after a search.

    Parameters
    ----------
    model : SortedStructures
    """

    def __init__(self, model: SortedStructures) -> None:
        super().__init__()
        self._sorted = model
        self._open: dict[str, bool] = {}
        self._by_user = True
        self._searching = False
        self.setModel(model)
        self.setItemDelegate(_Rows(self))
        self.setUniformRowHeights(True)
        self.setIndentation(_INDENTATION)
        self.setAccessibleName("Structures")
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setIconSize(QSize(SWATCH, SWATCH))
        self.setStyleSheet(_STYLE)
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionsMovable(False)
        header.setMinimumSectionSize(0)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setSortIndicatorClearable(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        header.setSortIndicatorShown(False)  # it would lie over the short titles
        self.expanded.connect(lambda index: self._on_moved(index, True))
        self.collapsed.connect(lambda index: self._on_moved(index, False))

    def search(self, words: str) -> None:
        """Show only what matches, with its groups open; all of it, as it was, for no words."""
        self._searching = bool(words.strip())
        self._sorted.search(words)
        self.restore()

    def restore(self) -> None:
        """Open the groups as they were left; those with hits while something is searched."""
        entries = {index: self._sorted.entry(index) for index in self._tops()}
        few = sum(len(entry.rows) for entry in entries.values()) <= _MOST_OPENED
        self._by_user = False
        for index, entry in entries.items():
            self.setExpanded(index, self._searching or self._open.get(entry.name, few))
        self._by_user = True
        # without groups there is nothing to open, and names stand where they always stood
        self.setRootIsDecorated(any(entry.members for entry in entries.values()))
        self.fit_to_contents()

    def show_columns(self, *, dice: bool, asymmetry: bool) -> None:
        """Show overlaps and asymmetries only where there are any."""
        self.setColumnHidden(DICE, not dice)
        self.setColumnHidden(ASYMMETRY, not asymmetry)
        self._leave_room_for_names()

    def open_all(self, opened: bool) -> None:
        """Open all groups, or close them."""
        for index in self._tops():
            self.setExpanded(index, opened)

    def fit_to_contents(self) -> None:
        """Set widths for the widest numbers, so that nothing moves while they change."""
        metrics, header = self.fontMetrics(), self.header()
        for column in range(NAME + 1, len(TITLES)):
            header.resizeSection(column, self._width_of(column))
        self._leave_room_for_names()
        if self._searching:
            return  # what is below does not move while somebody is typing
        opened = filter(self.isExpanded, self._tops())
        count = self._sorted.rowCount() + sum(map(self._sorted.rowCount, opened))
        frame = header.sizeHint().height() + 2 * self.frameWidth() + 2
        height = _row_height(metrics.height())
        fewest = _FEWEST_WITH_GROUPS if self.rootIsDecorated() else _FEWEST_ROWS
        self.setMinimumHeight(frame + height * fewest)
        self.setMaximumHeight(frame + height * max(count, fewest))

    @override
    def sizeHint(self) -> QSize:
        """As high as it must be; it grows into what room there is, instead of making some."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

    @override
    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._leave_room_for_names()

    def _width_of(self, column: int) -> int:
        texts = (_WIDEST[column], sort_mark(True) + TITLES[column])
        width: int = max(map(self.fontMetrics().horizontalAdvance, texts))
        return width + 8

    def _leave_room_for_names(self) -> None:
        """Show no changes of pairs where names would become too short for them."""
        numbers = (c for c in range(NAME + 1, len(TITLES)) if not self.isColumnHidden(c))
        taken = sum(map(self._width_of, {*numbers, CHANGE})) + 2 * _INDENTATION + SWATCH
        room = self.viewport().width() - taken
        paired = not self.isColumnHidden(ASYMMETRY)
        short = room < self.fontMetrics().horizontalAdvance(_A_NAME)
        self.setColumnHidden(CHANGE, paired and short)

    def _on_moved(self, index: QModelIndex, opened: bool) -> None:
        if self._by_user and not self._searching:
            self._open[self._sorted.entry(index).name] = opened
            self.fit_to_contents()

    def _tops(self) -> list[QModelIndex]:
        return [self._sorted.index(row, 0) for row in range(self._sorted.rowCount())]


class _Rows(QStyledItemDelegate):
    """Rows of one height in every style."""

    @override
    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        height = _row_height(option.fontMetrics.height())
        return QSize(super().sizeHint(option, index).width(), height)


def _row_height(text_height: int) -> int:
    return text_height + 6
