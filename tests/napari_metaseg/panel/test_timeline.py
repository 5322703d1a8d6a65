from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QLabel, QPushButton, QSlider, QWidget

from napari_metaseg.panel.timeline import Timeline
from napari_metaseg.run.job import Job

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton


class SlowJob(Job):
    """A job that notes what it should show, and shows it when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def show(self, iteration: int) -> None:
        self.asked.append(iteration)
        self.set_following(False)

    def follow(self) -> None:
        self.set_following(True)

    def set_following(self, following: bool) -> None:
        self.following = following
        self.following_changed.emit(following)

    def decode(self, iteration: int) -> None:
        self.shown = iteration
        self.shown_changed.emit()

    def store(self, *iterations: int, suggested: int | None = None) -> None:
        self.iterations, self.suggested = iterations, suggested
        self.iterations_changed.emit()


@pytest.fixture
def job() -> SlowJob:
    """Iterations 0, 2, 10, 50 and 130 are stored, the third is on the screen."""
    job = SlowJob()
    job.iterations, job.suggested, job.shown = (0, 2, 10, 50, 130), 50, 10
    job.following = False
    return job


@pytest.fixture
def timeline(qtbot: QtBot, job: SlowJob) -> Timeline:
    timeline = Timeline(job)
    timeline.resize(362, timeline.sizeHint().height())
    qtbot.addWidget(timeline)
    with qtbot.waitActive(timeline, timeout=10_000):  # keys reach the active window only
        timeline.show()
        timeline.activateWindow()
    return timeline


def slider(timeline: Timeline) -> QSlider:
    return timeline.findChild(QSlider)


def button(timeline: Timeline, name: str) -> QPushButton:
    (found,) = (
        b for b in timeline.findChildren(QPushButton) if name in (b.accessibleName(), b.text())
    )
    return found


def names(timeline: Timeline) -> list[str]:
    return [b.accessibleName() for b in timeline.findChildren(QPushButton)]


def words(timeline: Timeline) -> str:
    """What is written below the slider, but for the button."""
    label = timeline.findChild(QLabel).text()
    links = [b.text() for b in timeline.findChildren(QPushButton) if "▾" in b.text()]
    return " ".join([label, *(text for text in links if button(timeline, text).isVisible())])


def place(timeline: Timeline, position: int) -> QPoint:
    """Where the middle of the handle is at a position."""
    left, length = slider(timeline)._track()
    return QPoint(left + length * position // slider(timeline).maximum(), 15)


def move_mouse(widget: QWidget, place: QPoint, button: Qt.MouseButton = NONE) -> None:
    """Move the mouse with a button held; Qt's own test function moves the real pointer."""
    local, everywhere = QPointF(place), QPointF(widget.mapToGlobal(place))
    kind, keys = QEvent.Type.MouseMove, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(widget, QMouseEvent(kind, local, everywhere, NONE, button, keys))


def test_the_slider_goes_through_positions_and_the_text_says_the_iteration(
    timeline: Timeline,
) -> None:
    assert (slider(timeline).value(), slider(timeline).maximum()) == (2, 4)
    assert words(timeline) == "Iteration 10 ▾ 50"


def test_without_iterations_there_is_nothing_to_press(qtbot: QtBot) -> None:
    timeline = Timeline(Job())
    qtbot.addWidget(timeline)
    assert not any(b.isEnabled() for b in timeline.findChildren(QPushButton) if b.isVisible())
    assert not button(timeline, "Keep this iteration").isEnabled()
    assert words(timeline) == "No iterations yet"


def test_new_iterations_and_what_is_shown_move_the_handle_but_ask_for_nothing(
    job: SlowJob, timeline: Timeline
) -> None:
    job.decode(50)
    assert slider(timeline).value() == 3
    job.store(0, 10, 50, 130, 140, suggested=140)
    assert slider(timeline).value() == 2
    job.decode(140)
    assert (slider(timeline).value(), words(timeline)) == (4, "Iteration 140 (suggested)")
    job.store()
    assert not slider(timeline).isEnabled()
    assert job.asked == []


