"""The panel: everything a user needs from the scan to the file, in one column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget
from typing_extensions import override

from napari_metaseg.controller import Controller
from napari_metaseg.layers.exports import TABLE
from napari_metaseg.panel.corrections import Corrections
from napari_metaseg.panel.curves import Curves
from napari_metaseg.panel.docked import DockedPanel, turn_camera
from napari_metaseg.panel.export_menu import ExportMenu
from napari_metaseg.panel.gl_context import free_where_made
from napari_metaseg.panel.granularity import Granularity
from napari_metaseg.panel.inputs import Inputs
from napari_metaseg.panel.maps_menu import MapsMenu
from napari_metaseg.panel.own_scans import OwnScans
from napari_metaseg.panel.planes import PlanesButton
from napari_metaseg.panel.run_controls import RunControls
from napari_metaseg.panel.structures import Structures
from napari_metaseg.panel.timeline import Timeline
from src_core.io.export import image_stem

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_metaseg.run.session import Session
    from napari_metaseg.run.status import State

_CURSOR_MS = 60
_NOTICE = "Research use only. Inspect every result."


class SegmentPanel(DockedPanel):
    """Segment a scan in the viewer, watch it, and keep, correct and save what is good.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The name tells napari to hand its viewer over.

    Attributes
    ----------
    controller : Controller
    inputs : Inputs
    run_controls : RunControls
    """

    def __init__(self, napari_viewer: ViewerModel):
        super().__init__()
        self._cursor_state: tuple[object, ...] | None = None
        self.controller = Controller(napari_viewer)
        job = self.controller.job
        self.inputs = Inputs(napari_viewer)
        self.run_controls = RunControls(job, self)
        self.curves = Curves(job)
        self.timeline = Timeline(job)
        self.corrections = Corrections(job, self.controller.correcting, self.controller.mask_growth)
        self.own_scans = OwnScans(self.controller, lambda: self.inputs.choices)
        self.granularity = Granularity(job)
        self.structures = Structures(job)
        self.maps = MapsMenu(job)
        self.planes = PlanesButton(self.controller, napari_viewer)
        self.export_menu = ExportMenu(job)
        self._cursor = QLabel()
        self._cursor.setToolTip("What lies under the mouse, and where in the MNI template.")
        self._cursor_timer = QTimer(self)
        self._cursor_timer.setInterval(_CURSOR_MS)
        self._lay_out()
        self._connect(napari_viewer)
        self._cursor_timer.start()
        choices = self.inputs.choices
        job.warm_up(choices["model"], choices["device"])
        turn_camera(napari_viewer)
        free_where_made(napari_viewer)
        self._update_ready()

    def _lay_out(self) -> None:
        notice = QLabel(_NOTICE)
        notice.setEnabled(False)  # drawn in the quiet colour of the theme
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setSpacing(4)  # all of it fits beside the parcels into a window of 900 px
        for widget in (self.inputs, self.run_controls, self.curves, self.timeline):
            column.addWidget(widget)
        column.addWidget(self.corrections)
        column.addWidget(self.own_scans)
        column.addWidget(self.granularity)
        column.addWidget(self.structures, stretch=100)
        column.addWidget(self._cursor)
        more_to_see = QHBoxLayout()
        more_to_see.addWidget(self.planes, stretch=1)
        more_to_see.addWidget(self.maps, stretch=1)
        column.addLayout(more_to_see)
        column.addWidget(self.export_menu)
        column.addWidget(notice)
        column.addStretch(1)  # what the table does not need

        # For windows that are lower than the column.
        scroll = QScrollArea()
        scroll.setWidget(inner)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)

    def _connect(self, viewer: ViewerModel) -> None:
        controller, job = self.controller, self.controller.job
        self.inputs.changed.connect(self._update_ready)
        self.run_controls.segment_clicked.connect(self.segment)
        self.timeline.keep_clicked.connect(controller.keep)
        self.granularity.chosen.connect(controller.tell_in)
        self.structures.jump_requested.connect(controller.jump)
        self.structures.only_changed.connect(controller.show_only)
        self.structures.selected_changed.connect(controller.correcting.paint_with)
        self.structures.selected_changed.connect(
            lambda row: self.maps.set_structure(row and row.id, row.name if row else "")
        )
        self.maps.map_requested.connect(controller.add_map)
        self.structures.save_requested.connect(lambda: self.export_menu.offer(TABLE))
        self.export_menu.export_requested.connect(
            lambda kind, path: controller.export(kind, path, paired=self.structures.paired)
        )
        self.corrections.grow_requested.connect(self._grow_mask)
        self.own_scans.trained.connect(self.inputs.choose_model)
        controller.brain_found.connect(self.inputs.choose_found_mask)
        job.state_changed.connect(self._on_state)
        job.session_started.connect(self._on_session)
        job.shown_changed.connect(self._update_export)
        viewer.layers.selection.events.active.connect(self._update_export)
        self._cursor_timer.timeout.connect(self._show_cursor)
        # The widget is gone when this comes, and so may be a function that only it held.
        self.destroyed.connect(controller.close)

    def segment(self) -> None:
        """Start a fit of the chosen scan."""
        scan_layer = self.inputs.scan_layer
        if scan_layer is None or self.controller.job.state.running:
            return
        self.controller.segment(
            scan_layer, self.inputs.mask_layer, self.inputs.reference_layer, self.inputs.choices
        )

    def _grow_mask(self) -> None:
        self.controller.grow_mask()
        self.segment()

    @override
    def end(self) -> None:
        """End the fit, and a training."""
        self.planes.setChecked(False)
        self.own_scans.end()
        self.controller.close()

    def _update_ready(self) -> None:
        scan_layer = self.inputs.scan_layer
        if scan_layer is None:
            self.run_controls.set_ready(False, "Open a scan first")
            return
        self.run_controls.set_ready(True, "")
        self.controller.expect(scan_layer, self.inputs.mask_layer, self.inputs.choices)

    def _update_export(self) -> None:
        # napari may call once more after Qt has deleted the panel with its dock.
        if isalive(self):
            self.export_menu.set_labels(self.controller.source())

    def _on_state(self, state: State) -> None:
        self.inputs.set_locked(state.running)

    def _on_session(self, session: Session) -> None:
        """Suggest names for files that are named after the scan."""
        path = session.scan.path
        if path is not None:
            self.export_menu.set_source(path.parent, image_stem(path))
            self.corrections.folder = path.parent
        elif self.inputs.scan_layer is not None:
            self.export_menu.set_source(None, self.inputs.scan_layer.name)

    def _show_cursor(self) -> None:
        # Looking costs a few ms: only when the mouse or what is shown has changed.
        state = self.controller.cursor_state()
        if state != self._cursor_state:
            self._cursor_state = state
            self._cursor.setText(self.controller.describe_cursor())
