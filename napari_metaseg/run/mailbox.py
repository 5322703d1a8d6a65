"""What the engine's thread and the window's have to tell each other."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from napari_metaseg.run.status import State
from src_core.errors import explain
from src_core.options import options_of
from src_core.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_metaseg.run.region import Region
    from napari_metaseg.run.session import Session
    from napari_metaseg.run.status import CurvePoint, Progress


def title_of(option: str) -> str:
    """What the panel calls an option, given with or without its value; empty if it has none."""
    offered = options_of(Request).get(option.split()[0])
    return offered.title if offered else ""


class Superseded(Exception):
    """The run that tells something is no longer the one that counts."""


@dataclass
class News:
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


class Mailbox:
    """News from the engine's thread to the window's, and what the window follows.

    Runs of the fit are numbered: only the newest one can tell news of itself, and only until the
    window has stopped it. Safe to use from both threads.

    Attributes
    ----------
    run : int
        Number of the newest run.
    followed : tuple of Region or None
        What the window wants to see of the newest iteration; None: it looks at another one.
    """

    def __init__(self) -> None:
        self.run = 0
        self.followed: tuple[Region, ...] | None = ()
        self._stopped = False
        self._news = News()
        self._taken = 0.0
        self._lock = Lock()

    # ------------------------------------------------------------------ in the window's thread

    def take(self, rest: float) -> News:
        """All news there is; what can wait only if nothing was taken for so many seconds."""
        now = time.perf_counter()
        with self._lock:
            if self._news.can_wait and now - self._taken < rest:
                return News()
            news, self._news = self._news, News()
            self._taken = now
        return news

    def counts(self, run: int) -> bool:
        """Whether a run is the newest and was not stopped."""
        return run == self.run and not self._stopped

    def supersede(self) -> None:
        """Hear nothing more of the run so far: the next one has a number of its own."""
        with self._lock:
            self._news = News(calls=self._news.calls)
            self._taken = 0.0
            self._stopped = False
            self.run += 1

    def stop(self, *, keep: bool) -> None:
        """Let the run tell nothing more but the step under way.

        Parameters
        ----------
        keep : bool
            Keep what it has told and was not taken yet, but for its state.
        """
        with self._lock:
            self._stopped = True
            self._news.state = None
            if not keep:
                self._news = News(calls=self._news.calls)

    def empty(self) -> None:
        """Throw away all news, and whom to call back."""
        with self._lock:
            self._news = News()

    # ------------------------------------------------------------------ in the engine's thread

    def tell(self, **news: Any) -> None:
        """Tell news that belong to no run; see `News`."""
        with self._lock:
            self._write(news)

    def call(self, then: Callable[[], None]) -> None:
        """Have something called in the window's thread."""
        with self._lock:
            self._news.calls.append(then)

    def report(self, error: Exception, otherwise: Callable[[], None] | None = None) -> None:
        """Tell what went wrong, and call back if somebody wants to know."""
        self.tell(failure=explain(error, title_of))
        if otherwise is not None:
            self.call(otherwise)

    def tell_of(self, run: int, **news: Any) -> None:
        """Tell the news of a run; see `News`.

        Raises
        ------
        Superseded
            It was stopped, or another one has begun.
        """
        with self._lock:
            if not self.counts(run):
                raise Superseded
            self._write(news)

    def fail(self, run: int, error: Exception) -> None:
        """Tell that a run has ended with an error; what there is is kept."""
        with suppress(Superseded):
            self.tell_of(run, state=State.FAILED, failure=explain(error, title_of))

    def tell_step(
        self,
        run: int,
        point: CurvePoint,
        progress: Progress,
        iterations: tuple[int, ...],
        *,
        drawn: bool,
    ) -> None:
        """Tell of a step; of the last one also after the run was stopped, for it was taken.

        Raises
        ------
        Superseded
            Another run has begun.
        """
        with self._lock:
            if run != self.run:
                raise Superseded
            self._news.points.append(point)
            self._news.progress = progress
            self._news.iterations = iterations
            self._news.decoded |= drawn

    def _write(self, news: dict[str, Any]) -> None:
        for name, value in news.items():
            setattr(self._news, name, value)
