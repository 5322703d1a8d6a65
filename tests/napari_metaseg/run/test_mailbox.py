"""News between the threads: what comes too late is not told."""

from __future__ import annotations

from napari_metaseg.run.status import State
from tests.helpers.watched_job import PATIENCE, note_call


def test_stopping_before_the_first_picture_was_taken_leaves_nothing(
    watcher, job, steps, monkeypatch
) -> None:
    session_told = note_call(monkeypatch, "tell_of", lambda *_, **news: "session" in news)
    watcher.start()
    assert session_told.wait(PATIENCE)
    job.stop()
    watcher.poll_for(0.05)
    assert job.session is None
    assert watcher.sessions == []
    assert job.state is State.STOPPED


def test_clearing_while_there_is_news_forgets_the_news(watcher, job, steps, monkeypatch) -> None:
    watcher.start()
    watcher.until_state(State.FITTING)
    step_told = note_call(monkeypatch, "tell_step")
    steps.allow()
    assert step_told.wait(PATIENCE)
    job.clear()
    watcher.poll_for(0.02)
    assert job.state is State.IDLE
    assert (job.iterations, job.curve, job.suggested) == ((), [], None)
