"""A job with what its listeners hear, and what makes its fit slow, or fail."""

from __future__ import annotations

import threading
import time
import weakref
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from napari_metaseg.run.mailbox import Mailbox
from napari_metaseg.run.region import Region
from napari_metaseg.run.request import Request
from napari_metaseg.run.session import Session
from src_core.fitting.fit import Fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from napari_metaseg.run.job import Job
    from napari_metaseg.run.status import State

ITERATIONS = 12
PATIENCE = 60.0
"""Seconds after which a test has failed."""
PLANE = Region(1, 20)


class Steps:
    """Lets the fit take so many steps, and rests in the next one."""

    def __init__(self) -> None:
        self._allowed = threading.Semaphore(0)
        self._free = False
        self.taken = 0

    def allow(self, count: int = 1) -> None:
        self._allowed.release(count)

    def free(self) -> None:
        self._free = True
        self._allowed.release(1000)

    def wait(self) -> None:
        if not self._free:
            assert self._allowed.acquire(timeout=PATIENCE)
        self.taken += 1


class Watcher:
    """A job with what its listeners heard, and the loop that a window would have."""

    def __init__(self, job: Job, request: Request):
        self.job = job
        self.request = request
        self.states: list[State] = []
        self.shown: list[int | None] = []
        self.failures: list[str] = []
        self.sessions: list[weakref.ref] = []
        self.threads: set[int] = set()
        job.state_changed.connect(self._on_state)
        job.shown_changed.connect(self._on_shown)
        job.failed.connect(self._on_failed)
        job.session_started.connect(self._on_session)

    def _on_state(self, state: State) -> None:
        self.states.append(state)
        self.threads.add(threading.get_ident())

    def _on_shown(self) -> None:
        self.shown.append(self.job.shown)
        self.threads.add(threading.get_ident())

    def _on_failed(self, message: str) -> None:
        self.failures.append(message)

    def _on_session(self, session: Session) -> None:
        self.sessions.append(weakref.ref(session))

    def start(self, **changes: Any) -> None:
        self.job.start(Request(**{**vars(self.request), **changes}))

    def until(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.job.state, self.job.failure)
            self.job.poll()
            time.sleep(0.001)

    def poll_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.job.poll()
            time.sleep(0.001)

    def until_state(self, *states: State) -> None:
        self.until(lambda: self.job.state in states)

    def until_iteration(self, iteration: int) -> None:
        self.until(lambda: self.job.progress and self.job.progress.iteration >= iteration)

    def until_rest(self) -> None:
        """The fit is over and what is on the screen is decoded everywhere."""
        self.until(lambda: not self.job.state.running)
        self.until(lambda: self.job.table is None or self.job.table.exact)

    @property
    def session(self) -> Session:
        assert self.job.session is not None
        return self.job.session


def rises_strictly(values: list[int]) -> bool:
    return all(before < after for before, after in pairwise(values))


def fail_at(monkeypatch: pytest.MonkeyPatch, iteration: int, error: Exception) -> None:
    step = Fit.__next__

    def failing(fit: Fit) -> Any:
        if fit.iteration + 1 == iteration:
            raise error
        return step(fit)

    monkeypatch.setattr(Fit, "__next__", failing)


def fail_to_decode(monkeypatch: pytest.MonkeyPatch, which: Callable[[int, Region], bool]) -> None:
    decode = Session.decode

    def failing(session: Session, iteration: int, region: Region) -> Iterator[None]:
        if which(iteration, region):
            raise RuntimeError("can't allocate memory")
        yield from decode(session, iteration, region)

    monkeypatch.setattr(Session, "decode", failing)


def note_call(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    matters: Callable[..., bool] = lambda *_, **news: True,
) -> threading.Event:
    """Set an event after the mailbox was told something that matters."""
    noted, tell = threading.Event(), getattr(Mailbox, name)

    def noting(*arguments: Any, **news: Any) -> None:
        tell(*arguments, **news)
        if matters(*arguments, **news):
            noted.set()

    monkeypatch.setattr(Mailbox, name, noting)
    return noted
