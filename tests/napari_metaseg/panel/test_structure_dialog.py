"""A name and a colour for a new structure."""

from __future__ import annotations

import pytest
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QDialogButtonBox, QPushButton

from napari_metaseg.panel.structure_dialog import StructureDialog


@pytest.fixture
def dialog(qtbot) -> StructureDialog:
    dialog = StructureDialog(7, (10, 20, 30), "Is it new?")
    qtbot.addWidget(dialog)
    return dialog


def ok(dialog: StructureDialog) -> QPushButton:
    return dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok)


def test_a_structure_needs_a_name(dialog) -> None:
    assert not ok(dialog).isEnabled()
    dialog.name.setText("  ")
    assert not ok(dialog).isEnabled()
    dialog.name.setText(" Lesion ")
    assert ok(dialog).isEnabled()
    structure = dialog.structure
    assert (structure.id, structure.name, structure.color) == (7, "Lesion", (10, 20, 30))


def test_its_colour_can_be_chosen(dialog, monkeypatch) -> None:
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor(1, 2, 3))
    (patch,) = (b for b in dialog.findChildren(QPushButton) if b.accessibleName() == "Colour")
    patch.click()
    dialog.name.setText("Lesion")
    assert dialog.structure.color == (1, 2, 3)
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor())  # cancelled
    patch.click()
    assert dialog.structure.color == (1, 2, 3)
