"""The run of a fit, from the scan to its last iteration, in the engine's thread."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_metaseg.run import pace
from napari_metaseg.run.mailbox import Superseded, title_of
from napari_metaseg.run.region import in_order
from napari_metaseg.run.session import Session
from napari_metaseg.run.status import CurvePoint, Progress, State
from src_core.errors import explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_metaseg.run.mailbox import Mailbox
    from napari_metaseg.run.preparer import Preparer
    from napari_metaseg.run.request import Request
    from src_core.fitting.fit import Step
    from src_core.preparation.prepare import Stage

STATES: Mapping[Stage, State] = {
    "load": State.LOADING,
    "brain": State.EXTRACTING,
    "align": State.ALIGNING,
    "see": State.SEEING,
}
"""Where a job stands while a scan is prepared for it."""
_STEPS_OF_RATE = 20
"""Steps whose mean time gives the rate."""


def fit_run(run: int, request: Request, preparer: Preparer, mailbox: Mailbox) -> Iterator[None]:
    """Prepare, fit, and decode the last iteration, step by step.

    Parameters
    ----------
    run : int
        Number by which the mailbox knows this run.
    request : Request
    preparer : Preparer
    mailbox : Mailbox
        Told what there is to see.

    Raises
    ------
    InputError
        The scan can't be segmented as it is asked for.
    Superseded
        The run was stopped, or another one has begun.
    """
    from src_core.fitting.device import describe_device

    def on_stage(stage: Stage) -> None:
        mailbox.tell_of(run, state=STATES[stage])

    prepared = preparer.prepare(request, on_stage)
    yield
    device = describe_device(prepared.device)
    mailbox.tell_of(run, device=device, notes=prepared.notes)
    session = Session(prepared, request.iterations, request.seed, request.history_bytes)
    yield from _decode_looked_at(session, 0, mailbox)
    mailbox.tell_of(
        run,
        session=session,
        iterations=(0,),
        progress=Progress(0, session.fit.settings.iterations),
        state=State.FITTING,
    )
    yield
    yield from _fit(run, session, mailbox)
    mailbox.tell_of(run, state=State.FINISHING)
    yield from _decode_looked_at(session, session.fit.iteration, mailbox)
    # Every voxel follows in the background: see `Screen.decode_whole_when_rested`.
    mailbox.tell_of(run, decoded=True, state=State.DONE)


def _decode_looked_at(session: Session, iteration: int, mailbox: Mailbox) -> Iterator[None]:
    """Decode what is on the screen of an iteration, and something everywhere else."""
    for part in in_order(mailbox.followed or ()):
        yield from session.decode(iteration, part)


def _fit(run: int, session: Session, mailbox: Mailbox) -> Iterator[None]:
    """Take the steps of the fit, and tell of each."""
    recent: deque[float] = deque(maxlen=_STEPS_OF_RATE)
    live = _LivePictures(run, session, mailbox)
    total = session.fit.settings.iterations
    for step in session.fit:
        session.history.record(step.iteration)
        recent.append(step.seconds)
        drawn = live.follow(step)
        seconds = sum(recent) / len(recent) * live.slowdown
        mailbox.tell_step(
            run,
            CurvePoint(step.iteration, step.psnr, step.change, session.mean_dice(step.iteration)),
            Progress(step.iteration, total, 1 / seconds, (total - step.iteration) * seconds),
            tuple(session.history.iterations),
            drawn=drawn,
        )
        yield


class _LivePictures:
    """Pictures of the newest iteration while a fit goes on, in a small share of its time."""

    def __init__(self, run: int, session: Session, mailbox: Mailbox):
        self._run = run
        self._session = session
        self._mailbox = mailbox
        self._fitted = self._drawn = self._begun = 0.0
        self._last = time.perf_counter()
        self._broken = False

    @property
    def slowdown(self) -> float:
        """Time that a step takes with the pictures, in units of its own."""
        return 1 + self._drawn / self._fitted

    def follow(self, step: Step) -> bool:
        """Draw the iteration of a step if one is due; whether it was drawn."""
        self._fitted += step.seconds
        # The first step prepares all others; a picture then would take the place of a later one.
        self._begun = self._begun or self._fitted
        followed, now = self._mailbox.followed, time.perf_counter()
        if followed is None or self._broken:
            return False
        share = pace.LIVE_SHARE * max(1, len(followed))
        rested = now - self._last > pace.rest(self._session)
        earned = share * (self._fitted - self._begun)
        if not rested or earned < max(self._drawn, pace.LIVE_PICTURE):
            return False
        try:
            self._draw(step.iteration)
        except Exception as error:
            # The fit can do without; it would fail again with every picture.
            self._broken = True
            with suppress(Superseded):
                self._mailbox.tell_of(self._run, failure=explain(error, title_of))
        self._last = time.perf_counter()
        self._drawn += self._last - now
        return not self._broken

    def _draw(self, iteration: int) -> None:
        """Decode a live picture; small enough to be made at once."""
        self._session.history.hold(iteration, "drawn")
        for _ in _decode_looked_at(self._session, iteration, self._mailbox):
            pass
