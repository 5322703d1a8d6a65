"""Scans are prepared for their fit, and the one prepared last is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_metaseg.run.request import Request
    from src_core.preparation.prepare import Preparation, Stage


class Preparer:
    """Prepares scans, one at a time in memory; belongs to the engine's thread.

    Attributes
    ----------
    stage : {"load", "brain", "align", "see"} or None
        What it is at.
    """

    def __init__(self) -> None:
        self._last: tuple[Request, Preparation] | None = None
        self.stage: Stage | None = None

    def prepare(self, request: Request, on_stage: Callable[[Stage], None]) -> Preparation:
        """Prepare a scan, or take what is prepared of it already.

        Parameters
        ----------
        request : Request
        on_stage : callable
            Told the name of each stage as it begins.

        Returns
        -------
        Preparation
            Ready for a fit, with nothing of an earlier one in it.

        Raises
        ------
        InputError
            The scan, its mask, its reference or the model can't be used.
        """
        from src_core.preparation.prepare import prepare, renew

        if self._last is not None and self._knows(request):
            return renew(self._last[1], request.reference)
        self.forget()  # no two scans at once in memory

        def begin(stage: Stage) -> None:
            self.stage = stage
            on_stage(stage)

        try:
            prepared = prepare(request, begin)
        finally:
            self.stage = None
        self._last = request, prepared
        return prepared

    def forget(self) -> None:
        """Let go of the scan prepared last."""
        self._last = None

    def _knows(self, request: Request) -> bool:
        """Whether the scan prepared last is the one that is asked for, prepared in the same way."""
        from src_core.models.model import load_model

        if self._last is None:
            return False
        known, prepared = self._last
        # A mask that was found is a layer now, which says the same until it is painted on.
        found = [replace(known, mask=prepared.mask)] if prepared.brain.found else []
        return (
            any(request.prepares_like(one) for one in (known, *found))
            # A file of that name may hold another model by now.
            and load_model(str(request.model)).sha256 == prepared.model.sha256
        )
