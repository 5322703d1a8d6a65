"""Undo of what is painted on a layer that several views show."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Labels

UNDO, REDO = "Control-Z", "Control-Shift-Z"
"""napari's keys."""


class SharedUndo:
    """Has napari's keys take back what was painted last, in whichever view that was.

    Each layer keeps what was painted on it; this knows in which order that was. Keys of a layer
    that do something else already are left alone.

    Parameters
    ----------
    layers : sequence of Labels
        A layer and its copies, with one array. To the first belongs what was painted before.
    """

    def __init__(self, layers: Sequence[Labels]):
        self._layers = tuple(layers)
        self._painted: list[Labels] = []
        self._undone: list[Labels] = []
        self._handlers = [(layer, partial(self._on_paint, layer)) for layer in layers]
        for layer, handler in self._handlers:
            layer.events.paint.connect(handler)
        self.bind()

    def bind(self) -> None:
        """Take the keys, where they are free."""
        for layer in self._layers:
            for key, do in self._keys.items():
                with suppress(ValueError):
                    layer.bind_key(key, do)

    def close(self) -> None:
        """Leave undo and redo to each layer."""
        for layer, handler in self._handlers:
            layer.events.paint.disconnect(handler)
            for key, do in self._keys.items():
                if do in layer.keymap.values():
                    layer.bind_key(key, None, overwrite=True)

    @property
    def _keys(self) -> dict[str, Callable[[Labels], None]]:
        return {UNDO: self._undo, REDO: self._redo}

    def _on_paint(self, layer: Labels, _event: Any = None) -> None:
        self._painted.append(layer)
        self._undone.clear()

    def _undo(self, _layer: Labels) -> None:
        layer = self._painted.pop() if self._painted else self._layers[0]
        layer.undo()
        self._undone.append(layer)

    def _redo(self, _layer: Labels) -> None:
        if self._undone:
            layer = self._undone.pop()
            layer.redo()
            self._painted.append(layer)
