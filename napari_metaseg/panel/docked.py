"""What all panels in a dock of the viewer have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QWidget
from typing_extensions import override

from napari_metaseg.preferences import load_preferences

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtGui import QCloseEvent

_WIDTH = 340


class DockedPanel(QWidget):
    """A panel that ends what it has under way when its dock or its window closes."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumWidth(_WIDTH)
        self._docked = False

    def end(self) -> None:
        """End what is under way; may be called more than once."""
        raise NotImplementedError

    @override
    def event(self, event: QEvent | None) -> bool:
        """Notice that the dock was closed: napari then takes the panel out of it."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._docked:
                self.end()
            self._docked = self.parent() is not None
        return bool(super().event(event))

    @override
    def closeEvent(self, event: QCloseEvent | None) -> None:
        """End what is under way."""
        self.end()
        super().closeEvent(event)


def turn_camera(viewer: ViewerModel) -> None:
    """Look at the scan from the side that the user prefers."""
    # Since napari 0.9 the camera belongs to the scene; before 0.6 it always looked down.
    camera = getattr(viewer, "scene", viewer).camera
    if hasattr(camera, "orientation2d"):
        sideways = "right" if load_preferences().neurological_view else "left"
        camera.orientation2d = ("up", sideways)
