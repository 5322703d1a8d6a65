"""The switch between the protocols in which one fit can tell its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QWidget

if TYPE_CHECKING:
    from napari_metaseg.run.job import Job

_TITLES = {"tissue4": "Tissues", "fs32": "Structures", "nm134": "Parcels"}


class Granularity(QWidget):
    """A button for each protocol that the model of a job's session knows, the coarsest first.

    Hidden where there is nothing to choose.

    Parameters
    ----------
    job : Job
    parent : QWidget, optional

    Attributes
    ----------
    chosen : Signal(str)
        Name of the protocol whose button was clicked.
    """

    chosen = Signal(str)

    def __init__(self, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._group = QButtonGroup(self)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(2)
        self._names: tuple[str, ...] = ()
        job.session_started.connect(self._update)
        job.labels_changed.connect(self._update)
        job.iterations_changed.connect(self._update)  # also when the scan is forgotten
        self._update()

    def _update(self) -> None:
        session = self._job.session
        names = () if session is None else session.prepared.model.protocols[::-1]
        if names != self._names:
            self._offer(names)
        self.setVisible(len(names) > 1)
        if session is not None:
            self._group.button(names.index(session.protocol.name)).setChecked(True)

    def _offer(self, names: tuple[str, ...]) -> None:
        self._names = names
        for button in self._group.buttons():
            self._group.removeButton(button)
            button.deleteLater()
        for number, name in enumerate(names):
            button = QPushButton(_TITLES.get(name, name))
            button.setCheckable(True)
            button.setToolTip(f"Tell the labels of this fit in the protocol {name}.")
            button.clicked.connect(lambda _checked, name=name: self.chosen.emit(name))
            self._group.addButton(button, number)
            self._row.addWidget(button)
