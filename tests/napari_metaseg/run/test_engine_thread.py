"""The one thread that does all that takes long."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from napari_metaseg.run.engine_thread import NICENESS, EngineThread, Task, Urgency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 5.0


class Log:
    """What was done, in order."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.errors: list[Exception] = []

    def steps(self, name: str, count: int = 1) -> Iterator[None]:
        for _ in range(count):
            self.entries.append(name)
            yield


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def engine() -> Iterator[EngineThread]:
    engine = EngineThread()
    yield engine
    assert engine.close(PATIENCE)


@pytest.fixture
def submit(engine: EngineThread, log: Log) -> Callable[..., Task]:
    def submit(steps: Iterator[None], urgency: Urgency = Urgency.FIT) -> Task:
        return engine.submit(steps, urgency, log.errors.append)

    return submit


class Gate:
    """A task that rests in its first step until it is let go."""

    def __init__(self) -> None:
        self.reached, self._open = threading.Event(), threading.Event()

    def steps(self) -> Iterator[None]:
        self.reached.set()
        assert self._open.wait(PATIENCE)
        yield

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate(submit: Callable[..., Task]) -> Gate:
    """The thread is busy with this, so that what a test submits is known together."""
    gate = Gate()
    submit(gate.steps(), Urgency.VIEW)
    assert gate.reached.wait(PATIENCE)
    return gate


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_the_thread_begins_with_the_first_task(engine, submit, log) -> None:
    assert not engine.alive
    task = submit(log.steps("first"))
    wait(lambda: task.over)
    assert engine.alive
    assert log.entries == ["first"]


def test_everything_runs_in_one_thread_that_is_not_the_window_s(submit) -> None:
    threads = []

    def steps() -> Iterator[None]:
        threads.append(threading.current_thread())
        yield

    tasks = [submit(steps(), urgency) for urgency in Urgency]
    wait(lambda: all(task.over for task in tasks))
    assert len(threads) == len(Urgency)
    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()


def test_the_most_urgent_goes_first_and_of_equals_the_oldest(submit, log, gate) -> None:
    names = {Urgency.BACKGROUND: "whole", Urgency.FIT: "fit", Urgency.VIEW: "view"}
    tasks = [submit(log.steps(name, 2), urgency) for urgency, name in names.items()]
    tasks.append(submit(log.steps("second view", 2), Urgency.VIEW))
    tasks.append(submit(log.steps("asked"), Urgency.ASKED))
    gate.open()
    wait(lambda: all(task.over for task in tasks))
    views = ["view", "view", "second view", "second view"]
    assert log.entries == [*views, "asked", "fit", "fit", "whole", "whole"]


def test_what_is_more_urgent_comes_between_two_steps(submit, log) -> None:
    def fit() -> Iterator[None]:
        log.entries.append("fit")
        submit(log.steps("view", 2), Urgency.VIEW)
        yield
        log.entries.append("fit")
        yield

    task = submit(fit())
    wait(lambda: task.over)
    assert log.entries == ["fit", "view", "view", "fit"]


def test_a_task_that_is_held_rests_while_others_run_and_then_goes_on(
    engine, submit, log, gate
) -> None:
    fit = submit(log.steps("fit", 3))
    engine.hold(fit, True)
    other = submit(log.steps("whole", 2), Urgency.BACKGROUND)
    gate.open()
    wait(lambda: other.over)
    assert log.entries == ["whole", "whole"]
    assert not fit.over
    engine.hold(fit, False)
    wait(lambda: fit.over)
    assert log.entries == ["whole", "whole", "fit", "fit", "fit"]


@pytest.mark.parametrize("held", [False, True])
def test_a_task_that_is_cancelled_takes_no_further_step_and_is_closed(
    engine, submit, log, held
) -> None:
    begun = threading.Event()

    def steps() -> Iterator[None]:
        try:
            while True:
                begun.set()
                yield
        finally:
            log.entries.append("closed")

    task = submit(steps())
    assert begun.wait(PATIENCE)
    engine.hold(task, held)
    engine.cancel(task)
    wait(lambda: task.over)
    assert log.entries == ["closed"]
    assert not task.failed


def test_an_error_ends_its_task_only_and_is_told_to_it_only(submit, log, gate) -> None:
    def failing() -> Iterator[None]:
        yield
        raise RuntimeError("CUDA out of memory")

    failed = submit(failing(), Urgency.VIEW)
    other = submit(log.steps("fit", 2))
    gate.open()
    wait(lambda: other.over)
    assert [str(error) for error in log.errors] == ["CUDA out of memory"]
    assert failed.over
    assert failed.failed
    assert not other.failed
    assert log.entries == ["fit", "fit"]


