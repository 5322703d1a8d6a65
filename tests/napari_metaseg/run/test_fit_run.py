"""A run, from the click to the last picture, and what may go wrong in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_metaseg.run import pace
from napari_metaseg.run.readout import LABELS
from napari_metaseg.run.status import State
from src_core.io.scan import scan_from_array
from tests.helpers.watched_job import ITERATIONS, PLANE, fail_at, fail_to_decode

if TYPE_CHECKING:
    from napari_metaseg.run.session import Session

    pass


def test_the_first_picture_is_of_iteration_0_and_comes_before_the_first_step(
    watcher, job, steps
) -> None:
    seen = []

    def look(session: Session) -> None:
        values, _ = session.pictures.volume(0, LABELS)
        seen.append((job.shown, session.shown, job.iterations, values is not None, job.table))

    job.session_started.connect(look)
    watcher.start()
    watcher.until_state(State.FITTING)
    (shown, session_shown, iterations, pictured, table) = seen.pop()
    assert (shown, session_shown, iterations, pictured) == (0, 0, (0,), True)
    assert table.iteration == 0
    assert [row.name for row in table.rows] == [s.name for s in watcher.session.protocol.structures]
    assert all(np.isnan(row.change) for row in table.rows)
    assert steps.taken == 0
    assert job.following
    assert job.progress.iteration == 0


def test_every_step_is_told_and_the_newest_iteration_is_followed(watcher, job, steps) -> None:
    watcher.start()
    for iteration in range(1, ITERATIONS + 1):
        steps.allow()
        watcher.until(lambda iteration=iteration: job.shown == iteration)
        assert job.progress.iteration == iteration
        assert job.progress.iterations == ITERATIONS
        assert job.progress.rate > 0
        assert job.progress.seconds_left >= 0
        assert job.iterations == tuple(range(iteration + 1))
    watcher.until_rest()
    assert watcher.shown == [None, *range(ITERATIONS + 1)]
    assert job.suggested == ITERATIONS
    assert [point.iteration for point in job.curve] == list(range(1, ITERATIONS + 1))
    assert all(0 < point.dice < 1 and point.psnr > 0 for point in job.curve)
    assert job.table.iteration == ITERATIONS
    assert job.device.startswith("CPU, ")


def test_no_live_picture_is_spent_on_the_first_step(watcher, job, monkeypatch) -> None:
    monkeypatch.setattr(pace, "LIVE_PICTURE", 0.1)
    shown: list[int] = []
    job.shown_changed.connect(lambda: shown.append(job.shown))
    watcher.start()
    watcher.until_state(State.DONE)
    assert 0 in shown
    assert 1 not in shown
    assert shown[-1] == ITERATIONS


def test_no_point_of_the_curve_is_lost_between_two_polls(watcher, job, monkeypatch) -> None:
    monkeypatch.setattr(pace, "LIVE_SHARE", 0.0)
    watcher.start(iterations=300)
    watcher.until_state(State.DONE)
    assert [point.iteration for point in job.curve] == list(range(1, 301))


def test_the_labels_are_those_of_the_api(watcher, job, api) -> None:
    watcher.start()
    watcher.until_rest()
    np.testing.assert_array_equal(watcher.session.label_map(ITERATIONS), api.labels)


def test_a_plane_on_the_screen_is_never_less_sharp_than_it_was(watcher, job, monkeypatch) -> None:
    monkeypatch.setattr(pace, "LIVE_SHARE", 1.0)
    monkeypatch.setattr(pace, "REST_ON_CPU", 0.0)
    sharp: list[bool] = []

    def look() -> None:
        if job.shown is not None:
            sharp.append(watcher.session.pictures.plane(job.shown, LABELS, 1, 20)[1])

    for signal in (job.shown_changed, job.sharpened, job.state_changed):
        signal.connect(look)
    job.start(watcher.request, PLANE)
    watcher.until_state(State.DONE)
    assert job.shown == ITERATIONS
    for iteration in (2, 9, 5):
        job.show(iteration)
        watcher.until(lambda iteration=iteration: job.shown == iteration)
    job.follow()
    watcher.until(lambda: job.shown == ITERATIONS)
    assert len(sharp) > 5
    assert all(sharp)


# What may go wrong


def test_a_fit_that_runs_out_of_memory_says_what_to_do_and_keeps_what_there_is(
    watcher, job, monkeypatch
) -> None:
    with monkeypatch.context() as patch:
        fail_at(patch, 5, RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
        watcher.start()
        watcher.until_state(State.FAILED)
    (message,) = watcher.failures
    assert message == job.failure
    assert "out of memory" in message
    assert "on the CPU" in message
    assert not job.state.running
    watcher.until_rest()
    assert job.iterations == (0, 1, 2, 3, 4)
    assert job.shown == 4
    job.show(2)
    watcher.until(lambda: job.shown == 2 and job.table.exact)
    watcher.start()
    assert job.failure == ""
    watcher.until_rest()
    assert job.state is State.DONE
    assert len(watcher.failures) == 1


def test_the_reason_is_known_when_the_state_says_failed(watcher, job, monkeypatch) -> None:
    heard = []
    job.state_changed.connect(lambda state: heard.append((state, job.failure)))
    fail_at(monkeypatch, 2, ValueError("no such number"))
    watcher.start()
    watcher.until_state(State.FAILED)
    assert heard[-1] == (State.FAILED, "ValueError: no such number")


def test_a_head_with_its_skull_is_refused_with_advice(watcher, job) -> None:
    voxels = np.random.default_rng(0).uniform(10, 100, (40, 48, 41)).astype(np.float32)
    scan = scan_from_array(voxels, np.diag([4, 4, 4, 1]))
    watcher.start(scan=scan, mask=None, reference=None)
    watcher.until_state(State.FAILED)
    assert "is not skull-stripped" in job.failure
    assert job.session is None
    assert job.iterations == ()
    watcher.start()
    watcher.until_state(State.DONE)


def test_a_file_that_is_no_model_is_refused(watcher, job, tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("not a model")
    watcher.start(model=str(path))
    watcher.until_state(State.FAILED)
    assert "model.safetensors" in job.failure
    watcher.start()
    watcher.until_state(State.DONE)


def test_a_reference_with_unknown_labels_is_refused(watcher, job, brain) -> None:
    watcher.start(reference=np.where(brain.labels == 1, 99, brain.labels))
    watcher.until_state(State.FAILED)
    assert "99" in job.failure


def test_a_live_picture_that_fails_leaves_the_fit_running_and_is_told_once(
    watcher, job, monkeypatch
) -> None:
    fail_to_decode(monkeypatch, lambda iteration, region: 3 <= iteration < ITERATIONS)
    watcher.start()
    watcher.until_state(State.DONE)
    watcher.until(lambda: job.shown == ITERATIONS)
    assert len(watcher.failures) == 1
    assert job.iterations == tuple(range(ITERATIONS + 1))
