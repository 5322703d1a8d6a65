"""Which iteration is on the screen, and how what is looked at becomes sharp.

A plane on the screen never becomes less sharp: another iteration takes its place when that is
decoded at all of its voxels, and coarsely everywhere else a moment later. So it is with several
planes.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_metaseg.run import pace
from napari_metaseg.run.engine_thread import Urgency
from napari_metaseg.run.mailbox import Mailbox, Superseded
from napari_metaseg.run.region import FINER, WHOLE, Region, in_order, needed
from napari_metaseg.run.status import State
from napari_metaseg.run.table import structure_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_metaseg.run.engine_thread import EngineThread, Task
    from napari_metaseg.run.session import Session
    from napari_metaseg.run.status import Status


class Screen:
    """What is on the screen; belongs to the window's thread.

    Parameters
    ----------
    status : Status
        What is known of the job; says which iteration is shown, wanted or followed.
    engine : EngineThread
        Decodes.
    mailbox : Mailbox
        Told what is followed.
    """

    def __init__(self, status: Status, engine: EngineThread, mailbox: Mailbox):
        self._status = status
        self._mailbox = mailbox
        self._view = _Decoding(engine, mailbox, Urgency.VIEW)
        self._whole = _Decoding(engine, mailbox, Urgency.BACKGROUND)
        self.reset()

    def reset(self) -> None:
        """Look at nothing any more."""
        self.cancel()
        self.expect(())
        self._shown_at = 0.0
        self._complete = False
        self._before: int | None = None

    def expect(self, regions: tuple[Region, ...]) -> None:
        """Say where a scan's first picture will be looked at, before there is one."""
        self._regions = self._mailbox.followed = regions

    def cancel(self) -> None:
        """Stop decoding."""
        self._view.cancel()
        self._whole.cancel()

    def begin(self) -> None:
        """Show the first iteration of a new session."""
        self._show(self._status.iterations[0])

    def show(self, iteration: int) -> None:
        """Show the stored iteration nearest to this one as soon as it is decoded.

        Ends the following of the newest one, unless it is the newest.
        """
        status = self._status
        if status.session is None or not status.iterations:
            return
        session = status.session
        near = sorted(status.iterations, key=lambda stored: abs(stored - iteration))
        # The engine may just have dropped some of them; never the first.
        nearest = next(stored for stored in near if session.hold(stored, "wanted"))
        status.wanted = nearest
        status.change_following(nearest == status.iterations[-1])
        if self._has(nearest, needed(self._regions)):
            self._show(nearest)
        self.sharpen()

    def follow(self) -> None:
        """Show the newest iteration, now and from now on."""
        self._status.wanted = None
        self._status.change_following(True)
        self.take_decoded()
        self.sharpen()

    def look_at(self, session: Session, regions: tuple[Region, ...]) -> None:
        """Say which parts of the shown iteration are on the screen, the first one first."""
        if session is self._status.session:
            if regions != self._regions:
                self._complete = False
            self._regions = regions
            self.sharpen()

    def take_decoded(self) -> None:
        """Something was decoded: what is wanted may be ready, what is shown sharper."""
        status = self._status
        if status.session is None:
            return
        wanted = status.wanted
        if status.following:
            # Of these, nothing shall be waited for.
            wanted = next(
                (i for i in reversed(status.iterations) if self._has(i, in_order(self._regions))),
                None,
            )
        if wanted is None or wanted == status.shown:
            self._draw_again(status)
            self._tabulate()
        elif self._has(wanted, needed(self._regions)):
            self._show(wanted)
        # Or else what was decoded is part of what comes next, and the window draws nothing again.

    def sharpen(self) -> None:
        """Have the engine decode what is wanted and on the screen, and nothing else."""
        status = self._status
        self._mailbox.followed = self._regions if status.following else None
        session, shown = status.session, status.shown
        if session is None or shown is None:
            return
        iteration = status.wanted
        if status.following:
            # The fit itself brings the newest.
            iteration = shown if status.state is State.FITTING else status.iterations[-1]
        if iteration is None:
            return
        parts = self.parts
        if self._view.serves(iteration, parts):
            return
        if any(session.lacks(iteration, part) for part in parts):
            steps = _decode_view(session, iteration, parts, self._mailbox)
            self._view.start(iteration, parts, steps)

    def decode_whole_when_rested(self) -> None:
        """Decode every voxel of what stays on the screen, while there is nothing better to do."""
        status = self._status
        session, shown = status.session, status.shown
        if session is None or shown is None or status.state is State.FITTING:
            return
        if time.perf_counter() - self._shown_at < pace.REST_BEFORE_WHOLE:
            return
        if not self._whole.serves(shown, (WHOLE,)) and session.lacks(shown, WHOLE):
            self._whole.start(shown, (WHOLE,), _decode_whole(session, shown, self._mailbox))

    @property
    def parts(self) -> tuple[Region, ...]:
        """What is to be decoded of an iteration, a volume no finer than it can be now."""
        in_volume = any(region.axis is None for region in self._regions)
        finer = in_volume and self._status.state is not State.FITTING
        return (*in_order(self._regions), FINER) if finer else in_order(self._regions)

    @property
    def due(self) -> bool:
        """Whether something that is looked at is being decoded."""
        return self._view.busy

    def _has(self, iteration: int, parts: Sequence[Region]) -> bool:
        """Whether some parts of an iteration are decoded."""
        session = self._status.session
        return session is not None and not any(session.lacks(iteration, part) for part in parts)

    def _draw_again(self, status: Status) -> None:
        """Have what is shown drawn again, unless it was drawn at its sharpest."""
        if not self._complete:
            self._complete = self._is_sharp(status)
            status.sharpened.emit()

    def _is_sharp(self, status: Status) -> bool:
        """Whether all that is looked at is decoded at every voxel."""
        whole = [WHOLE if region.axis is None else region for region in self._regions]
        return status.shown is not None and self._has(status.shown, whole)

    def _show(self, iteration: int) -> None:
        status, session = self._status, self._status.session
        if session is None or iteration == status.shown:
            return
        if not session.hold(iteration, "shown"):
            return  # dropped a moment ago: the next news will say so
        self._before = status.shown
        status.shown = session.shown = iteration
        self._shown_at = time.perf_counter()
        self._complete = self._is_sharp(status)
        status.shown_changed.emit()
        self._tabulate()

    def _tabulate(self) -> None:
        status = self._status
        if status.session is None or status.shown is None:
            return
        table = structure_table(status.session, status.shown, self._before)
        if table is not None:
            status.change_table(table)


