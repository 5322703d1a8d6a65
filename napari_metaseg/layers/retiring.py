"""Layers of fits on their way to become ordinary ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_metaseg.layers.live_layers import LiveLayers


class Retiring:
    """Knows which fits have layers that are being finished, so that nobody ends before them."""

    def __init__(self) -> None:
        self._under_way: set[LiveLayers] = set()
        self._then: Callable[[], None] | None = None

    def begin(self, live: LiveLayers, *, urgent: bool) -> None:
        """Turn the layers of a fit into ordinary ones; see `LiveLayers.retire`."""
        self._under_way.add(live)

        def end() -> None:
            self._under_way.discard(live)
            self._tell()

        live.retire(end, urgent=urgent)

    def when_done(self, then: Callable[[], None]) -> None:
        """Call back once all are."""
        self._then = then
        self._tell()

    def _tell(self) -> None:
        if self._then is not None and not self._under_way:
            then, self._then = self._then, None
            then()
