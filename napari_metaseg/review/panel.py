"""The dock in which the scans of a study are judged and corrected, one after another."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtCore import QSignalBlocker
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
)
from typing_extensions import override

from napari_metaseg.panel.docked import DockedPanel, turn_camera
from napari_metaseg.panel.gl_context import free_where_made
from napari_metaseg.review.reviewer import Reviewer
from src_core.cohort.review import VERDICTS
from src_core.errors import InputError

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from src_core.cohort.records import Record
    from src_core.cohort.unusual import Unusual

_KEYS = {"good": "G", "correct": "C", "reject": "R"}
_NEXT, _PREVIOUS = "J", "K"
"""As on the page of a study."""
_WIDEST = 150
"""Of a column of the list at most, px."""


class ReviewPanel(DockedPanel):
    """Go through the scans of a study, the most unusual first.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The name tells napari to hand its viewer over.

    Attributes
    ----------
    reviewer : Reviewer
    """

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self.reviewer = Reviewer(napari_viewer)
        self._open = QPushButton("Open study…")
        self._open.setToolTip("The folder that <i>napari-metaseg batch</i> has written.")
        self._list = QTableView()
        self._list.setModel(self.reviewer.scans)
        self._about = QLabel()
        self._note = QLineEdit()
        self._status = QLabel()
        self._buttons = {
            "next": _button("Next", _NEXT, "The next scan of the list."),
            "previous": _button("Previous", _PREVIOUS, "The scan before."),
            **{v: _button(v.capitalize(), _KEYS[v], told) for v, told in VERDICTS.items()},
            "clear": _button("No verdict", "", "Take back what was said."),
            "discard": _button(
                "Original labels", "", "Drop corrected labels: those that were made count again."
            ),
            "fit": _button(
                "Fit again",
                "",
                "Segment the scan anew with the brain mask as you painted it. Other scans can be"
                " looked at meanwhile; what was painted on the labels is replaced.",
            ),
        }
        self._lay_out()
        self._connect()
        self._show()
        turn_camera(napari_viewer)
        free_where_made(napari_viewer)

    def open(self, output: Path) -> None:
        """Review a study.

        Raises
        ------
        InputError
            There is none.
        """
        self.reviewer.open(output)

    def _lay_out(self) -> None:
        self._list.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self._list.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        self._list.verticalHeader().hide()
        header = self._list.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        header.setMaximumSectionSize(_WIDEST)
        self._list.setWordWrap(False)
        self._about.setWordWrap(True)
        self._status.setWordWrap(True)
        self._note.setPlaceholderText("Note")
        self._note.setAccessibleName("Note on this scan")
        grid = QGridLayout()
        places = [
            ("previous", 0, 0, 3),
            ("next", 0, 3, 3),
            ("good", 1, 0, 2),
            ("correct", 1, 2, 2),
            ("reject", 1, 4, 2),
            ("clear", 2, 0, 2),
            ("discard", 2, 2, 2),
            ("fit", 2, 4, 2),
        ]
        for name, row, column, columns in places:
            grid.addWidget(self._buttons[name], row, column, 1, columns)
        column_layout = QVBoxLayout(self)
        for widget in (self._open, self._list, self._about):
            column_layout.addWidget(widget)
        column_layout.addLayout(grid)
        column_layout.addWidget(self._note)
        column_layout.addWidget(self._status)
        column_layout.setStretchFactor(self._list, 1)

    def _connect(self) -> None:
        reviewer = self.reviewer
        tasks = {
            "next": lambda: reviewer.go(reviewer.row + 1),
            "previous": lambda: reviewer.go(reviewer.row - 1),
            "clear": partial(self._judge, ""),
            "discard": reviewer.discard,
            "fit": reviewer.fit_again,
            **{verdict: partial(self._judge, verdict) for verdict in VERDICTS},
        }
        for name, button in self._buttons.items():
            button.clicked.connect(tasks[name])
        # A text that is being typed takes its letters before a shortcut does.
        for name, key in {"next": _NEXT, "previous": _PREVIOUS, **_KEYS}.items():
            QShortcut(QKeySequence(key), self).activated.connect(self._buttons[name].click)
        self._open.clicked.connect(self._ask_for_study)
        self._list.clicked.connect(lambda index: reviewer.go(index.row()))
        self._note.editingFinished.connect(self._keep_note)
        reviewer.changed.connect(self._show)
        reviewer.failed.connect(show_error)
        # The widget is gone when this comes, and so may be a function that only it held.
        self.destroyed.connect(reviewer.close)

    def _judge(self, verdict: str) -> None:
        self.reviewer.judge(verdict, self._note.text() if verdict else "")

    def _keep_note(self) -> None:
        record, text = self.reviewer.record, self._note.text()
        if record is not None and text != record.judgement.note:
            self.reviewer.write_note(text)

    def _ask_for_study(self) -> None:
        start = str(self.reviewer.output or Path.home())
        chosen = QFileDialog.getExistingDirectory(self, "Open a study", start)
        if chosen:
            try:
                self.open(Path(chosen))
            except InputError as error:
                show_error(str(error))

    def _show(self) -> None:
        reviewer, record = self.reviewer, self.reviewer.record
        for name, button in self._buttons.items():
            button.setEnabled(record is not None and name not in self._impossible())
        self._note.setEnabled(record is not None)
        if record is None:
            self._about.setText("Open a study to look at its scans, the most unusual first.")
            return
        self._about.setText(_described(record, reviewer.scans.unusual(reviewer.row)))
        if not self._note.hasFocus():
            with QSignalBlocker(self._note):
                self._note.setText(record.judgement.note)
        self._list.selectRow(reviewer.row)
        self._status.setText(self._words())

    def _impossible(self) -> set[str]:
        """Buttons that cannot be pressed now."""
        reviewer, record = self.reviewer, self.reviewer.record
        found = set()
        if reviewer.row == 0:
            found.add("previous")
        if reviewer.row + 1 >= len(reviewer.scans):
            found.add("next")
        if not reviewer.is_ready:
            found.update((*VERDICTS, "clear", "discard", "fit"))
        if record is None or not record.is_corrected:
            found.add("discard")
        if record is None or not record.judgement.verdict:
            found.add("clear")
        if reviewer.fitting:
            found.add("fit")
        return found

    def _words(self) -> str:
        reviewer = self.reviewer
        words = f"{reviewer.scans.count_judged()} of {len(reviewer.scans)} judged."
        if not reviewer.is_ready:
            words += " Reading …"
        if reviewer.fitting:
            words += f" {reviewer.fitting} is being fitted again: {reviewer.stage}."
        return words

    @override
    def end(self) -> None:
        """Save what was painted."""
        self.reviewer.close()


def _button(text: str, key: str, told: str) -> QPushButton:
    button = QPushButton(f"{text} ({key})" if key else text)
    button.setToolTip(told)
    return button


def _described(record: Record, unusual: Unusual) -> str:
    """What stands out of a scan."""
    z, what = unusual.most
    report = record.report
    who = [f"{record.age:g} years"] if record.age is not None else []
    who += [record.traits["sex"]] if "sex" in record.traits else []
    lines = [", ".join([record.name, *who])]
    numbers = [f"z {z:.1f} of {what}"] if what else []
    numbers += [f"PSNR {report['psnr']:.1f} dB", f"brain {report['brain']['volume'] / 1000:.0f} mL"]
    return "\n".join([*lines, ", ".join(numbers), *(f"• {note}" for note in report["notes"])])
