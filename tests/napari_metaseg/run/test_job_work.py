"""What a job does for others in the engine's thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_metaseg.run.readout import Readout
from napari_metaseg.run.status import State
from src_core.errors import InputError
from tests.helpers.sessions import entropy

if TYPE_CHECKING:
    from collections.abc import Callable


def test_callbacks_come_in_the_thread_that_polls(watcher, job, slowly) -> None:
    heard: dict[str, int] = {}

    def note(name: str) -> Callable[..., None]:
        return lambda *_: heard.__setitem__(name, threading.get_ident())

    watcher.start()
    watcher.until_iteration(2)
    session = watcher.session
    job.when_whole(session, job.shown, note("urgent"))
    job.when_whole(session, 0, note("background"), urgent=False)
    job.run(lambda: note("work")(), note("result"))
    job.add_readout(entropy(), note("readout"))
    watcher.until(lambda: len(heard) == 5)
    mine = threading.get_ident()
    assert heard.pop("work") != mine
    assert set(heard.values()) == {mine}
    watcher.until_rest()
    assert job.state is State.DONE


def test_one_more_readout_is_there_when_it_is_told_and_from_then_on(watcher, job) -> None:
    watcher.start()
    watcher.until_rest()
    session, known = watcher.session, []
    job.add_readout(
        entropy(), lambda: known.append(session.pictures.volume(job.shown, "entropy")[0])
    )
    watcher.until(lambda: known)
    assert known[0] is not None
    job.show(5)
    watcher.until(lambda: job.shown == 5)
    assert session.pictures.volume(5, "entropy")[0] is not None
    watcher.session.readouts.pop("entropy")
    job.show(6)
    watcher.until(lambda: job.shown == 6)
    assert session.pictures.volume(6, "entropy")[0] is None


def test_a_readout_that_cannot_be_decoded_is_told_and_given_up(watcher, job, slowly) -> None:
    def fail(seen: Any) -> Any:
        raise RuntimeError("out of memory")

    called = []
    watcher.start(iterations=30)
    watcher.until_iteration(2)
    bad = Readout("bad", fail, lambda values, numbers: values, np.zeros(()))
    job.add_readout(bad, lambda: called.append("bad"))
    watcher.until(lambda: watcher.failures)
    watcher.until_rest()
    assert job.state is State.DONE
    watcher.until(lambda: job.shown == 30)
    assert set(watcher.failures) == {job.failure}
    assert len(watcher.failures) <= 2  # once more if a live picture was just being made
    assert called == []


def test_work_that_fails_is_told_and_does_not_call_back(watcher, job) -> None:
    def fail() -> None:
        raise InputError("the disk is full; free some space")

    watcher.start()
    watcher.until_rest()
    job.run(fail, lambda result: pytest.fail("called back"))
    watcher.until(lambda: watcher.failures)
    assert watcher.failures == ["the disk is full; free some space"]
    assert job.state is State.DONE


def test_work_for_the_old_scan_is_finished_when_the_new_one_has_begun(watcher, job) -> None:
    watcher.start()
    watcher.until_rest()
    done = []
    old = watcher.session
    job.when_whole(old, 3, lambda: done.append(old.label_map(3)), urgent=False)
    watcher.start()
    watcher.until_rest()
    watcher.until(lambda: done)
    assert done[0].any()


def test_an_iteration_that_is_kept_stays_until_it_is_written(watcher, job, room, slowly) -> None:
    watcher.start(iterations=40, history_bytes=room(4))
    watcher.until_iteration(9)
    session, shown, results = watcher.session, job.shown, []

    def describe() -> None:
        watcher.poll_for(0.1)  # the fit goes on meanwhile
        job.run(lambda: session.segmentation(shown), results.append)

    job.when_whole(session, shown, describe)
    watcher.until(lambda: results)
    assert results[0].report["iterations"] == shown
    assert watcher.failures == []
