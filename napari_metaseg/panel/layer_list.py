"""Rows of napari's list of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QListView

if TYPE_CHECKING:
    from collections.abc import Iterator


def hide_row(layer: Layer) -> None:
    """Leave a layer out of every list that shows it; it stays where it is in the viewer.

    napari has no layers that are not listed, and an overlay of a layer's own needs its private API.
    """
    for view, row in _rows_of(layer):
        view.setRowHidden(row, True)


def is_listed(layer: Layer) -> bool:
    """Whether a list shows a layer."""
    return any(not view.isRowHidden(row) for view, row in _rows_of(layer))


def _rows_of(layer: Layer) -> Iterator[tuple[QListView, int]]:
    for window in QApplication.topLevelWidgets():
        for view in window.findChildren(QListView):
            model = view.model()
            for row in range(0 if model is None else model.rowCount()):
                held = model.index(row, 0).data(Qt.ItemDataRole.UserRole)
                if isinstance(held, Layer) and held == layer:
                    yield view, row
