"""What the user paints on the labels of a job, and the iterations that follow from it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_metaseg.run.engine_thread import Urgency
from napari_metaseg.run.status import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_metaseg.run.engine_thread import EngineThread, Task
    from napari_metaseg.run.mailbox import Mailbox
    from napari_metaseg.run.region import Region
    from napari_metaseg.run.screen import Screen
    from napari_metaseg.run.session import Session
    from napari_metaseg.run.status import Status
    from src_core.correction.stroke import Stroke
    from src_core.io.labels import Structure

_FITS = (State.FITTING, State.FINISHING)
Learned = tuple[int, tuple["Stroke", ...]]
"""An iteration, and the strokes that lead to it from the one before."""


class Strokes:
    """Strokes of a job, each a further iteration; belongs to the window's thread.

    One that comes while another is being learned waits, and is learned together with all that wait.
    Looking back at an earlier iteration takes the later strokes back, until something is painted:
    then they are forgotten.

    Parameters
    ----------
    status : Status
        What is known of the job.
    engine : EngineThread
    mailbox : Mailbox
    screen : Screen
        Shows what follows from a stroke as soon as it is decoded there.
    on_iterations : callable
        Called when there is an iteration more, or less.
    """

    def __init__(
        self,
        status: Status,
        engine: EngineThread,
        mailbox: Mailbox,
        screen: Screen,
        on_iterations: Callable[[], None],
    ):
        self._status = status
        self._engine = engine
        self._mailbox = mailbox
        self._screen = screen
        self._on_iterations = on_iterations
        self._task: Task | None = None
        self._learning = 0
        self._waiting: list[Stroke] = []
        self._learned: list[Learned] = []
        self._callers: list[Callable[[], None]] = []

    @property
    def iterations(self) -> tuple[int, ...]:
        """Those that strokes led to, rising."""
        return tuple(iteration for iteration, _ in self._learned)

    @property
    def waiting(self) -> tuple[Stroke, ...]:
        """Those that are not learned yet, oldest first."""
        return tuple(self._waiting)

    @property
    def busy(self) -> bool:
        """Whether the engine is at it."""
        return self._task is not None and not self._task.over

    @property
    def position(self) -> int:
        """How many iterations of strokes hold: those up to the one that is looked at."""
        status = self._status
        looked_at = status.shown if status.wanted is None else status.wanted
        if status.following or looked_at is None:
            return len(self._learned)
        return sum(iteration <= looked_at for iteration in self.iterations)

    @property
    def in_force(self) -> tuple[Stroke, ...]:
        """Those that hold now, oldest first, without those that wait."""
        return tuple(stroke for _, strokes in self._learned[: self.position] for stroke in strokes)

    def go_on_from(self, iteration: int | None) -> bool:
        """Whether strokes can be painted on an iteration: the last of the fit, or one of theirs."""
        before = self._status.iterations[: len(self._status.iterations) - len(self._learned)]
        return iteration is not None and iteration in (*before[-1:], *self.iterations)

    def paint(self, *strokes: Stroke) -> None:
        """Have the network learn strokes; those that were taken back are forgotten."""
        if self._status.session is None:
            return
        if self.position < len(self._learned):
            self._cancel()  # it goes on from what is forgotten now
        del self._learned[self.position :]
        self._waiting += strokes
        self._on_iterations()
        self._screen.follow()
        self.learn()

    def undo(self) -> None:
        """Take back the newest: one that waits, or else the last iteration of those that hold."""
        if self._waiting:
            self._waiting.pop()
            if len(self._waiting) < self._learning:
                self._cancel()
            self._status.strokes_changed.emit()
            self.learn()
            if not self.busy:
                self._call_back()
        elif self.position:
            newest = self.iterations[self.position - 1]
            self._screen.show(max(other for other in self._status.iterations if other < newest))
            self._status.strokes_changed.emit()

    def redo(self) -> None:
        """Have the strokes of an iteration hold again that were taken back."""
        if not self._waiting and self.position < len(self._learned):
            self._screen.show(self.iterations[self.position])
            self._status.strokes_changed.emit()

    def add_structure(self, structure: Structure) -> None:
        """Have one more structure to paint.

        Raises
        ------
        InputError
            Another structure has its id or its name.
        """
        status = self._status
        if status.session is not None:
            status.session.add_structure(structure)
            status.labels_changed.emit()
            self._screen.take_decoded()

    def learn(self) -> None:
        """Have the engine learn all that waits, unless it is at it or a fit goes on."""
        session = self._status.session
        if session is None or not self._waiting or self.busy or self._status.state in _FITS:
            return
        strokes = tuple(self._waiting)
        self._learning = len(strokes)
        after = self.iterations[-1] if self._learned else None
        steps = self._steps(session, after, strokes, self._screen.parts)
        # What fails stays painted and waits, to be learned with the next stroke.
        on_error = partial(self._mailbox.report, otherwise=self._call_back)
        self._task = self._engine.submit(steps, Urgency.ASKED, on_error)
        self._status.strokes_changed.emit()

    def when_learned(self, then: Callable[[], None]) -> None:
        """Call back when the engine is not at it any more, whether it could learn all or not."""
        self._callers.append(then)
        if not self.busy:
            self._call_back()

    def name_of(self, iteration: int) -> str:
        """What an iteration is called: a stroke is told by its number among the strokes."""
        if iteration in self.iterations:
            return f"stroke {self.iterations.index(iteration) + 1}"
        return f"iteration {iteration}"

    def put_off(self) -> None:
        """Learn nothing while the fit goes on: after it, all strokes that hold are learned anew."""
        self._cancel()
        self._waiting = [*self.in_force, *self._waiting]
        if self._learned:
            self._learned.clear()
            self._on_iterations()
            self._screen.follow()
        self._status.strokes_changed.emit()

    def forget(self) -> None:
        """Forget all strokes."""
        self._cancel()
        self._waiting.clear()
        self._learned.clear()
        self._callers.clear()
        self._status.strokes_changed.emit()

    def _steps(
        self,
        session: Session,
        after: int | None,
        strokes: tuple[Stroke, ...],
        parts: Sequence[Region],
    ) -> Iterator[None]:
        """Learn strokes, and decode what is on the screen; in the engine's thread."""
        iteration = yield from session.learn(strokes, after)
        for part in parts:
            yield from session.decode(iteration, part)
        self._mailbox.call(partial(self._on_learned, session, iteration, strokes))

    def _on_learned(self, session: Session, iteration: int, strokes: tuple[Stroke, ...]) -> None:
        waiting = self._waiting[: len(strokes)]
        if session is not self._status.session or [*map(id, waiting)] != [*map(id, strokes)]:
            return  # another scan, or taken back meanwhile
        self._cancel()  # it has nothing left to do
        del self._waiting[: len(strokes)]
        self._learned.append((iteration, strokes))
        self._on_iterations()
        self._screen.take_decoded()
        self._screen.sharpen()
        self._status.strokes_changed.emit()
        self.learn()
        if not self._waiting:
            self._call_back()

    def _call_back(self) -> None:
        callers, self._callers = self._callers, []
        for then in callers:
            then()

    def _cancel(self) -> None:
        if self._task is not None:
            self._engine.cancel(self._task)
        self._task, self._learning = None, 0
