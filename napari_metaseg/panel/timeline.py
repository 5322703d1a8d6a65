"""The timeline of a fit: a slider through its iterations, with buttons to play and keep them."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QShortcut, QVBoxLayout, QWidget
from typing_extensions import override

from napari_metaseg.panel.slider import IterationSlider
from napari_metaseg.panel.transport_button import BACK, NEXT, PAUSE, PLAY, TransportButton

if TYPE_CHECKING:
    from napari_metaseg.run.job import Job

_PLAY_INTERVAL = 125  # ms between two iterations
_PATIENCE = 250  # ms of decoding that are not worth a word: the text would flicker


class Timeline(QWidget):
    """A slider over the stored iterations, with play, *Live* and *Keep this iteration*.

    Left and Right, Home and End work while the keyboard is in it, and Space plays or pauses.

    Parameters
    ----------
    job : Job
    parent : QWidget, optional

    Attributes
    ----------
    keep_clicked : Signal
        The iteration that is shown, `job.shown`, should be kept.
    """

    keep_clicked = Signal()

    def __init__(self, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._stored = job.iterations
        # Iterations that were asked for and may still come to the screen; the last is wanted.
        self._asked: list[int] = []

        self._slider = IterationSlider()
        self._back = TransportButton(BACK, "Previous iteration", "Left")
        self._play = TransportButton(PLAY, "Play", "Space")
        self._next = TransportButton(NEXT, "Next iteration", "Right")
        for button in (self._back, self._next):
            button.setAutoRepeat(True)
        self._live = _wide_button("Live", "Show each new iteration as soon as there is one")
        self._live.setCheckable(True)
        self._label = QLabel()
        self._label.setMinimumWidth(1)  # a long text must not widen the panel
        self._suggested = _link("Show the suggested iteration, ▾ above the slider")
        self._keep = _wide_button(
            "Keep this iteration", "Make a labels layer of the iteration that is shown, to paint on"
        )
        self._player = QTimer(self)
        self._player.setInterval(_PLAY_INTERVAL)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFocusProxy(self._slider)
        self._lay_out()
        self._connect()
        self._add_shortcuts()
        self._show()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(2)
        for button in (self._back, self._play, self._next):
            row.addWidget(button)
        row.addSpacing(4)
        row.addWidget(self._slider, stretch=1)
        row.addSpacing(4)
        row.addWidget(self._live)
        below = QHBoxLayout()
        below.setSpacing(2)
        below.addWidget(self._label)
        below.addWidget(self._suggested)
        below.addStretch()
        below.addWidget(self._keep)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addLayout(below)

    def _connect(self) -> None:
        self._slider.valueChanged.connect(self._go_to)
        self._slider.sliderReleased.connect(self._show)
        self._slider.mark_clicked.connect(self._go_to_suggested)
        self._suggested.clicked.connect(self._go_to_suggested)
        self._back.clicked.connect(self._go_back)
        self._next.clicked.connect(self._go_on)
        self._play.clicked.connect(self._play_or_pause)
        self._live.clicked.connect(self._follow)
        self._keep.clicked.connect(self.keep_clicked)
        self._player.timeout.connect(self._play_on)
        self._patience.timeout.connect(self._show_label)
        self._job.iterations_changed.connect(self._on_iterations)
        self._job.shown_changed.connect(self._on_shown)
        self._job.following_changed.connect(self._on_following)

    def _add_shortcuts(self) -> None:
        """Have the arrow keys step wherever the keyboard is: a button would move it on at them.

        Space is no shortcut: it presses the button that has the keyboard.
        """
        keys = {
            Qt.Key.Key_Left: self._go_back,
            Qt.Key.Key_Right: self._go_on,
            Qt.Key.Key_Home: self._go_to_first,
            Qt.Key.Key_End: self._go_to_last,
        }
        for key, action in keys.items():
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(action)

    # What the user asks for

    @override
    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        assert event is not None
        if event.key() == Qt.Key.Key_Space:
            self._play_or_pause()
        else:
            super().keyPressEvent(event)

    def _go_back(self) -> None:
        self._go_to(self._position - 1)

    def _go_on(self) -> None:
        self._go_to(self._position + 1)

    def _go_to_first(self) -> None:
        self._go_to(0)

    def _go_to_last(self) -> None:
        self._go_to(len(self._stored) - 1)

    def _go_to_suggested(self) -> None:
        if self._job.suggested is not None:
            self._go_to(self._nearest(self._job.suggested))

    def _go_to(self, position: int) -> None:
        self._pause()
        self._ask(position)

    def _follow(self) -> None:
        self._pause()
        self._asked.clear()
        self._job.follow()
        self._show()

    def _ask(self, position: int) -> None:
        """Have the iteration at a position of the slider shown."""
        if not self._stored:
            return
        iteration = self._stored[min(max(position, 0), len(self._stored) - 1)]
        if iteration == self._wanted:
            return
        if not self._asked:
            self._patience.start()
        self._asked.append(iteration)
        if iteration == self._job.shown:
            self._asked.clear()
        self._job.show(iteration)
        self._show()

    # Playing

    def _play_or_pause(self) -> None:
        if self._player.isActive():
            self._pause()
        elif self._stored:
            if self._job.shown is None or self._position == len(self._stored) - 1:
                self._ask(0)
            self._player.start()
            self._play.show_as(PAUSE, "Pause")

    def _pause(self) -> None:
        self._player.stop()
        self._play.show_as(PLAY, "Play")

    def _play_on(self) -> None:
        if self._asked:
            return  # never ahead of what is decoded
        if self._position < len(self._stored) - 1:
            self._ask(self._position + 1)
        else:
            self._pause()

    # What the job says

    def _on_iterations(self) -> None:
        if self._wanted not in self._job.iterations:
            self._asked.clear()  # it is no longer stored, and will not come
        if not self._job.iterations:
            self._pause()
        self._show()

    def _on_shown(self) -> None:
        shown = self._job.shown
        if shown in self._asked[:-1]:
            del self._asked[: self._asked.index(shown) + 1]
        else:
            # What was wanted is there, or something that another widget or the fit wanted.
            self._asked.clear()
        self._show()

    def _on_following(self, following: bool) -> None:
        if following:
            self._pause()
        self._show()

    # What is shown

    def _short(self, iteration: int | None) -> str:
        """A number alone for an iteration of the fit."""
        return (
            ""
            if iteration is None
            else self._job.strokes.name_of(iteration).split("iteration ")[-1]
        )

    @property
    def _wanted(self) -> int | None:
        return self._asked[-1] if self._asked else self._job.shown

    @property
    def _position(self) -> int:
        """Where the slider should stand."""
        return 0 if self._wanted is None else self._nearest(self._wanted)

    def _nearest(self, iteration: int) -> int:
        """Position of the stored iteration that is nearest to this one."""
        right = bisect_left(self._stored, iteration)
        near = range(max(right - 1, 0), min(right + 1, len(self._stored)))
        return min(near, key=lambda i: abs(self._stored[i] - iteration), default=0)

    def _show(self) -> None:
        job = self._job
        if not self._slider.isSliderDown():
            # Not while it is dragged: with a longer range the handle would leave the mouse.
            self._stored = job.iterations
            marked = None if job.suggested is None else self._nearest(job.suggested)
            strokes = job.strokes.iterations
            self._slider.show_position(self._stored, self._position, marked, strokes)
        for widget in (self._slider, self._back, self._play, self._next, self._live):
            widget.setEnabled(bool(self._stored))
        self._live.setChecked(job.following)
        self._keep.setEnabled(job.shown is not None)
        self._show_label()

    def _show_label(self) -> None:
        job = self._job
        decoding = bool(self._asked) and not self._patience.isActive()
        suggests = not (decoding or job.shown is None or job.suggested in (None, job.shown))
        if not self._stored:
            text = "No iterations yet"
        elif job.shown is None:
            text = "Decoding …"
        elif decoding:
            text = f"{self._short(job.shown)}, decoding {self._short(self._wanted)} …"
        elif job.shown == job.suggested:
            text = f"{job.strokes.name_of(job.shown).capitalize()} (suggested)"
        else:
            text = job.strokes.name_of(job.shown).capitalize()
        self._label.setText(text)
        # Short, with the mark that it has above the slider: a number must never be cut off.
        self._suggested.setText(f"▾ {self._short(job.suggested)}")
        self._suggested.setVisible(suggests)


def _wide_button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setMinimumHeight(26)  # some themes give a disabled button a border
    return button


def _link(tip: str) -> QPushButton:
    """A button that looks like a link."""
    button = QPushButton()
    button.setStyleSheet(
        "QPushButton { background: none; border: none; padding: 0px; padding-left: 6px;"
        " text-decoration: underline }"
    )
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    button.setToolTip(tip)
    return button
