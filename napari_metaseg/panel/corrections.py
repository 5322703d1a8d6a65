"""Labels corrected by painting: the switch, a stroke's reach, and structures of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_metaseg.layers.label_style import color_of
from napari_metaseg.panel.layer_list import hide_row
from napari_metaseg.panel.structure_dialog import StructureDialog
from src_core.errors import InputError

if TYPE_CHECKING:
    from napari_metaseg.layers.correcting import Correcting
    from napari_metaseg.layers.mask_growth import MaskGrowth
    from napari_metaseg.run.job import Job

_REACHES = {
    "structure": ("This structure", "Labels follow for some centimetres around the stroke."),
    "here": ("Here", "Little changes but what lies within a centimetre or two."),
    "everywhere": ("Everywhere", "All that looks like what was painted follows."),
}
_HINT = "Each stroke is learned. To paint another structure, click its row or pick it."


class Corrections(QWidget):
    """The switch *Correct*, and what goes with it while it is pressed.

    Parameters
    ----------
    job : Job
    correcting : Correcting
        The live labels while they are painted on.
    growth : MaskGrowth
        What of them is painted outside the brain mask.
    parent : QWidget, optional

    Attributes
    ----------
    folder : Path
        Where a file of corrections is looked for.
    """

    grow_requested = Signal()

    def __init__(
        self,
        job: Job,
        correcting: Correcting,
        growth: MaskGrowth,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._job = job
        self._growth = growth
        self._correcting = correcting
        self.folder = Path.home()
        self._correct = QPushButton("Correct")
        self._correct.setCheckable(True)
        self._correct.setToolTip(
            "After a fit or in a pause: paint on the labels with the tools of their layer. The "
            "network learns each stroke, and the rest of the scan follows."
        )
        self._undo = QPushButton("Undo")
        self._undo.setToolTip("Take back the newest stroke (in the viewer: Ctrl+Z).")
        self._redo = QPushButton("Redo")
        self._redo.setToolTip("Take it back no more (in the viewer: Ctrl+Shift+Z).")
        self._new = QPushButton("New structure…")
        self._new.setToolTip("Paint something that the model has no label for.")
        self._open = QPushButton("Open corrections…")
        self._open.setToolTip("Paint again what was saved beside labels (_corrections.nii.gz).")
        self._reach = QComboBox()
        self._reach.setAccessibleName("How far a stroke reaches")
        self._reach.setToolTip("How far around a stroke the network may change labels.")
        self._status, self._outside = QLabel(), QLabel()
        self._status.setWordWrap(True)
        self._outside.setWordWrap(True)
        self._grow = QPushButton("Grow the mask there, and fit again")
        self._grow.setToolTip(
            "The brain mask gets what is painted outside it and 3 mm around, as a new layer. The "
            "strokes are learned again after the fit."
        )
        for number, (locality, (title, tip)) in enumerate(_REACHES.items()):
            self._reach.addItem(title, locality)
            self._reach.setItemData(number, tip, Qt.ItemDataRole.ToolTipRole)
        self._lay_out()
        self._correct.clicked.connect(self._switch)
        self._undo.clicked.connect(job.strokes.undo)
        self._redo.clicked.connect(job.strokes.redo)
        self._new.clicked.connect(self._add_structure)
        self._open.clicked.connect(self._ask_for_file)
        self._reach.currentIndexChanged.connect(self._choose_reach)
        self._grow.clicked.connect(self.grow_requested)
        correcting.changed.connect(self._show)
        correcting.outlined.connect(hide_row)
        correcting.unknown.connect(self._ask_for_unknown)
        job.strokes_changed.connect(self._show)
        job.shown_changed.connect(self._show)
        self._choose_reach()
        self._show()

    def _lay_out(self) -> None:
        self._tools = QWidget()
        above, reach, below = (QHBoxLayout() for _ in range(3))
        for button in (self._correct, self._undo, self._redo):
            above.addWidget(button, stretch=2 if button is self._correct else 1)
        reach.addWidget(QLabel("Reach"))
        reach.addWidget(self._reach, stretch=1)
        below.addWidget(self._new, stretch=1)
        below.addWidget(self._open, stretch=1)
        tools = QVBoxLayout(self._tools)
        tools.setContentsMargins(0, 0, 0, 0)
        tools.addLayout(reach)
        tools.addLayout(below)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(above)
        column.addWidget(self._tools)
        column.addWidget(self._status)
        column.addWidget(self._outside)
        column.addWidget(self._grow)

    def _switch(self, on: bool) -> None:
        if on:
            self._correcting.begin()
        else:
            self._correcting.end()
        self._show()

    def _choose_reach(self) -> None:
        self._correcting.locality = self._reach.currentData()

    def _add_structure(self) -> None:
        label = self._correcting.free_label()
        if label is None:
            show_error("no label is free for another structure")
        else:
            self._ask(label, "Paint it on two or three planes, and a little of what it is not.")

    def _ask_for_file(self) -> None:
        title, kinds = "Open corrections", "Corrections (*.nii.gz *.nii)"
        chosen, _ = QFileDialog.getOpenFileName(self, title, str(self.folder), kinds)
        if chosen:
            self._correcting.restore(Path(chosen))

    def _ask_for_unknown(self, label: int) -> None:
        why = f"No structure has the label {label} that was painted. Is it a new one?"
        if not self._ask(label, why):
            self._correcting.refuse(label)

    def _ask(self, label: int, why: str) -> bool:
        """Ask for a structure, and whether it was added."""
        dialog = StructureDialog(label, color_of(label), why, self)
        while dialog.exec():
            try:
                self._correcting.add_structure(dialog.structure)
            except InputError as error:
                show_error(str(error))
            else:
                return True
        return False

    def _show(self) -> None:
        strokes, correcting = self._job.strokes, self._correcting
        self._correct.setEnabled(correcting.possible)
        self._correct.setChecked(correcting.on)
        for widget in (self._undo, self._redo, self._tools, self._status):
            widget.setVisible(correcting.on)
        self._undo.setEnabled(bool(strokes.waiting or strokes.position))
        self._redo.setEnabled(not strokes.waiting and strokes.position < len(strokes.iterations))
        self._status.setText(self._words())
        count = len(self._growth.outside) if correcting.on else 0
        self._outside.setText(
            f"{count} painted voxels lie outside the brain mask: they stay as painted, and nothing "
            "is learned there."
        )
        for shown in (self._outside, self._grow):
            shown.setVisible(count > 0)
        self._grow.setEnabled(not self._job.state.running)

    def _words(self) -> str:
        """What the strokes are at."""
        strokes = self._job.strokes
        if not strokes.go_on_from(self._job.shown):
            return "Strokes go on from the last iteration of the fit: show that one to paint."
        if strokes.busy:
            return "Learning …"
        if strokes.waiting:
            return "The last stroke was not learned; it stays as painted, and is tried again."
        painting = f"Painting {self._correcting.painting}."
        learned = f"{_count(strokes.position)} learned." if strokes.position else _HINT
        return f"{painting} {learned}"


def _count(strokes: int) -> str:
    return "1 stroke" if strokes == 1 else f"{strokes} strokes"
