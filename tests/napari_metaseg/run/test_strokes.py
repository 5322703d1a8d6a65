"""Strokes become iterations of their own, one after another, and can be taken back."""

from __future__ import annotations

import numpy as np
import pytest

from napari_metaseg.run.region import WHOLE
from napari_metaseg.run.status import State
from src_core.correction.stroke import Stroke
from src_core.io.labels import Structure
from tests.helpers.watched_job import ITERATIONS

CSF, WHITE_MATTER, LESION = 1, 3, 40


@pytest.fixture
def done(watcher, job):
    """A job that has fitted its scan, and is looked at everywhere."""
    watcher.start()
    watcher.until_state(State.DONE)
    watcher.until(lambda: job.shown == ITERATIONS)
    return watcher


def labels_at(watcher, job, iteration: int) -> np.ndarray:
    """Labels of all brain points at the iteration that is shown."""
    assert job.shown == iteration
    pictures, name = job.session.pictures, job.session.labels.name
    watcher.until(lambda: pictures.get(iteration, name, WHOLE) is not None)
    return pictures.get(iteration, name, WHOLE)


def voxels_of(watcher, job, label: int, count: int, skip: int = 0) -> np.ndarray:
    """Some voxels of the brain that have a label now."""
    chosen = np.flatnonzero(labels_at(watcher, job, job.shown) == label)[skip : skip + count]
    return job.session.pictures.regions.indices[chosen].astype(int)


def learned(watcher, job, count: int) -> None:
    watcher.until(lambda: len(job.strokes.iterations) == count and not job.strokes.busy)
    watcher.until(lambda: job.shown == job.iterations[-1])


def painted(job, voxels: np.ndarray) -> set[int]:
    """What stands at voxels at the iteration that is shown."""
    return set(job.session.label_map(job.shown)[tuple(voxels.T)].tolist())


def whole(watcher, job) -> None:
    watcher.until(lambda: job.table is not None and job.table.exact)


def test_a_stroke_leads_to_an_iteration_after_the_fit_s(done, job) -> None:
    voxels = voxels_of(done, job, CSF, 30)
    job.strokes.paint(Stroke(voxels, np.full(30, WHITE_MATTER)))
    learned(done, job, 1)
    assert job.iterations[-1] > ITERATIONS
    assert job.suggested == job.iterations[-1]
    whole(done, job)
    assert painted(job, voxels) == {WHITE_MATTER}
    assert job.strokes.name_of(job.shown) == "stroke 1"
    assert job.strokes.name_of(3) == "iteration 3"


def test_strokes_that_come_while_one_is_learned_wait_and_are_learned_together(done, job) -> None:
    several = [voxels_of(done, job, CSF, 10, skip) for skip in (0, 10, 20)]
    for voxels in several:
        job.strokes.paint(Stroke(voxels, np.full(10, WHITE_MATTER)))
    assert len(job.strokes.waiting) == 3
    learned(done, job, 2)
    assert not job.strokes.waiting
    whole(done, job)
    assert painted(job, np.concatenate(several)) == {WHITE_MATTER}


def test_of_two_strokes_over_one_voxel_the_later_counts(done, job) -> None:
    voxels = voxels_of(done, job, CSF, 10)
    for label in (WHITE_MATTER, 2):
        job.strokes.paint(Stroke(voxels, np.full(10, label)))
        learned(done, job, 1 if label == WHITE_MATTER else 2)
    whole(done, job)
    assert painted(job, voxels) == {2}


def test_what_is_taken_back_holds_again_or_is_forgotten(done, job) -> None:
    voxels = voxels_of(done, job, CSF, 20)
    before = labels_at(done, job, ITERATIONS)
    job.strokes.paint(Stroke(voxels[:10], np.full(10, WHITE_MATTER)))
    learned(done, job, 1)
    first = job.shown
    job.strokes.undo()
    done.until(lambda: job.shown == ITERATIONS)
    assert job.strokes.in_force == ()
    np.testing.assert_array_equal(labels_at(done, job, job.shown), before)
    job.strokes.redo()
    done.until(lambda: job.shown == first)
    job.show(ITERATIONS)  # scrubbing back takes it back too
    done.until(lambda: job.shown == ITERATIONS)
    job.strokes.paint(Stroke(voxels[10:], np.full(10, WHITE_MATTER)))
    learned(done, job, 1)
    assert first not in job.iterations
    assert job.strokes.position == 1
    job.strokes.redo()  # there is nothing to redo
    assert job.shown == job.iterations[-1]