@pytest.mark.parametrize(
    ("name", "asked"), [("Previous iteration", 2), ("Next iteration", 50), ("▾ 50", 50)]
)
def test_buttons_ask_for_an_iteration(
    qtbot: QtBot, job: SlowJob, timeline: Timeline, name: str, asked: int
) -> None:
    qtbot.mouseClick(button(timeline, name), LEFT)
    assert job.asked == [asked]


@pytest.mark.parametrize(
    ("key", "asked"),
    [
        (Qt.Key.Key_Left, [2, 0]),
        (Qt.Key.Key_Right, [50, 130]),
        (Qt.Key.Key_Home, [0]),
        (Qt.Key.Key_End, [130]),
    ],
)
def test_keys_step_through_the_iterations_wherever_the_focus_is(
    qtbot: QtBot, job: SlowJob, timeline: Timeline, key: Qt.Key, asked: list[int]
) -> None:
    for focused in (slider(timeline), button(timeline, "Live")):
        focused.setFocus()
        for _ in range(3):
            qtbot.keyClick(focused, key)
        assert job.asked == asked
        job.asked.clear()
        job.decode(asked[-1])
        job.decode(10)


def test_the_text_says_what_is_shown_while_another_is_decoded(
    qtbot: QtBot, job: SlowJob, timeline: Timeline
) -> None:
    qtbot.mouseClick(button(timeline, "Next iteration"), LEFT)
    assert slider(timeline).value() == 3
    assert words(timeline) == "Iteration 10 ▾ 50"  # short waits are not worth a word
    qtbot.waitUntil(lambda: words(timeline) == "10, decoding 50 …", timeout=2000)
    job.decode(50)
    assert words(timeline) == "Iteration 50 (suggested)"


def test_a_click_beside_the_handle_jumps_there(
    qtbot: QtBot, job: SlowJob, timeline: Timeline
) -> None:
    qtbot.mouseClick(slider(timeline), LEFT, pos=place(timeline, 4))
    qtbot.mouseClick(slider(timeline), LEFT, pos=place(timeline, 1))
    assert job.asked == [130, 2]


def test_the_handle_stays_under_the_mouse_while_it_is_dragged(
    qtbot: QtBot, job: SlowJob, timeline: Timeline
) -> None:
    handle = slider(timeline)
    qtbot.mousePress(handle, LEFT, pos=place(timeline, 2))
    move_mouse(handle, place(timeline, 3), LEFT)
    move_mouse(handle, place(timeline, 4), LEFT)
    assert job.asked == [50, 130]
    job.decode(50)
    job.store(0, 2, 10, 50, 130, 131, 132)
    assert (handle.value(), handle.maximum()) == (4, 4)
    qtbot.mouseRelease(handle, LEFT, pos=place(timeline, 4))
    assert (handle.value(), handle.maximum()) == (4, 6)
    assert "50" in words(timeline)
    job.decode(130)
    assert words(timeline) == "Iteration 130"
    assert job.asked == [50, 130]


def test_the_handle_waits_where_it_was_let_go_until_that_iteration_is_shown(
    qtbot: QtBot, job: SlowJob, timeline: Timeline
) -> None:
    for _ in range(2):
        qtbot.keyClick(slider(timeline), Qt.Key.Key_Right)
    job.decode(50)  # asked for on the way
    assert slider(timeline).value() == 4
    job.decode(0)  # by a click on the curves
    assert slider(timeline).value() == 0


def test_going_back_to_what_is_shown_ends_the_wait(
    qtbot: QtBot, job: SlowJob, timeline: Timeline
) -> None:
    qtbot.keyClick(slider(timeline), Qt.Key.Key_Right)
    qtbot.keyClick(slider(timeline), Qt.Key.Key_Left)
    assert job.asked == [50, 10]
    qtbot.wait(300)
    assert words(timeline) == "Iteration 10 ▾ 50"


