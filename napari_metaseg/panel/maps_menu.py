"""More pictures of the iteration that is shown, each as a layer when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QPushButton, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from napari_metaseg.run.job import Job

_COMPONENTS = 3


class Maps(QWidget):
    """A button that offers the maps.

    Parameters
    ----------
    job : Job
    parent : QWidget, optional

    Attributes
    ----------
    map_requested : Signal(str, object)
        One of "probability", "entropy", "residual", "jacobian" and "component", with the label id,
        the number of the component (0 to 2) or None.
    """

    map_requested = Signal(str, object)

    def __init__(self, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._structure: int | None = None
        self._menu = QMenu(self)
        self._menu.setToolTipsVisible(True)
        self._probability = self._add(
            "",
            "How sure the model is that a voxel belongs to the structure, from 0 to 1."
            " Grey rims show where its border is uncertain.",
            "probability",
        )
        self._add(
            "Entropy",
            "How undecided the model is between all structures. Bright voxels deserve a look;"
            " thin bright borders are normal.",
            "entropy",
        )
        self._add(
            "Residual (scan − reconstruction)",  # noqa: RUF001
            "What the network has not yet reproduced of the scan. Noise is fine;"
            " shapes of anatomy mean that the fit is not finished, or found a lesion.",
            "residual",
        )
        self._add(
            "Jacobian of the warp",
            "How much the warp enlarges (above 1) or shrinks (below 1) the scan on its way to the"
            " template. Values near 0 mean that tissue is folded.",
            "jacobian",
        )
        self._menu.addSeparator()
        for component in range(_COMPONENTS):
            self._add(
                f"Feature component {component + 1}",
                "A principal component of the network's features. Regions of one tone look alike"
                " to the network; the sign has no meaning.",
                "component",
                component,
            )
        self._button = QPushButton("Add map")
        self._button.setMenu(self._menu)
        self._button.setToolTip("Show another picture of this iteration as a layer.")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._button)
        self.set_structure(None, "")
        job.shown_changed.connect(self._update)
        self._update()

    def set_structure(self, structure: int | None, name: str) -> None:
        """Offer the probability of this structure: its label id and name; None for none."""
        self._structure = structure
        known = structure is not None
        self._probability.setText(
            f"Probability of {name}" if known else "Probability (select a structure first)"
        )
        self._probability.setEnabled(known)

    def _add(self, title: str, help: str, kind: str, component: int | None = None) -> QAction:
        action = QAction(title, self._menu, toolTip=help)
        action.triggered.connect(lambda: self._request(kind, component))
        self._menu.addAction(action)
        return action

    def _request(self, kind: str, component: int | None) -> None:
        argument = self._structure if kind == "probability" else component
        self.map_requested.emit(kind, argument)

    def _update(self) -> None:
        self.setEnabled(self._job.shown is not None)
