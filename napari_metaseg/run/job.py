"""One segmentation as the panel sees it: its state, its progress, and what can be asked of it.

A job knows neither Qt nor napari. Its signals are emitted from `Job.poll` and from the methods
below, so always in the thread that calls them: the window's.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_metaseg.run import pace
from napari_metaseg.run.engine_thread import EngineThread, Task, Urgency
from napari_metaseg.run.fit_run import STATES, fit_run
from napari_metaseg.run.mailbox import Mailbox, Superseded
from napari_metaseg.run.preparer import Preparer
from napari_metaseg.run.region import WHOLE
from napari_metaseg.run.screen import Screen
from napari_metaseg.run.status import State, Status
from napari_metaseg.run.strokes import Strokes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_metaseg.run.mailbox import News
    from napari_metaseg.run.readout import Readout
    from napari_metaseg.run.region import Region
    from napari_metaseg.run.request import Request
    from napari_metaseg.run.session import Session
    from src_core.preparation.prepare import Stage


class Job(Status):
    """A fit of one scan, and the view of its iterations.

    What is known of it, and the signals of its changes, are those of `Status`.

    Attributes
    ----------
    strokes : Strokes
        What the user paints on the labels.
    """

    def __init__(self) -> None:
        super().__init__()
        self._engine = EngineThread()
        self._mailbox = Mailbox()
        self._screen = Screen(self, self._engine, self._mailbox)
        self.strokes = Strokes(self, self._engine, self._mailbox, self._screen, self._on_iterations)
        self._fitted: tuple[int, ...] = ()
        self._preparer = Preparer()
        self._fit: Task | None = None
        self._expected: Task | None = None

    @property
    def engine_alive(self) -> bool:
        """Whether the engine's thread runs, busy or not."""
        return self._engine.alive

    # ------------------------------------------------------------------ before a fit

    def warm_up(self, model: str, device: str) -> None:
        """Load what the first fit will need, and find out where it will compute."""

        def steps() -> Iterator[None]:
            from src_core.fitting.device import choose_device, describe_device
            from src_core.models.model import load_model

            self._mailbox.tell(device=describe_device(choose_device(device)))
            yield
            load_model(model).network()

        # What is wrong with the model or the device is said when it is used.
        self._engine.submit(steps(), Urgency.BACKGROUND, _say_nothing)

    def expect(self, request: Request) -> None:
        """Prepare a scan that will probably be segmented, so that its fit can begin at once."""
        if self.state.running:
            return
        if self._expected is not None:
            self._engine.cancel(self._expected)

        def on_stage(stage: Stage) -> None:
            if self._engine.unwanted:
                raise Superseded
            if self.state.running:  # it has been asked for meanwhile
                self._mailbox.tell(state=STATES[stage])

        def steps() -> Iterator[None]:
            self._preparer.prepare(request, on_stage)
            yield

        # What is wrong with the scan is said when it is used.
        self._expected = self._engine.submit(steps(), Urgency.BACKGROUND, _say_nothing)

    def forget_expected(self) -> None:
        """Keep no scan prepared: the one that was is not in the viewer any more."""

        def steps() -> Iterator[None]:
            self._preparer.forget()
            yield

        if self._expected is not None:
            self._engine.cancel(self._expected)
        if self._engine.alive:
            self._engine.submit(steps(), Urgency.VIEW, self._mailbox.report)

    # ------------------------------------------------------------------ the fit

    def start(self, request: Request, *looked_at: Region) -> None:
        """Segment a scan.

        Parameters
        ----------
        request : Request
        *looked_at : Region
            Planes of the scan that are on the screen: the first picture is sharp there.

        Raises
        ------
        RuntimeError
            A fit is under way.
        """
        if self.state.running:
            raise RuntimeError("a fit is under way; stop it first")
        self._forget()
        self._screen.expect(looked_at)
        self.change_state(self._first_state())
        self.emit_all()
        run = self._mailbox.run
        steps = fit_run(run, request, self._preparer, self._mailbox)
        self._fit = self._engine.submit(steps, Urgency.FIT, partial(self._mailbox.fail, run))

    def pause(self) -> None:
        """Rest after the step under way."""
        if self.state is State.FITTING and self._fit is not None:
            self._engine.hold(self._fit, True)
            self.change_state(State.PAUSED)
            self._screen.sharpen()
            self.strokes.learn()

    def resume(self) -> None:
        """Go on with the fit."""
        if self.state is State.PAUSED and self._fit is not None:
            self._screen.cancel()
            self.strokes.put_off()
            self._engine.hold(self._fit, False)
            self.change_state(State.FITTING)
            self._screen.sharpen()

    def stop(self) -> None:
        """End the fit after the step under way; what there is is kept."""
        if not self.state.running or self._fit is None:
            return
        self._engine.cancel(self._fit)
        if self.session is not None:
            self.session.fit.stop()
        # A first picture that comes too late is not wanted any more.
        self._mailbox.stop(keep=self.session is not None)
        self.change_state(State.STOPPED)
        self._screen.sharpen()
        self.strokes.learn()

    def clear(self) -> None:
        """Stop, and forget the scan and all that was made of it."""
        self.stop()
        self._forget()
        self.forget_expected()
        self.change_state(State.IDLE)
        self.emit_all()

    def close(self, timeout: float = 5.0) -> bool:
        """End everything; True if the engine's thread has ended within some seconds.

        Nobody is told: who listens may be gone already.
        """
        self._forget()
        self.state = State.IDLE
        ended = self._engine.close(timeout)
        self._mailbox.empty()
        return ended

    # ------------------------------------------------------------------ what is on the screen

    def show(self, iteration: int) -> None:
        """Show the stored iteration nearest to this one as soon as it is decoded.

        Ends the following of the newest one, unless it is the newest.
        """
        self._screen.show(iteration)

    def follow(self) -> None:
        """Show the newest iteration, now and from now on."""
        self._screen.follow()

    def look_at(self, session: Session, *regions: Region) -> None:
        """Say which parts of the shown iteration are on the screen, the most important first."""
        self._screen.look_at(session, regions)

    def tell_in(self, protocol: str) -> None:
        """Tell the labels in another of the model's protocols as soon as they are decoded so.

        Raises
        ------
        InputError
            The model does not know it.
        """
        session = self.session
        if session is None or protocol == session.protocol.name:
            return
        labels = session.labels_in(protocol)

        def begin() -> None:
            if session is self.session and session.labels is not labels:
                session.readouts.pop(session.labels.name, None)
                session.labels = labels
                self.curve = [
                    replace(point, dice=session.mean_dice(point.iteration)) for point in self.curve
                ]
                self.labels_changed.emit()
                self.progressed.emit()
                self._screen.take_decoded()

        self.add_readout(labels, begin)

    def add_readout(self, readout: Readout, then: Callable[[], None]) -> None:
        """Decode something more from now on; call back once there is something to see of it."""
        if self.session is None or self.shown is None:
            return
        session, shown, parts = self.session, self.shown, self._screen.parts
        session.readouts[readout.name] = readout

        def steps() -> Iterator[None]:
            for part in parts:
                yield from session.decode(shown, part)
            self._mailbox.call(then)

        def on_error(error: Exception) -> None:
            # Or else it would fail again with every picture.
            session.readouts.pop(readout.name, None)
            self._mailbox.report(error)

        self._engine.submit(steps(), Urgency.VIEW, on_error)

    # ------------------------------------------------------------------ work for others

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
        session.hold(iteration, f"whole {iteration}")

        def steps() -> Iterator[None]:
            yield from session.decode(iteration, WHOLE)
            self._mailbox.call(then)

        urgency = Urgency.ASKED if urgent else Urgency.BACKGROUND
        self._engine.submit(steps(), urgency, partial(self._mailbox.report, otherwise=otherwise))

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
            self._mailbox.call(lambda: then(result))
            yield

        report = partial(self._mailbox.report, otherwise=otherwise)
        self._engine.submit(steps(), Urgency.ASKED, report)

    # ------------------------------------------------------------------ news

    @property
    def news_due(self) -> bool:
        """Whether somebody waits for what is looked at: worth polling more often."""
        return self._screen.due

    def poll(self) -> None:
        """Take the engine's news; to be called some tens of times per second."""
        news = self._mailbox.take(pace.rest(self.session))
        run = self._mailbox.run
        # All is in place before anybody is told; who is told may stop this run or start another.
        self._take(news)
        self._tell(news, run)
        for call in news.calls:
            call()
        self._screen.decode_whole_when_rested()

    def _take(self, news: News) -> None:
        if news.device is not None:
            self.device = news.device
        if news.notes is not None:
            self.notes = news.notes
        if news.failure is not None:
            self.failure = news.failure
        if news.session is not None:
            self.session = news.session
        if news.iterations is not None:
            self._fitted = news.iterations
            self._take_iterations()
        if news.progress is not None:
            self.progress = news.progress
            self.curve.extend(news.points)

    def _tell(self, news: News, run: int) -> None:
        """Tell the news, which are those of a run."""
        if news.device is not None or news.notes is not None:
            self.device_changed.emit()
        if news.iterations is not None:
            self.iterations_changed.emit()
        if news.progress is not None:
            self.progressed.emit()
        if news.session is not None and self.session is news.session:
            self._screen.begin()
            self.session_started.emit(news.session)
        if news.state is not None and self._mailbox.counts(run):
            if news.state is State.FINISHING and self.state is State.PAUSED and self._fit:
                # It was paused in its last step: there is no next one to wait for.
                self._engine.hold(self._fit, False)
            self.change_state(news.state)
        if news.decoded:
            self._screen.take_decoded()
        if news.decoded or news.iterations is not None or news.state is not None:
            self._screen.sharpen()
        if news.state is not None:
            self.strokes.learn()
        if news.failure is not None:
            self.failed.emit(news.failure)

    def _first_state(self) -> State:
        """Loading, or what is done already to a scan that was expected."""
        expected = self._expected
        if expected is None or expected.over or expected.cancelled:
            return State.LOADING
        return STATES[self._preparer.stage or "load"]

    def _take_iterations(self) -> None:
        """Know those of the fit and of the strokes; the best of them is suggested.

        That is the last of the strokes, or else the model's own number of iterations, or the newest
        before that.
        """
        assert self.session is not None
        own = max(self.session.prepared.model.fit.iterations, self._fitted[0])
        self.iterations = (*self._fitted, *self.strokes.iterations)
        fitted = max(stored for stored in self._fitted if stored <= own)
        self.suggested = max((fitted, *self.strokes.iterations))

    def _on_iterations(self) -> None:
        """The strokes have led to another iteration, or to one less."""
        if self._fitted:
            self._take_iterations()
            self.iterations_changed.emit()

    def _forget(self) -> None:
        """Let go of the scan; nothing more will be heard of its run."""
        self._fitted = ()
        # What was painted stays over the old labels, of which nobody hears any more.
        self.forget_scan()
        self.strokes.forget()
        self._screen.reset()
        self._mailbox.supersede()


def _say_nothing(error: Exception) -> None:
    """Ignore what went wrong."""
