"""The table of structures, exact or estimated."""

from __future__ import annotations

import pytest

from napari_metaseg.run import pace
from napari_metaseg.run.status import State
from tests.helpers.watched_job import ITERATIONS


def test_what_stays_on_the_screen_is_counted_at_every_voxel(watcher, job) -> None:
    watcher.start()
    watcher.until_rest()
    table = job.table
    assert table.iteration == ITERATIONS
    labels = watcher.session.label_map(ITERATIONS)
    for row in table.rows:
        assert row.volume == pytest.approx((labels == row.id).sum() * 0.064)
        assert 0 < row.dice < 1


def test_a_change_is_counted_at_the_same_voxels_and_known_from_the_second_on(
    watcher, job, monkeypatch
) -> None:
    monkeypatch.setattr(pace, "REST_BEFORE_WHOLE", 1000.0)
    watcher.start()
    watcher.until_state(State.DONE)
    for iteration in (2, 9):
        job.show(iteration)
        watcher.until(lambda iteration=iteration: job.table.iteration == iteration)
    estimated = [row.change for row in job.table.rows]
    monkeypatch.setattr(pace, "REST_BEFORE_WHOLE", 0.0)
    watcher.until(lambda: job.table.exact)
    assert [row.change for row in job.table.rows] == estimated
    job.show(2)
    watcher.until(lambda: job.table.iteration == 2 and job.table.exact)
    two, nine = (watcher.session.label_map(iteration) for iteration in (2, 9))
    for row in job.table.rows:
        change = ((two == row.id).sum() - (nine == row.id).sum()) * 0.064
        assert row.change == pytest.approx(change)
