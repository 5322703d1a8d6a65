"""The viewer, and the views beside it that show its layers in other planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_metaseg.layers.plane_view import PlaneView
from napari_metaseg.layers.positions import region_on_screen
from napari_metaseg.layers.shared_undo import SharedUndo

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_metaseg.layers.orientation import Orientation, Triple
    from napari_metaseg.run.region import Region


class Views:
    """All views of the layers of a viewer.

    Parameters
    ----------
    viewer : ViewerModel

    Attributes
    ----------
    main : ViewerModel
        The viewer.
    others : tuple of PlaneView
        Two other planes while they are open.
    """

    def __init__(self, viewer: ViewerModel):
        self.main = viewer
        self.others: tuple[PlaneView, ...] = ()
        self._undo: dict[Labels, SharedUndo] = {}

    def open_others(self) -> None:
        """Show the two other planes too."""
        if not self.others:
            self.others = (PlaneView(self.main, 0), PlaneView(self.main, 1))
            for model in self._models:
                model.mouse_drag_callbacks.append(self._cut_here)
            for layer in self.main.layers:
                self.share_undo(layer)
            # After the other views, which make their copies then.
            self.main.layers.events.inserted.connect(self._on_inserted, position="last")
            self.main.layers.events.removed.connect(self._on_removed)

    def close_others(self) -> None:
        """Show one plane."""
        if self.others:
            for model in self._models:
                model.mouse_drag_callbacks.remove(self._cut_here)
            self.main.layers.events.inserted.disconnect(self._on_inserted)
            self.main.layers.events.removed.disconnect(self._on_removed)
        for layer in list(self._undo):
            self._undo.pop(layer).close()
        for view in self.others:
            view.close()
        self.others = ()

    def regions(self, layer: Layer, orientation: Orientation, shape: Triple) -> tuple[Region, ...]:
        """The parts of a scan that are on the screen, that of the viewer first.

        Parameters
        ----------
        layer, orientation, shape
            As in `region_on_screen`.
        """
        return tuple(
            region_on_screen(model.dims, layer, orientation, shape) for model in self._models
        )

    def all_of(self, layer: Layer) -> list[Layer]:
        """A layer of the viewer, and its copies in the others."""
        return [layer, *(copy for view in self.others for copy in view.copies_of(layer))]

    def share_undo(self, layer: Layer) -> None:
        """Have the keys for undo and redo, where they are free, do the same in all views."""
        if layer in self._undo:
            self._undo[layer].bind()
        elif self.others and isinstance(layer, Labels):
            self._undo[layer] = SharedUndo(self.all_of(layer))

    def under_mouse(self) -> ViewerModel:
        """The one that the mouse is over, or else the viewer."""
        over = (view.model for view in self.others if view.model.mouse_over_canvas)
        return next(over, self.main)

    @property
    def _models(self) -> tuple[ViewerModel, ...]:
        return (self.main, *(view.model for view in self.others))

    def _on_inserted(self, event: Any) -> None:
        self.share_undo(event.value)

    def _on_removed(self, event: Any) -> None:
        if event.value in self._undo:
            self._undo.pop(event.value).close()

    def _cut_here(self, model: ViewerModel, event: Any) -> None:
        """Cut the planes at the place under the mouse, if Shift is held."""
        if "Shift" in event.modifiers and model.dims.ndisplay == 2:
            self.main.dims.point = event.position
