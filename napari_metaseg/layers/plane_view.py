"""A second view of the layers of a viewer, in another plane."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from napari.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.components import Dims
    from napari.utils.events import EventEmitter

_SHARED = (
    *("visible", "opacity", "blending", "colormap", "contrast_limits", "contrast_limits_range"),
    *("gamma", "interpolation2d", "affine", "scale", "translate", "rotate", "shear"),
    *("editable", "mode", "selected_label", "show_selected_label", "contour", "brush_size"),
    *("contiguous", "preserve_labels", "n_edit_dimensions"),
)
"""What a layer and its copy have in common, where they have it."""


class _Follower:
    """Takes what changes elsewhere, and gives back what changes here, but not what it took."""

    def __init__(self) -> None:
        self._passing_on = False
        self._connections: list[tuple[EventEmitter, Callable[..., None]]] = []

    def disconnect(self) -> None:
        """Follow no more."""
        for emitter, handler in self._connections:
            emitter.disconnect(handler)
        self._connections.clear()

    def _on(self, emitter: EventEmitter, handler: Callable[..., None]) -> None:
        emitter.connect(handler)
        self._connections.append((emitter, handler))

    @contextmanager
    def _passed_on(self) -> Iterator[None]:
        """Give nothing back of what is taken meanwhile."""
        before, self._passing_on = self._passing_on, True
        try:
            yield
        finally:
            self._passing_on = before


class PlaneView(_Follower):
    """Shows the layers of a viewer cut across an axis that is on its screen.

    A layer of napari knows one plane. So this view has copies: they share the array, and whatever
    is changed of one, also with the brush, is changed of the other. Each keeps what it has to undo.

    Parameters
    ----------
    viewer : ViewerModel
    which : int
        0: cut across the first of the viewer's axes that are on its screen; 1: across the second.

    Attributes
    ----------
    model : ViewerModel
        To be shown by a canvas.
    """

    def __init__(self, viewer: ViewerModel, which: int):
        super().__init__()
        self.model = ViewerModel()
        self._viewer = viewer
        self._which = which
        self._copies: list[_Copy] = []
        for index, layer in enumerate(viewer.layers):
            self._add(layer, index)
        self._take_active()
        self._turn()
        events, dims = viewer.layers.events, viewer.dims.events
        for emitter, handler in (
            (events.inserted, self._on_inserted),
            (events.removed, self._on_removed),
            (events.reordered, self._on_reordered),
            (viewer.layers.selection.events.active, self._take_active),
            (dims.order, self._turn),
            (dims.ndim, self._turn),
            (dims.point, self._take_point),
            (self.model.dims.events.point, self._give_point),
        ):
            self._on(emitter, handler)

    def copies_of(self, layer: Layer) -> list[Layer]:
        """Its copy here, if it has one."""
        return [copy.shown for copy in self._copies if copy.layer == layer]

    def close(self) -> None:
        """Follow the viewer no more."""
        self.disconnect()
        for copy in self._copies:
            copy.disconnect()
        self._copies.clear()

    def _turn(self, _event: Any = None) -> None:
        """Cut across the axis that is this view's, with the others upright."""
        order = tuple(self._viewer.dims.order)
        if len(order) < 3 or self.model.dims.ndim != len(order):
            return
        across = sorted(order[-2:])[self._which]
        shown = sorted(axis for axis in order[-3:] if axis != across)
        with self._passed_on():
            self.model.dims.order = (*order[:-3], across, *shown)
        self._take_point()
        # Since napari 0.9 the camera belongs to the scene; before 0.6 it always looked down.
        camera = getattr(self.model, "scene", self.model).camera
        if hasattr(camera, "orientation2d"):
            # From the side, anterior is at the left, whichever side of the brain that is.
            sideways = getattr(self._viewer, "scene", self._viewer).camera.orientation2d[1]
            camera.orientation2d = ("up", "left" if across == len(order) - 1 else sideways)

    def _take_point(self, _event: Any = None) -> None:
        self._pass_point(self._viewer.dims, self.model.dims)

    def _give_point(self, _event: Any = None) -> None:
        self._pass_point(self.model.dims, self._viewer.dims)

    def _pass_point(self, source: Dims, target: Dims) -> None:
        """Cut where the other one is cut; what is on the screen is not read again for nothing."""
        if not self._passing_on and source.ndim == target.ndim:
            across = self.model.dims.not_displayed
            with self._passed_on():
                target.set_point(across, [source.point[axis] for axis in across])

    def _take_active(self, _event: Any = None) -> None:
        active = self._viewer.layers.selection.active
        shown = self.copies_of(active)
        self.model.layers.selection.active = shown[0] if shown else None

    def _add(self, layer: Layer, index: int) -> None:
        with self._passed_on():
            copy = _Copy(layer, self._viewer, self.model)
            self._copies.append(copy)
            self.model.layers.insert(index, copy.shown)

    def _on_inserted(self, event: Any) -> None:
        self._add(event.value, event.index)
        self._turn()
        self._take_active()

    def _on_removed(self, event: Any) -> None:
        # napari hands plugins a proxy of each layer: equal, but not the same object.
        for copy in [copy for copy in self._copies if copy.layer == event.value]:
            copy.disconnect()
            self._copies.remove(copy)
            with self._passed_on():
                self.model.layers.remove(copy.shown)
        self._turn()

    def _on_reordered(self, _event: Any = None) -> None:
        place = {id(copy.shown): self._viewer.layers.index(copy.layer) for copy in self._copies}
        wanted = sorted(self.model.layers, key=lambda shown: place[id(shown)])
        for index, layer in enumerate(wanted):
            now = self.model.layers.index(layer)
            if now != index:
                self.model.layers.move(now, index)