def test_a_stroke_that_waits_is_taken_back_at_once(done, job) -> None:
    voxels = voxels_of(done, job, CSF, 10)
    job.strokes.paint(Stroke(voxels, np.full(10, WHITE_MATTER)))
    job.strokes.undo()
    assert job.strokes.waiting == ()
    done.poll_for(0.5)
    assert job.strokes.iterations == ()
    assert job.shown == ITERATIONS


def test_whoever_waits_for_a_stroke_that_is_taken_back_is_told(done, job) -> None:
    voxels = voxels_of(done, job, CSF, 10)
    job.strokes.paint(Stroke(voxels, np.full(10, WHITE_MATTER)))
    heard: list[bool] = []
    job.strokes.when_learned(lambda: heard.append(True))
    assert not heard
    job.strokes.undo()
    assert heard == [True]


def test_a_stroke_that_is_learned_goes_on_from_no_forgotten_one(done, job) -> None:
    first, second, third = (voxels_of(done, job, CSF, 10, skip) for skip in (0, 10, 20))
    job.strokes.paint(Stroke(first, np.full(10, WHITE_MATTER)))
    learned(done, job, 1)
    job.strokes.paint(Stroke(second, np.full(10, WHITE_MATTER)))
    job.show(ITERATIONS)
    job.strokes.paint(Stroke(third, np.full(10, WHITE_MATTER)))
    learned(done, job, 1)
    held = job.session.corrected.stroke(job.shown)
    assert {*map(tuple, held.voxels.tolist())} == {*map(tuple, [*second.tolist(), *third.tolist()])}


def test_strokes_of_a_pause_are_learned_anew_after_the_fit(watcher, job, steps) -> None:
    watcher.start()
    steps.allow(3)
    watcher.until(lambda: job.shown == 3)
    job.pause()
    steps.free()
    watcher.poll_for(0.2)
    voxels = voxels_of(watcher, job, CSF, 10)
    job.strokes.paint(Stroke(voxels, np.full(10, WHITE_MATTER)))
    learned(watcher, job, 1)
    job.resume()
    assert job.strokes.iterations == ()
    assert len(job.strokes.waiting) == 1
    watcher.until_state(State.DONE)
    learned(watcher, job, 1)
    whole(watcher, job)
    assert painted(job, voxels) == {WHITE_MATTER}
    assert job.iterations[-2] == ITERATIONS


def test_what_is_painted_outside_the_brain_is_kept_there(done, job) -> None:
    outside = np.argwhere(~job.session.prepared.mask)[:5]
    job.strokes.paint(Stroke(outside, np.full(5, WHITE_MATTER)))
    learned(done, job, 1)
    whole(done, job)
    assert painted(job, outside) == {WHITE_MATTER}


def test_a_structure_that_is_added_is_learned_and_counted(done, job) -> None:
    job.strokes.add_structure(Structure(LESION, "Lesion", (255, 0, 0)))
    assert job.table.rows[-1].name == "Lesion"
    assert job.table.rows[-1].volume == 0
    voxels = voxels_of(done, job, WHITE_MATTER, 30)
    job.strokes.paint(Stroke(voxels, np.full(30, LESION)))
    learned(done, job, 1)
    whole(done, job)
    assert painted(job, voxels) == {LESION}
    row = job.table.rows[-1]
    assert row.volume == row.change > 0
    assert not np.isnan(row.dice)  # there is a reference, which lacks it


def test_what_fails_waits_for_the_next_stroke(done, job, monkeypatch) -> None:
    from napari_metaseg.run.session import Session

    def fail(*_):
        raise RuntimeError("no luck")

    voxels, learn = voxels_of(done, job, CSF, 20), Session.learn
    monkeypatch.setattr(Session, "learn", fail)
    job.strokes.paint(Stroke(voxels[:10], np.full(10, WHITE_MATTER)))
    heard: list[bool] = []
    job.strokes.when_learned(lambda: heard.append(True))
    done.until(lambda: done.failures)
    assert heard == [True]
    assert len(job.strokes.waiting) == 1
    monkeypatch.setattr(Session, "learn", learn)
    job.strokes.paint(Stroke(voxels[10:], np.full(10, WHITE_MATTER)))
    learned(done, job, 1)
    whole(done, job)
    assert painted(job, voxels) == {WHITE_MATTER}


def test_without_a_scan_there_is_nothing_to_learn(job) -> None:
    job.strokes.paint(Stroke(np.zeros((1, 3), int), np.ones(1, int)))
    job.strokes.undo()
    job.strokes.redo()
    assert job.strokes.waiting == job.strokes.iterations == ()
