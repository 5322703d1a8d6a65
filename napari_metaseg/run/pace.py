"""How the machine's time is shared between the fit and the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_metaseg.run.session import Session

LIVE_SHARE = 0.08
"""Share of the fit's time that may go into decoding live pictures, for each view of them."""
LIVE_PICTURE = 0.1
"""Seconds of such a picture, of which the first one's are saved up first too."""
REST, REST_ON_CPU = 0.1, 1.0
"""Seconds between two live pictures, or two signs of progress, at least. Where the fit has no
graphics card, the window may have none either: then every change of it takes cores from the fit.
"""
REST_BEFORE_WHOLE = 0.7
"""Seconds an iteration must stay on the screen before all of it is decoded."""


def rest(session: Session | None) -> float:
    """Seconds between two signs of life of a fit; without a session it is taken to be slow."""
    on_cpu = session is None or session.prepared.device.type == "cpu"
    return REST_ON_CPU if on_cpu else REST
