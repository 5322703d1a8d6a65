"""Which iteration is on the screen, and how it becomes sharp."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_metaseg.layers.live_array import LiveArray
from napari_metaseg.layers.orientation import orientation_of
from napari_metaseg.run import pace
from napari_metaseg.run.readout import LABELS
from napari_metaseg.run.region import COARSE, WHOLE, Region
from napari_metaseg.run.status import State
from tests.helpers.watched_job import (
    ITERATIONS,
    PATIENCE,
    PLANE,
    fail_at,
    fail_to_decode,
    rises_strictly,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_asking_for_an_iteration_ends_following_and_shows_exactly_that_one(
    watcher, job, steps
) -> None:
    heard = []
    job.following_changed.connect(heard.append)
    watcher.start()
    steps.allow(5)
    watcher.until(lambda: job.shown == 5)
    job.show(3)
    watcher.until(lambda: job.shown == 3)
    assert not job.following
    steps.allow(3)
    watcher.until_iteration(8)
    watcher.poll_for(0.05)
    assert job.shown == 3
    job.follow()
    assert job.following
    steps.free()
    watcher.until_rest()
    assert job.shown == ITERATIONS
    assert heard[-2:] == [False, True]


def test_asking_for_the_newest_follows_it(watcher, job) -> None:
    watcher.start()
    watcher.until_rest()
    job.show(2)
    watcher.until(lambda: job.shown == 2)
    job.show(1000)
    assert job.following
    watcher.until(lambda: job.shown == ITERATIONS)
    job.show(-5)
    watcher.until(lambda: job.shown == 0)
    assert not job.following


def test_never_is_another_iteration_on_the_screen_than_the_one_that_is_told(
    watcher, job, api, slowly
) -> None:
    truths = [api.labels_at(iteration) for iteration in range(ITERATIONS + 1)]
    checked = []

    def check() -> None:
        session = job.session
        if session is None or job.shown is None:
            return
        array = LiveArray(
            session,
            LABELS,
            orientation_of(session.scan.affine, session.scan.shape),
            lambda: None,
        )
        values = np.asarray(array[...])
        sample = tuple(session.pictures.regions.indices[session.pictures.numbers(COARSE)].T)
        # (S, A, R) of an RAS scan: the axes are reversed.
        found = values.T[sample]
        assert (found == truths[job.shown][sample]).all()
        # one step more may change no label of the sample
        same = [i for i, truth in enumerate(truths) if (truth[sample] == found).all()]
        assert job.shown in same
        assert max(same) - min(same) <= 1
        if job.table is not None and job.table.iteration == job.shown:
            checked.append(job.shown)

    for signal in (job.shown_changed, job.sharpened, job.table_changed, job.iterations_changed):
        signal.connect(check)
    generator = random.Random(0)
    watcher.start()
    watcher.until(lambda: job.session is not None)
    for _ in range(25):
        job.look_at(watcher.session, Region(generator.randrange(3), generator.randrange(40)))
        job.show(generator.randrange(ITERATIONS + 1))
        watcher.poll_for(generator.choice((0.0, 0.01, 0.03)))
        if generator.random() < 0.2:
            job.follow()
    watcher.until_rest()
    assert len(set(checked)) > 4


def test_the_plane_on_the_screen_becomes_sharp_wherever_the_user_is(watcher, job) -> None:
    watcher.start()
    watcher.until_rest()
    job.show(4)
    watcher.until(lambda: job.shown == 4)
    job.look_at(watcher.session, PLANE)
    watcher.until(lambda: watcher.session.pictures.plane(4, LABELS, 1, 20)[1])
    watcher.until(lambda: watcher.session.pictures.volume(4, LABELS)[1])


def test_each_of_several_planes_is_sharp_when_an_iteration_is_shown(
    watcher, job, monkeypatch
) -> None:
    planes = (PLANE, Region(0, 20), Region(2, 18))
    watcher.start()
    watcher.until_rest()
    monkeypatch.setattr(pace, "REST_BEFORE_WHOLE", 1000.0)
    session = watcher.session
    job.look_at(session, *planes)
    decoded: list[Region] = []
    decode = session.decode

    def noted(iteration: int, region: Region) -> Iterator[None]:
        decoded.append(region)
        return decode(iteration, region)

    session.decode = noted
    assert not any(session.pictures.has(3, LABELS, plane) for plane in planes)
    job.show(3)
    watcher.until(lambda: job.shown == 3)
    assert all(session.pictures.plane(3, LABELS, one.axis, one.index)[1] for one in planes)
    assert decoded[:3] == list(planes)


def test_a_plane_is_shown_before_the_rest_and_none_is_blank_or_of_another_iteration(
    watcher, job, api, monkeypatch
) -> None:
    monkeypatch.setattr(pace, "LIVE_SHARE", 0.0)
    watcher.start()
    watcher.until_rest()
    monkeypatch.setattr(pace, "REST_BEFORE_WHOLE", 1000.0)
    session = watcher.session
    job.look_at(session, PLANE)
    decode, may_go_on, lacked = session.decode, threading.Event(), []
    voxels = session.pictures.regions.indices[session.pictures.numbers(COARSE)]
    height = int(np.bincount(voxels[:, 2]).argmax())

    def slow(iteration: int, region: Region) -> Iterator[None]:
        if region == COARSE:
            assert may_go_on.wait(PATIENCE)
            time.sleep(0.05)
        return decode(iteration, region)

    session.decode = slow
    array = LiveArray(
        session, LABELS, orientation_of(session.scan.affine, session.scan.shape), lambda: None
    )

    def scroll() -> None:
        lacked.append(bool(session.lacks(3, COARSE)))
        may_go_on.set()
        # (S, A, R) of an RAS scan: the plane is another one than the one that is decoded.
        lacked.append(np.asarray(array[height]))

    job.shown_changed.connect(scroll)
    job.show(3)
    watcher.until(lambda: job.shown == 3)
    early, plane = lacked
    assert early
    here = voxels[voxels[:, 2] == height]
    np.testing.assert_array_equal(plane.T[tuple(here[:, :2].T)], api.labels_at(3)[tuple(here.T)])


def test_what_was_drawn_sharp_is_not_drawn_again(watcher, job, monkeypatch) -> None:
    monkeypatch.setattr(pace, "LIVE_SHARE", 0.0)
    watcher.start()
    watcher.until_rest()
    session = watcher.session
    job.look_at(session, PLANE)
    job.show(3)
    watcher.until(lambda: job.shown == 3)
    again: list[None] = []
    job.sharpened.connect(lambda: again.append(None))
    watcher.until(lambda: not session.lacks(3, WHOLE))
    watcher.poll_for(0.05)
    assert not again
    job.look_at(session, Region())
    job.show(4)
    watcher.until(lambda: job.shown == 4)
    watcher.until(lambda: not session.lacks(4, WHOLE))
    watcher.until(lambda: again)


def test_on_the_way_to_another_iteration_nothing_is_drawn_again(watcher, job, monkeypatch) -> None:
    watcher.start()
    watcher.until_rest()
    monkeypatch.setattr(pace, "REST_BEFORE_WHOLE", 1000.0)
    job.look_at(watcher.session, PLANE)
    watcher.until(lambda: watcher.session.pictures.plane(ITERATIONS, LABELS, 1, 20)[1])
    watcher.poll_for(0.1)
    told: list[int | None] = []
    job.sharpened.connect(lambda: told.append(job.shown))
    job.show(3)
    watcher.until(lambda: job.shown == 3)
    assert ITERATIONS not in told


def test_what_another_scan_s_layers_look_at_is_not_decoded(watcher, job, monkeypatch) -> None:
    watcher.start()
    watcher.until_rest()
    old = watcher.session
    watcher.start()
    watcher.until_rest()
    monkeypatch.setattr(pace, "REST_BEFORE_WHOLE", 1000.0)
    job.show(2)
    watcher.until(lambda: job.shown == 2)
    done: list[None] = []
    job.look_at(old, PLANE)
    job.run(lambda: None, done.append)  # less urgent than what is looked at
    watcher.until(lambda: done)
    assert watcher.session.pictures.get(2, LABELS, PLANE) is None
    assert old.pictures.get(2, LABELS, PLANE) is None
    job.look_at(watcher.session, PLANE)
    watcher.until(lambda: watcher.session.pictures.get(2, LABELS, PLANE) is not None)


def test_going_on_does_not_forget_which_iteration_was_asked_for(
    watcher, job, monkeypatch, steps
) -> None:
    monkeypatch.setattr(pace, "REST_BEFORE_WHOLE", 1000.0)
    monkeypatch.setattr(pace, "LIVE_SHARE", 0.0)
    busy = threading.Event()
    watcher.start()
    steps.allow(6)
    watcher.until_iteration(6)
    job.pause()
    steps.free()
    watcher.until_iteration(7)
    watcher.until(lambda: job.shown == 7)
    watcher.poll_for(0.05)
    # The engine is busy with something else while the user asks, and then goes on.
    job.run(lambda: busy.wait(PATIENCE), lambda result: None)
    job.show(3)
    job.resume()
    busy.set()
    watcher.until(lambda: job.shown == 3)
    watcher.until_state(State.DONE)
    assert job.shown == 3


# What may go wrong


def test_an_error_in_a_picture_leaves_the_fit_running_and_is_told_once(
    watcher, job, monkeypatch, slowly
) -> None:
    fail_to_decode(monkeypatch, lambda iteration, region: region == PLANE)
    watcher.start()
    watcher.until_iteration(3)
    job.show(1)
    job.look_at(watcher.session, PLANE)
    watcher.until(lambda: watcher.failures)
    assert job.state is State.FITTING
    assert "out of memory" in watcher.failures[0]
    job.look_at(watcher.session, PLANE)
    watcher.until_rest()
    assert job.state is State.DONE
    assert job.shown == 1
    assert len(watcher.failures) == 1
    job.look_at(watcher.session, Region(0, 20))
    watcher.until(lambda: watcher.session.pictures.plane(1, LABELS, 0, 20)[1])


def test_a_volume_that_cannot_be_decoded_is_told_once_and_not_tried_forever(
    watcher, job, monkeypatch
) -> None:
    fail_to_decode(monkeypatch, lambda iteration, region: region == WHOLE)
    watcher.start()
    watcher.until_state(State.DONE)
    watcher.until(lambda: watcher.failures)
    watcher.poll_for(0.2)
    assert len(watcher.failures) == 1
    job.show(2)
    watcher.until(lambda: len(watcher.failures) == 2)
    watcher.poll_for(0.1)
    assert len(watcher.failures) == 2
    assert job.state is State.DONE


# Less room than iterations


def test_with_little_room_the_newest_is_followed_without_ever_going_back(
    watcher, job, room, slowly
) -> None:
    job.iterations_changed.connect(
        lambda: job.shown is None or stored.append(job.shown in job.iterations)
    )
    stored: list[bool] = []
    watcher.start(iterations=40, history_bytes=room(6))
    watcher.shown.clear()
    watcher.until(lambda: job.shown is not None)
    job.look_at(watcher.session, PLANE)
    watcher.until_rest()
    shown = watcher.shown[watcher.shown.index(0) :]
    assert rises_strictly(shown)
    assert len(shown) > 5
    assert shown[-1] == 40
    assert len(job.iterations) <= 9
    assert stored
    assert all(stored)
    assert watcher.failures == []


def test_with_little_room_the_iteration_on_the_screen_stays_and_becomes_sharp(
    watcher, job, room, steps, monkeypatch
) -> None:
    watcher.start(iterations=40, history_bytes=room(6))
    steps.allow(3)
    watcher.until(lambda: job.shown == 3)
    job.show(3)  # the newest: it is followed
    job.show(2)
    watcher.until(lambda: job.shown == 2)
    monkeypatch.setattr(pace, "LIVE_SHARE", 0.0)
    steps.allow()
    watcher.until_iteration(4)
    job.show(3)
    watcher.until(lambda: job.shown == 3)
    steps.free()
    watcher.until_state(State.DONE)
    assert job.shown == 3
    assert 3 in job.iterations
    assert not {1, 2, 4, 5} & set(job.iterations)
    job.look_at(watcher.session, PLANE)
    watcher.until(lambda: watcher.session.pictures.plane(3, LABELS, 1, 20)[1])
    watcher.until(lambda: job.table.exact)
    assert watcher.failures == []


def test_looking_at_many_iterations_takes_no_room_from_those_to_come(
    watcher, job, room, slowly
) -> None:
    watcher.start(iterations=60, history_bytes=room(10))
    watcher.until_iteration(9)
    for iteration in range(9):
        job.show(iteration)
        watcher.until(lambda iteration=iteration: job.shown == job.wanted)
    watcher.until_state(State.DONE)
    beyond = [iteration for iteration in job.iterations if iteration > 9]
    assert len(beyond) >= 4
    assert len(job.iterations) <= 12


@pytest.mark.parametrize("ending", ["stop", "pause", "fail"])
@pytest.mark.parametrize("last", [11, 12])
def test_with_little_room_the_newest_can_be_kept_however_the_fit_ends(
    watcher, job, room, steps, monkeypatch, ending, last
) -> None:
    if ending == "fail":
        fail_at(monkeypatch, last + 1, ValueError("no"))
    watcher.start(iterations=40, history_bytes=room(4))
    steps.allow(last - 1)
    watcher.until_iteration(last - 1)
    if ending != "fail":
        getattr(job, ending)()
    steps.free()
    watcher.until(lambda: job.shown == last)
    assert job.iterations == tuple(watcher.session.history.iterations)
    assert job.iterations[-1] == last
    kept = []
    job.when_whole(watcher.session, job.shown, lambda: kept.append(job.shown))
    watcher.until(lambda: kept)
    assert watcher.failures == ([job.failure] if ending == "fail" else [])


def test_asking_for_an_iteration_that_was_just_dropped_shows_the_nearest(
    watcher, job, room, steps
) -> None:
    watcher.start(iterations=40, history_bytes=room(4))
    steps.allow(10)
    watcher.until(lambda: job.shown == 10)
    told = job.iterations
    steps.allow(10)
    deadline = time.monotonic() + PATIENCE
    while steps.taken < 20:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    # Not polled yet: it still believes in what was told.
    assert job.iterations == told
    job.show(told[-2])
    watcher.until(lambda: job.shown == job.wanted)
    assert job.wanted in watcher.session.history.iterations
