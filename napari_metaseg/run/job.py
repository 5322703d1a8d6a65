"""One segmentation as the panel sees it: its state, its progress, and what can be asked of it.

A job knows neither Qt nor napari. Its signals are emitted from `Job.poll` and from the methods
below, so always in the thread that calls them: the GUI's.
"""

from __future__ import annotations

import math
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_metaseg.run.engine_thread import EngineThread, Task, Urgency
from napari_metaseg.run.region import COARSE, FINER, PREVIEW_SPACING, WHOLE, Region
from napari_metaseg.run.session import Session
from napari_metaseg.run.status import CurvePoint, Progress, State, StructureRow, StructureTable
from src_core.errors import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_metaseg.run.readout import Readout
    from napari_metaseg.run.request import Request
    from src_core.fitting.fit import Step
    from src_core.preparation.prepare import Preparation, Stage

LIVE_SHARE = 0.04
"""Share of the fit's time that may go into decoding live pictures."""
REST, REST_ON_CPU = 0.1, 1.0
"""Seconds between two live pictures, or two signs of progress, at least. Where the fit has no
graphics card, the window may have none either: then every change of it takes cores from the fit.
"""
REST_BEFORE_WHOLE = 0.7
"""Seconds an iteration must stay on the screen before all of it is decoded."""


@dataclass
class _News:
    """What the engine has to tell; each field holds the newest only."""

    state: State | None = None
    session: Session | None = None
    progress: Progress | None = None
    points: list[CurvePoint] = field(default_factory=list)
    iterations: tuple[int, ...] | None = None
    device: str | None = None
    notes: tuple[str, ...] | None = None
    decoded: bool = False
    failure: str | None = None
    calls: list[Callable[[], None]] = field(default_factory=list)

    @property
    def can_wait(self) -> bool:
        """Whether there is nothing but steps of the fit."""
        told = (self.state, self.session, self.device, self.notes, self.failure)
        return not self.decoded and not self.calls and all(value is None for value in told)


class _Superseded(Exception):
    """The run that asks is no longer the one that counts."""


