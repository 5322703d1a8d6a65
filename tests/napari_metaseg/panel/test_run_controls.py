from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_metaseg.panel.run_controls import RunControls
from napari_metaseg.run.job import Job
from napari_metaseg.run.status import Progress, State

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

LEFT = Qt.MouseButton.LeftButton


class RecordingJob(Job):
    """A job that notes what it was told and follows only when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    def stop(self) -> None:
        self.told.append("stop")

    def enter(self, state: State) -> None:
        self.since = time.monotonic()
        self.state = state
        self.state_changed.emit(state)


@pytest.fixture
def job() -> RecordingJob:
    return RecordingJob()


@pytest.fixture
def controls(qtbot: QtBot, job: Job) -> RunControls:
    controls = RunControls(job)
    qtbot.addWidget(controls)
    controls.show()
    return controls


def buttons(controls: RunControls) -> dict[str, QPushButton]:
    """The visible buttons by what is written on them."""
    return {b.text(): b for b in controls.findChildren(QPushButton) if b.isVisible()}


def bar(controls: RunControls) -> QProgressBar:
    return controls.findChild(QProgressBar)


def test_segment_is_the_only_button_until_something_runs(controls: RunControls) -> None:
    assert list(buttons(controls)) == ["Segment"]
    assert not bar(controls).isVisible()


def test_the_reason_why_segment_rests_is_its_tooltip(controls: RunControls) -> None:
    controls.set_ready(False, "Open a scan first.")
    segment = buttons(controls)["Segment"]
    assert not segment.isEnabled()
    assert segment.toolTip() == "Open a scan first."
    controls.set_ready(True, "")
    assert segment.isEnabled()
    assert "first" not in segment.toolTip()


def test_segment_rests_while_it_starts(
    qtbot: QtBot, job: RecordingJob, controls: RunControls
) -> None:
    written: list[str] = []

    def start() -> None:
        (segment,) = buttons(controls).values()
        written.append(segment.text())
        qtbot.mouseClick(segment, LEFT)
        job.enter(State.LOADING)

    controls.segment_clicked.connect(start)
    qtbot.mouseClick(buttons(controls)["Segment"], LEFT)
    assert written == ["Starting…"]
    assert list(buttons(controls)) == ["Pause", "Stop"]


def test_a_start_that_was_refused_can_be_tried_again(qtbot: QtBot, controls: RunControls) -> None:
    qtbot.mouseClick(buttons(controls)["Segment"], LEFT)
    assert buttons(controls)["Segment"].isEnabled()


def test_the_second_half_of_a_double_click_does_not_stop(
    qtbot: QtBot, job: RecordingJob, controls: RunControls
) -> None:
    controls.segment_clicked.connect(lambda: job.enter(State.LOADING))
    qtbot.mouseClick(buttons(controls)["Segment"], LEFT)
    qtbot.mouseDClick(buttons(controls)["Stop"], LEFT)  # where Segment was
    assert job.told == []
    qtbot.mouseClick(buttons(controls)["Stop"], LEFT)
    assert job.told == ["stop"]


def test_pressing_space_again_pauses_and_never_stops(
    qtbot: QtBot, job: RecordingJob, controls: RunControls
) -> None:
    def press_space() -> None:
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Space)

    controls.segment_clicked.connect(lambda: job.enter(State.LOADING))
    controls.activateWindow()
    segment = buttons(controls)["Segment"]
    segment.setFocus()
    qtbot.waitUntil(segment.hasFocus)
    press_space()
    press_space()
    assert job.told == []
    job.enter(State.FITTING)
    press_space()
    press_space()
    assert job.told == ["pause"]
    job.enter(State.DONE)
    press_space()
    assert job.state is State.DONE


def test_pause_is_answered_at_once_and_becomes_resume(
    qtbot: QtBot, job: RecordingJob, controls: RunControls
) -> None:
    job.enter(State.FITTING)
    qtbot.mouseClick(buttons(controls)["Pause"], LEFT)
    assert job.told == ["pause"]
    assert not buttons(controls)["Pausing…"].isEnabled()
    job.enter(State.PAUSED)
    qtbot.mouseClick(buttons(controls)["Resume"], LEFT)
    assert job.told == ["pause", "resume"]
    assert not buttons(controls)["Resuming…"].isEnabled()
    job.enter(State.FITTING)
    assert buttons(controls)["Pause"].isEnabled()


def test_stop_is_answered_at_once_and_until_the_fit_has_ended(
    qtbot: QtBot, job: RecordingJob, controls: RunControls
) -> None:
    job.enter(State.FITTING)
    qtbot.mouseClick(buttons(controls)["Stop"], LEFT)
    assert job.told == ["stop"]
    for state in (State.FITTING, State.FINISHING):
        job.enter(state)
        assert not buttons(controls)["Stopping…"].isEnabled()
        assert not buttons(controls)["Pause"].isEnabled()
    job.enter(State.STOPPED)
    assert buttons(controls)["Segment"].isEnabled()


def test_a_fit_that_is_pausing_can_still_be_stopped(
    qtbot: QtBot, job: RecordingJob, controls: RunControls
) -> None:
    job.enter(State.FITTING)
    qtbot.mouseClick(buttons(controls)["Pause"], LEFT)
    qtbot.mouseClick(buttons(controls)["Stop"], LEFT)
    assert job.told == ["pause", "stop"]


@pytest.mark.parametrize("state", [State.LOADING, State.ALIGNING, State.SEEING])
def test_before_the_fit_there_is_nothing_to_pause(
    job: RecordingJob, controls: RunControls, state: State
) -> None:
    job.enter(state)
    assert not buttons(controls)["Pause"].isEnabled()
    assert buttons(controls)["Stop"].isEnabled()


@pytest.mark.parametrize(
    ("state", "words"),
    [(State.LOADING, "Loading…"), (State.ALIGNING, "Aligning…"), (State.FINISHING, "Finishing…")],
)
def test_a_stage_without_a_count_says_its_name(
    job: RecordingJob, controls: RunControls, state: State, words: str
) -> None:
    job.progress = Progress(130, 130)
    job.enter(state)
    assert bar(controls).text() == words
    assert bar(controls).value() == 0


def test_a_stage_that_lasts_tells_its_seconds(
    qtbot: QtBot, job: RecordingJob, controls: RunControls
) -> None:
    job.enter(State.EXTRACTING)
    assert bar(controls).format() == "Finding the brain…"
    job.since -= 4
    qtbot.waitUntil(lambda: bar(controls).format() == "Finding the brain… 5 s", timeout=5000)
    job.enter(State.ALIGNING)
    assert bar(controls).format() == "Aligning…"


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(42, 130, 15.23, 5.8), "Iteration 42 of 130 · 15.2 it/s · 6 s left"),
        (Progress(42, 130, 0.4, 220), "Iteration 42 of 130 · 2.5 s/it · 3 min 40 s left"),
        (Progress(42, 9000, 1, 8958), "Iteration 42 of 9000 · 1.0 it/s · 2 h 29 min left"),
        (Progress(0, 130), "Iteration 0 of 130"),
    ],
)
def test_the_bar_says_how_far_the_fit_is(
    job: RecordingJob, controls: RunControls, progress: Progress, words: str
) -> None:
    job.enter(State.FITTING)
    job.progress = progress
    job.progressed.emit()
    assert bar(controls).text() == words
    assert (bar(controls).value(), bar(controls).maximum()) == (
        progress.iteration,
        progress.iterations,
    )


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.PAUSED, "Paused at iteration 42 of 130"),
        (State.STOPPED, "Stopped at iteration 42 of 130"),
        (State.FAILED, "Failed at iteration 42 of 130"),
        (State.DONE, "Done after 42 iterations"),
    ],
)
def test_the_bar_says_how_it_ended(
    job: RecordingJob, controls: RunControls, state: State, words: str
) -> None:
    job.progress = Progress(42, 130, 15, 6)
    job.enter(state)
    assert bar(controls).text() == words
    assert (bar(controls).value() == bar(controls).maximum()) == (state is State.DONE)


@pytest.mark.parametrize("message_first", [False, True])
def test_a_failure_is_told_until_the_next_run(
    job: RecordingJob, controls: RunControls, message_first: bool
) -> None:
    job.device = "CPU, 2 threads"
    job.enter(State.LOADING)
    status = controls.findChild(QLabel)
    assert status.text() == "CPU, 2 threads"
    if message_first:
        job.failed.emit("Not enough memory. Choose the CPU.")
    job.enter(State.FAILED)
    if not message_first:
        job.failed.emit("Not enough memory. Choose the CPU.")
    assert status.text() == "Not enough memory. Choose the CPU."
    assert status.textInteractionFlags() & Qt.TextInteractionFlag.TextSelectableByMouse
    assert buttons(controls)["Segment"].isEnabled()
    job.enter(State.LOADING)
    assert status.text() == "CPU, 2 threads"


def test_the_device_is_told_before_the_first_run(job: RecordingJob, controls: RunControls) -> None:
    job.device = "CPU, 2 threads"
    job.device_changed.emit()
    assert controls.findChild(QLabel).text() == "CPU, 2 threads"


def test_a_panel_that_is_opened_during_a_fit_shows_it(qtbot: QtBot, job: RecordingJob) -> None:
    job.state, job.progress = State.FITTING, Progress(42, 130)
    controls = RunControls(job)
    qtbot.addWidget(controls)
    controls.show()
    assert list(buttons(controls)) == ["Pause", "Stop"]
    assert bar(controls).text() == "Iteration 42 of 130"


def test_the_shortcuts_work_in_the_whole_panel(qtbot: QtBot, job: RecordingJob) -> None:
    panel = QWidget()
    controls, other = RunControls(job, panel), QPushButton("Elsewhere")
    layout = QVBoxLayout(panel)
    layout.addWidget(controls)
    layout.addWidget(other)
    qtbot.addWidget(panel)
    panel.show()
    panel.activateWindow()
    other.setFocus()
    qtbot.waitUntil(other.hasFocus)
    job.enter(State.FITTING)
    qtbot.keyClick(other, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(other, Qt.Key.Key_Period, Qt.KeyboardModifier.ControlModifier)
    assert job.told == ["pause", "stop"]


def test_everything_fits_into_a_narrow_panel(job: RecordingJob, controls: RunControls) -> None:
    job.progress = Progress(4999, 5000, 150.2, 3599)
    job.enter(State.FITTING)
    words = controls.fontMetrics().horizontalAdvance(bar(controls).text())
    assert max(controls.minimumSizeHint().width(), words) <= 362
