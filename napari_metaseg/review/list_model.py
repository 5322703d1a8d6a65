"""The scans of a study as Qt asks for them: a line for each, the most unusual first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src_core.cohort.records import Record
    from src_core.cohort.review import Judgement
    from src_core.cohort.unusual import Unusual

TITLES = ("Scan", "z", "Of", "Verdict")
_HELP = (
    "Name of the scan; * marks corrected labels.",
    "How unusual it is: the largest robust z of all volumes and quality numbers.",
    "What is the most unusual of it.",
    "What you said of it.",
)


class ScanList(QAbstractTableModel):
    """Scans of a study, with what is unusual and what was said of them."""

    def __init__(self) -> None:
        super().__init__()
        self._pairs: list[tuple[Record, Unusual]] = []

    def show(self, pairs: Sequence[tuple[Record, Unusual]]) -> None:
        """Take the scans of another study."""
        self.beginResetModel()
        self._pairs = list(pairs)
        self.endResetModel()

    def __len__(self) -> int:
        return len(self._pairs)

    def record(self, row: int) -> Record:
        """The scan of a line."""
        return self._pairs[row][0]

    def unusual(self, row: int) -> Unusual:
        """How unusual it is."""
        return self._pairs[row][1]

    def row_of(self, name: str) -> int:
        """The line of a scan."""
        return next(row for row, (record, _) in enumerate(self._pairs) if record.name == name)

    def count_judged(self) -> int:
        """How many scans have a verdict."""
        return sum(bool(record.judgement.verdict) for record, _ in self._pairs)

    def next_not_judged(self, row: int) -> int | None:
        """The first scan without a verdict after a line, or else before it."""
        rows = (*range(row + 1, len(self)), *range(row))
        return next((r for r in rows if not self.record(r).judgement.verdict), None)

    def judge(self, row: int, judgement: Judgement) -> None:
        """Take what was said of a scan."""
        self.change(replace(self.record(row), judgement=judgement))

    def change(self, record: Record) -> None:
        """Take what has become of a scan; what was said of it is in there."""
        row = self.row_of(record.name)
        self._pairs[row] = record, self._pairs[row][1]
        self.dataChanged.emit(self.index(row, 0), self.index(row, len(TITLES) - 1))

    @override
    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self)

    @override
    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        return len(TITLES)

    @override
    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return TITLES[section]
            if role == Qt.ItemDataRole.ToolTipRole:
                return _HELP[section]
        return None

    @override
    def data(self, index: QModelIndex, role: int = 0) -> Any:
        record, unusual = self._pairs[index.row()]
        z, what = unusual.most
        if role == Qt.ItemDataRole.DisplayRole:
            name = f"{record.name} *" if record.is_corrected else record.name
            return (name, f"{z:.1f}" if what else "", what, record.judgement.verdict)[
                index.column()
            ]
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join([*record.report["notes"], record.judgement.note]).strip()
        return None
