"""One long-lived thread that runs everything that needs the network, the most urgent first."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NICENESS = 10
"""Added to the thread's niceness, so that it never takes the processor from the window."""


class Urgency(IntEnum):
    """What goes first; of two equally urgent tasks the older one."""

    VIEW = 0
    ASKED = 1
    FIT = 2
    BACKGROUND = 3


class Task:
    """Work done step by step; between two steps something more urgent may come first.

    Parameters
    ----------
    steps : iterator
        Does a step per ``next``, each well below 100 ms where that is possible.
    urgency : Urgency
    on_error : callable
        Called in the engine's thread with what a step raised; the task is over then.

    Attributes
    ----------
    cancelled, held : bool
        What was asked of it.
    over, failed : bool
        No step is left; a step raised something.
    """

    def __init__(
        self, steps: Iterator[None], urgency: Urgency, on_error: Callable[[Exception], None]
    ):
        self.steps = steps
        self.urgency = urgency
        self.on_error = on_error
        self.cancelled = False
        self.held = False
        self.over = False
        self.failed = False


class EngineThread:
    """Runs tasks one step at a time in a thread of its own, which begins with the first task.

    One thread for the whole session, because the plans that GPU libraries make are kept per
    thread, and because torch shares the cores best when asked by one. The interpreter waits for it
    before it ends: torn down in the middle of a step, torch would abort the whole program.
    """

    def __init__(self) -> None:
        self._tasks: list[Task] = []
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._under_way: Task | None = None

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def unwanted(self) -> bool:
        """Whether the task whose step is under way was cancelled; a long step may ask."""
        return self._under_way is not None and self._under_way.cancelled

    def submit(
        self, steps: Iterator[None], urgency: Urgency, on_error: Callable[[Exception], None]
    ) -> Task:
        """Add a task; returns at once."""
        task = Task(steps, urgency, on_error)
        with self._wake:
            if self._closing:
                task.over = True
                return task
            self._tasks.append(task)
            self._tasks.sort(key=lambda task: task.urgency)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="metaseg", daemon=True)
                self._thread.start()
                atexit.register(self.close, None)
            self._wake.notify()
        return task

    def cancel(self, task: Task) -> None:
        """Take no further step of a task, and say nothing of an error in the one under way."""
        with self._wake:
            task.cancelled = True
            self._wake.notify()

    def hold(self, task: Task, held: bool) -> None:
        """Rest a task, or go on with it."""
        with self._wake:
            task.held = held
            self._wake.notify()

    def close(self, timeout: float | None = 5.0) -> bool:
        """End all tasks after the step under way, and the thread.

        Parameters
        ----------
        timeout : float or None
            Seconds waited for the thread; None: until it has ended.

        Returns
        -------
        bool
            The thread has ended.
        """
        with self._wake:
            self._closing = True
            for task in self._tasks:
                task.cancelled = True
            self._wake.notify()
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _next(self) -> Task | None:
        """A task that was cancelled and has to be ended, or else the one whose turn it is."""
        cancelled = (task for task in self._tasks if task.cancelled)
        ready = (task for task in self._tasks if not task.held)
        return next(cancelled, None) or next(ready, None)

    def _run(self) -> None:
        _lower_priority()
        while True:
            with self._wake:
                while (task := self._next()) is None and not self._closing:
                    self._wake.wait()
            if task is None:
                atexit.unregister(self.close)
                return
            self._step(task)
            # Held while waiting, it could keep a whole scan in memory.
            del task

    def _step(self, task: Task) -> None:
        """Take the next step of a task, or end it."""
        error: Exception | None = None
        try:
            if not task.cancelled:
                self._under_way = task
                next(task.steps)
                return
            close = getattr(task.steps, "close", None)
            if close is not None:
                close()
        except StopIteration:
            pass
        except Exception as raised:
            error = raised
        finally:
            self._under_way = None
        with self._wake:
            self._tasks.remove(task)
            task.over = True
            task.failed = error is not None
            wanted = not task.cancelled
        if error is not None and wanted:
            task.on_error(error)
        # An error leads to this frame, and this frame to the error: together they would stay.
        del task, error


def _lower_priority() -> None:
    """Let the window go first; threads begun by this one inherit it. Only Linux can do so."""
    if sys.platform == "linux":
        mine = threading.get_native_id()
        niceness = os.getpriority(os.PRIO_PROCESS, mine)
        os.setpriority(os.PRIO_PROCESS, mine, min(19, niceness + NICENESS))