def test_nobody_hears_of_an_error_in_what_was_cancelled(engine, submit, log) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def failing() -> Iterator[None]:
        reached.set()
        assert go_on.wait(PATIENCE)
        raise RuntimeError("too late")
        yield

    task = submit(failing())
    assert reached.wait(PATIENCE)
    engine.cancel(task)
    go_on.set()
    wait(lambda: task.over)
    assert log.errors == []


def test_an_error_while_a_task_is_closed_leaves_the_thread_alive(engine, submit, log) -> None:
    begun = threading.Event()

    def steps() -> Iterator[None]:
        try:
            while True:
                begun.set()
                yield
        finally:
            raise OSError("disk full")

    task = submit(steps())
    assert begun.wait(PATIENCE)
    engine.cancel(task)
    wait(lambda: task.over)
    after = submit(log.steps("after"))
    wait(lambda: after.over)
    assert log.entries == ["after"]


def test_closing_ends_the_step_under_way_and_closes_all_tasks(log) -> None:
    engine = EngineThread()
    begun = threading.Event()

    def steps(name: str) -> Iterator[None]:
        try:
            while True:
                begun.set()
                time.sleep(0.02)
                yield
        finally:
            log.entries.append(name)

    tasks = [engine.submit(steps(name), Urgency.VIEW, log.errors.append) for name in ("a", "b")]
    assert begun.wait(PATIENCE)
    started = time.monotonic()
    assert engine.close(PATIENCE)
    assert time.monotonic() - started < 1
    assert not engine.alive
    assert all(task.over for task in tasks)
    assert log.entries == ["a"]  # the other one had not begun
    assert log.errors == []


def test_closing_an_idle_or_unused_thread_is_quick(engine, submit, log) -> None:
    assert EngineThread().close(0)
    task = submit(log.steps("once"))
    wait(lambda: task.over)
    assert engine.close(1)
    assert engine.close(1)
    assert not engine.alive


def test_closing_says_if_the_thread_is_still_at_work(engine, submit, gate) -> None:
    assert not engine.close(0.01)
    gate.open()
    assert engine.close(PATIENCE)


def test_the_thread_may_close_itself(engine, submit, log) -> None:
    def steps() -> Iterator[None]:
        log.entries.append(str(engine.close()))
        yield

    task = submit(steps())
    wait(lambda: task.over and not engine.alive)
    assert log.entries == ["True"]


def test_nothing_that_is_submitted_after_closing_runs(engine, submit, log) -> None:
    engine.close()
    task = submit(log.steps("late"))
    assert task.over
    assert not engine.alive
    assert log.entries == []


@pytest.mark.parametrize("end", ["done", "failed", "cancelled"])
def test_a_task_that_is_over_holds_no_memory(engine, submit, log, end) -> None:
    class Scan:
        """Something large."""

    def steps(scan: Scan, begun: threading.Event) -> Iterator[None]:
        begun.set()
        yield
        if end == "failed":
            raise ValueError("no")
        while end == "cancelled":
            yield

    scan, begun = Scan(), threading.Event()
    alive = weakref.ref(scan)
    gc.disable()  # not even until the next collection
    try:
        task = engine.submit(steps(scan, begun), Urgency.FIT, lambda error: None)
        del scan
        assert begun.wait(PATIENCE)
        if end == "cancelled":
            engine.cancel(task)
        wait(lambda: task.over)
        wait(lambda: alive() is None)
    finally:
        gc.enable()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread keeps its priority")
def test_the_window_has_priority(submit) -> None:
    found = []

    def steps() -> Iterator[None]:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        yield

    mine = os.getpriority(os.PRIO_PROCESS, 0)
    task = submit(steps())
    wait(lambda: task.over)
    assert found == [min(19, mine + NICENESS)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == mine


_PROGRAM = """
import threading, time
from napari_metaseg.run.engine_thread import EngineThread, Urgency

engine, begun = EngineThread(), threading.Event()

def steps():
    try:
        while True:
            begun.set()
            time.sleep(0.3)
            print("step taken", flush=True)
            yield
    finally:
        print("task ended", flush=True)

engine.submit(steps(), Urgency.FIT, print)
begun.wait()
{closing}
"""


@pytest.mark.parametrize("closing", ["", "engine.close(0)"], ids=["running", "closing"])
def test_a_program_that_ends_waits_for_the_step_under_way(closing) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(closing=closing)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["step taken", "task ended"]
