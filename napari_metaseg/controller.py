"""Between the panel and the job: what the user asks for, done in the viewer."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Layer
from napari.utils.notifications import show_error, show_info, show_warning
from psygnal import Signal
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_metaseg.layers.correcting import Correcting
from napari_metaseg.layers.exports import LabelsExport, write_iteration
from napari_metaseg.layers.geometry import labels_on_grid, scan_of
from napari_metaseg.layers.live_layers import LiveLayers
from napari_metaseg.layers.mask_growth import MaskGrowth
from napari_metaseg.layers.named_labels import NamedLabels
from napari_metaseg.layers.pointing import described, middle_of
from napari_metaseg.layers.retiring import Retiring
from napari_metaseg.layers.scan_layers import LIVE, METADATA_KEY, brain_layer
from napari_metaseg.layers.views import Views
from napari_metaseg.preferences import load_preferences, remember
from napari_metaseg.run.job import Job
from napari_metaseg.run.request import Request
from src_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    import numpy as np
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_metaseg.layers.exports import AnyExport
    from napari_metaseg.layers.maps import Map, OfferedMap
    from napari_metaseg.layers.orientation import Orientation
    from napari_metaseg.run.session import Session

POLL_MS, QUICK_POLL_MS = 20, 4
"""Between two looks for news, and while a picture is due that somebody waits for."""
_MOST_EXPECTED = 2**25
"""Voxels of a scan that is prepared before it is asked for."""
_LONGEST_CLOSING = 60.0
"""Seconds after which labels that are still not decoded are given up when the program ends."""
_open: set[Controller] = set()
"""Those that have not ended: a panel that goes may be the only other one to hold its own."""
_closing: set[Controller] = set()
"""Those whose panel is closed and whose labels are still being finished."""


class Controller:
    """Runs the job of one panel and shows it in the viewer.

    Parameters
    ----------
    viewer : ViewerModel

    Attributes
    ----------
    job : Job
    views : Views
        The viewer, and its other planes.
    correcting : Correcting
        The live labels while they are painted on.
    mask_growth : MaskGrowth
        What of them is painted outside the brain mask.
    brain_found : Signal
        With the scan's layer and a new layer of its brain.
    """

    brain_found = Signal(object, object)

    def __init__(self, viewer: ViewerModel):
        self.job = Job()
        self.views = Views(viewer)
        self.correcting = Correcting(self.views, self.job)
        self.mask_growth = MaskGrowth(self.job)
        self._viewer: ViewerModel | None = viewer
        self._live: LiveLayers | None = None
        self._retiring = Retiring()
        self._scan_layer: Image | None = None
        self._mask_layer: Labels | None = None
        self._orientation: Orientation | None = None
        self._told: tuple[str, ...] = ()
        # The application owns it: whoever lets go of the controller last, maybe the engine's
        # thread, must not delete a timer of the window's.
        self._timer = QTimer(QApplication.instance())
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()
        _open.add(self)
        QApplication.instance().aboutToQuit.connect(self.close_now)
        self.job.device_changed.connect(self._on_notes)
        self.job.session_started.connect(self._on_session)
        self.job.failed.connect(show_error)
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def live(self) -> LiveLayers | None:
        """The layers of the newest fit."""
        return self._live

    def expect(
        self, scan_layer: Image, mask_layer: Labels | None, choices: Mapping[str, Any]
    ) -> None:
        """Have a scan of our reader prepared while the user looks at it."""
        known = scan_layer.metadata.get(METADATA_KEY)
        if known is None or known["scan"].voxels.size > _MOST_EXPECTED:
            return
        # What is wrong with the layers is said when they are used.
        with suppress(InputError):
            scan, _ = scan_of(scan_layer)
            mask = None if mask_layer is None else labels_on_grid(mask_layer, scan_layer, "mask")
            self.job.expect(Request(scan, mask=mask, **choices))

    def segment(
        self,
        scan_layer: Image,
        mask_layer: Labels | None,
        reference_layer: Labels | None,
        choices: Mapping[str, Any],
    ) -> bool:
        """Start a fit; False, with a notification, if the layers can't be used."""
        try:
            scan, orientation = scan_of(scan_layer)
            mask, reference = (
                None if layer is None else labels_on_grid(layer, scan_layer, what)
                for layer, what in ((mask_layer, "mask"), (reference_layer, "reference"))
            )
        except InputError as error:
            show_error(str(error))
            return False
        self._scan_layer, self._orientation = scan_layer, orientation
        self._mask_layer = mask_layer
        self.job.start(
            Request(
                scan,
                mask=mask,
                reference=reference,
                **choices,
                history_bytes=load_preferences().history_mb * 2**20,
            ),
            *self.views.regions(scan_layer, orientation, scan.shape),
        )
        return True

    def grow_mask(self) -> None:
        """Add a mask grown where labels are painted outside it, and choose it."""
        mask = self.mask_growth.grow()
        if mask is not None and self.job.session is not None:
            self._show_brain(self.job.session, mask)

    def keep(self) -> None:
        """Add the iteration on the screen as an ordinary layer of labels, to be painted on."""
        self.when_whole(self._keep)

    def _keep(self, session: Session, iteration: int) -> None:
        live = self._live
        if live is None or live.session is not session:
            return
        name = f"{live.name} labels, {self.job.strokes.name_of(iteration)}"

        def add(labels: NamedLabels) -> None:
            if self._viewer is None:
                return
            kept = self._viewer.add_layer(labels.as_layer(live.orientation, name))
            if live.labels is not None:
                kept.opacity = live.labels.opacity
                live.labels.visible = False

        self.job.run(partial(NamedLabels.of_iteration, session, iteration), add)

    def export(self, kind: AnyExport, path: Path, *, paired: bool = False) -> None:
        """Write a file of what `source` names, or of the fit; replaces one of that name.

        Parameters
        ----------
        kind : LabelsExport, FitExport or TableExport
        path : Path
        paired : bool
            Whether a table has both sides of a structure in one line.
        """
        layer = self._selected_labels()
        if layer is not None and isinstance(kind, LabelsExport):
            try:
                labels = NamedLabels.of_layer(layer)
            except InputError as error:
                show_error(str(error))
                return
            self._write(path, partial(kind.write, path, labels))
        else:
            self.when_whole(partial(self._export_iteration, kind, path, paired))

    def _export_iteration(
        self, kind: AnyExport, path: Path, paired: bool, session: Session, iteration: int
    ) -> None:
        before = None if self.job.table is None else self.job.table.before
        write = partial(
            write_iteration, kind, path, session, iteration, before=before, paired=paired
        )
        self._write(path, write)

    def source(self) -> str:
        """What an export of labels writes, for people; empty if there is nothing to write.

        A selected layer of labels that is not live: it may have been painted on, whoever made it.
        Otherwise the iteration on the screen.
        """
        layer = self._selected_labels()
        if layer is not None:
            return f"layer {layer.name}"
        return "" if self.job.shown is None else self.job.strokes.name_of(self.job.shown)

    def _selected_labels(self) -> Labels | None:
        selected = None if self._viewer is None else self._viewer.layers.selection.active
        ordinary = isinstance(selected, Labels) and LIVE not in selected.metadata
        return selected if ordinary else None

    def when_whole(self, then: Callable[[Session, int], None]) -> None:
        """Call back with the iteration on the screen, learned and decoded at every voxel."""

        def learned() -> None:
            if self._live is not None and self.job.shown is not None:
                session, shown = self._live.session, self.job.shown
                self.job.when_whole(session, shown, lambda: then(session, shown))

        self.correcting.take_up()
        self.job.strokes.when_learned(learned)

    def add_map(self, offered: OfferedMap, structure: int | None) -> None:
        """Show a map as a layer that follows the iterations.

        Parameters
        ----------
        offered : OfferedMap
        structure : int or None
            Label id of the selected structure.
        """
        live = self._live
        if live is None or self.job.shown is None:
            return
        session, iteration = live.session, self.job.shown

        def add(made: Map) -> None:
            if self._live is live:
                live.add_map(made)

        self.job.run(lambda: offered.make(session, iteration, structure), add)

    def jump(self, label: int) -> None:
        """Bring the middle of a structure onto the screen."""
        if self._live is None or self.job.shown is None or self._viewer is None:
            return
        position, dims = middle_of(self._live, label), self._viewer.dims
        if position is None:
            show_info("nothing of this structure at this iteration")
            return
        axes = range(dims.ndim - len(position), dims.ndim)
        dims.set_point(list(axes), list(position))

    def show_only(self, ids: Collection[int] | None) -> None:
        """Hide all structures but those with these label ids; None: show all."""
        if self._live is not None:
            self._live.show_only(ids)

    def tell_in(self, protocol: str) -> None:
        """Tell the labels in another of the model's protocols, now and in later fits."""
        remember(protocol=protocol)
        self.job.tell_in(protocol)

    def show_planes(self, shown: bool) -> None:
        """Show the two other planes beside the viewer's, or that one only."""
        if shown:
            self.views.open_others()
        else:
            self.views.close_others()
        if self._live is not None:
            self._live.look()

    def cursor_state(self) -> tuple[object, ...]:
        """Equal as long as `describe_cursor` would say the same."""
        table, viewer = self.job.table, self.views.under_mouse()
        position = viewer.cursor.position, viewer.dims.ndisplay
        return position, self.job.shown, table is not None and table.exact

    def describe_cursor(self) -> str:
        """Structure and MNI position under the mouse; empty outside the brain."""
        return "" if self._live is None else described(self._live, self.views.under_mouse())

    def close(self) -> None:
        """The panel is gone: end the fit, finish all labels in the viewer, and end the thread."""
        if self._viewer is None or self in _closing:
            return
        self.correcting.end()
        self.job.silence()  # the widgets that listen may be deleted already
        self.job.failed.connect(show_error)
        self.job.stop()
        _closing.add(self)
        live = self._live

        def finish() -> None:
            if live is not None and live.layers:
                self._retiring.begin(live, urgent=True)
            self._retiring.when_done(self.abort)

        self.job.strokes.when_learned(finish)

    def close_now(self) -> None:
        """Close when no event loop will go on: a script may still want what is in the viewer."""
        self.close()
        deadline = time.monotonic() + _LONGEST_CLOSING
        while self in _closing and time.monotonic() < deadline:
            self._tick()
            time.sleep(POLL_MS / 1000)
        self.abort(max(0.0, deadline - time.monotonic()))

    def abort(self, timeout: float = 0.0) -> None:
        """End everything at once; wait so many seconds for the step under way."""
        _closing.discard(self)
        _open.discard(self)
        if self._viewer is not None:
            self._timer.stop()
            self._timer.deleteLater()
            # It would hold everything that this leads to until the program ends.
            QApplication.instance().aboutToQuit.disconnect(self.close_now)
            self._viewer.layers.events.removed.disconnect(self._on_removed)
            self._viewer = self._live = self._scan_layer = None
        self.job.close(timeout)

    def _tick(self) -> None:
        # What follows from news comes with the next tick: in between, the window can be used.
        if self._live is not None:
            self._live.tick()
            self.correcting.tick(QApplication.mouseButtons() != Qt.MouseButton.NoButton)
        self.job.poll()
        self._timer.setInterval(QUICK_POLL_MS if self.job.news_due else POLL_MS)

    def _write(self, path: Path, write: Callable[[], object]) -> None:
        self.job.run(write, lambda _: show_info(f"saved {path}"))

    def _on_session(self, session: Session) -> None:
        if self._viewer is None or self._orientation is None or self._scan_layer is None:
            return
        if self._live is not None:
            for layer in self._live.layers:
                layer.visible = False
            self._retiring.begin(self._live, urgent=False)
        if session.prepared.brain.found and self._mask_layer is None:
            self._show_brain(session, session.prepared.brain.mask)
        preferences = load_preferences()
        self._live = LiveLayers(
            self.views,
            self.job,
            session,
            self._orientation,
            self._scan_layer,
            preferences.opacity,
            self._on_layers_gone,
        )
        self.correcting.take(self._live)
        if preferences.protocol in session.prepared.model.protocols:
            self.job.tell_in(preferences.protocol)

    def _show_brain(self, session: Session, mask: np.ndarray) -> None:
        """Add a mask, to be looked at, painted on and used again."""
        viewer, scan_layer, orientation = self._viewer, self._scan_layer, self._orientation
        if viewer is None or scan_layer is None or orientation is None:
            return
        origin = session.prepared.brain.origin
        name = f"{scan_layer.name} brain"
        layer = Layer.create(*brain_layer(mask, session.scan, orientation, name, origin))
        layer.contour = 1  # what is inside stays to be seen
        viewer.layers.insert(viewer.layers.index(scan_layer) + 1, layer)
        self._mask_layer = layer
        self.brain_found.emit(scan_layer, layer)

    def _on_notes(self) -> None:
        for note in self.job.notes:
            if note not in self._told:
                show_warning(note)
        self._told = self.job.notes

    def _on_removed(self, event: Any) -> None:
        if METADATA_KEY in event.value.metadata:
            self.job.forget_expected()
        if event.value == self._scan_layer and self.job.state.running:
            self.job.stop()
            show_info("the scan was removed: its fit is stopped, what there is stays")

    def _on_layers_gone(self) -> None:
        if self._viewer is not None:
            self._live = None
            self.correcting.take(None)
            self.job.clear()