class _Decoding:
    """The newest task that decodes with one urgency; another one takes its place."""

    def __init__(self, engine: EngineThread, mailbox: Mailbox, urgency: Urgency):
        self._engine = engine
        self._mailbox = mailbox
        self._urgency = urgency
        self._task: Task | None = None
        self._of: tuple[int, tuple[Region, ...]] | None = None

    def serves(self, iteration: int, parts: tuple[Region, ...]) -> bool:
        """Whether these parts are on their way, or have failed and would fail again."""
        task = self._task
        return (
            task is not None and self._of == (iteration, parts) and (task.failed or not task.over)
        )

    @property
    def busy(self) -> bool:
        """Whether it is at it."""
        return self._task is not None and not self._task.over

    def start(self, iteration: int, parts: tuple[Region, ...], steps: Iterator[None]) -> None:
        """Decode parts of an iteration, and nothing else any more."""
        self.cancel()
        self._of = iteration, parts
        self._task = self._engine.submit(steps, self._urgency, self._mailbox.report)

    def cancel(self) -> None:
        """Decode nothing any more."""
        if self._task is not None:
            self._engine.cancel(self._task)
        self._task = None


def _decode_view(
    session: Session, iteration: int, parts: tuple[Region, ...], mailbox: Mailbox
) -> Iterator[None]:
    """Decode what is on the screen, and something everywhere: first what shows it soonest."""
    if not session.stores(iteration):
        return  # dropped a moment ago: the next news will say so
    session.pictures.expect(iteration)
    try:
        for part in parts:
            if session.lacks(iteration, part):
                yield from session.decode(iteration, part)
                mailbox.tell(decoded=True)
                yield
    finally:
        session.pictures.expect(None)


def _decode_whole(session: Session, iteration: int, mailbox: Mailbox) -> Iterator[None]:
    """Decode every voxel, and tell what the result says of its quality."""
    run = mailbox.run
    yield from session.decode(iteration, WHOLE)
    # Also if somebody else had it decoded meanwhile: the window may not know.
    mailbox.tell(decoded=True)
    yield
    if notes := session.notes_on_result(iteration):
        with suppress(Superseded):
            mailbox.tell_of(run, notes=(*session.prepared.notes, *notes))