class _Copy(_Follower):
    """A layer and its copy in another view, each of which follows the other.

    Parameters
    ----------
    layer : Layer
    viewer : ViewerModel
        The layer's.
    model : ViewerModel
        That of the copy.
    """

    def __init__(self, layer: Layer, viewer: ViewerModel, model: ViewerModel):
        super().__init__()
        self.layer = layer
        data, state, kind = layer.as_layer_data_tuple()
        self.shown = Layer.create(data, dict(state), kind)
        # These are no part of what a new layer is made of.
        for name in ("mode", "selected_label", "brush_size", "show_selected_label", "editable"):
            if hasattr(layer, name):
                setattr(self.shown, name, getattr(layer, name))
        self.shown.keymap = layer.keymap
        for callback in layer.mouse_drag_callbacks:
            if callback not in self.shown.mouse_drag_callbacks:
                self.shown.mouse_drag_callbacks.append(callback)
        self._connect(layer, self.shown, viewer)
        self._connect(self.shown, layer, model)
        self._on(layer.events.data, self._take_data)

    def _connect(self, source: Layer, target: Layer, viewer: ViewerModel) -> None:
        """Have a layer follow another one, which a viewer shows."""
        for name in _SHARED:
            if hasattr(source, name) and hasattr(source.events, name):
                self._on(getattr(source.events, name), partial(self._pass, source, target, name))
        seen = [_place(source, viewer)]

        def on_set_data(_event: Any = None) -> None:
            # A layer reads its array again because another place is looked at, or because something
            # has changed there, of which napari does not always tell.
            place = _place(source, viewer)
            moved, seen[0] = place != seen[0], place
            if not moved:
                self._refresh(target)

        self._on(source.events.set_data, on_set_data)
        if hasattr(source.events, "paint"):
            self._on(source.events.paint, lambda _event=None: self._refresh(target))

    def _pass(self, source: Layer, target: Layer, name: str, _event: Any = None) -> None:
        if not self._passing_on:
            with self._passed_on():
                setattr(target, name, getattr(source, name))

    def _take_data(self, _event: Any = None) -> None:
        if self.shown.data is not self.layer.data:
            with self._passed_on():
                self.shown.data = self.layer.data

    def _refresh(self, target: Layer) -> None:
        if not self._passing_on and target.visible:
            with self._passed_on():
                target.refresh(extent=False, thumbnail=False, highlight=False)


def _place(layer: Layer, viewer: ViewerModel) -> tuple[Any, ...]:
    """What a viewer looks at of a layer."""
    dims = viewer.dims
    return dims.point[-layer.ndim :], dims.order, dims.ndisplay
