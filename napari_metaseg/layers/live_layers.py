"""The layers that follow a fit.

They have the scan's own axes, not one more for the iteration: the panel's timeline says which
iteration is wanted, and the layers change when there is something of it to see. So what is on the
screen is always of one known iteration, and everything else in the viewer stays as it was.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils import Colormap
from psygnal import Signal

from napari_metaseg.layers.label_style import layer_style
from napari_metaseg.layers.live_array import LiveArray
from napari_metaseg.layers.paint import Paint
from napari_metaseg.layers.scan_layers import LIVE, METADATA_KEY, metadata_of_result, placed
from napari_metaseg.run.readout import RECONSTRUCTION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from napari.layers import Image, Labels, Layer

    from napari_metaseg.layers.maps import Map
    from napari_metaseg.layers.orientation import Orientation
    from napari_metaseg.layers.views import Views
    from napari_metaseg.run.job import Job
    from napari_metaseg.run.session import Session
    from src_core.results.segmentation import Segmentation

_LAZY = {"rgb": False, "multiscale": False, "projection_mode": "none"}
_FAINTEST = 0.004
"""Share of the contrast limits from which the reconstruction hides what lies under it."""
_REST = 2.0
"""Least pause between two refreshes, in units of the time that the window was busy with one."""
_QUICK = 0.08
"""Seconds of a refresh after which the window needs no pause."""
_DRAWN_BY = 3
"""Ticks after a refresh until which the window has drawn what was read."""


def _see_through_black() -> Colormap:
    """Gray, but nothing where there is no brain: the head around it stays to be seen."""
    black, white = (0, 0, 0, 1), (1, 1, 1, 1)
    return Colormap(
        [(0, 0, 0, 0), black, white], controls=[0, _FAINTEST, 1], name="gray on nothing"
    )


class LiveLayers:
    """Reconstruction, labels and maps of one session in a viewer.

    Parameters
    ----------
    views : Views
        Where they are shown.
    job : Job
    session : Session
    orientation : Orientation
        Of the scan on the screen.
    scan_layer : Image
        The scan's layer, which gives the name and the contrast.
    opacity : float
        Of the labels.
    on_gone : callable
        Called when the last of the layers was removed from the viewer.
    """

    retold = Signal()  # the labels have another array, in the protocol that is told now

    def __init__(
        self,
        views: Views,
        job: Job,
        session: Session,
        orientation: Orientation,
        scan_layer: Image,
        opacity: float,
        on_gone: Callable[[], None],
    ):
        self.session = session
        self.orientation = orientation
        self.name = scan_layer.name
        self._views = views
        self._viewer = viewer = views.main
        self._job = job
        self._on_gone = on_gone
        self._maps: dict[str, Layer] = {}
        self._dirty = False
        self._refreshed = self._ticked = time.perf_counter()
        self._busy = 0.0
        self._ticks = 0
        # A new layer costs napari about 0.1 s: the labels wait for the next tick.
        self.labels: Labels | None = None
        self.reconstruction: Image | None = None  # is read before it is added
        self.reconstruction = viewer.add_image(
            self._array(RECONSTRUCTION),
            name=f"{self.name} reconstruction",
            colormap=_see_through_black(),
            contrast_limits=tuple(scan_layer.contrast_limits),
            **self._geometry(),
            **_LAZY,
        )
        self._opacity: float | None = opacity
        viewer.layers.events.removed.connect(self._on_removed)
        job.shown_changed.connect(self.refresh)
        job.sharpened.connect(self.refresh)
        job.labels_changed.connect(self._retell)

    @property
    def layers(self) -> list[Layer]:
        """All that are still in the viewer."""
        main = [layer for layer in (self.reconstruction, self.labels) if layer is not None]
        return [*main, *self._maps.values()]

    @property
    def main(self) -> Layer | None:
        """The labels, or else the reconstruction; None when both were removed."""
        return self.labels or self.reconstruction

    def add_map(self, shown: Map) -> None:
        """Show one more readout as soon as there is something to see of it."""
        name = shown.readout.name
        if name in self._maps or name in self.session.readouts:
            return
        self._job.add_readout(shown.readout, partial(self._add_map_layer, shown))

    def look(self) -> None:
        """Have what is on the screen decoded there."""
        if self.main is not None:
            shape = self.session.scan.shape
            regions = self._views.regions(self.main, self.orientation, shape)
            self._job.look_at(self.session, *regions)

    def show_only(self, ids: Collection[int] | None) -> None:
        """Hide all labels but those with these ids; None: show all."""
        if self.labels is not None:
            self.labels.colormap = self._label_style(ids)["colormap"]

    def refresh(self) -> None:
        """Read what is on the screen again, now or when the window has had a rest."""
        self._dirty = True
        self._refresh_if_due()

    def refresh_soon(self) -> None:
        """Read what is on the screen again with the next tick, once for all till then."""
        self._dirty = True

    def tick(self) -> None:
        """Do what has waited; to be called some tens of times per second."""
        if self._opacity is not None:
            self._add_labels(self._opacity)
            self._opacity = None
        now = time.perf_counter()
        # A late tick means that the window was busy with drawing; a later one, that it was so once
        # with something else, such as opening two more planes, which shall not wait for it.
        if self._ticks < _DRAWN_BY:
            self._busy = max(self._busy, now - self._ticked)
        self._ticks += 1
        self._ticked = now
        self._refresh_if_due()

    def _refresh_if_due(self) -> None:
        """Refresh unless the window needs a rest: drawing a volume can take it seconds."""
        now = time.perf_counter()
        rest = _REST * self._busy if self._busy > _QUICK else 0.0
        if not self._dirty or now - self._refreshed < rest:
            return
        self._dirty = False
        for layer in self.layers:
            if layer.visible:
                layer.refresh(extent=False, thumbnail=False, highlight=False)
        self._refreshed = self._ticked = time.perf_counter()
        self._busy = self._refreshed - now
        self._ticks = 0

    def retire(self, then: Callable[[], None], *, urgent: bool) -> None:
        """Turn the layers into ordinary ones once their iteration is decoded at every voxel.

        Parameters
        ----------
        then : callable
            Called once they are, or are gone, or cannot be.
        urgent : bool
            Whether nothing else goes first.
        """
        for signal in (self._job.shown_changed, self._job.sharpened):
            signal.disconnect(self.refresh)
        self._job.labels_changed.disconnect(self._retell)
        self._on_gone = then
        # What the engine has told already may still bring a newer one onto the screen.
        job, session, shown = self._job, self.session, self.session.shown

        def finish(result: Segmentation) -> None:
            self._make_ordinary(shown, result.report)
            self._on_gone()

        def describe() -> None:
            job.run(lambda: session.segmentation(shown), finish, self._on_gone)

        if self.layers:
            job.when_whole(session, shown, describe, self._on_gone, urgent=urgent)
        else:
            self._on_gone()

    def _make_ordinary(self, iteration: int, report: dict[str, Any]) -> None:
        """Give each layer an array of its own, so that the session can go."""
        self.show_only(None)  # there is no table any more to show the others from
        for layer in self.layers:
            layer.data = np.ascontiguousarray(layer.data.volume(iteration))
            layer.name = f"{layer.name} (iteration {iteration})"
            layer.metadata = metadata_of_result(
                self.session.scan, self.orientation, self.session.protocol, report
            )
        if self.labels is not None:
            self.labels.metadata[METADATA_KEY] |= {
                "painted": self.session.corrected.stroke(iteration),
                "painted_as": self.session.learnt.structures,
            }
        self._maps.clear()
        self._viewer.layers.events.removed.disconnect(self._on_removed)

    def _add_labels(self, opacity: float) -> None:
        self.labels = self._viewer.add_labels(
            self._paintable(),
            name=f"{self.name} labels",
            opacity=opacity,
            **self._label_style(),
            **self._geometry(),
        )
        self.labels.editable = False

    def _retell(self) -> None:
        """Show the labels in the protocol in which the session tells them now."""
        if self.labels is None:
            return
        self.labels.show_selected_label = False
        editable, mode = self.labels.editable, self.labels.mode
        self.labels.data = self._paintable()
        # napari has made it editable
        self.labels.editable = editable
        self.labels.mode = mode
        for name, value in self._label_style().items():
            setattr(self.labels, name, value)
        self.retold.emit()

    def _label_style(self, only: Collection[int] | None = None) -> dict[str, Any]:
        return layer_style(self.session.protocol, np.zeros(1, np.uint8), only=only)

    def _array(self, readout: str) -> LiveArray:
        return LiveArray(self.session, readout, self.orientation, self.look)

    def _paintable(self) -> LiveArray:
        array = self._array(self.session.labels.name)
        array.paint = Paint(array.shape, array.dtype)
        return array

    def _geometry(self) -> dict[str, Any]:
        return placed(self.orientation) | {"metadata": {LIVE: True}}

    def _add_map_layer(self, shown: Map) -> None:
        self._maps[shown.readout.name] = self._viewer.add_image(
            self._array(shown.readout.name),
            name=f"{self.name} {shown.title}",
            colormap=shown.colormap,
            contrast_limits=shown.limits,
            blending=shown.blending,
            **self._geometry(),
            **_LAZY,
        )

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        # napari hands plugins a proxy of each layer: equal, but not the same object.
        if layer == self.reconstruction:
            self.reconstruction = None
        elif layer == self.labels:
            self.labels = None
        for name in [name for name, other in self._maps.items() if other == layer]:
            del self._maps[name]
            self.session.readouts.pop(name, None)
        if not self.layers:
            self._viewer.layers.events.removed.disconnect(self._on_removed)
            self._on_gone()
