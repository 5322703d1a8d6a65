"""A segmentation as the panel sees it: every state and every command."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from typing import Any

import numpy as np
import pytest

from napari_metaseg.run import session as session_module
from napari_metaseg.run.job import Job
from napari_metaseg.run.session import Session
from napari_metaseg.run.status import State
from src_core.io.scan import scan_from_array
from src_core.preparation.alignment import Alignment
from src_core.preparation.findings import Finding
from src_core.results import quality
from tests.helpers.sessions import entropy
from tests.helpers.watched_job import ITERATIONS, PATIENCE, PLANE


def test_a_run_goes_through_its_states_in_order(watcher, job, monkeypatch, steps) -> None:
    monkeypatch.setattr(
        "src_core.preparation.prepare.align",
        lambda *_: time.sleep(0.1) or Alignment(np.eye(4), "none", np.nan),
    )
    assert job.state is State.IDLE
    watcher.start()
    assert job.state is State.LOADING
    watcher.until_state(State.FITTING)
    steps.free()
    watcher.until_state(State.DONE)
    order = [
        State.LOADING,
        State.ALIGNING,
        State.SEEING,
        State.FITTING,
        State.FINISHING,
        State.DONE,
    ]
    assert [state for state in order if state in watcher.states] == watcher.states
    brief = {State.SEEING, State.FINISHING}  # may be over between two polls
    assert set(order) - set(watcher.states) <= brief
    assert watcher.threads == {threading.get_ident()}


def test_the_suggested_iteration_is_the_model_s_own_number(watcher, job) -> None:
    watcher.start(iterations=ITERATIONS + 8)
    watcher.until_state(State.DONE)
    assert job.suggested == ITERATIONS
    assert job.iterations[-1] == ITERATIONS + 8


def test_what_should_be_known_of_the_scan_is_told(watcher, job, brain) -> None:
    scan = scan_from_array(brain.scan.voxels, brain.scan.affine)
    watcher.start(scan=scan)
    watcher.until_state(State.DONE)
    assert scan.notes
    assert job.notes[: len(scan.notes)] == scan.notes


def test_what_the_result_tells_of_its_quality_follows(watcher, job, monkeypatch) -> None:
    bad = Finding("psnr_db", 9.0, (16.5, None), "shown badly")
    monkeypatch.setattr(quality, "check_result", lambda *_: [bad])
    watcher.start()
    watcher.until_state(State.DONE)
    watcher.until(lambda: job.notes[-1:] == ("shown badly",))
    assert job.notes[:-1] == job.session.prepared.notes


def test_no_iterations_at_all_show_the_start(watcher, job) -> None:
    watcher.start(iterations=0)
    watcher.until_rest()
    assert job.state is State.DONE
    assert job.shown == 0
    assert job.curve == []


def test_the_device_is_known_before_the_first_fit(watcher, job) -> None:
    heard = []
    job.device_changed.connect(lambda: heard.append(job.device))
    job.warm_up(watcher.request.model, "cpu")
    watcher.until(lambda: job.device)
    assert heard == [job.device]
    assert job.device.startswith("CPU, ")
    assert job.state is State.IDLE


def test_nothing_is_said_of_a_model_that_cannot_be_warmed_up(watcher, job) -> None:
    job.warm_up("no such model", "cpu")
    watcher.until(lambda: job.device)
    watcher.start()
    watcher.until_state(State.DONE)
    assert watcher.failures == []


def test_a_job_that_never_started_takes_every_command() -> None:
    job = Job()
    for command in (job.poll, job.pause, job.resume, job.stop, job.follow, job.clear, job.poll):
        command()
    job.show(3)
    job.add_readout(entropy(), lambda: None)
    assert job.state is State.IDLE
    assert not job.engine_alive
    assert job.close(0)
    assert job.shown is None


# Pausing


def test_a_pause_begins_at_once_and_after_at_most_one_more_step(watcher, job, steps) -> None:
    watcher.start()
    steps.allow(3)
    watcher.until(lambda: job.shown == 3)
    job.pause()
    assert job.state is State.PAUSED
    steps.allow(5)
    watcher.poll_for(0.1)
    assert steps.taken == 4
    assert job.progress.iteration == 4
    watcher.until(lambda: job.shown == 4)
    job.resume()
    assert job.state is State.FITTING
    watcher.until_iteration(8)
    steps.free()
    watcher.until_rest()
    assert job.state is State.DONE


def test_a_pause_changes_nothing_of_the_result(watcher, job, api, slowly) -> None:
    watcher.start()
    watcher.until_iteration(4)
    job.pause()
    job.show(2)
    watcher.until(lambda: job.shown == 2 and job.table.exact)
    job.resume()
    watcher.until_state(State.DONE)
    job.follow()
    watcher.until_rest()
    np.testing.assert_array_equal(watcher.session.label_map(ITERATIONS), api.labels)


def test_a_pause_after_the_last_step_is_soon_over(watcher, job, steps, monkeypatch) -> None:
    monkeypatch.setattr(session_module, "_AT_ONCE", 100)
    last_picture, read = threading.Event(), Session.read

    def slow_read(session: Session, iteration: int, *others: Any) -> Any:
        if iteration == ITERATIONS:
            last_picture.set()
            time.sleep(0.05)
        return read(session, iteration, *others)

    watcher.start()
    steps.allow()
    watcher.until(lambda: job.shown == 1)
    job.show(0)
    assert not job.following
    monkeypatch.setattr(Session, "read", slow_read)
    steps.free()
    assert last_picture.wait(PATIENCE)
    job.pause()
    assert job.state is State.PAUSED
    watcher.until_state(State.DONE)


def test_pausing_twice_or_going_on_without_a_pause_does_nothing(watcher, job, steps) -> None:
    watcher.start()
    job.pause()
    assert job.state is State.LOADING
    watcher.until_state(State.FITTING)
    job.resume()
    assert job.state is State.FITTING
    job.pause()
    job.pause()
    job.resume()
    steps.free()
    watcher.until_rest()
    assert job.state is State.DONE
    job.pause()
    job.resume()
    assert job.state is State.DONE


# Stopping


def test_a_stop_takes_effect_at_once_and_after_at_most_one_more_step(watcher, job, steps) -> None:
    watcher.start()
    steps.allow(3)
    watcher.until(lambda: job.shown == 3)
    job.stop()
    assert job.state is State.STOPPED
    steps.free()
    watcher.until_rest()
    assert steps.taken == 4
    # The step that was under way was taken, and it counts.
    assert job.iterations == (0, 1, 2, 3, 4)
    assert job.shown == job.progress.iteration == job.curve[-1].iteration == 4
    assert watcher.session.fit.stop_reason == "stopped"
    assert job.table.exact
    job.show(1)
    watcher.until(lambda: job.shown == 1)


def test_a_paused_fit_can_be_stopped(watcher, job, steps) -> None:
    watcher.start()
    steps.allow(2)
    watcher.until_iteration(2)
    job.pause()
    job.stop()
    steps.free()
    watcher.until_rest()
    assert job.state is State.STOPPED
    assert steps.taken <= 3
    watcher.start()
    watcher.until_rest()
    assert job.state is State.DONE


@pytest.mark.parametrize("stage", ["load_model", "align", "brain_mask", "see"])
def test_stopping_before_the_first_picture_leaves_nothing(watcher, job, monkeypatch, stage) -> None:
    from src_core.preparation import prepare as preparation

    reached, go_on, original = threading.Event(), threading.Event(), getattr(preparation, stage)

    def rest(*arguments: Any) -> Any:
        reached.set()
        assert go_on.wait(PATIENCE)
        return original(*arguments)

    monkeypatch.setattr(preparation, stage, rest)
    watcher.start()
    assert reached.wait(PATIENCE)
    job.stop()
    assert job.state is State.STOPPED
    go_on.set()
    watcher.poll_for(0.2)
    assert watcher.sessions == []
    assert job.session is None
    assert watcher.states == [State.LOADING, State.STOPPED]
    assert watcher.failures == []


def test_a_listener_may_stop_the_run_as_soon_as_it_hears_of_it(watcher, job) -> None:
    job.session_started.connect(lambda session: job.stop())
    watcher.start()
    watcher.until_state(State.STOPPED)
    watcher.poll_for(0.05)
    assert job.state is State.STOPPED
    assert State.FITTING not in watcher.states


# The end


@pytest.mark.parametrize("moment", ["loading", "fitting", "paused", "done", "scrubbing"])
@pytest.mark.parametrize("end", ["clear", "close"])
def test_memory_is_given_back(watcher, job, moment, end, monkeypatch) -> None:
    made, init = [], Session.__init__

    def noting(session: Session, *arguments: Any) -> None:
        init(session, *arguments)
        made.append(weakref.ref(session))

    monkeypatch.setattr(Session, "__init__", noting)
    watcher.start(iterations=ITERATIONS if moment == "done" else 10_000)
    deadline = time.monotonic() + PATIENCE
    if moment == "loading":
        while not made:
            assert time.monotonic() < deadline
            time.sleep(0.001)
    else:
        watcher.until_iteration(ITERATIONS)
    if moment == "paused":
        job.pause()
    if moment == "scrubbing":
        job.show(5)
        job.look_at(watcher.session, PLANE)
    if moment == "done":
        watcher.until_rest()
    if end == "clear":
        job.clear()
        assert job.engine_alive
        assert watcher.states[-1] is State.IDLE
    else:
        assert job.close()
        assert not job.engine_alive
    assert job.state is State.IDLE
    assert (job.session, job.shown, job.iterations) == (None, None, ())

    def gone() -> bool:
        time.sleep(0.05)
        gc.collect()
        return all(session() is None for session in made)

    watcher.until(gone)
    watcher.poll_for(0.02)
    assert job.state is State.IDLE
    assert watcher.failures == []


def test_closing_during_a_fit_is_quick(watcher, job, slowly) -> None:
    watcher.start(iterations=1000)
    watcher.until_iteration(3)
    started = time.monotonic()
    assert job.close()
    assert time.monotonic() - started < 1
    assert not any(thread.name == "metaseg" for thread in threading.enumerate())


def test_a_cleared_job_can_start_again(watcher, job) -> None:
    watcher.start()
    watcher.until_iteration(ITERATIONS)
    job.clear()
    watcher.start()
    watcher.until_rest()
    assert job.state is State.DONE
