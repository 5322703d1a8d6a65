"""Segment, pause, resume and stop, and how far the fit is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QKeySequence, QMouseEvent
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QShortcut,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from napari_metaseg.panel.progress_words import STAGES, words_of
from napari_metaseg.run.status import State

if TYPE_CHECKING:
    from napari_metaseg.run.job import Job

_SECOND = 1000
"""In ms."""
_FIRST_KEY, _STOP_KEY = "Ctrl+Return", "Ctrl+."


class RunControls(QWidget):
    """The buttons of a run, its progress, and a line about the device or what went wrong.

    A click is answered at once, and the button rests until the job's state follows.
    Ctrl+Return does what the first button does and Ctrl+. stops, anywhere in `parent`.

    Parameters
    ----------
    job : Job
    parent : QWidget, optional
    """

    segment_clicked = Signal()

    def __init__(self, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._ready = True
        # What was clicked and has not happened yet: "segment", "pause", "resume" or "stop".
        self._asked: str | None = None
        self._failure = ""

        self._segment = _Button("Segment")
        bold = self._segment.font()
        bold.setBold(True)
        self._segment.setFont(bold)
        self._pause = _Button("Pause")
        self._stop = _Button("Stop")
        self._stop.setToolTip(f"End the fit now and keep what there is ({_native(_STOP_KEY)})")
        self._bar = QProgressBar()
        self._bar.setAccessibleName("Progress of the segmentation")
        self._status = QLabel()
        self._status.setAccessibleName("Status of the segmentation")
        self._status.setWordWrap(True)
        self._status.setTextFormat(Qt.TextFormat.PlainText)

        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for button in (self._segment, self._pause, self._stop):
            button.setMinimumHeight(28)  # the same with the border that some themes add if disabled
            buttons.addWidget(button, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(buttons)
        layout.addWidget(self._bar)
        layout.addWidget(self._status)

        self._segment.clicked.connect(self._ask_to_segment)
        self._pause.clicked.connect(self._ask_to_pause_or_resume)
        self._stop.clicked.connect(self._ask_to_stop)
        for key, action in ((_FIRST_KEY, self._click_first), (_STOP_KEY, self._stop.click)):
            shortcut = QShortcut(QKeySequence(key), parent or self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(action)

        # Stages in which nothing is counted tell how long they have lasted.
        self._clock = QTimer(self)
        self._clock.setInterval(_SECOND)
        self._clock.timeout.connect(self._show_progress)

        self.set_ready(True, "")
        self._show_progress()
        job.state_changed.connect(self._on_state)
        job.progressed.connect(self._show_progress)
        job.device_changed.connect(self._show_progress)
        job.failed.connect(self._on_failure)

    def set_ready(self, ready: bool, why: str) -> None:
        """Allow or forbid *Segment*.

        Parameters
        ----------
        ready : bool
            Whether there is all that a segmentation needs.
        why : str
            What is missing, for the tooltip; ignored when ready.
        """
        self._ready = ready
        self._segment.setToolTip(f"Segment the scan ({_native(_FIRST_KEY)})" if ready else why)
        self._show_buttons()

    def _ask_to_segment(self) -> None:
        self._asked = "segment"
        self._show_buttons()
        self._segment.repaint()  # before the scan is looked at
        self.segment_clicked.emit()
        if not self._job.state.running:  # the scan was refused
            self._asked = None
            self._show_buttons()

    def _ask_to_pause_or_resume(self) -> None:
        paused = self._job.state is State.PAUSED
        self._asked = "resume" if paused else "pause"
        self._show_buttons()
        if paused:
            self._job.resume()
        else:
            self._job.pause()

    def _ask_to_stop(self) -> None:
        self._asked = "stop"
        self._show_buttons()
        self._job.stop()

    def _click_first(self) -> None:
        (self._pause if self._job.state.running else self._segment).click()

    def _on_state(self, state: State) -> None:
        # Stopping may lead through other states; any other wish is over with the next one.
        if not (self._asked == "stop" and state.running):
            self._asked = None
        if state.running:
            self._failure = ""
        if state in STAGES:
            self._clock.start()
        else:
            self._clock.stop()
        self._show_buttons()
        self._show_progress()

    def _on_failure(self, message: str) -> None:
        self._failure = message
        self._asked = None
        self._show_buttons()
        self._show_progress()

    def _show_buttons(self) -> None:
        state, asked = self._job.state, self._asked
        paused = state is State.PAUSED
        buttons = (self._segment, self._pause, self._stop)
        focused = next((button for button in buttons if button.hasFocus()), None)
        self._segment.setText("Starting…" if asked == "segment" else "Segment")
        self._segment.setEnabled(self._ready and asked is None)
        answers = {"pause": "Pausing…", "resume": "Resuming…"}
        self._pause.setText(answers.get(asked or "", "Resume" if paused else "Pause"))
        tip = "Go on with the fit" if paused else "Rest after the step under way"
        self._pause.setToolTip(f"{tip} ({_native(_FIRST_KEY)})")
        self._pause.setEnabled(asked is None and state in (State.FITTING, State.PAUSED))
        self._stop.setText("Stopping…" if asked == "stop" else "Stop")
        self._stop.setEnabled(asked != "stop" and state is not State.FINISHING)
        self._segment.setVisible(not state.running)
        self._pause.setVisible(state.running)
        self._stop.setVisible(state.running)
        if focused is not None and not (focused.isEnabled() and focused.isVisible()):
            # Qt has handed the keyboard on to a button that a second Space would press.
            self.setFocus()
        elif self.hasFocus() and self._pause.isEnabled():
            self._pause.setFocus()

    def _show_progress(self) -> None:
        state = self._job.state
        progress = None if state in STAGES else self._job.progress
        # It would paint itself at once, and with it, by software, the whole window once more.
        self._bar.setUpdatesEnabled(False)
        if progress is None:
            # Not Qt's busy bar: with software rendering it costs the engine a core.
            self._bar.setRange(0, 1)
            self._bar.setValue(0)
        else:
            self._bar.setRange(0, progress.iterations)
            done = state is State.DONE  # perhaps before the last iteration
            self._bar.setValue(progress.iterations if done else progress.iteration)
        self._bar.setFormat(words_of(state, progress, time.monotonic() - self._job.since))
        self._bar.setUpdatesEnabled(True)
        self._bar.setVisible(state is not State.IDLE)
        status = self._failure or self._job.device
        if status != self._status.text():
            self._status.setText(status)
            # Text that can be selected is painted again whenever anything in the panel is laid out.
            flags = Qt.TextInteractionFlag
            selectable = flags.TextSelectableByMouse if self._failure else flags.NoTextInteraction
            self._status.setTextInteractionFlags(selectable)
        self._status.setVisible(bool(status))


class _Button(QPushButton):
    """A push button that the second press of a double click does not press.

    The first may have put another button under the mouse.
    """

    @override
    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        pass


def _native(key: str) -> str:
    """A key combination as this system writes it."""
    return str(QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText))
