"""A session's work, done at once, and something more to decode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_metaseg.run.readout import Readout, as_decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_metaseg.run.session import Session


def do(steps: Iterator[None]) -> int:
    """All steps; how often something else could have come between."""
    return sum(1 for _ in steps)


def fit(session: Session, between: Callable[[int], object] = lambda iteration: None) -> None:
    """All iterations; something may be done after each."""
    for step in session.fit:
        session.history.record(step.iteration)
        between(step.iteration)


def entropy() -> Readout:
    """A readout that is not decoded unless somebody asks for it."""
    return Readout("entropy", lambda seen: seen.entropy, as_decoded, np.zeros((), np.float32))