class Job:
    """A fit of one scan, and the view of its iterations.

    Attributes
    ----------
    state : State
    progress : Progress or None
    curve : list of CurvePoint
        One per iteration so far, rising.
    iterations : tuple of int
        Stored iterations, rising: those that can be shown.
    suggested : int or None
        The iteration that is taken unless the user chooses another.
    shown : int or None
        The iteration on the screen.
    wanted : int or None
        The iteration that the user asked for; on the screen as soon as it is decoded.
    following : bool
        Whether the newest iteration is shown as soon as there is one.
    table : StructureTable or None
        Of the iteration on the screen.
    device : str
        Where it computes, for people, such as "CPU, 2 threads"; empty while unknown.
    notes : tuple of str
        What the user should know about the scan.
    failure : str
        What went wrong last, and what to do; empty if nothing did.
    session : Session or None
        The scan at work, from its first picture on.
    """

    state_changed = Signal(State)
    session_started = Signal(Session)  # there is a first picture of a new scan
    progressed = Signal()  # progress and curve
    iterations_changed = Signal()  # iterations and suggested
    shown_changed = Signal()  # shown
    sharpened = Signal()  # there is more to see of the iteration that is shown
    following_changed = Signal(bool)
    table_changed = Signal()  # table
    device_changed = Signal()  # device and notes
    failed = Signal(str)  # what went wrong and what to do

    def __init__(self) -> None:
        self._engine = EngineThread()
        self._lock = Lock()
        self._news = _News()
        self._fit: Task | None = None
        self._view: Task | None = None
        self._whole: Task | None = None
        self._expected: Task | None = None
        # The scan prepared last; belongs to the engine's thread.
        self._prepared: tuple[Request, Preparation] | None = None
        self._run_number = 0
        self._stopped = False
        self._reset()
        self.state = State.IDLE
        self.device = ""

    def _reset(self) -> None:
        self.session: Session | None = None
        self.progress: Progress | None = None
        self.curve: list[CurvePoint] = []
        self.iterations: tuple[int, ...] = ()
        self.suggested: int | None = None
        self.shown: int | None = None
        self.following = True
        self.table: StructureTable | None = None
        self.notes: tuple[str, ...] = ()
        self.wanted: int | None = None
        self.failure = ""
        self._viewing: tuple[int, Region] | None = None
        self._decoding_whole: int | None = None
        self._region = COARSE
        self._shown_at = self._polled = 0.0
        self._before: int | None = None

    @property
    def _rest(self) -> float:
        on_cpu = self.session is None or self.session.prepared.device.type == "cpu"
        return REST_ON_CPU if on_cpu else REST

    @property
    def engine_alive(self) -> bool:
        """Whether the engine's thread runs, busy or not."""
        return self._engine.alive

    # ------------------------------------------------------------------ what the user asks for

    def warm_up(self, model: str, device: str) -> None:
        """Load what the first fit will need, and find out where it will compute."""

        def steps() -> Iterator[None]:
            from src_core.fitting.device import choose_device, describe_device
            from src_core.models.model import load_model

            self._tell(device=describe_device(choose_device(device)))
            yield
            load_model(model).network()

        # What is wrong with the model or the device is said when it is used.
        self._engine.submit(steps(), Urgency.BACKGROUND, lambda error: None)

    def expect(self, request: Request) -> None:
        """Prepare a scan that will probably be segmented, so that its fit can begin at once."""
        if self.state.running:
            return
        if self._expected is not None:
            self._engine.cancel(self._expected)

        def steps() -> Iterator[None]:
            self._prepare(request, lambda stage: None)
            yield

        # What is wrong with the scan is said when it is used.
        self._expected = self._engine.submit(steps(), Urgency.BACKGROUND, lambda error: None)

    def start(self, request: Request) -> None:
        """Segment a scan.

        Raises
        ------
        RuntimeError
            A fit is under way.
        """
        if self.state.running:
            raise RuntimeError("a fit is under way; stop it first")
        self._forget()
        self._set_state(State.LOADING)
        self._emit_all()
        number = self._run_number
        self._fit = self._engine.submit(
            self._run(number, request), Urgency.FIT, lambda error: self._fail(number, error)
        )

    def pause(self) -> None:
        """Rest after the step under way."""
        if self.state is State.FITTING and self._fit is not None:
            self._engine.hold(self._fit, True)
            self._set_state(State.PAUSED)
            self._sharpen()

    def resume(self) -> None:
        """Go on with the fit."""
        if self.state is State.PAUSED and self._fit is not None:
            self._cancel_views()
            self._engine.hold(self._fit, False)
            self._set_state(State.FITTING)
            self._sharpen()

    def stop(self) -> None:
        """End the fit after the step under way; what there is is kept."""
        if not self.state.running or self._fit is None:
            return
        self._engine.cancel(self._fit)
        if self.session is not None:
            self.session.fit.stop()
        with self._lock:
            self._stopped = True
            self._news.state = None
            if self.session is None:
                # A first picture that comes too late is not wanted any more.
                self._news = _News(calls=self._news.calls)
        self._set_state(State.STOPPED)
        self._sharpen()

    def clear(self) -> None:
        """Stop, and forget the scan and all that was made of it."""
        self.stop()
        self._forget()
        self.forget_expected()
        self._set_state(State.IDLE)
        self._emit_all()

    def forget_expected(self) -> None:
        """Keep no scan prepared: the one that was is not in the viewer any more."""

        def steps() -> Iterator[None]:
            self._prepared = None
            yield

        if self._expected is not None:
            self._engine.cancel(self._expected)
        if self._engine.alive:
            self._engine.submit(steps(), Urgency.VIEW, self._report)

    def show(self, iteration: int) -> None:
        """Show the stored iteration nearest to this one as soon as it is decoded.

        Ends the following of the newest one, unless it is the newest.
        """
        if self.session is None or not self.iterations:
            return
        history = self.session.history
        near = sorted(self.iterations, key=lambda stored: abs(stored - iteration))
        # The engine may just have dropped some of them; never the first.
        nearest = next(stored for stored in near if history.hold(stored, "wanted"))
        self.wanted = nearest
        self._set_following(nearest == self.iterations[-1])
        if self._can_show(nearest):
            self._show(nearest)
        self._sharpen()

    def follow(self) -> None:
        """Show the newest iteration, now and from now on."""
        self.wanted = None
        self._set_following(True)
        self._take_decoded()
        self._sharpen()

    def look_at(self, session: Session, region: Region) -> None:
        """Say which part of the shown iteration is on the screen, and is not sharp yet."""
        if session is self.session:
            self._region = region
            self._sharpen()

    def add_readout(self, readout: Readout, then: Callable[[], None]) -> None:
        """Decode something more from now on; call back once there is something to see of it."""
        if self.session is None or self.shown is None:
            return
        session, shown = self.session, self.shown
        session.readouts[readout.name] = readout

        def steps() -> Iterator[None]:
            yield from session.decode(shown, COARSE)
            self._call(then)

        def on_error(error: Exception) -> None:
            # Or else it would fail again with every picture.
            session.readouts.pop(readout.name, None)
            self._report(error)

        self._engine.submit(steps(), Urgency.VIEW, on_error)

    def when_whole(
        self,
        session: Session,
        iteration: int,
        then: Callable[[], None],
        otherwise: Callable[[], None] | None = None,
        *,
        urgent: bool = True,
    ) -> None:
        """Call back once an iteration is decoded at every voxel; it stays stored from now on.

        If that fails, the error is told and `otherwise` is called.
        """
        session.history.hold(iteration, f"whole {iteration}")

        def steps() -> Iterator[None]:
            yield from session.decode(iteration, WHOLE)
            self._call(then)

        urgency = Urgency.ASKED if urgent else Urgency.BACKGROUND
        self._engine.submit(steps(), urgency, partial(self._report, otherwise=otherwise))

    def run(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], None],
        otherwise: Callable[[], None] | None = None,
    ) -> None:
        """Do something in the engine's thread, and call back with what it returned.

        If that fails, the error is told and `otherwise` is called.
        """

        def steps() -> Iterator[None]:
            result = work()
            self._call(lambda: then(result))
            yield

        self._engine.submit(steps(), Urgency.ASKED, partial(self._report, otherwise=otherwise))

    def close(self, timeout: float = 5.0) -> bool:
        """End everything; True if the engine's thread has ended within some seconds.

        Nobody is told: who listens may be gone already.
        """
        self._forget()
        self.state = State.IDLE
        ended = self._engine.close(timeout)
        with self._lock:
            self._news = _News()
        return ended

    # ------------------------------------------------------------------ in the window's thread

    def poll(self) -> None:
        """Take the engine's news; to be called some tens of times per second."""
        now = time.perf_counter()
        with self._lock:
            if self._news.can_wait and now - self._polled < self._rest:
                news = _News()
            else:
                news, self._news = self._news, _News()
                self._polled = now
        number = self._run_number
        if news.device is not None:
            self.device = news.device
        if news.notes is not None:
            self.notes = news.notes
        if news.failure is not None:
            self.failure = news.failure
        if news.session is not None:
            self.session = news.session
        if news.iterations is not None:
            self.iterations = news.iterations
            self.suggested = self._suggestion()
        if news.progress is not None:
            self.progress = news.progress
            self.curve.extend(news.points)
        # All is in place before anybody is told; who is told may stop this run or start another.
        if news.device is not None or news.notes is not None:
            self.device_changed.emit()
        if news.iterations is not None:
            self.iterations_changed.emit()
        if news.progress is not None:
            self.progressed.emit()
        if news.session is not None and self.session is news.session:
            self._show(self.iterations[0])
            self.session_started.emit(news.session)
        if news.state is not None and self._counts(number):
            if news.state is State.FINISHING and self.state is State.PAUSED and self._fit:
                # It was paused in its last step: there is no next one to wait for.
                self._engine.hold(self._fit, False)
            self._set_state(news.state)
        if news.decoded:
            self._take_decoded()
        if news.decoded or news.iterations is not None or news.state is not None:
            self._sharpen()
        if news.failure is not None:
            self.failed.emit(news.failure)
        for call in news.calls:
            call()
        self._decode_whole_when_rested()

    def _forget(self) -> None:
        """Let go of the scan; nothing more will be heard of its run."""
        self._cancel_views()
        with self._lock:
            self._news = _News(calls=self._news.calls)
            self._run_number += 1
            self._stopped = False
            self._reset()

    def _counts(self, number: int) -> bool:
        """Whether a run is the newest and was not stopped."""
        return number == self._run_number and not self._stopped

    def _set_state(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            self.state_changed.emit(state)

    def _emit_all(self) -> None:
        for signal in (
            self.progressed,
            self.iterations_changed,
            self.shown_changed,
            self.table_changed,
            self.device_changed,
        ):
            signal.emit()
        self.following_changed.emit(self.following)

    def _set_following(self, following: bool) -> None:
        if following != self.following:
            self.following = following
            self.following_changed.emit(following)

    def _suggestion(self) -> int:
        """The model's own number of iterations, or the newest before that."""
        assert self.session is not None
        own = self.session.prepared.model.fit.iterations
        return max(stored for stored in self.iterations if stored <= max(own, self.iterations[0]))

    def _can_show(self, iteration: int) -> bool:
        return self.session is not None and not self.session.lacks(iteration, COARSE)

    def _show(self, iteration: int) -> None:
        if self.session is None or iteration == self.shown:
            return
        if not self.session.history.hold(iteration, "shown"):
            return  # dropped a moment ago: the next news will say so
        self._before = self.shown
        self.shown = self.session.shown = iteration
        self._shown_at = time.perf_counter()
        self.shown_changed.emit()
        self._tabulate()

    def _take_decoded(self) -> None:
        """Something was decoded: what is wanted may be ready, what is shown sharper."""
        if self.session is None:
            return
        wanted = self.wanted
        if self.following:
            wanted = next((i for i in reversed(self.iterations) if self._can_show(i)), None)
        if wanted is not None and wanted != self.shown and self._can_show(wanted):
            self._show(wanted)
        else:
            self.sharpened.emit()
            self._tabulate()

    def _tabulate(self) -> None:
        session, shown = self.session, self.shown
        tally = None if session is None or shown is None else session.tally(shown)
        if session is None or shown is None or tally is None:
            return
        changes = self._changes(session, shown)
        rows = tuple(
            StructureRow(
                structure.id,
                structure.name,
                structure.color,
                tally.volumes[structure.id],
                changes.get(structure.id, math.nan),
                tally.dice.get(structure.id, math.nan),
            )
            for structure in session.protocol.structures
        )
        table = StructureTable(shown, rows, tally.exact)
        if table != self.table:
            self.table = table
            self.table_changed.emit()

    def _changes(self, session: Session, shown: int) -> dict[int, float]:
        """Volumes now minus volumes before, mL; both exact, or both from the same sample."""
        if self._before is None:
            return {}
        for exact in (True, False):
            now, before = session.tally(shown, exact), session.tally(self._before, exact)
            if now is not None and before is not None:
                return {id: now.volumes[id] - before.volumes[id] for id in now.volumes}
        return {}

    def _sharpen(self) -> None:
        """Have the engine decode what is wanted and on the screen, and nothing else."""
        session = self.session
        if session is None or self.shown is None:
            return
        region, fitting = self._region, self.state is State.FITTING
        iteration = self.wanted
        if self.following:
            # The fit itself brings the newest.
            iteration = self.shown if fitting else self.iterations[-1]
        if iteration is None:
            return
        if region.axis is None:
            region = COARSE if fitting else FINER
        elif self.following and fitting:
            region = Region(region.axis, region.index, PREVIEW_SPACING)
        if self._viewing == (iteration, region) and _is_of_use(self._view):
            return
        if not session.lacks(iteration, COARSE) and not session.lacks(iteration, region):
            return
        if self._view is not None:
            self._engine.cancel(self._view)
        self._viewing = (iteration, region)

        def steps() -> Iterator[None]:
            if iteration not in session.history.iterations:
                return  # dropped a moment ago: the next news will say so
            for part in (COARSE, region):
                if session.lacks(iteration, part):
                    yield from session.decode(iteration, part)
                    self._tell(decoded=True)
                    yield

        self._view = self._engine.submit(steps(), Urgency.VIEW, self._report)

    def _cancel_views(self) -> None:
        for task in (self._view, self._whole):
            if task is not None:
                self._engine.cancel(task)
        self._view = self._whole = None

    def _decode_whole_when_rested(self) -> None:
        """Decode every voxel of what stays on the screen, while there is nothing better to do."""
        session, shown = self.session, self.shown
        if session is None or shown is None or self.state is State.FITTING:
            return
        if time.perf_counter() - self._shown_at < REST_BEFORE_WHOLE:
            return
        if self._decoding_whole == shown and _is_of_use(self._whole):
            return
        if session.lacks(shown, WHOLE):
            if self._whole is not None:
                self._engine.cancel(self._whole)
            self._decoding_whole = shown

            def steps() -> Iterator[None]:
                yield from session.decode(shown, WHOLE)
                self._tell(decoded=True)

            self._whole = self._engine.submit(steps(), Urgency.BACKGROUND, self._report)

    # ------------------------------------------------------------------ in the engine's thread

    def _tell(self, **news: Any) -> None:
        with self._lock:
            for name, value in news.items():
                setattr(self._news, name, value)

    def _call(self, then: Callable[[], None]) -> None:
        with self._lock:
            self._news.calls.append(then)

    def _fail(self, number: int, error: Exception) -> None:
        """The fit has ended with an error; what there is is kept."""
        with suppress(_Superseded):
            self._tell_of(number, state=State.FAILED, failure=explain(error))

    def _report(self, error: Exception, otherwise: Callable[[], None] | None = None) -> None:
        self._tell(failure=explain(error))
        if otherwise is not None:
            self._call(otherwise)

    def _tell_of(self, number: int, **news: Any) -> None:
        """Tell the news of a run, unless it has been stopped or another one has begun."""
        with self._lock:
            if not self._counts(number):
                raise _Superseded
            for name, value in news.items():
                setattr(self._news, name, value)

    def _prepare(self, request: Request, on_stage: Callable[[Stage], None]) -> Preparation:
        """Prepare a scan, or take what is prepared of it already."""
        from src_core.models.model import load_model
        from src_core.preparation.prepare import prepare, renew

        if self._prepared is not None:
            known, prepared = self._prepared
            if (
                known.scan is request.scan
                and known.device == request.device
                and _equal(known.mask, request.mask)
                # A file of that name may hold another model by now.
                and load_model(request.model).sha256 == prepared.model.sha256
            ):
                return renew(prepared, request.reference)
        self._prepared = None  # no two scans at once in memory
        prepared = prepare(
            request.scan,
            model=request.model,
            device=request.device,
            mask=request.mask,
            reference=request.reference,
            on_stage=on_stage,
        )
        self._prepared = request, prepared
        return prepared

    def _run(self, number: int, request: Request) -> Iterator[None]:
        """Prepare, fit, and decode the last iteration."""
        from src_core.fitting.device import describe_device

        def on_stage(stage: Stage) -> None:
            self._tell_of(number, state={"load": State.LOADING, "align": State.ALIGNING}[stage])

        prepared = self._prepare(request, on_stage)
        yield
        device = describe_device(prepared.device)
        self._tell_of(number, device=device, notes=prepared.scan.notes)
        session = Session(prepared, request.iterations, request.seed, request.history_bytes)
        yield from session.decode(0, COARSE)
        self._tell_of(
            number,
            session=session,
            iterations=(0,),
            progress=Progress(0, session.fit.settings.iterations),
            state=State.FITTING,
        )
        yield
        yield from self._fit_steps(number, session)
        self._tell_of(number, state=State.FINISHING)
        last = session.fit.iteration
        yield from session.decode(last, COARSE)
        # Every voxel follows in the background: see `_decode_whole_when_rested`.
        self._tell_of(number, decoded=True, state=State.DONE)

    def _fit_steps(self, number: int, session: Session) -> Iterator[None]:
        recent: deque[float] = deque(maxlen=20)
        fitted = drawn = 0.0
        can_draw = True
        last_frame = time.perf_counter()
        for step in session.fit:
            session.history.record(step.iteration)
            recent.append(step.seconds)
            fitted += step.seconds
            now = time.perf_counter()
            due = drawn < LIVE_SHARE * fitted and now - last_frame > self._rest
            frame = can_draw and self.following and due
            if frame:
                try:
                    self._draw(session, step.iteration)
                except Exception as error:
                    # The fit can do without; it would fail again with every picture.
                    frame = can_draw = False
                    with suppress(_Superseded):
                        self._tell_of(number, failure=explain(error))
                last_frame = time.perf_counter()
                drawn += last_frame - now
            seconds = sum(recent) / len(recent) * (1 + drawn / fitted)
            self._tell_step(number, session, step, seconds, frame)
            yield

    def _draw(self, session: Session, iteration: int) -> None:
        """Decode a live picture; small enough to be made at once."""
        session.history.hold(iteration, "drawn")
        regions, region = [COARSE], self._region
        if region.axis is not None:
            regions.append(Region(region.axis, region.index, PREVIEW_SPACING))
        for part in regions:
            for _ in session.decode(iteration, part):
                pass

    def _tell_step(
        self, number: int, session: Session, step: Step, seconds: float, drawn: bool
    ) -> None:
        """Tell of a step; of the last one also after the run was stopped, for it was taken."""
        tally = session.tally(step.iteration)
        dice = math.nan if tally is None else tally.mean_dice
        total = session.fit.settings.iterations
        progress = Progress(step.iteration, total, 1 / seconds, (total - step.iteration) * seconds)
        iterations = tuple(session.history.iterations)
        with self._lock:
            if number != self._run_number:
                raise _Superseded
            self._news.progress = progress
            self._news.iterations = iterations
            self._news.points.append(CurvePoint(step.iteration, step.psnr, step.change, dice))
            self._news.decoded |= drawn


def _equal(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


def _is_of_use(task: Task | None) -> bool:
    """Whether a task is on its way, or has failed and would fail again."""
    return task is not None and (task.failed or not task.over)
