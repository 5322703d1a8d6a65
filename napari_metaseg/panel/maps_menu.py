"""The menu of maps: more to see of the iteration that is shown, each as a layer when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QPushButton, QVBoxLayout, QWidget

from napari_metaseg.layers import maps

if TYPE_CHECKING:
    from napari_metaseg.layers.maps import OfferedMap
    from napari_metaseg.run.job import Job


class MapsMenu(QWidget):
    """A button that offers the maps.

    Parameters
    ----------
    job : Job
    parent : QWidget, optional

    Attributes
    ----------
    map_requested : Signal(object, object)
        The `OfferedMap`, with the label id of the selected structure or None.
    """

    map_requested = Signal(object, object)

    def __init__(self, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._structure: int | None = None
        self._menu = QMenu(self)
        self._menu.setToolTipsVisible(True)
        self._of_structure: dict[QAction, OfferedMap] = {}
        for offered in maps.MAPS:
            self._add(offered)
        button = QPushButton("Add map")
        button.setMenu(self._menu)
        button.setToolTip("Show another picture of this iteration as a layer.")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(button)
        self.set_structure(None, "")
        job.shown_changed.connect(self._update)
        self._update()

    def set_structure(self, structure: int | None, name: str) -> None:
        """Offer the maps of this structure: its label id and name; None for none."""
        self._structure = structure
        known = structure is not None
        for action, offered in self._of_structure.items():
            action.setText(
                f"{offered.title} of {name}"
                if known
                else f"{offered.title} (select a structure first)"
            )
            action.setEnabled(known)

    def _add(self, offered: OfferedMap) -> None:
        if offered.begins_group:
            self._menu.addSeparator()
        action = QAction(offered.title, self._menu, toolTip=offered.help)
        action.triggered.connect(lambda: self._request(offered))
        self._menu.addAction(action)
        if offered.of_structure:
            self._of_structure[action] = offered

    def _request(self, offered: OfferedMap) -> None:
        self.map_requested.emit(offered, self._structure)

    def _update(self) -> None:
        self.setEnabled(self._job.shown is not None)
