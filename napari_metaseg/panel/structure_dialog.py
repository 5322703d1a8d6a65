"""Asks for the name and the colour of a new structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QColorDialog,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from src_core.io.labels import Structure

if TYPE_CHECKING:
    from src_core.io.labels import Color


class StructureDialog(QDialog):
    """A name to type, and a colour to begin with.

    Parameters
    ----------
    label : int
        Id of the structure.
    color : tuple of int
        Red, green, blue, 0 to 255.
    why : str
        What is said above.
    parent : QWidget, optional

    Attributes
    ----------
    name : QLineEdit
    """

    def __init__(self, label: int, color: Color, why: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("New structure")
        self._label = label
        self._color = QColor(*color)
        self.name = QLineEdit()
        self.name.setPlaceholderText("such as Lesion")
        self._patch = QPushButton()
        self._patch.setAccessibleName("Colour")
        choices = QDialogButtonBox.StandardButton
        self._buttons = QDialogButtonBox(choices.Ok | choices.Cancel)
        said = QLabel(why)
        said.setWordWrap(True)
        form = QFormLayout(self)
        form.addRow(said)
        form.addRow("Name", self.name)
        form.addRow("Colour", self._patch)
        form.addRow(self._buttons)
        self.name.textChanged.connect(self._show)
        self._patch.clicked.connect(self._ask_color)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        self._show()

    @property
    def structure(self) -> Structure:
        """What was chosen.

        Raises
        ------
        InputError
            That can be no structure.
        """
        color = self._color.red(), self._color.green(), self._color.blue()
        return Structure(self._label, self.name.text().strip(), color)

    def _ask_color(self) -> None:
        chosen = QColorDialog.getColor(self._color, self)
        if chosen.isValid():
            self._color = chosen
            self._show()

    def _show(self) -> None:
        self._patch.setStyleSheet(f"background-color: {self._color.name()}")
        ok = self._buttons.button(QDialogButtonBox.StandardButton.Ok)
        ok.setEnabled(bool(self.name.text().strip()))
