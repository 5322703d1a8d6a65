"""News between the threads: what comes too late is not told."""

from __future__ import annotations

import pytest

from napari_metaseg.run.mailbox import Mailbox, Superseded
from napari_metaseg.run.status import CurvePoint, Progress, State
from src_core.errors import InputError
from tests.helpers.watched_job import PATIENCE, note_call


def tell_step(mailbox: Mailbox, iteration: int, *, drawn: bool = False) -> None:
    """Tell of a step of the newest run."""
    mailbox.tell_step(
        mailbox.run, CurvePoint(iteration), Progress(iteration, 9), (0, iteration), drawn=drawn
    )


def test_only_the_newest_is_told_but_every_point_of_the_curve() -> None:
    mailbox = Mailbox()
    mailbox.tell_of(mailbox.run, state=State.LOADING)
    mailbox.tell_of(mailbox.run, state=State.FITTING)
    tell_step(mailbox, 1, drawn=True)
    tell_step(mailbox, 2)
    news = mailbox.take(0)
    assert (news.state, news.iterations, news.decoded) == (State.FITTING, (0, 2), True)
    assert news.progress == Progress(2, 9)
    assert [point.iteration for point in news.points] == [1, 2]
    assert mailbox.take(0).points == []


def test_the_window_calls_the_option_that_helps_by_its_title() -> None:
    mailbox = Mailbox()
    for error, said in (
        (InputError("half a brain; force it", option="force"), "force it (Despite faults)"),
        (RuntimeError("MPS backend out of memory"), "or compute on the CPU (Device)"),
        (InputError("a.nii exists", option="overwrite"), "a.nii exists"),
    ):
        mailbox.report(error)
        failure = mailbox.take(0).failure
        assert failure is not None
        assert failure.endswith(said)


def test_steps_wait_for_a_rest_and_come_with_whatever_cannot_wait() -> None:
    mailbox = Mailbox()
    tell_step(mailbox, 1)
    assert mailbox.take(1000.0).progress is not None  # the first news ever
    tell_step(mailbox, 2)
    assert mailbox.take(1000.0).progress is None
    mailbox.tell(decoded=True)
    assert mailbox.take(1000.0).progress == Progress(2, 9)


@pytest.mark.parametrize("keep", [True, False])
def test_a_run_that_was_stopped_tells_its_last_step_and_nothing_else(keep) -> None:
    mailbox = Mailbox()
    called: list[None] = []
    mailbox.tell_of(mailbox.run, state=State.FITTING, device="CPU")
    mailbox.call(lambda: called.append(None))
    mailbox.stop(keep=keep)
    with pytest.raises(Superseded):
        mailbox.tell_of(mailbox.run, state=State.FINISHING)
    mailbox.fail(mailbox.run, ValueError("too late"))
    tell_step(mailbox, 3)
    news = mailbox.take(0)
    assert (news.state, news.failure) == (None, None)
    assert news.device == ("CPU" if keep else None)
    assert news.iterations == (0, 3)
    assert len(news.calls) == 1


def test_a_run_that_another_one_follows_tells_nothing() -> None:
    mailbox = Mailbox()
    run = mailbox.run
    mailbox.tell_of(run, state=State.DONE)
    mailbox.call(lambda: None)
    mailbox.supersede()
    with pytest.raises(Superseded):
        mailbox.tell_of(run, notes=())
    with pytest.raises(Superseded):
        mailbox.tell_step(run, CurvePoint(1), Progress(1, 9), (0, 1), drawn=True)
    mailbox.fail(run, ValueError("too late"))
    assert not mailbox.counts(run)
    assert mailbox.counts(mailbox.run)
    news = mailbox.take(0)
    assert (news.state, news.failure, news.iterations) == (None, None, None)
    assert len(news.calls) == 1  # somebody still waits for it
    mailbox.call(lambda: None)
    mailbox.empty()
    assert mailbox.take(0).calls == []


def test_an_error_is_told_and_whoever_waits_is_called() -> None:
    mailbox = Mailbox()
    called: list[str] = []
    mailbox.report(ValueError("no such number"), lambda: called.append("otherwise"))
    mailbox.report(ValueError("another"))
    news = mailbox.take(0)
    assert news.failure == "ValueError: another"
    for call in news.calls:
        call()
    assert called == ["otherwise"]


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
