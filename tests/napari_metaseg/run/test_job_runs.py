"""One run of a fit after another: nothing of the old one reaches the new one."""

from __future__ import annotations

import random

import numpy as np
import pytest

from napari_metaseg.run.status import State
from src_core.io.sample import phantom
from tests.helpers.watched_job import ITERATIONS, rises_strictly


def test_a_second_start_is_refused_while_a_fit_is_under_way(watcher, job, steps) -> None:
    watcher.start()
    for state in (State.LOADING, State.FITTING):
        watcher.until_state(state, State.FITTING)
        with pytest.raises(RuntimeError, match="stop it first"):
            watcher.start()
    job.pause()
    with pytest.raises(RuntimeError, match="stop it first"):
        watcher.start()
    job.resume()
    steps.free()
    watcher.until_rest()
    assert job.state is State.DONE
    assert len(watcher.sessions) == 1


def test_another_run_begins_anew(watcher, job, steps) -> None:
    watcher.start()
    steps.free()
    watcher.until_rest()
    job.show(3)
    watcher.until(lambda: job.shown == 3)
    first = job.session
    watcher.start(scan=phantom(4.0, seed=5)[0], reference=None)
    assert job.state is State.LOADING
    assert (job.session, job.shown, job.wanted, job.table) == (None, None, None, None)
    assert (job.curve, job.iterations, job.progress) == ([], (), None)
    assert job.following
    watcher.until_rest()
    assert job.session is not first
    assert job.shown == ITERATIONS
    assert all(np.isnan(row.dice) for row in job.table.rows)


def test_news_of_an_old_run_never_reach_the_new_one(watcher, job, steps) -> None:
    watcher.start()
    steps.allow(ITERATIONS - 1)
    watcher.until_iteration(ITERATIONS - 1)
    # The engine is in its last step; nothing that comes of it is wanted any more.
    job.stop()
    watcher.start()
    watcher.shown.clear()
    steps.free()
    watcher.until_rest()
    assert job.state is State.DONE
    assert [point.iteration for point in job.curve] == list(range(1, ITERATIONS + 1))
    assert watcher.shown[0] == 0
    assert rises_strictly(watcher.shown)
    assert len(watcher.sessions) == 2


@pytest.mark.parametrize("seed", range(2))
def test_at_whatever_moment_one_run_follows_another(watcher, job, seed) -> None:
    generator = random.Random(seed)
    for _ in range(5):
        watcher.start()
        watcher.poll_for(generator.uniform(0, 0.15))
        generator.choice((job.stop, job.clear))()
        if generator.random() < 0.5:
            job.poll()
    watcher.shown.clear()
    watcher.states.clear()
    watcher.start()
    watcher.until_rest()
    assert job.state is State.DONE
    assert [point.iteration for point in job.curve] == list(range(1, ITERATIONS + 1))
    assert watcher.states[0] is State.LOADING
    assert watcher.shown[-1] == ITERATIONS
    assert watcher.failures == []
    assert job.failure == ""


def test_a_listener_may_start_the_next_run_when_one_is_done(watcher, job) -> None:
    scans = [phantom(4.0, seed=seed)[0] for seed in (7, 8)]
    done = []

    def start_next(state: State) -> None:
        if state is State.DONE:
            done.append(job.session.scan)
            if scans:
                watcher.start(scan=scans.pop(), reference=None)

    job.state_changed.connect(start_next)
    watcher.start()
    watcher.until(lambda: len(done) == 3)
    watcher.until_rest()
    assert len({id(scan) for scan in done}) == 3
    assert [point.iteration for point in job.curve] == list(range(1, ITERATIONS + 1))
