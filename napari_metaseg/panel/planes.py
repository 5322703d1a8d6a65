"""Three planes: a button, and the two other planes in a dock below the viewer's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.qt import QtViewer
from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QPushButton, QSplitter, QVBoxLayout, QWidget
from typing_extensions import override

from napari_metaseg.panel.cross import Cross
from napari_metaseg.panel.gl_context import free_where_made

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from qtpy.QtGui import QResizeEvent

    from napari_metaseg.controller import Controller

_HEIGHT = 300
_SETTLED_MS = 100


class PlanesButton(QPushButton):
    """Shows the two other planes while it is pressed.

    Parameters
    ----------
    controller : Controller
    viewer : Viewer
        Without a window, as a `ViewerModel` is, it has no place for them.
    """

    def __init__(self, controller: Controller, viewer: ViewerModel) -> None:
        super().__init__("Three planes")
        self._controller = controller
        self._window: Any = getattr(viewer, "window", None)
        self._dock: PlanesDock | None = None
        self.setCheckable(True)
        self.setEnabled(self._window is not None)
        self.setToolTip(
            "Show the two other planes below this one. Shift-click on a place in any of them to "
            "cut the others there; lines show where they cut."
        )
        self.toggled.connect(self._show_or_hide)

    def _show_or_hide(self, shown: bool) -> None:
        if shown:
            self._controller.show_planes(True)
            views = self._controller.views
            self._dock = PlanesDock(views.main, [view.model for view in views.others])
            self._dock.closed.connect(self._on_closed)
            self._window.add_dock_widget(self._dock, name="Planes", area="bottom")
            self._dock.watch_window()
        elif self._dock is not None:
            self._window.remove_dock_widget(self._dock)

    def _on_closed(self) -> None:
        self._dock = None
        self._controller.show_planes(False)
        self.setChecked(False)


class PlanesDock(QWidget):
    """Canvases beside each other; ends with the dock or the window that it is in.

    Parameters
    ----------
    viewer : Viewer
        That of the window, which gets lines where the others cut it, as they do.
    models : sequence of ViewerModel

    Attributes
    ----------
    closed : Signal()
    canvases : list of QtViewer
    crosses : list of Cross
    """

    closed = Signal()

    def __init__(self, viewer: ViewerModel, models: Sequence[ViewerModel]) -> None:
        super().__init__()
        self.canvases = [QtViewer(model) for model in models]
        self.crosses = [Cross(canvas, viewer.dims) for canvas in self.canvases]
        self._viewer = viewer
        self._lines = QCheckBox("Cross-hair")
        self._lines.setToolTip("Show in each plane where the two others cut it.")
        self._lines.setChecked(True)
        self._lines.toggled.connect(self._show_lines)
        self._window: QWidget | None = None
        # The canvases know their size some time after they have it.
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(_SETTLED_MS)
        self._settled.timeout.connect(self._fit_views)
        splitter = QSplitter(Qt.Orientation.Horizontal)
        for canvas in self.canvases:
            canvas.setAcceptDrops(False)  # a file is opened in the viewer
            free_where_made(canvas.viewer)
            splitter.addWidget(canvas)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(splitter, stretch=1)
        layout.addWidget(self._lines)
        self.setMinimumHeight(_HEIGHT)

    def watch_window(self) -> None:
        """End with the window whose dock this is in; the plane that it shows gets lines too."""
        self._window = window = self.parent().parent()
        window.installEventFilter(self)
        shown = [one for one in window.findChildren(QtViewer) if one not in self.canvases]
        self.crosses += [Cross(canvas, self._viewer.dims) for canvas in shown]

    @override
    def event(self, event: QEvent | None) -> bool:
        """Notice that the dock was closed: napari then takes this out of it."""
        changed = event is not None and event.type() == QEvent.Type.ParentChange
        if changed and self.parent() is None:
            self._end()
        return bool(super().event(event))

    @override
    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Show all of the brain in the new size."""
        super().resizeEvent(event)
        self._settled.start()

    @override
    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Notice that the window is about to close."""
        if watched is self._window and event is not None and event.type() == QEvent.Type.Close:
            self._end()
        return False

    def _show_lines(self, shown: bool) -> None:
        for cross in self.crosses:
            cross.show(shown)

    def _fit_views(self) -> None:
        for canvas in self.canvases:
            canvas.viewer.reset_view()

    def _end(self) -> None:
        if self._window is None:
            return
        self._window.removeEventFilter(self)
        self._window = None
        self.closed.emit()
        for cross in self.crosses:
            cross.remove()
        self.crosses.clear()
        for canvas in self.canvases:
            canvas.close()
            canvas.setParent(None)  # so that it goes at once, even if no event loop goes on
        self.canvases.clear()
        self.deleteLater()