def test_an_iteration_that_is_no_longer_stored_is_not_waited_for(
    qtbot: QtBot, job: SlowJob, timeline: Timeline
) -> None:
    qtbot.keyClick(slider(timeline), Qt.Key.Key_Left)
    job.store(0, 10, 130, suggested=130)
    assert slider(timeline).value() == 1
    qtbot.wait(300)
    assert words(timeline) == "Iteration 10 ▾ 130"


def test_a_click_on_the_mark_shows_the_suggested_iteration(
    qtbot: QtBot, job: SlowJob, timeline: Timeline
) -> None:
    above = QPoint(place(timeline, 3).x() + 4, 4)
    move_mouse(slider(timeline), above)
    assert slider(timeline).toolTip() == "Suggested iteration 50"
    qtbot.mouseClick(slider(timeline), LEFT, pos=above)
    assert job.asked == [50]
    assert slider(timeline).value() == 3


def test_play_waits_for_each_iteration_and_stops_at_the_end(
    qtbot: QtBot, job: SlowJob, timeline: Timeline
) -> None:
    qtbot.keyClick(slider(timeline), Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: job.asked == [50], timeout=1000)
    qtbot.wait(300)
    assert job.asked == [50]
    assert "Pause" in names(timeline)
    job.decode(50)
    qtbot.waitUntil(lambda: job.asked == [50, 130], timeout=1000)
    job.decode(130)
    qtbot.waitUntil(lambda: "Play" in names(timeline), timeout=1000)
    qtbot.mouseClick(button(timeline, "Play"), LEFT)
    assert job.asked == [50, 130, 0]


@pytest.mark.parametrize("how", ["Space", "a click on the slider", "Live"])
def test_playing_ends_when_the_user_does_something_else(
    qtbot: QtBot, job: SlowJob, timeline: Timeline, how: str
) -> None:
    qtbot.mouseClick(button(timeline, "Play"), LEFT)
    if how == "Space":
        qtbot.keyClick(slider(timeline), Qt.Key.Key_Space)
    elif how == "Live":
        qtbot.mouseClick(button(timeline, "Live"), LEFT)
    else:
        qtbot.mouseClick(slider(timeline), LEFT, pos=place(timeline, 0))
        job.decode(0)
    asked = list(job.asked)
    qtbot.wait(300)
    assert job.asked == asked
    assert "Play" in names(timeline)


def test_live_is_pressed_while_the_newest_is_followed(
    qtbot: QtBot, job: SlowJob, timeline: Timeline
) -> None:
    live = button(timeline, "Live")
    assert not live.isChecked()
    for _ in range(2):  # a second click does not end it
        qtbot.mouseClick(live, LEFT)
        assert job.following
        assert live.isChecked()
    qtbot.keyClick(slider(timeline), Qt.Key.Key_Left)
    assert not live.isChecked()


def test_what_is_shown_can_be_kept(qtbot: QtBot, job: SlowJob, timeline: Timeline) -> None:
    keep = button(timeline, "Keep this iteration")
    with qtbot.waitSignal(timeline.keep_clicked, timeout=1000):
        qtbot.mouseClick(keep, LEFT)
    job.shown = None
    job.shown_changed.emit()
    assert not keep.isEnabled()


def test_everything_fits_into_a_narrow_panel(job: SlowJob, timeline: Timeline) -> None:
    job.store(0, 3456, 4999, suggested=1234)
    job.decode(3456)
    assert timeline.minimumSizeHint().width() <= 362
    timeline.resize(300, timeline.height())  # beside the scroll bar of the narrowest panel
    label = timeline.findChild(QLabel)
    assert label.width() >= label.sizeHint().width()  # or 3456 would be read as 345
